"""Fivetran's loop around a function."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.caller import Caller, setup_test
from harness.connection import Connection
from harness.errors import FunctionFailed, LostReply, ProtocolBroken
from harness.loop import Summary, Sync
from harness.state import StateFile
from harness.target import Answer
from harness.warehouse import Warehouse

Bodies = list[dict[str, Any] | LostReply]


class Scripted:
    """A function that answers what it was told, one after the other."""

    name = "scripted"

    def __init__(self, answers: Iterator[dict[str, Any] | LostReply]) -> None:
        self.answers = answers
        self.requests: list[dict[str, Any]] = []

    def call(self, body: bytes) -> Answer:
        self.requests.append(json.loads(body))
        answer = next(self.answers)
        if isinstance(answer, LostReply):
            raise answer
        return Answer(200, "application/json", json.dumps(answer).encode(), 0.1)


class Steps:
    """A clock that moves on by so many seconds at each look."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def caller(target: Scripted) -> tuple[Caller, list[float]]:
    slept: list[float] = []
    connection = Connection("acme", {"apiToken": "s"}, {"region": "eu"})
    return Caller(target, connection, sleep=slept.append), slept


def reply(at: int, rows: int = 1, more: bool = True) -> dict[str, Any]:
    found = [{"id": at * 100 + number} for number in range(rows)]
    return {"state": {"at": at}, "insert": {"thing": found} if rows else {}, "hasMore": more}


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[Warehouse]:
    with Warehouse(tmp_path / "warehouse.duckdb", schema="acme") as warehouse:
        yield warehouse


@pytest.fixture
def sync(tables: Warehouse, tmp_path: Path) -> Callable[..., tuple[Summary, Scripted]]:
    """Runs a sync of a scripted function."""

    def run(
        answers: Any, calls: int | None = None, clock: Callable[[], float] | None = None
    ) -> tuple[Summary, Scripted]:
        target = Scripted(iter(answers))
        file = StateFile(tmp_path / "state.json")
        reached, _ = caller(target)
        options = {"clock": clock} if clock else {}
        return Sync(reached, tables, file, tables.state(), **options).run(calls), target

    return run


def test_calls_until_has_more_is_false_each_with_the_state_of_the_last(sync: Any) -> None:
    summary, target = sync([reply(1), reply(2), reply(3, more=False)])
    assert [request["state"] for request in target.requests] == [{}, {"at": 1}, {"at": 2}]
    assert (summary.ended, summary.calls, summary.rows) == ("done", 3, 3)


def test_a_sync_has_one_uuid_and_says_nothing_of_a_setup_test(sync: Any) -> None:
    _, target = sync([reply(1), reply(2, more=False)])
    first, second = (request["sync_id"] for request in target.requests)
    assert first == second == str(uuid.UUID(first))
    assert "setup_test" not in target.requests[0]


def test_every_request_carries_agent_secrets_and_payload(sync: Any) -> None:
    _, target = sync([reply(1, more=False)])
    request = target.requests[0]
    assert request["agent"] == "Fivetran Azure Functions Connector/local_harness/acme"
    assert (request["secrets"], request["customPayload"]) == ({"apiToken": "s"}, {"region": "eu"})


def test_state_file_holds_exactly_the_state_of_the_last_reply(sync: Any, tmp_path: Path) -> None:
    sync([reply(1), reply(2, more=False)])
    assert json.loads((tmp_path / "state.json").read_text(encoding="utf-8")) == {"at": 2}


def test_the_eleventh_empty_reply_in_a_row_ends_it_with_fivetrans_reason(sync: Any) -> None:
    with pytest.raises(ProtocolBroken, match="11 empty replies in a row: Fivetran ends"):
        sync(reply(number, rows=0) for number in range(1, 20))


def test_ten_empty_replies_in_a_row_are_taken(sync: Any) -> None:
    empty = [reply(number, rows=0) for number in range(1, 11)]
    summary, _ = sync([*empty, reply(11), *empty, reply(99, more=False)])
    assert summary.ended == "done"


def test_marks_and_deletes_are_not_empty(sync: Any) -> None:
    schema = {"thing": {"primary_key": ["id"]}}
    marks = [
        {"state": {"at": n}, "softDelete": ["thing"], "schema": schema, "hasMore": True}
        for n in range(12)
    ]
    deletes = [
        {"state": {"b": n}, "delete": {"thing": [{"id": 1}]}, "schema": schema, "hasMore": n < 11}
        for n in range(12)
    ]
    first = {"state": {}, "insert": {"thing": [{"id": 1}]}, "schema": schema, "hasMore": False}
    sync([first])
    summary, _ = sync([*marks, *deletes])
    assert summary.marked["thing"] == summary.deleted["thing"] == 12


def test_six_hours_end_a_sync_and_the_rest_waits(sync: Any, tables: Warehouse) -> None:
    summary, _ = sync((reply(number) for number in range(1, 99)), clock=Steps(3600))
    assert (summary.ended, summary.calls) == ("hours", 7)
    assert tables.state() == {"at": 7}


def test_has_more_with_an_unmoved_state_ends_it(sync: Any) -> None:
    with pytest.raises(ProtocolBroken, match="the same again, without end"):
        sync([reply(1), reply(1)])


def test_error_message_stops_it_and_the_state_stays(sync: Any, tables: Warehouse) -> None:
    with pytest.raises(FunctionFailed, match="upstream is down"):
        sync([reply(1), {"errorMessage": "upstream is down", "state": {"at": 9}, "hasMore": True}])
    assert tables.state() == {"at": 1}


def test_calls_ends_it_early_and_the_next_sync_goes_on(sync: Any) -> None:
    summary, _ = sync([reply(1), reply(2)], calls=2)
    assert summary.ended == "calls"
    _, target = sync([reply(3, more=False)])
    assert target.requests[0]["state"] == {"at": 2}


def test_lost_replies_are_asked_for_again_with_the_same_state(
    tables: Warehouse, tmp_path: Path
) -> None:
    lost = LostReply("gone")
    target = Scripted(iter([reply(1), lost, lost, reply(2, more=False)]))
    reached, slept = caller(target)
    Sync(reached, tables, StateFile(tmp_path / "state.json"), {}).run()
    assert [request["state"] for request in target.requests] == [{}, *[{"at": 1}] * 3]
    assert slept == [1.0, 2.0]


def test_three_lost_replies_end_it(sync: Any) -> None:
    with pytest.raises(LostReply, match=r"gone \(3 tries\)"):
        sync([LostReply("gone")] * 3)


def test_setup_test_is_marked_as_one_and_starts_from_nothing() -> None:
    target = Scripted(iter([{"state": {}, "hasMore": False}]))
    _, _, first = setup_test(caller(target)[0])
    request = target.requests[0]
    assert (request["setup_test"], request["sync_id"], request["state"]) == (True, "setup-test", {})
    assert first is None


def test_setup_test_is_tried_again_without_sync_id() -> None:
    target = Scripted(iter([{"errorMessage": "no"}, {"state": {}, "hasMore": False}]))
    _, _, first = setup_test(caller(target)[0])
    assert str(first) == "no"
    assert "sync_id" not in target.requests[1]


def test_setup_test_fails_with_the_error_of_its_second_try() -> None:
    target = Scripted(iter([{"errorMessage": "one"}, {"errorMessage": "two"}]))
    with pytest.raises(FunctionFailed, match="two"):
        setup_test(caller(target)[0])


def test_setup_test_with_has_more_is_refused() -> None:
    target = Scripted(iter([{"state": {}, "hasMore": True}]))
    with pytest.raises(ProtocolBroken, match="hasMore is true in a setup test"):
        setup_test(caller(target)[0])
