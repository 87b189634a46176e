"""Calls to connectors whose upstream is a real server on loopback, over the runtime's transport."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from connector import BearerToken, Fetch, Page, Source
from connector.sync.handler import handle

SECRETS = {"apiToken": "made-up-token-1"}


def source(url: str, **options: Any) -> Source:
    """A source without entities; one worker, so that requests come in order."""
    return Source(**{"base_url": url, "auth": BearerToken("apiToken"), "workers": 1, **options})


def reading(
    url: str,
    step: str | Callable[[Fetch], Page],
    entity: Mapping[str, Any] | None = None,
    **options: Any,
) -> Source:
    """A source with the entity `thing`: the rows at a path, or what the step makes of its fetch."""
    made = source(url, **options)

    def page(fetch: Fetch) -> Page:
        if callable(step):
            return step(fetch)
        return Page(fetch.get(step).rows("data"))

    made.entity("thing", **{"primary_key": ["id"], **(entity or {})})(page)
    return made


def call(source: Source, **request: Any) -> dict[str, Any]:
    """The reply to one call; `secrets`, `state`, `customPayload` … as in the protocol."""
    body = {"agent": "test", "state": {}, "secrets": SECRETS, **request}
    status, reply = handle(source, json.dumps(body).encode())
    assert status == 200
    decoded: dict[str, Any] = json.loads(reply)
    if "errorMessage" in decoded:
        assert decoded["state"] == body["state"], "an error moved the state"
        assert not decoded["hasMore"]
    return decoded


def rows(source: Source, **request: Any) -> list[dict[str, Any]]:
    """The rows of one call, which must not fail."""
    reply = call(source, **request)
    assert "errorMessage" not in reply, reply["errorMessage"]
    found: list[dict[str, Any]] = reply["insert"]["thing"]
    return found


def error(source: Source, **request: Any) -> str:
    """The error message of one call, which must fail."""
    reply = call(source, **request)
    assert "errorMessage" in reply, reply
    message: str = reply["errorMessage"]
    return message


def asked(url: str, ask: Callable[[Fetch], Any], **options: Any) -> Any:
    """What a step makes of its fetch; `secrets` and the like go into the call's request."""
    request = {name: options.pop(name) for name in ("secrets", "customPayload") if name in options}
    found: list[Any] = []

    def step(fetch: Fetch) -> Page:
        found.append(ask(fetch))
        return Page()

    reply = call(reading(url, step, **options), **request)
    assert "errorMessage" not in reply, reply["errorMessage"]
    return found[0]
