"""The records of runs come back, and can be queried as tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import duckdb
from harness.warehouse.runs import MOST_RUNS, CallRecord, FindingRecord, Runs


def test_a_run_has_its_calls_findings_and_end(desk: Any) -> None:
    runs = Runs(desk.warehouse)
    run = runs.begin("resync", "fetch.py")
    calls = [CallRecord(1, 0.5, 1.25, 200, 10, 2**40, 3, 1, 0, True), CallRecord(2, 2.0, 0.0, 0)]
    for call in calls:
        runs.add_call(run, call)
    runs.add_finding(run, "state-stuck", "error", 2, [1, 2], "twice")
    (record,) = runs.last()
    assert (record.ended, record.calls) == ("", calls)  # as if it had been killed
    runs.end(run, "failed", "the disk is full", {"item": 3})
    (record,) = Runs(desk.warehouse).last()
    assert (record.id, record.command, record.target) == (run, "resync", "fetch.py")
    assert abs((datetime.now(UTC) - record.began).total_seconds()) < 60 > record.seconds > 0
    assert (record.ended, record.error) == ("failed", "the disk is full")
    assert record.unseen == {"item": 3}
    assert record.findings == [FindingRecord("state-stuck", "error", 2, [1, 2], "twice")]
    desk.warehouse.close()
    with duckdb.connect(str(desk.path)) as database:
        query = "SELECT command, number, status FROM _harness.runs JOIN _harness.calls ON run = id"
        assert database.execute(query).fetchall() == [("resync", 1, 200), ("resync", 2, 0)]


def test_the_last_runs_are_there_the_newest_first_until_reset(desk: Any) -> None:
    runs = Runs(desk.warehouse)
    for _ in range(MOST_RUNS + 2):
        runs.add_call(runs.begin("sync", "x"), CallRecord(1, 0.0, 0.0))
    found = runs.last()
    assert [record.id for record in found] == list(range(MOST_RUNS + 2, 2, -1))
    assert all(len(record.calls) == 1 for record in found)
    desk.warehouse.reset()
    assert runs.last() == []
