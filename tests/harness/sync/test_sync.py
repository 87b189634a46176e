"""Fivetran's loop around a function, exchange by exchange."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import sync
from harness.exchange import Exchange
from harness.project import Connection
from harness.protocol.messages import Answer
from harness.redact import Redactor
from harness.sync import Ended
from harness.warehouse import Warehouse

Replies = Iterable[dict[str, Any] | str | int]
LOST, BROKEN = "lost", 500
SCHEMA = {"thing": {"primary_key": ["id"]}}


class Scripted:
    """A function that gives one reply after the other."""

    name = "scripted"

    def __init__(self, replies: Replies) -> None:
        self.replies = iter(replies)
        self.requests: list[dict[str, Any]] = []

    def call(self, body: bytes) -> Answer:
        self.requests.append(json.loads(body))
        reply = next(self.replies)
        if reply == LOST:
            return Answer(0, "", b"", 0.1, lost=True, why="it got lost")
        if reply == BROKEN:
            return Answer(500, "", b"", 0.1, "Traceback\nValueError: oops")
        return Answer(200, "application/json", json.dumps(reply).encode(), 0.1)


class Run:
    """A finished run: its exchanges, how it ended, what was sent."""

    def __init__(self, tables: Warehouse, replies: Replies, **options: Any) -> None:
        self.slept: list[float] = []
        target = Scripted(replies)
        self.requests, self.exchanges = target.requests, list[Exchange]()
        connection = Connection("acme", {"apiToken": "s3cret-token"}, {"region": "eu"})
        running = sync.run(
            target, connection, Redactor(), tables, sleep=self.slept.append, **options
        )
        self.ended = sync.through(running, self.exchanges.append)

    @property
    def rule(self) -> str:
        return getattr(self.ended.error, "rule", "")


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[Warehouse]:
    with Warehouse(tmp_path / "warehouse.duckdb", schema="acme") as warehouse:
        yield warehouse


def reply(at: int, rows: int = 1, more: bool = True, **others: Any) -> dict[str, Any]:
    records = [{"id": at * 100 + number} for number in range(rows)]
    insert = {"thing": records} if rows else {}
    return {"state": {"at": at}, "insert": insert, "schema": SCHEMA, "hasMore": more, **others}


def test_it_calls_until_has_more_is_false_each_time_with_the_last_state(tables: Warehouse) -> None:
    run = Run(tables, [reply(1), reply(2), reply(3, more=False)])
    assert [request["state"] for request in run.requests] == [{}, {"at": 1}, {"at": 2}]
    assert [exchange.number for exchange in run.exchanges] == [1, 2, 3]
    assert [exchange.before for exchange in run.exchanges] == [{}, {"at": 1}, {"at": 2}]
    assert (run.ended, tables.state()) == (Ended("done"), {"at": 3})
    sent = run.requests[0]
    assert {request["sync_id"] for request in run.requests} == {str(uuid.UUID(sent["sync_id"]))}
    assert "setup_test" not in sent
    assert sent["agent"].startswith("Fivetran Azure Functions Connector/")
    assert (sent["secrets"], sent["customPayload"]) == (
        {"apiToken": "s3cret-token"},
        {"region": "eu"},
    )


def test_each_reply_is_applied_before_it_is_yielded(tables: Warehouse) -> None:
    target, seen = Scripted([reply(1), reply(2, more=False)]), []
    for exchange in sync.run(target, Connection("acme"), Redactor(), tables):
        seen.append((exchange.number, tables.state(), len(tables.rows("thing"))))
    assert seen == [(1, {"at": 1}, 1), (2, {"at": 2}, 2)]


def some(numbers: Iterable[int], **others: Any) -> list[dict[str, Any]]:
    return [reply(number, **{"rows": 0, **others}) for number in numbers]


LAST = reply(99, more=False)
DELETE = {"thing": [{"id": 100}]}
NO_KEY = {"thing": [{"name": "x"}]}


@pytest.mark.parametrize(
    ("replies", "reason", "rule"),
    [
        (some(range(1, 12)), "broken", "empty-streak"),
        ([*some(range(10)), reply(20), *some(range(30, 39)), LAST], "done", ""),
        ([*some(range(12), softDelete=["thing"]), LAST], "done", ""),
        ([reply(1), *some(range(2, 14), delete=DELETE), LAST], "done", ""),
        ([reply(1), reply(1)], "broken", "state-stuck"),
        ([reply(1), reply(2), reply(3), reply(1)], "broken", "state-stuck"),
        ([reply(1), [1]], "broken", "reply-shape"),
        ([reply(1), BROKEN], "broken", "http-status"),
        ([reply(1), {"insert": {}, "hasMore": True}], "broken", "reply-shape"),
        ([LOST, LOST, LOST], "failed", "no-reply"),
        ([reply(1), reply(2, insert=NO_KEY)], "broken", "record-without-key"),
    ],
)
def test_it_stops_where_fivetran_stops(
    tables: Warehouse, replies: Any, reason: str, rule: str
) -> None:
    run = Run(tables, replies)
    assert (run.ended.reason, run.rule) == (reason, rule), run.ended.error
    assert len(run.exchanges) == len(replies)


def test_a_reply_that_cannot_be_used_leaves_the_state_and_is_yielded(tables: Warehouse) -> None:
    failed = {"errorMessage": "upstream is down", "errorType": "Down", "state": {"at": 9}}
    run = Run(tables, [reply(1), {**failed, "hasMore": True}])
    assert (run.ended.reason, str(run.ended.error)) == ("failed", "upstream is down")
    assert (tables.state(), len(run.exchanges)) == ({"at": 1}, 2)
    assert run.exchanges[1].noticed is None
    error = Run(tables, [BROKEN]).ended.error
    assert error is not None and "ValueError: oops" in "".join(error.__notes__)


def test_a_reply_without_a_boolean_has_more_is_applied_and_ends_the_sync(
    tables: Warehouse,
) -> None:
    run = Run(tables, [{**reply(1), "hasMore": "true"}])
    assert (run.ended, tables.state()) == (Ended("done"), {"at": 1})
    assert len(tables.rows("thing")) == 1


def test_six_hours_end_a_sync_and_the_rest_waits(tables: Warehouse) -> None:
    ticks = iter(range(0, 10**6, 3600))
    run = Run(tables, map(reply, range(1, 99)), clock=lambda: float(next(ticks)))
    assert (run.ended.reason, len(run.exchanges), tables.state()) == ("hours", 7, {"at": 7})


def test_calls_end_it_early_and_the_next_sync_goes_on(tables: Warehouse) -> None:
    run = Run(tables, [reply(1), LOST, reply(2)], calls=2)
    assert (run.ended.reason, len(run.exchanges)) == ("calls", 3)
    assert Run(tables, [reply(3, more=False)]).requests[0]["state"] == {"at": 2}


def test_a_lost_reply_is_asked_for_again_with_the_same_state(tables: Warehouse) -> None:
    run = Run(tables, [reply(1), LOST, LOST, reply(2), LOST, reply(3, more=False)])
    assert [request["state"].get("at", 0) for request in run.requests] == [0, 1, 1, 1, 2, 2]
    assert [exchange.answer.lost for exchange in run.exchanges] == [
        *(False, True, True, False, True, False)
    ]
    assert (run.slept, run.ended.reason) == ([1.0, 2.0, 1.0], "done")


@pytest.mark.parametrize("first", [None, {"errorMessage": "no"}, BROKEN, LOST, [1]])
def test_any_failure_of_a_setup_test_is_tried_again_without_sync_id(first: Any) -> None:
    replies = [{"state": {}, "hasMore": False}]
    target = Scripted(replies if first is None else [first, *replies])
    exchanges = sync.setup_test(target, Connection("acme"), Redactor())
    sent = [(r["setup_test"], r.get("sync_id"), r["state"]) for r in target.requests]
    assert sent == [(True, "setup-test", {}), (True, None, {})][: len(sent)]
    failed = [sync.failure(exchange) is not None for exchange in exchanges]
    assert failed == ([False] if first is None else [True, False])
