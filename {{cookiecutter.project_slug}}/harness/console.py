"""The one place where text leaves the harness: without secrets, plain where no terminal is."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import IO, Any, cast

import msgspec
from rich import console as rich
from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from harness.codec import encode
from harness.errors import HarnessError
from harness.redact import Redactor

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_LINE, _STATE = 100, 1000  # characters of a state on one line, and of one that is cut
_FOLDED = 3  # frames of one folder in a row, from which on the last alone is printed
_TITLES = {1: "The function reported an error", 2: "Fivetran would fail", 3: "Cannot run"}


class _Rich(rich.Console):
    """A console whose reader may leave, as that of `| head` does: then the command is stopped."""

    def on_broken_pipe(self) -> None:
        """Print nothing from now on, and stop as Ctrl-C does."""
        self.quiet = True
        with contextlib.suppress(OSError, ValueError):
            # What is still in the file's buffer cannot be written when Python ends, either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
        raise KeyboardInterrupt


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
        self._rich = _Rich(
            file=self._file,
            quiet=json,
            highlight=False,
            soft_wrap=not terminal,
            width=None if terminal else 120,  # do not break lines at 80 columns in a log
        )

    @property
    def is_live(self) -> bool:
        """Whether a line can move: on a terminal, for people."""
        return self._rich.is_terminal and not self.json

    def text(self, value: object, style: str = "") -> Text:
        """A text that is safe to print: no secret, no markup, no control characters."""
        return Text(_CONTROL.sub("\ufffd", self.redactor.text(str(value))), style=style)

    def say(self, text: str, style: str = "") -> None:
        """One line or paragraph."""
        self._rich.print(self.text(text, style))

    def warn(self, text: str) -> None:
        """One warning."""
        self.say(text, "yellow")

    def show(self, *parts: RenderableType) -> None:
        """Renderables whose texts were made with `text`."""
        self._rich.print(*parts, soft_wrap=False)

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table; numbers stand to the right, None is a dot."""
        if title:
            self.say(title, "bold")
        table, lines = Table(), [list(row) for row in rows]
        for index, column in enumerate(columns):
            cells = [line[index] for line in lines if line[index] is not None]
            right = bool(cells) and all(isinstance(cell, (int, float)) for cell in cells)
            table.add_column(
                self.text(column), justify="right" if right else "left", overflow="fold"
            )
        for line in lines:
            table.add_row(*(self.text(_cell(cell)) for cell in line))
        self.show(table)

    def state(self, state: Any, label: str = "state", *, whole: bool = False) -> None:
        """A state, on one line where it fits; cut unless the whole is asked for."""
        text = self.redactor.text(encode(state).decode("utf-8"))
        if len(text) > _LINE:
            text = msgspec.json.format(text, indent=2)
        if not whole and len(text) > _STATE:
            text = f"{text[:_STATE]}…\n(`python -m harness state` prints all of it)"
        self.say(f"{label}: {text}")

    def live(self, view: Callable[[], RenderableType]) -> Live:
        """A context manager of a view that is drawn anew ten times a second, on a terminal."""
        return Live(console=self._rich, get_renderable=view, transient=True, refresh_per_second=10)

    @contextlib.contextmanager
    def printed(self) -> Iterator[None]:
        """What is printed inside the block by a function goes through this console."""
        lines = _Lines(self._printed)
        with (
            contextlib.redirect_stdout(cast("IO[str]", lines)),
            contextlib.redirect_stderr(cast("IO[str]", lines)),
        ):
            try:
                yield
            finally:
                lines.close()

    def _printed(self, line: str) -> None:
        if self.json:
            self._errors.write(self.text(line).plain + "\n")
        else:
            self.say(line, "dim")

    def error(self, error: HarnessError, advice: Sequence[str]) -> None:
        """An error in a box, with lines of advice and the trace below."""
        parts: list[RenderableType] = [self.text(error)]
        if kind := getattr(error, "kind", ""):
            parts.append(self.text(kind, "dim"))
        parts += [self.text(line, "cyan") for line in advice]
        if rule := getattr(error, "rule", ""):
            parts.append(self.text(f"rule {rule} in harness/RULES.md", "dim"))
        for note in getattr(error, "__notes__", []):  # a trace, which is long
            if note != f"→ {error.todo}":
                parts += [self.text(line, "dim") for line in _folded(note.splitlines())]
        title = _TITLES[error.exit_code]
        self.show(Panel(Group(*parts), title=title, title_align="left", style="red"))

    def result(self, result: dict[str, Any]) -> None:
        """The outcome of a command, for machines alone."""
        if not self.json:
            return
        try:
            self._file.write(self.redactor.text(encode(result).decode("utf-8")) + "\n")
            self._file.flush()
        except BrokenPipeError:
            self._rich.on_broken_pipe()


class _Lines(io.TextIOBase):
    """A file each of whose lines goes to a function."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take, self._rest = take, ""

    def writable(self) -> bool:
        """It takes text."""
        return True

    def write(self, text: str) -> int:
        """Hand on every line that is complete by now."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._take(line)
        return len(text)

    def close(self) -> None:
        """Hand on a last line that has no end."""
        if self._rest and not self.closed:
            self.write("\n")
        super().close()


def size(count: int) -> str:
    """Bytes for people: `812 B`, `1.4 KiB`, `8.0 MiB`."""
    if count < 1024:
        return f"{count} B"
    kib = count / 1024
    return f"{kib:.1f} KiB" if kib < 1024 else f"{kib / 1024:.1f} MiB"


def duration(seconds: float) -> str:
    """Seconds for people: `42 ms`, `1.4 s`, `2 min 05 s`, `1 h 02 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return (
        f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
    )


def counted(count: int, thing: str) -> str:
    """A number of things: `1 row`, `2,500 rows`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _cell(value: object) -> str:
    if value is None:
        return "·"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _folded(lines: Sequence[str]) -> Iterator[str]:
    """A trace's lines; of many frames in a row from one folder (a library) the last alone."""
    frames: list[list[str]] = []
    for line in lines:
        if frames and line.startswith("    "):
            frames[-1].append(line)
        else:
            frames.append([line])
    for folder, group in groupby(frames, lambda frame: frame[0].rpartition(":")[0].split("/")[0]):
        run = list(group)
        if len(run) >= _FOLDED and "/" in run[0][0]:
            yield f"… {len(run) - 1} more in {folder}/"
            run = run[-1:]
        yield from chain.from_iterable(run)
