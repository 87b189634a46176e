"""One run: prints, checks, counts and records every call and log line."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter, defaultdict
from dataclasses import asdict

from harness.command import Work
from harness.console import counted, duration, size
from harness.errors import HarnessError, ProtocolBroken
from harness.protocol.messages import Exchange
from harness.sync import failure
from harness.target.local import Event, Logs
from harness.warehouse import Warehouse
from harness.warehouse.load import Widened
from harness.warehouse.runs import CallRecord, Runs

LIBRARIES = ("azure", "urllib3", "requests", "werkzeug", "asyncio", "grpc")
# Events of the function that are shown otherwise: as a finding, or as the error of a reply.
_ELSEWHERE = ("maybe_truncated", "creation_cursor", "counted_pages", "failed", "error")
_LONG_WAIT = 2.0  # seconds; a shorter one is shown on the status line alone
_ENDED = {
    "done": "done",
    "calls": "stopped by --calls; the next sync continues",
    "hours": "stopped after six hours, as Fivetran does; the next sync continues",
    "failed": "failed; rows of earlier calls stay, and the next sync continues from there",
    "broken": "stopped; rows of earlier calls stay, and the next sync continues from there",
}


class Run:
    """A run of `sync`, `resync` or `test`, recorded in the tables; used around its calls.

    Attributes:
        calls: Replies that were applied.
        ended: Why it ended: `stopped` until somebody says more.
        unseen: Rows by table that a re-sync did not bring again.
        warnings: What the function warned of, each once.
    """

    def __init__(self, work: Work, tables: Warehouse, target: str) -> None:
        self.calls = self._rows = self._size = 0
        self.ended = "stopped"
        self.unseen: dict[str, int] = {}
        self.warnings: list[str] = []
        self._work, self._console, self._tables = work, work.console, tables
        self._runs = Runs(tables)
        self._id = self._runs.begin(work.command, self._console.redactor.text(target))
        self._began = time.monotonic()
        self._applied: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._widened: list[Widened] = []
        self._waits: Counter[str] = Counter()
        self._rows_read, self._waited = 0, 0.0  # since the last call came back
        self._stamp = tables.memory.stamp  # rows that this run writes or marks have a later one
        self._logs = Logs(self._log)
        self._status = self._console.status("")  # a line on a terminal

    def __enter__(self) -> Run:
        self._logs.__enter__()
        self._status.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._logs.__exit__()
        self._status.stop()
        clean, findings, message = self._console.redactor.text, self._work.findings, ""
        if isinstance(error, HarnessError):
            unusable = isinstance(error, ProtocolBroken) and error.rule != "no-reply"
            self.ended, message = "broken" if unusable else "failed", clean(str(error))
            findings.stopped(self._work.calls, error)
        for found in findings:
            rule, text = found.rule, clean("\n".join(found.lines()))
            self._runs.add_finding(self._id, rule.id, rule.severity, found.count, found.calls, text)
        self._runs.end(self._id, self.ended, message, self.unseen)

    def add(self, exchange: Exchange) -> None:
        """One call has come back."""
        reply, answer, number = exchange.reply, exchange.answer, exchange.number
        self._work.check(exchange)
        self._work.result["sync_id"] = exchange.sync_id
        inserted = sum(map(len, reply.insert.values()))
        deleted = sum(map(len, reply.delete.values()))
        error = answer.why if answer.lost else str(failure(exchange) or "")
        record = CallRecord(
            number=number,
            at=max(time.monotonic() - self._began - exchange.answer.seconds, 0.0),
            seconds=exchange.answer.seconds,
            status=answer.status,
            request_bytes=exchange.request_bytes,
            reply_bytes=reply.size,
            rows=inserted,
            deleted=deleted,
            marked=len(reply.soft_delete),
            has_more=reply.has_more,
            error=self._console.redactor.text(error),
            waited=self._waited,
        )
        self._runs.add_call(self._id, record)
        self._rows_read, self._waited = 0, 0.0
        if answer.lost:
            self._console.warn(f"call {number}: {answer.why}")
        if exchange.noticed is None:
            return
        for name, counts in exchange.noticed.counts.items():
            self._applied[name].update(asdict(counts))
        self._widened += exchange.noticed.widened
        self.calls, self._size = self.calls + 1, self._size + reply.size
        self._rows += inserted + deleted
        parts = [f"call {number:<4}", f"{inserted:>8,} rows"]
        parts += [f"{deleted:,} deleted"] if deleted else []
        parts += ["marks " + ", ".join(reply.soft_delete)] if reply.soft_delete else []
        parts += [f"{size(reply.size):>12}", f"{duration(exchange.answer.seconds):>10}"]
        self._console.say("  ".join([*parts, "hasMore" if reply.has_more else "done"]))
        self._doing("")

    def show(self) -> None:
        """Print what the run did, and put it into the command's result."""
        console, seconds = self._console, time.monotonic() - self._began
        tables, applied, state = self._tables.tables(), self._applied, self._tables.state()
        self._work.result |= {
            "ended": self.ended,
            "calls": self.calls,
            "rows": self._rows,
            "bytes": self._size,
            "seconds": seconds,
            "waited": self._waits,
            "warnings": self.warnings,
            "unseen": self.unseen,
            "state": state,
            "tables": [asdict(table) | {"applied": applied[table.name]} for table in tables],
        }
        if not self.calls:
            console.warn("nothing was written, the state is unchanged")
            return
        heads = ("table", "new rows", "replaced", "deleted", "rows now", "deleted rows", "columns")
        rows = []
        for table in tables:
            done = [applied[table.name][part] for part in ("inserted", "updated", "deleted")]
            # Those of softDelete too: rows that were marked and did not come again.
            done[2] = max(done[2], self._tables.deleted_since(table.name, self._stamp))
            now = table.rows - table.deleted, table.deleted, len(table.columns)
            rows.append((table.name, *done, *now))
        console.table("", heads, rows)
        for name, count in self.unseen.items():
            console.say(f"{name}: {counted(count, 'row')} did not come again: marked as deleted")
        for each in self._widened:
            console.say(f"{each.table}.{each.column} became {each.after} (was {each.before})")
        for entity, waited in self._waits.items():
            console.warn(f"{entity or 'the function'} waited {duration(waited)} for the API")
        console.say(
            f"{_ENDED.get(self.ended, self.ended)}: {counted(self.calls, 'call')}, "
            f"{counted(self._rows, 'row')} ({self._rows / seconds:,.0f} rows/s), "
            f"{size(self._size)}, {duration(seconds)}",
            "green" if self.ended == "done" and not self._work.findings.broken else "yellow",
        )
        console.state(state)
        console.say(f"tables: {self._tables.path}, schema {self._tables.schema}", "dim")

    def _log(self, event: Event) -> None:
        """A log record of the function."""
        self._work.log(event)
        fields, entity = event.fields, event.fields.get("entity", "")
        kind = fields.get("event")
        if kind == "page":
            self._rows_read += int(fields.get("rows", 0))
            self._doing(f"{entity} page {fields.get('page', '')}")
        elif kind == "waiting":
            seconds = float(fields.get("seconds", 0))
            self._waits[entity] += round(seconds)
            self._waited += seconds
            what = f"{entity} waits {duration(seconds)}: {fields.get('why', '')}"
            self._doing(what, warn=seconds >= _LONG_WAIT)
        elif kind == "request" and fields.get("error"):
            why = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", fields["error"]).lower()
            self._doing(f"{entity}: retrying, {why.removesuffix(' error')}", warn=True)
        elif (text := warning(event)) and text not in self.warnings:
            self.warnings.append(text)
            self._console.warn(f"warning: {text}")

    def _doing(self, what: str, *, warn: bool = False) -> None:
        if warn:
            self._console.warn(what)
        rows = counted(self._rows + self._rows_read, "row")
        self._status.update(self._console.text(f"call {self.calls + 1}, {rows}  {what}"))


def warning(event: Event) -> str:
    """The warning in a log record of the function, "" if it is not one."""
    fields = event.fields
    kind, why = fields.get("event"), fields.get("why") or fields.get("value")
    library = event.logger.startswith(LIBRARIES)
    if event.level < logging.WARNING or library or kind in _ELSEWHERE:
        return ""
    if kind is None or why is None:
        return f"{event.line} ({event.logger})"
    subject = fields.get("entity") or fields.get("name")
    subject = f"{subject}: " if subject else ""
    return f"{subject}{kind.replace('_', ' ')}: {why}"
