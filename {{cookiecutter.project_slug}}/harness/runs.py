# Owned by fivetran-azfn-template: updates replace this file.
"""What is kept of a run for the report: its calls, findings and end; it holds no record."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from harness.protocol import encode

_OUTCOMES = ("", "lost", "failed")  # the last one wins where calls are joined


class Call(msgspec.Struct, array_like=True):
    """One call, or several neighbours joined.

    Attributes:
        first: Its number in the run, from 1.
        count: How many it is; 0 where the reply was lost and the call was made again.
        start: When it was sent, in seconds from the start of the run.
        seconds: How long the function took.
        load: How long its reply took to be judged and loaded.
        rows: Records in `insert`.
        deleted: Records in `delete`.
        marked: Tables in `softDelete`.
        size: Bytes of the reply.
        outcome: "" for a good one, `lost`, or `failed`.
        why: Why it was lost or failed.
    """

    first: int
    count: int
    start: float
    seconds: float
    load: float = 0.0
    rows: int = 0
    deleted: int = 0
    marked: int = 0
    size: int = 0
    outcome: str = ""
    why: str = ""

    @property
    def end(self) -> float:
        """When its reply was loaded, in seconds from the start of the run."""
        return self.start + self.seconds + self.load

    def joined(self, other: Call) -> Call:
        """This call and the next one as one."""
        return Call(
            self.first,
            self.count + other.count,
            self.start,
            self.seconds + other.seconds,
            self.load + other.load,
            self.rows + other.rows,
            self.deleted + other.deleted,
            self.marked + other.marked,
            self.size + other.size,
            max(self.outcome, other.outcome, key=_OUTCOMES.index),
            self.why or other.why,
        )


class Problem(msgspec.Struct):
    """What ended a run before its time.

    Attributes:
        message: What happened.
        rule: Id of the rule that was broken, or None.
        todo: What to do about it, or None.
        kind: `errorType` of the reply, or None.
        trace: `stackTrace` of the reply as lines.
    """

    message: str
    rule: str | None = None
    todo: str | None = None
    kind: str | None = None
    trace: list[str] = []


class Run(msgspec.Struct, kw_only=True):
    """One sync or re-sync.

    Attributes:
        began: When, as an instant in UTC.
        command: `sync` or `resync`.
        target: What was called.
        sync_id: UUID of the sync.
        ended: `done`, `calls`, `hours`, `error`, `stopped` (by hand), or "" where it was killed.
        calls: In the order made.
        count: Replies applied.
        rows: Records in `insert` and `delete`.
        size: Bytes of all replies.
        seconds: From the start to the last reply applied.
        pages: How many the function logged that it read.
        before: State at the start.
        state: State carried by the last reply applied.
        tables: Per table how many rows were inserted, replaced, deleted and marked.
        widened: Columns whose type had to change, with the types before and after.
        unseen: Rows per table that a re-sync did not bring again.
        error: What ended it before its time.
        findings: What broke a rule, as `--json` writes it.
    """

    began: str
    command: str
    target: str
    sync_id: str
    ended: str = ""
    calls: list[Call] = []
    count: int = 0
    rows: int = 0
    size: int = 0
    seconds: float = 0.0
    pages: int = 0
    before: msgspec.Raw = msgspec.Raw(b"{}")
    state: msgspec.Raw = msgspec.Raw(b"{}")
    tables: dict[str, dict[str, int]] = {}
    widened: list[str] = []
    unseen: dict[str, int] = {}
    error: Problem | None = None
    findings: list[dict[str, Any]] = []


_decoder = msgspec.json.Decoder(Run, float_hook=Decimal)


def write(run: Run) -> str:
    """The record as text."""
    return encode(run).decode("utf-8")


def read(record: str) -> Run:
    """The run of a record.

    Raises:
        ValueError: Another version of the harness wrote it.
    """
    return _decoder.decode(record)
