"""This project: whole calls through Azure's request until hasMore is false, on its defaults."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import azure.functions as func
import msgspec
from connector import BearerToken, Fetch, Page, Source, respond

from benchmarks.meter import Meter, Task

Step = Callable[[Fetch], Page]


class Head(msgspec.Struct):
    """What decides whether and how Fivetran calls again."""

    state: dict[str, Any]
    hasMore: bool
    errorMessage: str | None = None


def transaction(fetch: Fetch) -> Page:
    """One page of transactions changed since the cursor."""
    response = fetch.get(
        "/transactions",
        params={"updated_since": fetch.since, "cursor": fetch.token, "limit": fetch.page_size},
    )
    return Page(response.rows("data"), next_token=response.value("next_cursor"))


def run(task: Task, meter: Meter, step: Step = transaction) -> None:
    """One sync."""
    source = Source(base_url=task.base_url, auth=BearerToken("apiToken"), workers=task.workers)
    for number in range(task.entities):
        source.entity(
            f"transaction_{number}" if task.entities > 1 else "transaction",
            primary_key=["id"],
            cursor="updated_at",
            page_size=task.page_size,
        )(step)
    state: dict[str, Any] = {}
    more = True
    while more:
        sent = {
            "agent": "Fivetran Azure Functions Connector/bench",
            "state": state,
            "secrets": {"apiToken": "a-token-of-24-characters"},
            "sync_id": "11f09f50-5a1b-4c0e-9a4e-2f6f3f1f7b10",
        }
        body = json.dumps(sent).encode()
        request = func.HttpRequest("POST", "/api/bench", body=body)
        reply = respond(source, request).get_body()
        meter.deliver(reply)
        with meter.paused():
            head = msgspec.json.decode(reply, type=Head)
            if head.errorMessage:
                raise RuntimeError(head.errorMessage)
            state, more = head.state, head.hasMore
            del reply  # the memory of one call must not count in the next
