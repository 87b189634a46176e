"""singer-sdk's RESTStream: iteration over decoded records, without messages."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from singer_sdk import Stream, Tap
from singer_sdk import typing as th
from singer_sdk.pagination import JSONPathPaginator
from singer_sdk.streams import RESTStream

from benchmarks.meter import Meter, Task

TEXT = th.StringType
SCHEMA = th.PropertiesList(
    th.Property("id", th.IntegerType, required=True),
    th.Property("updated_at", th.DateTimeType),
    th.Property("created_at", th.DateTimeType),
    th.Property("status", TEXT),
    th.Property("currency", TEXT),
    th.Property("amount", th.NumberType),
    th.Property(
        "customer", th.ObjectType(*(th.Property(n, TEXT) for n in ("number", "name", "country")))
    ),
    th.Property("active", th.BooleanType),
    th.Property("parent", TEXT),
    th.Property("tags", th.ArrayType(TEXT)),
    th.Property("note", TEXT),
).to_dict()


class Transactions(RESTStream[str]):
    """One page of transactions after the other."""

    name = "transaction"
    path = "/transactions"
    records_jsonpath = "$.data[*]"
    primary_keys = ("id",)
    replication_key = "updated_at"
    schema = SCHEMA

    @property
    def url_base(self) -> str:
        """The API's URL."""
        return str(self.config["url"])

    def get_new_paginator(self) -> JSONPathPaginator:
        """The next cursor is in the body."""
        return JSONPathPaginator("$.next_cursor")

    def get_url_params(self, context: Any, next_page_token: Any) -> dict[str, Any]:
        """The query of a page."""
        return {"cursor": next_page_token, "limit": self.config["limit"]}


class BenchTap(Tap):
    """A tap with one stream."""

    name = "tap-bench"
    config_jsonschema = th.PropertiesList(
        th.Property("url", TEXT), th.Property("limit", th.IntegerType)
    ).to_dict()

    def discover_streams(self) -> Sequence[Stream]:
        """The stream."""
        return [Transactions(self)]


def tap(task: Task) -> BenchTap:
    """The tap for a task."""
    return BenchTap(config={"url": task.base_url, "limit": task.page_size})


def run(task: Task, meter: Meter) -> None:
    """Iterate over every record."""
    found = tap(task).streams["transaction"].get_records(None)
    while page := list(islice(found, task.page_size)):
        meter.deliver(page)
