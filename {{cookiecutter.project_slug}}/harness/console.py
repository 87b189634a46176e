"""The one place where text leaves the harness: without secrets, plain where no terminal is."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any, cast

import msgspec
from rich import console as rich
from rich import filesize
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from harness.codec import encode
from harness.errors import HarnessError
from harness.redact import Redactor

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_LINE, _STATE = 100, 1000  # characters of a state on one line, and of one that is cut
_TITLES = {1: "The function reported an error", 2: "Fivetran would fail", 3: "Cannot run"}


class Console:
    """Writes for people to standard output; with `json`, one JSON object at the end alone.

    Args:
        json: Whether `result` alone writes.

    Attributes:
        redactor: Knows the secrets; whoever learns of more replaces it.
    """

    def __init__(self, json: bool = False) -> None:
        self.json = json
        self.redactor = Redactor()
        self._file, self._errors = sys.stdout, sys.stderr  # before a function's prints come here
        if isinstance(self._file, io.TextIOWrapper):
            # A terminal that cannot write a character gets its number, not a traceback.
            self._file.reconfigure(encoding="utf-8" if json else None, errors="backslashreplace")
        terminal = self._file.isatty()
        self._rich = rich.Console(
            file=self._file,
            quiet=json,
            highlight=False,
            soft_wrap=not terminal,
            width=None if terminal else 120,  # do not break lines at 80 columns in a log
        )

    def text(self, value: object, style: str = "") -> Text:
        """A text that is safe to print: no secret, no markup, no control characters."""
        return Text(_CONTROL.sub("\ufffd", self.redactor.text(str(value))), style=style)

    def say(self, text: str, style: str = "") -> None:
        """One line or paragraph."""
        self._rich.print(self.text(text, style))

    def warn(self, text: str) -> None:
        """One warning."""
        self.say(text, "yellow")

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table; numbers stand to the right, None is a dot."""
        if title:
            self.say(title, "bold")
        table, lines = Table(), [list(row) for row in rows]
        for index, column in enumerate(columns):
            numbers = all(isinstance(line[index], int | None) for line in lines)
            justify: Any = "right" if numbers else "left"
            table.add_column(self.text(column), justify=justify, overflow="fold")
        for line in lines:
            cells = (f"{cell:,}" if isinstance(cell, int) else cell or "·" for cell in line)
            table.add_row(*map(self.text, cells))
        self._rich.print(table, soft_wrap=False)

    def state(self, state: Any, label: str = "state", *, whole: bool = False) -> None:
        """A state, on one line where it fits; cut unless the whole is asked for."""
        text = self.redactor.text(encode(state).decode("utf-8"))
        if len(text) > _LINE:
            text = msgspec.json.format(text, indent=2)
        if not whole and len(text) > _STATE:
            text = f"{text[:_STATE]}…\n(`python -m harness state` prints all of it)"
        self.say(f"{label}: {text}")

    def progress(self) -> Progress:
        """A line that shows what is going on, on a terminal; other lines are printed above it."""
        text = TextColumn("{task.description}", markup=False)
        columns = SpinnerColumn(), text, TimeElapsedColumn()
        still = self.json or not self._rich.is_terminal
        return Progress(*columns, console=self._rich, transient=True, disable=still)

    @contextlib.contextmanager
    def printed(self) -> Iterator[None]:
        """What a function prints inside the block goes through this console."""
        file = cast("IO[str]", _Printed(self))
        with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
            try:
                yield
            finally:
                file.flush()

    def error(self, error: HarnessError, advice: Sequence[str]) -> None:
        """An error in a box, with lines of advice and the trace below."""
        parts: list[RenderableType] = [self.text(error)]
        if kind := getattr(error, "kind", ""):
            parts.append(self.text(kind, "dim"))
        parts += [self.text(line, "cyan") for line in advice]
        if rule := getattr(error, "rule", ""):
            parts.append(self.text(f"rule {rule} in harness/RULES.md", "dim"))
        notes = getattr(error, "__notes__", [])
        parts += [self.text(note, "dim") for note in notes if note != f"→ {error.todo}"]
        title = _TITLES[error.exit_code]
        panel = Panel(Group(*parts), title=title, title_align="left", style="red")
        self._rich.print(panel, soft_wrap=False)

    def result(self, result: dict[str, Any]) -> None:
        """The outcome of a command, for machines alone."""
        if self.json:
            self._file.write(self.redactor.text(encode(result).decode("utf-8")) + "\n")


class _Printed(io.TextIOBase):
    """Standard output of a function: whole lines go through the console, to stderr with --json."""

    def __init__(self, console: Console) -> None:
        self._console, self._rest = console, ""

    def fileno(self) -> int:
        """The real file, which Rich closes when its reader has gone (`| head`)."""
        return self._console._file.fileno()

    def write(self, text: str) -> int:
        """Hand on every line that is complete by now."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if self._console.json:
                self._console._errors.write(self._console.text(line).plain + "\n")
            else:
                self._console.say(line, "dim")
        return len(text)

    def flush(self) -> None:
        """Hand on a line that has no end yet."""
        if self._rest:
            self.write("\n")


size = filesize.decimal  # bytes for people: `812 bytes`, `1.4 kB`, `8.0 MB`


def duration(seconds: float) -> str:
    """Seconds for people: `42 ms`, `1.4 s`, `2 min 05 s`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02} s"


def counted(count: int, thing: str) -> str:
    """A number of things: `1 row`, `2,500 rows`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
