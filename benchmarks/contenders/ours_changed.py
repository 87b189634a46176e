"""This project with a step that reads and changes every record."""

from __future__ import annotations

from connector import Fetch, Page

from benchmarks.contenders import ours
from benchmarks.meter import Meter, Task
from benchmarks.records import change


def transaction(fetch: Fetch) -> Page:
    """One page of transactions, each of them changed."""
    response = fetch.get(
        "/transactions",
        params={"updated_since": fetch.since, "cursor": fetch.token, "limit": fetch.page_size},
    )
    rows = [change(row) for row in response.json()["data"]]
    return Page(rows, next_token=response.value("next_cursor"))


def run(task: Task, meter: Meter) -> None:
    """One sync."""
    ours.run(task, meter, transaction)
