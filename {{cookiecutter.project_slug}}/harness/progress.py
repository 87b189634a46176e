# Owned by fivetran-azfn-template: updates replace this file.
"""What a sync shows while it runs: a moving line on a terminal, one line per call elsewhere."""

from __future__ import annotations

import logging
import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from harness.errors import LostReply
from harness.protocol import Reply
from harness.screen import Screen, counted, duration, size
from harness.tap import fields
from harness.target import Answer

if TYPE_CHECKING:
    from harness.loop import Summary

_LAST = 6  # calls that stay in view on a terminal
_WARNINGS = 20  # log lines of the function that are shown in full


class Progress:
    """Watches a sync for the screen; a context manager around it.

    Args:
        screen: Where it shows.

    Attributes:
        pages: How many the function logged that it read.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._began = time.monotonic()
        self._number = 0
        self._summary: Summary | None = None
        self.pages = 0
        self._page = ""
        self._fetched = 0  # rows of the running call, as far as the function logs its pages
        self._lines: deque[Text] = deque(maxlen=_LAST)
        self._held: list[tuple[int, str, str]] = []
        self._warnings = 0
        self._spinner = Spinner("dots")
        self._live: Live | None = None
        if screen.console.is_terminal and not screen.as_json:
            self._live = Live(
                get_renderable=self._view,
                console=screen.console,
                refresh_per_second=8,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )

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
        # What the error says itself is not said twice.
        self._tell(besides=str(error) if error else None)
        if self._live:
            self._live.stop()
            for line in self._lines:
                self._screen.show(line)
        if self._warnings > _WARNINGS:
            self._screen.say(f"… and {self._warnings - _WARNINGS} warnings more", "dim")

    def calling(self, number: int) -> None:
        """A call is about to be sent."""
        self._number, self._fetched = number, 0

    def lost(self, why: LostReply, wait: float) -> None:
        """A reply was lost and is asked for again."""
        self._screen.say(f"call {self._number} lost: {why}; again in {wait:.0f} s", "yellow")

    def replied(self, summary: Summary, reply: Reply, answer: Answer) -> None:
        """A reply was applied."""
        self._tell()
        self._summary, self._fetched = summary, 0
        rows = sum(reply.rows.values())
        parts = [f"call {summary.calls:<4}", f"{rows:>8,} rows"]
        if reply.deleted:
            parts.append(f"{sum(reply.deleted.values()):,} deleted")
        if reply.body.get("softDelete"):
            parts.append("marks " + ", ".join(reply.body["softDelete"]))
        parts += [f"{size(reply.size):>10}", f"{duration(answer.seconds):>10}"]
        parts.append("hasMore" if reply.has_more else "done")
        line = self._screen.text("  ".join(parts))
        self._lines.append(line)
        if self._live is None:
            self._screen.show(line)

    def heard(self, level: int, name: str, line: str) -> None:
        """A log line of the function: pages move the progress, warnings are shown."""
        if level >= logging.WARNING:
            # Why something failed is held back: it may be what the call is going to report.
            self._held.append((level, name, line))
            if "why" not in fields(line):
                self._tell()
        found = fields(line) if line.startswith("event=page") else {}
        if found:
            self.pages += 1
            self._fetched += int(found["rows"]) if found.get("rows", "").isdigit() else 0
            self._page = f"{found.get('entity', '')} page {found.get('page', '')}"

    def _tell(self, besides: str | None = None) -> None:
        for level, name, line in self._held:
            if besides is not None and fields(line).get("why", line) in besides:
                continue
            self._warnings += 1
            if self._warnings <= _WARNINGS:
                word = logging.getLevelName(level).lower()
                self._screen.say(f"{word}: {line} ({name})", "yellow")
        self._held.clear()

    def _view(self) -> RenderableType:
        seconds = max(time.monotonic() - self._began, 0.001)
        done = self._summary
        rows = (done.rows if done else 0) + self._fetched
        parts = [f"call {self._number}", counted(rows, "row"), f"{rows / seconds:,.0f} rows/s"]
        if self.pages:
            parts.append(counted(self.pages, "page"))
        parts += [size(done.size if done else 0), duration(seconds), self._page]
        self._spinner.update(text=self._screen.text("   ".join(parts), "cyan"))
        return Group(*self._lines, self._spinner)
