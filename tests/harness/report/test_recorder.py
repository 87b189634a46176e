"""The record of a run: complete, bounded, without secrets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.caller import Caller, Silent
from harness.connection import Connection
from harness.errors import FunctionFailed, LostReply
from harness.jsontext import dump
from harness.loop import Sync
from harness.recorder import MOST_STATE, Recorder
from harness.redact import Redactor
from harness.runs import Run, read
from harness.state import StateFile
from harness.target import Answer
from harness.warehouse import MOST_RUNS, Warehouse

SECRET = "s3cret-Ü&+/tökén"
SECONDS = 0.25  # that each call takes, by the clock of the test


class Counting:
    """A function that delivers one row a call, `calls` times; every nth reply is lost first."""

    name = "counting"

    def __init__(self, calls: int, lose: int = 0, size: int = 0, fail: bool = False) -> None:
        self._calls = calls
        self._lose = lose
        self._size = size
        self._fail = fail
        self._at = 0
        self._lost = False

    def call(self, body: bytes) -> Answer:
        """The next reply."""
        self._lost = bool(self._lose) and self._at % self._lose == 0 and not self._lost
        if self._lost:
            raise LostReply(f"gone with {SECRET}")
        self._at += 1
        reply: dict[str, Any] = {
            "state": {"at": self._at, "fill": "x" * self._size},
            "insert": {"thing": [{"id": self._at, "leak": SECRET}]},
            "schema": {"thing": {"primary_key": ["id"]}},
            "hasMore": self._at < self._calls,
        }
        if self._fail and self._at == self._calls:
            reply = {"errorMessage": f"refused {SECRET}", "stackTrace": [["a.py", 1, "f", SECRET]]}
        return Answer(200, "application/json", dump(reply).encode(), SECONDS)


class Clock:
    """Seconds that go on by the same step each time that somebody looks."""

    def __init__(self, step: float) -> None:
        self._step = step
        self._now = 0.0

    def __call__(self) -> float:
        self._now += self._step
        return self._now


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[Warehouse]:
    """An empty warehouse."""
    with Warehouse(tmp_path / "warehouse.duckdb", schema="acme") as tables:
        yield tables


def record(
    tables: Warehouse, folder: Path, target: Counting, *, step: float = 0.01, finish: bool = True
) -> tuple[Run, list[str]]:
    """Sync once; the record read again, and all that was written on the way."""
    caller = Caller(target, Connection("acme", {"apiToken": SECRET}), sleep=lambda _: None)
    work = Sync(caller, tables, StateFile(folder / "state.json"), {})
    written: list[str] = []

    def keep(began: str, text: str) -> None:
        written.append(text)
        tables.keep_run(began, text)

    recorder = Recorder(
        "sync", target.name, work.summary, keep, Silent(), Redactor([SECRET]), Clock(step)
    )
    caller.watcher = recorder
    try:
        with recorder:
            work.run()
    except FunctionFailed:
        pass
    if finish:
        recorder.finish({"findings": [{"what": f"a {SECRET}"}], "pages": 3})
    return read(tables.runs()[0]), written


def test_every_call_is_kept_with_what_it_brought(tables: Warehouse, tmp_path: Path) -> None:
    run, _ = record(tables, tmp_path, Counting(3))
    assert [(call.first, call.count, call.rows) for call in run.calls] == [
        (1, 1, 1),
        (2, 1, 1),
        (3, 1, 1),
    ]
    assert [call.seconds for call in run.calls] == [SECONDS] * 3
    assert (run.count, run.rows, run.ended, run.pages) == (3, 3, "done", 3)


def test_calls_follow_each_other_on_the_time_line(tables: Warehouse, tmp_path: Path) -> None:
    run, _ = record(tables, tmp_path, Counting(20), step=1.0)
    for before, after in zip(run.calls, run.calls[1:], strict=False):
        assert before.end <= after.start
        assert before.load > 0


def test_a_lost_reply_is_a_call_of_its_own(tables: Warehouse, tmp_path: Path) -> None:
    run, _ = record(tables, tmp_path, Counting(2, lose=1))
    assert [(call.first, call.count, call.outcome) for call in run.calls] == [
        (1, 0, "lost"),
        (1, 1, ""),
        (2, 0, "lost"),
        (2, 1, ""),
    ]
    assert run.calls[0].why == "gone with [secret]"


def test_a_failed_call_is_kept_with_its_error(tables: Warehouse, tmp_path: Path) -> None:
    run, _ = record(tables, tmp_path, Counting(2, fail=True))
    assert [call.outcome for call in run.calls] == ["", "failed"]
    assert run.ended == "error"
    assert run.error is not None
    assert run.error.message == "refused [secret]"
    assert run.error.trace == ["a.py:1 in f", "    [secret]"]


def test_many_calls_are_joined_and_none_is_lost(
    tables: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.recorder.MOST_CALLS", 4)
    calls = 27
    run, _ = record(tables, tmp_path, Counting(calls, lose=5))
    assert 4 <= len(run.calls) < 8
    assert sum(call.count for call in run.calls) == calls == run.count
    assert sum(call.rows for call in run.calls) == calls
    assert [call.first for call in run.calls] == sorted(call.first for call in run.calls)
    assert any(call.outcome == "lost" for call in run.calls)


def test_the_record_is_written_while_the_run_goes_on(tables: Warehouse, tmp_path: Path) -> None:
    run, written = record(tables, tmp_path, Counting(10), step=1.0, finish=False)
    assert len(written) > 3
    assert run.ended == "", "nobody has written how it ended"
    assert run.calls


def test_a_huge_state_is_left_out(tables: Warehouse, tmp_path: Path) -> None:
    run, _ = record(tables, tmp_path, Counting(1, size=MOST_STATE))
    assert len(bytes(run.state)) < 100
    assert b"too large" in bytes(run.state)


def test_no_secret_is_ever_written(tables: Warehouse, tmp_path: Path) -> None:
    for target in (Counting(5, lose=1), Counting(3, fail=True)):
        _, written = record(tables, tmp_path, target, step=1.0)
        assert "[secret]" in written[-1]
        assert not any(SECRET in text for text in written)


def test_the_last_runs_are_kept_alone(tables: Warehouse) -> None:
    for number in range(MOST_RUNS + 5):
        tables.keep_run(f"2026-01-01T00:00:{number:02}Z", f"run {number}")
    assert tables.runs() == [f"run {number}" for number in range(MOST_RUNS + 4, 4, -1)]


def test_a_record_of_another_version_is_no_obstacle(tables: Warehouse, tmp_path: Path) -> None:
    from harness.report.facts import gather

    record(tables, tmp_path, Counting(1))
    tables.keep_run("2999-01-01T00:00:00Z", '{"shape": "of the future"}')
    facts = gather(tables, Connection("acme"), Redactor(), "warehouse.duckdb")
    assert (len(facts.runs), facts.unread) == (1, 1)
