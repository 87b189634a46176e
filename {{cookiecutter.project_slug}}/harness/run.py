"""One run while it works: every call and log line printed, judged, counted and recorded."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter, deque
from dataclasses import asdict
from types import TracebackType

from rich.console import Group, RenderableType
from rich.spinner import Spinner
from rich.text import Text

from harness import sync
from harness.command import Work
from harness.console import counted, duration, size
from harness.errors import HarnessError
from harness.exchange import Exchange
from harness.target.local import Event, Logs
from harness.warehouse import Warehouse
from harness.warehouse.load import Counts, Widened
from harness.warehouse.runs import CallRecord, Runs

LIBRARIES = ("azure", "urllib3", "requests", "werkzeug", "asyncio", "grpc")
_LAST = 6  # calls that stay in view on a terminal
_LINES = 20  # warnings, and lines about waiting, that are printed in full
_WORDS = {
    "no_cursor_committed": "no cursor can be committed, the next sync reads everything again",
    "unreadable_cursor": "a cursor cannot be read",
}
_ENDED = {
    "done": "done",
    "calls": "stopped after as many calls as asked for; the next sync goes on",
    "hours": "stopped after six hours, as Fivetran does; the next sync goes on",
    "failed": "failed; what came before stays, and the next sync goes on from there",
    "broken": "broken off; what came before stays, and the next sync goes on from there",
}


class Run:
    """A run of `sync`, `resync` or `test`; a context manager around its calls.

    Args:
        work: Of the command.
        tables: Have the record of runs.
        target: Name of the function.
        tries: How often a lost reply is asked for.

    Attributes:
        ended: Why it ended: `stopped` until somebody says more.
        unseen: Rows by table that a re-sync did not bring again.
        warnings: What the function warned of, each once.
    """

    def __init__(self, work: Work, tables: Warehouse, target: str, tries: int = sync.TRIES) -> None:
        self.ended = "stopped"
        self.unseen: dict[str, int] = {}
        self.warnings: dict[str, None] = {}
        self._work, self._console, self._tables = work, work.console, tables
        self._runs = Runs(tables)
        self._id = self._runs.begin(work.command, self._console.redactor.text(target))
        self._began = time.monotonic()
        self._tries, self._lost = tries, 0
        self._calls = self._rows = self._size = 0
        self._counts: dict[str, Counts] = {}
        self._widened: list[Widened] = []
        self._pages: Counter[str] = Counter()
        self._waits: Counter[str] = Counter()
        # What happened since the last call came back:
        self._rows_read, self._waited, self._doing = 0, 0.0, ""
        self._pending: list[Event] = []
        self._printed = 0
        self._lines: deque[Text] = deque(maxlen=_LAST)
        self._spinner = Spinner("dots")
        self._live = self._console.live(self._view) if self._console.is_live else None
        self._logs = Logs(self._log)

    def __enter__(self) -> Run:
        self._logs.__enter__()
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._logs.__exit__(kind, error, trace)
        if self._live:
            self._live.stop()
            for line in self._lines:
                self._console.show(line)
        if self._printed > _LINES:
            self._console.say(f"… and {self._printed - _LINES} more such lines", "dim")
        clean, findings, message = self._console.redactor.text, self._work.findings, ""
        if isinstance(error, HarnessError):
            self.ended = "failed" if self.ended == "stopped" else self.ended
            findings.stopped(self._work.calls, error)
            message = clean(str(error))
        for finding in findings:
            rule, text = finding.rule, clean("\n".join(finding.lines()))
            self._runs.add_finding(
                self._id, rule.id, rule.severity, finding.count, finding.calls, text
            )
        self._runs.end(self._id, self.ended, message, self.unseen)

    def add(self, exchange: Exchange) -> None:
        """One call has come back."""
        reply, answer = exchange.reply, exchange.answer
        self._work.check(exchange)
        inserted = sum(map(len, reply.insert.values()))
        deleted = sum(map(len, reply.delete.values()))
        error = answer.why if answer.lost else str(sync.failure(exchange) or "")
        self._runs.add_call(
            self._id,
            CallRecord(
                number=exchange.number,
                at=max(time.monotonic() - self._began - exchange.seconds, 0.0),
                seconds=exchange.seconds,
                status=answer.status,
                request_bytes=exchange.request_bytes,
                reply_bytes=reply.size,
                rows=inserted,
                deleted=deleted,
                marked=len(reply.soft_delete),
                has_more=reply.has_more,
                error=self._console.redactor.text(error),
                waited=self._waited,
            ),
        )
        self._rows_read, self._waited, self._doing = 0, 0.0, ""
        self._warn(reply.error)
        self._lost = self._lost + 1 if answer.lost else 0
        if answer.lost:
            again = "; retrying" if self._lost < self._tries else ""
            self._console.warn(f"call {exchange.number}: no reply ({answer.why}){again}")
        if exchange.noticed is None:
            return
        for name, counts in exchange.noticed.counts.items():
            before = asdict(self._counts.get(name, Counts()))
            added = asdict(counts)
            self._counts[name] = Counts(**{part: before[part] + added[part] for part in added})
        self._widened += exchange.noticed.widened
        self._calls, self._size = self._calls + 1, self._size + reply.size
        self._rows += inserted + deleted
        parts = [f"call {exchange.number:<4}", f"{inserted:>8,} rows"]
        parts += [f"{deleted:,} deleted"] if deleted else []
        parts += ["marks " + ", ".join(reply.soft_delete)] if reply.soft_delete else []
        parts += [f"{size(reply.size):>10}", f"{duration(answer.seconds):>10}"]
        parts.append("hasMore" if reply.has_more else "done")
        self._lines.append(self._console.text("  ".join(parts)))
        if self._live is None:
            self._console.show(self._lines[-1])

    def show(self) -> None:
        """Print what the run did, and put it into the command's result."""
        console, tables, rows, described = self._console, self._tables, [], []
        for table in tables.tables():
            done = self._counts.get(table.name, Counts())
            numbers = (done.inserted, done.updated, done.deleted, table.rows - table.deleted)
            rows.append((table.name, *numbers, table.deleted, len(table.columns)))
            columns = {column.name: column.type for column in table.columns}
            described.append({**asdict(table), "columns": columns, "applied": asdict(done)})
        seconds, pages = time.monotonic() - self._began, self._pages.total()
        self._work.result |= {
            "ended": self.ended,
            "calls": self._calls,
            "rows": self._rows,
            "pages": dict(self._pages),
            "bytes": self._size,
            "seconds": seconds,
            "waited": dict(self._waits),
            "warnings": list(self.warnings),
            "unseen": self.unseen,
            "state": tables.state(),
            "tables": described,
        }
        if not self._calls:
            console.warn("nothing was applied, the state is unchanged")
            return
        heads = ("new rows", "changed", "deleted", "rows now", "deleted rows", "columns")
        console.table("", ("table", *heads), rows)
        for name, done in self._counts.items():
            if done.marked:
                console.say(
                    f"{name}: softDelete marked {counted(done.marked, 'row')} as deleted first; "
                    "those that came again are rows as before"
                )
        for name, count in self.unseen.items():
            console.say(f"{name}: {counted(count, 'row')} did not come again and are deleted now")
        for each in self._widened:
            console.say(f"{each.table}.{each.column} became {each.after} (was {each.before})")
        for entity, waited in self._waits.items():
            console.warn(f"{entity or 'the function'} waited {duration(waited)} for the API")
        for text in self.warnings:
            console.warn(f"warning: {text}")
        figures = [counted(self._calls, "call"), *([counted(pages, "page")] if pages else [])]
        figures.append(f"{counted(self._rows, 'row')} ({self._rows / seconds:,.0f} rows/s)")
        figures += [size(self._size), duration(seconds)]
        good = self.ended == "done" and not self._work.findings.broken
        words = f"{_ENDED.get(self.ended, self.ended)}: {', '.join(figures)}"
        console.say(words, "green" if good else "yellow")
        if self.ended in ("done", "calls", "hours"):
            console.state(tables.state())
        console.say(f"tables: {tables.path}, schema {tables.schema}", "dim")

    def _log(self, event: Event) -> None:
        """A log record of the function."""
        self._work.log(event)
        fields, entity = event.fields, event.fields.get("entity", "")
        kind = fields.get("event")
        if kind == "page":
            self._pages[entity] += 1
            self._rows_read += int(fields["rows"]) if fields.get("rows", "").isdigit() else 0
            self._doing = f"{entity} page {fields.get('page', '')}"
        elif kind == "waiting":
            seconds = float(fields.get("seconds") or 0)
            self._waits[entity] += round(seconds)
            self._waited += seconds
            self._doing = f"{entity} waits {duration(seconds)}: {fields.get('why', '')}"
            self._line(self._doing)
        elif kind == "request" and fields.get("error"):
            words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", fields["error"]).lower()
            why = words.removesuffix(" error") if words.count(" ") > 1 else words
            self._doing = f"{entity}: retrying, {why}"
            self._line(self._doing)
        elif is_warning(event):
            self._pending.append(event)  # the reply may report the same as its error

    def _warn(self, error: str) -> None:
        """Print the warnings that are not part of the reply's error."""
        for event in self._pending:
            known = event.fields.get("event") in ("error", "failed")
            text = warning(event)
            if not (known and event.fields.get("why", "") in error) and text not in self.warnings:
                self.warnings[text] = None
                self._line(f"warning: {text}")
        self._pending.clear()

    def _line(self, text: str) -> None:
        self._printed += 1
        if self._printed <= _LINES:
            self._console.warn(text)

    def _view(self) -> RenderableType:
        rows, seconds = self._rows + self._rows_read, time.monotonic() - self._began
        parts = [f"call {self._calls + 1}", counted(rows, "row")]
        parts.append(f"{rows / max(seconds, 0.001):,.0f} rows/s")
        parts += [counted(self._pages.total(), "page")] if self._pages else []
        parts += [size(self._size), duration(seconds), self._doing]
        self._spinner.update(text=self._console.text("   ".join(parts), "cyan"))
        return Group(*self._lines, self._spinner)


def is_warning(event: Event) -> bool:
    """Whether it is a warning of the function itself; `maybe_truncated` is a finding."""
    other = event.logger.startswith(LIBRARIES) or event.fields.get("event") == "maybe_truncated"
    return event.level >= logging.WARNING and not other


def warning(event: Event) -> str:
    """What a log record warns of, in words."""
    kind, why = event.fields.get("event"), event.fields.get("why") or event.fields.get("value")
    if kind is None or why is None:
        return f"{event.line} ({event.logger})"
    entity = event.fields.get("entity", "")
    return f"{entity and f'{entity}: '}{_WORDS.get(kind, kind.replace('_', ' '))}: {why}"
