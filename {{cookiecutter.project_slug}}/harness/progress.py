"""What a running sync prints (calls, rows, waits, warnings), and its figures at the end."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter, deque
from types import TracebackType
from typing import Any

from rich.console import Group, RenderableType
from rich.spinner import Spinner
from rich.text import Text

from harness.console import Console, counted, duration, size
from harness.exchange import Exchange
from harness.sync import TRIES
from harness.target.local import Event
from harness.warehouse.load import Counts, Widened

_LAST = 6  # calls that stay in view on a terminal
_LINES = 20  # warnings, and lines about waiting, that are printed in full
LIBRARIES = ("azure", "urllib3", "requests", "werkzeug", "asyncio", "grpc")
_WORDS = {
    "no_cursor_committed": "no cursor can be committed, the next sync reads everything again: ",
    "unreadable_cursor": "a cursor cannot be read: ",
    "start_over": "starts over: ",
    "short_secret": "",
}


class Progress:
    """Follows a sync: takes its exchanges and the function's log records.

    Args:
        console: Prints.

    Attributes:
        calls, rows, size: Replies applied, their records in `insert` and `delete`, their bytes.
        pages: How many the function logged, per entity.
        waits: Seconds that the function waited, per entity.
        warnings: What the function warned of, each once.
        tables: What the replies did to each table.
        widened: Columns whose type had to change.
        unclaimed: Seconds waited since the last exchange.
    """

    def __init__(self, console: Console) -> None:
        self.calls = self.rows = self.size = 0
        self.pages: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()
        self.warnings: dict[str, None] = {}
        self.tables: dict[str, Counts] = {}
        self.widened: list[Widened] = []
        self.unclaimed = 0.0
        self._console = console
        self._began = time.monotonic()
        self._number, self._page, self._fetched = 1, "", 0
        self._pending: list[Event] = []
        self._printed = self._lost = 0
        self._lines: deque[Text] = deque(maxlen=_LAST)
        self._spinner = Spinner("dots")
        self._live = console.live(self._view) if console.is_live else None

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()
            for line in self._lines:
                self._console.show(line)
        if self._printed > _LINES:
            self._console.say(f"… and {self._printed - _LINES} more such lines", "dim")

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._began

    def take(self, exchange: Exchange) -> None:
        """One call has come back."""
        reply, answer = exchange.reply, exchange.answer
        self._number, self._fetched, self.unclaimed = exchange.number + 1, 0, 0.0
        self._report(reply.error)
        self._lost = self._lost + 1 if answer.lost else 0
        if answer.lost:
            again = "; retrying" if self._lost < TRIES else ""
            self._console.warn(f"call {exchange.number}: no reply ({answer.why}){again}")
        if exchange.noticed is None:
            return
        for name, counts in exchange.noticed.counts.items():
            total = self.tables.setdefault(name, Counts())
            for part in ("inserted", "updated", "deleted", "marked"):
                setattr(total, part, getattr(total, part) + getattr(counts, part))
        self.widened += exchange.noticed.widened
        inserted = sum(map(len, reply.insert.values()))
        deleted = sum(map(len, reply.delete.values()))
        self.calls, self.size = self.calls + 1, self.size + reply.size
        self.rows += inserted + deleted
        parts = [f"call {exchange.number:<4}", f"{inserted:>8,} rows"]
        parts += [f"{deleted:,} deleted"] if deleted else []
        parts += ["marks " + ", ".join(reply.soft_delete)] if reply.soft_delete else []
        parts += [f"{size(reply.size):>10}", f"{duration(answer.seconds):>10}"]
        parts.append("hasMore" if reply.has_more else "done")
        line = self._console.text("  ".join(parts))
        self._lines.append(line)
        if self._live is None:
            self._console.show(line)

    def on_record(self, event: Event) -> None:
        """A log record of the function."""
        fields, entity = event.fields, event.fields.get("entity", "")
        kind = fields.get("event")
        if kind == "page":
            self.pages[entity] += 1
            self._fetched += int(fields["rows"]) if fields.get("rows", "").isdigit() else 0
            self._page = f"{entity} page {fields.get('page', '')}"
        elif kind == "waiting":
            seconds = float(fields.get("seconds") or 0)
            self.waits[entity] += round(seconds)
            self.unclaimed += seconds
            self._page = f"{entity} waits {duration(seconds)}: {fields.get('why', '')}"
            self._line(self._page)
        elif kind == "request" and fields.get("error"):
            words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", fields["error"]).lower()
            why = words.removesuffix(" error") if words.count(" ") > 1 else words
            self._page = f"{entity}: retrying, {why}"
            self._line(self._page)
        elif is_warning(event):
            # Printed when the reply is there: it may report the same as its error.
            self._pending.append(event)

    def _report(self, error: str) -> None:
        for event in self._pending:
            if event.fields.get("event") in ("error", "failed") and (
                event.fields.get("why", "") in error
            ):
                continue
            text = warning(event)
            if text not in self.warnings:
                self.warnings[text] = None
                self._line(f"warning: {text}")
        self._pending.clear()

    def _line(self, text: str) -> None:
        self._printed += 1
        if self._printed <= _LINES:
            self._console.warn(text)

    def _view(self) -> RenderableType:
        rows, seconds = self.rows + self._fetched, max(self.seconds, 0.001)
        parts = [f"call {self._number}", counted(rows, "row"), f"{rows / seconds:,.0f} rows/s"]
        if self.pages:
            parts.append(counted(self.pages.total(), "page"))
        parts += [size(self.size), duration(seconds), self._page]
        self._spinner.update(text=self._console.text("   ".join(parts), "cyan"))
        return Group(*self._lines, self._spinner)

    def figures(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "calls": self.calls,
            "rows": self.rows,
            "pages": dict(self.pages),
            "bytes": self.size,
            "seconds": self.seconds,
            "waited": dict(self.waits),
            "warnings": list(self.warnings),
        }


def is_warning(event: Event) -> bool:
    """Whether it is a warning of the function itself; `maybe_truncated` is a finding."""
    other = event.logger.startswith(LIBRARIES) or event.fields.get("event") == "maybe_truncated"
    return event.level >= logging.WARNING and not other


def warning(event: Event) -> str:
    """What a log record warns of, in words."""
    fields = event.fields
    why = fields.get("why") or fields.get("value")
    if "event" not in fields or why is None:
        return f"{event.line} ({event.logger})"
    what = _WORDS.get(fields["event"], fields["event"].replace("_", " ") + ": ") + why
    entity = fields.get("entity", "")
    return what if not entity else f"{entity}: {what}"
