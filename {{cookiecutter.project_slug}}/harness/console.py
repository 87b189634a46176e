"""All output of the harness: secrets masked, plain text if there is no terminal."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import IO, Any, cast

import msgspec
from rich import console as rich
from rich import filesize
from rich.file_proxy import FileProxy
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from harness.codec import encode
from harness.errors import HarnessError
from harness.redact import Redactor

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_LINE, _STATE = 100, 1000  # characters of a state on one line, and of one that is cut
_TITLES = {1: "The function reported an error", 2: "Fivetran would fail", 3: "Cannot run"}

size = filesize.decimal  # bytes for people: `812 bytes`, `1.4 kB`, `8.0 MB`


class Console(rich.Console):
    """Writes for people to standard output; with `json`, only one JSON object at the end.

    Attributes:
        redactor: Knows the secrets; whoever learns of more replaces it.
    """

    def __init__(self, json: bool = False) -> None:
        self.json, self.redactor = json, Redactor()
        if isinstance(sys.stdout, io.TextIOWrapper):
            # A terminal that cannot write a character gets its number, not a traceback.
            encoding = "utf-8" if json else None
            sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")
        self._out = sys.stdout
        terminal = self._out.isatty()
        super().__init__(
            file=sys.stderr if json else self._out,
            highlight=False,
            soft_wrap=not terminal,
            width=None if terminal else 120,  # do not break lines at 80 columns in a log
        )

    def text(self, value: object, style: str = "") -> Text:
        """A text that is safe to print: no secret, no markup, no control characters."""
        return Text(_CONTROL.sub("\ufffd", self.redactor.text(str(value))), style)

    def say(self, text: object, style: str = "") -> None:
        """One line or paragraph."""
        self._show(self.text(text, style))

    def warn(self, text: str) -> None:
        """One warning."""
        self.say(text, "yellow")

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table; numbers are right-aligned, None is a dot."""
        if title:
            self.say(title, "bold")
        table, lines = Table(), list(rows)
        for index, name in enumerate(columns):
            numbers = all(isinstance(line[index], int | None) for line in lines)
            justify: Any = "right" if numbers else "left"
            table.add_column(self.text(name), justify=justify, overflow="fold")
        for line in lines:
            cells = (f"{cell:,}" if isinstance(cell, int) else cell or "·" for cell in line)
            table.add_row(*map(self.text, cells))
        self._show(table, soft_wrap=False)

    def state(self, state: Any, label: str = "state", *, whole: bool = False) -> None:
        """A state, on one line if it fits; unless it is whole, without what is unfinished."""
        shown, rest = state, ""
        if not whole and isinstance(state, dict):
            shown = {name: value for name, value in state.items() if not name.startswith("_")}
            rest = "" if shown == state else ", and an unfinished walk"
        text = self.redactor.text(encode(shown).decode("utf-8"))
        if len(text) > _LINE:
            text = msgspec.json.format(text, indent=2)
        if not whole and len(text) > _STATE:
            text = f"{text[:_STATE]}…\n(`python -m harness state` prints all of it)"
        self.say(f"{label}: {text}{rest}")

    @contextmanager
    def printed(self) -> Iterator[None]:
        """What a function prints inside the block goes through this console."""
        proxy = FileProxy(self, self._out)
        file = cast("IO[str]", proxy)
        with redirect_stdout(file), redirect_stderr(file):
            try:
                yield
            finally:
                proxy.flush()

    def print(self, *objects: Any, **options: Any) -> None:
        """As Rich prints; a text that comes here was printed by the function."""
        safe = (self.text(o, "dim") if isinstance(o, str | Text) else o for o in objects)
        super().print(*safe, **options)

    def error(self, error: HarnessError, advice: Sequence[str]) -> None:
        """An error in a box, with lines of advice and the trace below."""
        rule = f"rule {error.rule} in harness/RULES.md" if error.rule else ""
        notes = [note for note in getattr(error, "__notes__", []) if note != f"→ {error.todo}"]
        notes = [_shorter(note) if note == error.trace else note for note in notes]
        lines = [self.text(error), self.text(error.kind, "dim")]
        lines += [self.text(line, "cyan") for line in advice]
        lines += [self.text(line, "dim") for line in (rule, *notes)]
        text = Text("\n").join(filter(None, lines))
        title = _TITLES[error.exit_code]
        self._show(Panel(text, title=title, title_align="left", style="red"), soft_wrap=False)

    def result(self, result: dict[str, Any]) -> None:
        """The result of a command, for programs only."""
        if self.json:
            self._out.write(self.redactor.text(encode(result).decode("utf-8")) + "\n")

    def _show(self, what: Text | Table | Panel, **options: Any) -> None:
        if not self.json:
            super().print(what, **options)


def _shorter(trace: str) -> str:
    """A trace without the frames of connector/, if any other frame is left."""
    frames = re.split(r"\n(?=\S)", trace)
    users = [frame for frame in frames if not frame.startswith("connector/")]
    return "\n".join(users or frames[-1:])


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
