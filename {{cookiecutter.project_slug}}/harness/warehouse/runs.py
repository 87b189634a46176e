"""The record of each run, in tables that users can query; it holds no records of the API.

`_harness.runs`, `_harness.calls` and `_harness.findings`; a run that was killed is recorded up to
that point. Texts are stored unchanged: redact them before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime

from harness.warehouse import Warehouse
from harness.warehouse.store import HOME

MOST_RUNS = 20  # that are stored


@dataclass(frozen=True)
class CallRecord:
    """One call: its number in the run, when it was sent (seconds from the start), what it brought.

    Attributes:
        status: HTTP status, 0 where the reply is lost.
        marked: How many tables are in `softDelete`.
        error: What was wrong, "" where nothing was.
        waited: How long was waited before it, in seconds.
    """

    number: int
    at: float
    seconds: float
    status: int = 200
    request_bytes: int = 0
    reply_bytes: int = 0
    rows: int = 0
    deleted: int = 0
    marked: int = 0
    has_more: bool = False
    error: str = ""
    waited: float = 0.0


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
    """One run, with its calls and findings in the order made.

    Attributes:
        began: When, in UTC.
        seconds: How long it took; 0 while it runs, or where it was killed.
        ended: Why it ended: `done`, `calls`, `failed`, …; "" while it runs, or where it was killed.
        error: What ended it early, "" where nothing did.
        unseen: Rows by table that a re-sync did not bring again.
    """

    id: int
    command: str
    target: str
    began: datetime
    seconds: float
    ended: str
    error: str
    unseen: dict[str, int]
    calls: list[CallRecord]
    findings: list[FindingRecord]


class Runs:
    """The records of the last runs, in the file of an open warehouse."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def begin(self, command: str, target: str) -> int:
        """A run begins; its id. The oldest are removed."""
        with self._warehouse.transaction():
            number = self._warehouse.count(f"SELECT coalesce(max(id), 0) + 1 FROM {HOME}.runs")
            self._warehouse.query(
                f"INSERT INTO {HOME}.runs VALUES (?, ?, ?, now(), 0, '', '', '{{}}')",
                [number, command, target],
            )
            for table, column in (("runs", "id"), ("calls", "run"), ("findings", "run")):
                self._warehouse.query(
                    f"DELETE FROM {HOME}.{table} WHERE {column} <= {number - MOST_RUNS}"
                )
        return number

    def add_call(self, run: int, call: CallRecord) -> None:
        """A call was made."""
        values = [run, *astuple(call)]
        marks = ", ".join("?" * len(values))
        with self._warehouse.transaction():
            self._warehouse.query(f"INSERT INTO {HOME}.calls VALUES ({marks})", values)

    def add_finding(
        self, run: int, rule: str, severity: str, count: int, calls: Sequence[int], text: str
    ) -> None:
        """A rule was broken."""
        values = [run, rule, severity, count, list(calls), text]
        with self._warehouse.transaction():
            self._warehouse.query(f"INSERT INTO {HOME}.findings VALUES (?, ?, ?, ?, ?, ?)", values)

    def end(self, run: int, ended: str, error: str, unseen: Mapping[str, int]) -> None:
        """A run has ended."""
        with self._warehouse.transaction():
            self._warehouse.query(
                f"UPDATE {HOME}.runs SET ended = ?, error = ?, unseen = ?, "
                "seconds = (epoch_us(now()) - epoch_us(began)) / 1e6 WHERE id = ?",
                [ended, error, json.dumps(unseen), run],
            )

    def last(self) -> list[RunRecord]:
        """The records of the last runs, the newest first."""
        query = self._warehouse.query
        calls = query(f"SELECT * FROM {HOME}.calls ORDER BY rowid")
        findings = query(f"SELECT * FROM {HOME}.findings ORDER BY rowid")
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
            for number, command, target, began, seconds, ended, error, unseen in query(
                "SELECT id, command, target, make_timestamp(epoch_us(began)), seconds, ended, "
                f"error, unseen FROM {HOME}.runs ORDER BY id DESC"
            )
        ]
