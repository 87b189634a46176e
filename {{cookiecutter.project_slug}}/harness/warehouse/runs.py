"""The record of each run, in tables that users can query; it holds no records of the API.

`_harness.runs`, `_harness.calls` and `_harness.findings`; a run that was killed is recorded up to
that point. Texts are stored unchanged: redact them before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Any

from harness.warehouse import Warehouse
from harness.warehouse.store import HOME

MOST_RUNS = 20  # that are stored


@dataclass(frozen=True)
class CallRecord:
    """One call, and what it brought."""

    number: int
    at: float  # when it was sent, in seconds from the start
    seconds: float
    status: int = 200  # of HTTP; 0 if the reply is lost
    request_bytes: int = 0
    reply_bytes: int = 0
    rows: int = 0
    deleted: int = 0
    marked: int = 0  # how many tables are in `softDelete`
    has_more: bool = False
    error: str = ""  # "" if nothing was wrong
    waited: float = 0.0  # before it, in seconds


@dataclass(frozen=True)
class FindingRecord:
    """One rule that was broken: how often, in which calls, and the first places as text."""

    rule: str
    severity: str
    count: int
    calls: list[int]
    text: str


@dataclass(frozen=True)
class RunRecord:
    """One run, with its calls and findings in the order made."""

    id: int
    command: str
    target: str
    began: datetime  # in UTC
    seconds: float  # 0 while it runs, or if it was killed
    ended: str  # `done`, `calls`, `failed`, …; "" while it runs, or if it was killed
    error: str  # what ended it early, "" if nothing did
    unseen: dict[str, int]  # rows by table that a re-sync did not bring again
    calls: list[CallRecord]
    findings: list[FindingRecord]


class Runs:
    """The records of the last runs, in the file of an open warehouse."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def begin(self, command: str, target: str) -> int:
        """A run begins; its id. The oldest are removed."""
        number = self._warehouse.count(f"SELECT coalesce(max(id), 0) + 1 FROM {HOME}.runs")
        last = number - MOST_RUNS
        self._change(
            f"DELETE FROM {HOME}.runs WHERE id <= {last};"
            f"DELETE FROM {HOME}.calls WHERE run <= {last};"
            f"DELETE FROM {HOME}.findings WHERE run <= {last};"
        )
        values = (number, command, target)
        self._change(f"INSERT INTO {HOME}.runs VALUES (?, ?, ?, now(), 0, '', '', '{{}}')", *values)
        return number

    def add_call(self, run: int, call: CallRecord) -> None:
        """A call was made."""
        values = (run, *astuple(call))
        self._change(f"INSERT INTO {HOME}.calls VALUES ({', '.join('?' * len(values))})", *values)

    def add_finding(
        self, run: int, rule: str, severity: str, count: int, calls: list[int], text: str
    ) -> None:
        """A rule was broken."""
        values = (run, rule, severity, count, calls, text)
        self._change(f"INSERT INTO {HOME}.findings VALUES (?, ?, ?, ?, ?, ?)", *values)

    def end(self, run: int, ended: str, error: str, unseen: Mapping[str, int]) -> None:
        """A run has ended."""
        seconds = "(epoch_us(now()) - epoch_us(began)) / 1e6"
        change = f"SET ended = ?, error = ?, unseen = ?, seconds = {seconds} WHERE id = ?"
        self._change(f"UPDATE {HOME}.runs {change}", ended, error, json.dumps(unseen), run)

    def last(self) -> list[RunRecord]:
        """The records of the last runs, the newest first."""
        query = self._warehouse.query
        calls = query(f"SELECT * FROM {HOME}.calls ORDER BY rowid")
        findings = query(f"SELECT * FROM {HOME}.findings ORDER BY rowid")
        utc = "make_timestamp(epoch_us(began)) AS began"
        runs = query(f"SELECT * REPLACE ({utc}) FROM {HOME}.runs ORDER BY id DESC")
        return [
            RunRecord(
                number,
                command,
                target,
                began.replace(tzinfo=UTC),
                seconds,
                ended,
                error,
                json.loads(unseen),
                [CallRecord(*values) for run, *values in calls if run == number],
                [FindingRecord(*values) for run, *values in findings if run == number],
            )
            for number, command, target, began, seconds, ended, error, unseen in runs
        ]

    def _change(self, sql: str, *values: Any) -> None:
        with self._warehouse.transaction():
            self._warehouse.query(sql, list(values) or None)
