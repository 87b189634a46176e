"""For tests of fetch steps: one step on one canned response, and a clock that the test holds."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from copy import copy
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from msgspec.structs import replace
from urllib3 import HTTPResponse

from connector import clock, codec
from connector.budget import Budget
from connector.http.client import Client, Traffic
from connector.secrets import Redactor, Settings
from connector.source import Entity, Payload
from connector.step import Page
from connector.sync.state import State
from connector.sync.walk import Context, Walk

_MADE_UP = "made-up"


@dataclass(frozen=True)
class Reply:
    """A canned response of the upstream.

    Attributes:
        json: The body, as Python values; or
        body: the body as bytes.
        status: HTTP status.
        headers: HTTP headers.
    """

    json: Any = None
    body: bytes | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sent:
    """A request that a step made, without credentials.

    Attributes:
        method: HTTP method.
        url: Whole URL.
        path: Path of the URL.
        params: Query parameters.
        headers: HTTP headers.
        body: Body as bytes.
    """

    method: str
    url: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes


class StepPage(Page):
    """What the step returned.

    Attributes:
        request: The last request that the step made.
        requests: All of them.
    """

    request: Sent
    requests: list[Sent]


def call_step(step: Callable[..., Page], reply: Any, **fetch: Any) -> StepPage:
    """Run one fetch step on one canned response, without a network and without waiting.

    Args:
        step: A function decorated with `@source.entity`.
        reply: What the upstream answers to each request: Python values (sent as JSON), bytes, or
            a `Reply`; a list of `Reply` answers one request after the other.
        **fetch: What the step is given: since, until, token, page_size, started, secrets, payload.

    Returns:
        The step's page, with `.request` to look at.

    Raises:
        TypeError: `step` is not a fetch step, or a name in `fetch` is unknown.
        AssertionError: It makes more requests than there are responses.
        Exception: Whatever the step raises.
    """
    entity = getattr(step, "entity", None)
    if not isinstance(entity, Entity):
        raise TypeError("call_step() takes a function that is decorated with @source.entity(...)")
    secrets = Settings(
        "secret",
        {**dict.fromkeys(entity.source.secrets, "made-up-secret"), **fetch.pop("secrets", {})},
    )
    payload = Settings(
        "payload key",
        {**dict.fromkeys(entity.source.payload, _MADE_UP), **fetch.pop("payload", {})},
    )
    known = {"since", "until", "token", "page_size", "started"}
    if not fetch.keys() <= known:
        raise TypeError(f"call_step() knows {', '.join(sorted(known))}, secrets and payload")
    started = fetch.pop("started", None)
    sent: list[Sent] = []
    replies = _replies(reply)

    def send(request: requests.PreparedRequest, seconds: float) -> requests.Response:
        answer = next(replies, None)
        assert answer is not None, f"no reply is left for {request.method} {request.url}"
        sent.append(_sent(request))
        return _response(answer, request)

    source = copy(entity.source)
    source.auth = None
    # Retries of a canned response would wait for nothing.
    held = isinstance(clock.current, HeldClock)
    with nullcontext() if held else held_clock(clock.now()):
        redactor, budget = Redactor(), Budget(60)
        client = Client(source, secrets, payload, redactor, budget, send)
        context = Context(State({}, {}), client, secrets, payload, redactor, budget, None)
        start = entity.start
        if isinstance(start, Payload) and payload.get(start.key) == _MADE_UP:
            entity = dataclasses.replace(entity, start=None)
        walk = Walk(entity, context)
        given = {**fetch, "started": started.timestamp()} if started else fetch
        state = replace(walk.begin(), **given)
        page = walk.call_step(state, Traffic(), {"entity": entity.name, "page": 1})
    result = StepPage(page.rows, page.next_token, deleted=page.deleted, tables=page.tables)
    result.__dict__.update(page.__dict__)
    result.requests = sent
    if sent:
        result.request = sent[-1]
    return result


class HeldClock:
    """A clock that moves only when it is told to, or when somebody sleeps.

    Attributes:
        time: Epoch seconds.
        slept: How long each sleep was.
    """

    def __init__(self, time: float) -> None:
        self.time = time
        self.slept: list[float] = []

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.time

    def monotonic(self) -> float:
        """The same."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Move on at once."""
        self.slept.append(seconds)
        self.time += seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds


@contextmanager
def held_clock(time: float = 1_600_000_000.0) -> Iterator[HeldClock]:
    """Nothing sleeps while this is open, and the clock is the test's.

    Args:
        time: Epoch seconds to begin with.
    """
    before, clock.current = clock.current, HeldClock(time)
    try:
        yield clock.current
    finally:
        clock.current = before


def _replies(value: Any) -> Iterator[Reply]:
    if isinstance(value, list) and value and all(isinstance(one, Reply) for one in value):
        return iter(value)
    if not isinstance(value, Reply):
        value = Reply(body=value) if isinstance(value, bytes) else Reply(json=value)
    return repeat(value)


def _response(reply: Reply, request: requests.PreparedRequest) -> requests.Response:
    body = reply.body if reply.body is not None else codec.encode(codec.plain(reply.json))
    response = requests.Response()
    response.status_code = reply.status
    response.headers.update({"Content-Type": "application/json", **reply.headers})
    response.url, response.request = request.url or "", request
    response.raw = HTTPResponse(io.BytesIO(body), preload_content=False)
    return response


def _sent(request: requests.PreparedRequest) -> Sent:
    body = request.body or b""
    parts = urlsplit(request.url or "")
    return Sent(
        method=request.method or "",
        url=request.url or "",
        path=parts.path,
        params=dict(parse_qsl(parts.query, keep_blank_values=True)),
        headers=dict(request.headers),
        body=body.encode() if isinstance(body, str) else bytes(body),
    )
