"""The hand-written loop, one page a reply: requests.Session, response.json(), json.dumps."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import requests

from benchmarks.meter import Meter, Task


def pages(task: Task) -> Callable[[str | None], requests.Response]:
    """Gets the page at a cursor."""
    session = requests.Session()
    session.headers["Authorization"] = "Bearer a-token-of-24-characters"

    def get(cursor: str | None) -> requests.Response:
        params = {"cursor": cursor, "limit": task.page_size}
        response = session.get(f"{task.base_url}/transactions", params=params, timeout=30)
        response.raise_for_status()
        return response

    return get


def run(task: Task, meter: Meter) -> None:
    """Read page after page."""
    walk(task, meter, requests.Response.json, lambda reply: json.dumps(reply).encode())


def walk(
    task: Task,
    meter: Meter,
    loads: Callable[[requests.Response], Any],
    dumps: Callable[[Any], bytes],
) -> None:
    """The loop, with a JSON library. To gather pages in larger replies would make it slower."""
    get, cursor, more = pages(task), None, True
    while more:
        page = loads(get(cursor))
        cursor = page["next_cursor"]
        more = bool(cursor)
        reply = {
            "state": {
                "transaction": max(row["updated_at"] for row in page["data"]),
                "page": cursor,
            },
            "insert": {"transaction": page["data"]},
            "schema": {"transaction": {"primary_key": ["id"]}},
            "hasMore": more,
        }
        meter.deliver(dumps(reply))
