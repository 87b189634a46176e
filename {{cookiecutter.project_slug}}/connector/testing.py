"""For tests of fetch steps: calls a step with a canned response; a clock that the test sets."""

from __future__ import annotations

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
from connector.http.client import Traffic
from connector.secrets import Redactor, Settings
from connector.source import Entity, Payload
from connector.step import Page
from connector.sync.state import State
from connector.sync.walk import Context, Walk

_MADE_UP = "made-up"
_MOST_REQUESTS = 1000  # of one page that one response answers


@dataclass(frozen=True)
class Reply:
    """A canned response of the upstream."""

    json: Any = None  # the body as Python values,
    body: bytes | None = None  # or as bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sent:
    """A request that a step made, without credentials."""

    method: str
    url: str  # the whole URL
    path: str
    params: dict[str, str]  # of the query
    headers: dict[str, str]
    body: bytes


class StepPage(Page):
    """What the step returned."""

    request: Sent  # the last one that the step made
    requests: list[Sent]  # all of them


def call_step(step: Callable[..., Page], reply: Any, **fetch: Any) -> StepPage:
    """Run one fetch step on one canned response, without a network and without waiting.

    Args:
        step: A function decorated with `@source.entity`.
        reply: What the upstream answers to each request: Python values (sent as JSON), bytes, or
            a `Reply`; a list of `Reply` answers one request after the other.
        **fetch: What the step gets: since, until, token, page_size, started, secrets, payload.

    Returns:
        The step's page, with `.request` to look at.

    Raises:
        TypeError: `step` is not a fetch step, or a name in `fetch` is unknown.
        AssertionError: It makes more requests than there are responses, or more than 1,000 for
            one response.
        Exception: Whatever the step raises.
    """
    entity = getattr(step, "entity", None)
    if not isinstance(entity, Entity):
        raise TypeError("call_step() takes a function that is decorated with @source.entity(...)")
    made_up = dict.fromkeys(entity.source.secrets, "made-up-secret")
    secrets = Settings("secret", {**made_up, **fetch.pop("secrets", {})})
    made_up = dict.fromkeys(entity.source.payload, _MADE_UP)
    payload = Settings("payload key", {**made_up, **fetch.pop("payload", {})})
    known = {"since", "until", "token", "page_size", "started"}
    if not fetch.keys() <= known:
        raise TypeError(f"call_step() knows {', '.join(sorted(known))}, secrets and payload")
    started = fetch.pop("started", None)
    sent: list[Sent] = []
    replies = _replies(reply)

    def send(request: requests.PreparedRequest, seconds: float) -> requests.Response:
        sent.append(_sent(request))
        answer = next(replies, None)
        assert answer is not None, (
            f"no reply is left for {request.method} {request.url} ({len(sent) - 1} requests before "
            "it): a step gets one page, and returns in next_token where the next one starts"
        )
        return _response(answer, request)

    source = copy(entity.source)
    source.auth = None
    start = entity.start
    if isinstance(start, Payload) and payload.get(start.key) == _MADE_UP:
        entity = replace(entity, start=None)
    # Retries of a canned response would wait for nothing.
    holds = isinstance(clock.current, HeldClock)
    with nullcontext() if holds else held_clock(clock.now()):
        state, redactor, budget = State({}, {}), Redactor(), Budget(60)
        walk = Walk(entity, Context(source, state, secrets, payload, redactor, budget, send))
        if started:
            fetch["started"] = started.timestamp()
        fields = {"entity": entity.name, "page": 1}
        page = walk.call_step(replace(walk.begin(), **fetch), Traffic(), fields)
    result = StepPage()
    result.__dict__.update(page.__dict__)
    result.requests = sent
    if sent:
        result.request = sent[-1]
    return result


class HeldClock(clock.SystemClock):
    """A clock that moves only when somebody advances it or sleeps."""

    def __init__(self, time: float) -> None:
        self.time = time  # epoch seconds
        self.slept: list[float] = []  # how long each sleep was

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
    """Replaces the clock: it starts at these epoch seconds, and nothing sleeps."""
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
    return repeat(value, _MOST_REQUESTS)


def _response(reply: Reply, request: requests.PreparedRequest) -> requests.Response:
    body = reply.body if reply.body is not None else codec.encode(codec.jsonable(reply.json))
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
