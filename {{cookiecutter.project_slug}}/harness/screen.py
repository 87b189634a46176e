# Owned by fivetran-azfn-template: updates replace this file.
"""The one place where text leaves the harness: redacted by value, plain where no terminal is."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

import msgspec
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from harness.errors import FunctionFailed, HarnessError, ProtocolBroken
from harness.protocol import encode
from harness.redact import Redactor
from harness.trace import folded

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_LINE = 100  # characters of a state on one line
_STATE = 4000  # of one that is cut
_TITLES = {1: "Error", 2: "The protocol is broken", 3: "This cannot be run"}


class _Console(Console):
    """A console whose reader may go away, as that of `| head` does: then the command is stopped."""

    def on_broken_pipe(self) -> None:
        """Be silent from now on, and stop as Ctrl-C does: what was applied is kept."""
        self.quiet = True
        with contextlib.suppress(OSError, ValueError):
            # What is still in the file's buffer cannot be written when Python ends, either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
        raise KeyboardInterrupt


class Screen:
    """Writes for people to standard output, or one JSON object for machines.

    Args:
        redactor: Knows the secrets.
        as_json: Whether only `result` and `failure` write, as JSON.
        file: Where to write instead of standard output.
    """

    def __init__(
        self,
        redactor: Redactor | None = None,
        *,
        as_json: bool = False,
        file: IO[str] | None = None,
    ) -> None:
        self.redactor = redactor or Redactor()
        self.as_json = as_json
        self._file = file or sys.stdout
        self._errors = sys.stderr  # before a function's own prints are led here
        if isinstance(self._file, io.TextIOWrapper):
            # A console that cannot write a character gets its number, not a traceback.
            self._file.reconfigure(encoding="utf-8" if as_json else None, errors="backslashreplace")
        # Without a terminal, lines are not to be broken at 80 columns.
        wide = None if self._file.isatty() else 120
        self.console = _Console(
            file=self._file,
            quiet=as_json,
            highlight=False,
            soft_wrap=not self._file.isatty(),
            width=wide,
        )

    def text(self, value: object, style: str = "") -> Text:
        """A text that is safe to show: no secret, no markup, no control characters."""
        return Text(_CONTROL.sub("\ufffd", self.redactor.text(str(value))), style=style)

    def say(self, text: str, style: str = "") -> None:
        """One line or paragraph."""
        self.console.print(self.text(text, style))

    def printed(self, line: str) -> None:
        """One line of a function's own `print`; where machines read, it goes to standard error."""
        if self.as_json:
            self._errors.write(self.text(line).plain + "\n")
        else:
            self.say(line, "dim")

    def show(self, *parts: RenderableType) -> None:
        """Renderables whose texts were made with `text`."""
        self.console.print(*parts, soft_wrap=False)

    def table(self, title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table; numbers stand to the right, None is a dot."""
        if title:
            self.say(title, "bold")
        table = Table()
        lines = [list(row) for row in rows]
        for index, head in enumerate(heads):
            cells = [line[index] for line in lines]
            right = bool(cells) and all(isinstance(cell, (int, float)) for cell in cells)
            table.add_column(self.text(head), justify="right" if right else "left", overflow="fold")
        for line in lines:
            table.add_row(*(self.text(_cell(cell)) for cell in line))
        self.show(table)

    def state(
        self, state: Mapping[str, Any], label: str = "state", *, whole: str | None = None
    ) -> None:
        """A state, on one line where it fits.

        Args:
            state: The state.
            label: What it is.
            whole: A command that shows all of it: long entries with _ in front, which hold what
                is unfinished, are then left out, and what is still long is cut.
        """
        if whole is not None:
            large = {name: len(encode(value)) for name, value in state.items() if name[:1] == "_"}
            short = {
                name: f"{size(count)}, shown by `{whole}`"
                for name, count in large.items()
                if count > _LINE
            }
            state = {**state, **short}
        line = encode(self.redactor.value(state))
        if len(line) > _LINE:
            line = msgspec.json.format(line, indent=2)
        text = line.decode("utf-8")
        if whole is not None and len(text) > _STATE:
            text = f"{text[:_STATE]}…\n{size(len(line))}, shown by `{whole}`"
        self.say(f"{label}: {text}")

    def result(self, result: dict[str, Any]) -> None:
        """The outcome of a command, for machines alone."""
        if self.as_json:
            line = encode(self.redactor.value(result)).decode("utf-8")
            try:
                self._file.write(line + "\n")
                self._file.flush()
            except BrokenPipeError:
                self.console.on_broken_pipe()

    def failure(self, error: HarnessError, result: dict[str, Any]) -> None:
        """An error, as Fivetran's dashboard would show it where the function reported it."""
        kind, trace = getattr(error, "kind", None), getattr(error, "trace", None)
        rule = getattr(error, "rule", None)
        shown = {
            "message": str(error),
            "rule": rule,
            "todo": error.todo,
            "errorType": kind,
            "stackTrace": trace,
        }
        told = {name: value for name, value in shown.items() if value is not None}
        self.result({**result, "error": told})
        parts: list[RenderableType] = [self.text(error)]
        if kind:
            parts.append(self.text(kind, "dim"))
        if error.todo:
            parts.append(self.text(f"→ {error.todo}", "cyan"))
        if rule:
            parts.append(self.text(f"rule {rule} of harness/RULES.md", "dim"))
        if isinstance(error, FunctionFailed) and trace is not None:
            parts.append(Text())
            parts.extend(self.text(line, "bold" if own else "dim") for line, own in folded(trace))
        if isinstance(error, ProtocolBroken) and trace:
            parts.append(Text())
            parts.append(self.text(str(trace).rstrip(), "dim"))
        self.show(
            Panel(
                Group(*parts),
                title=getattr(error, "title", _TITLES[error.exit_code]),
                title_align="left",
                style="red",
            )
        )


class Lines(io.TextIOBase):
    """A file that a function's own `print` writes to: each line goes to the screen.

    Args:
        screen: Where the lines go.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._rest = ""

    def writable(self) -> bool:
        """It takes text."""
        return True

    def write(self, text: str) -> int:
        """Show every line that is complete by now."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._screen.printed(line)
        return len(text)

    def close(self) -> None:
        """Show a last line that has no end."""
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
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def counted(count: int, thing: str) -> str:
    """A number of things: `1 row`, `2,500 rows`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _cell(value: object) -> str:
    if value is None:
        return "·"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
