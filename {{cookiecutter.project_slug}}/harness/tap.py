# Owned by fivetran-azfn-template: updates replace this file.
"""Listens to what a function in this process logs; it must not print."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from types import TracebackType

_FIELD = re.compile(r'([A-Za-z_]\w*)=("(?:[^"\\]|\\.)*"|\S*)')
_ESCAPE = re.compile(r"\\(.)")


class Tap(logging.Handler):
    """Hands every log record of the process to a function while the block lasts.

    Args:
        heard: Takes the level (`logging.INFO`, …), the logger's name and the line.
        level: From which level on. Azure's own level is INFO.
    """

    def __init__(self, heard: Callable[[int, str, str], None], level: int = logging.INFO) -> None:
        super().__init__(level)
        self._heard = heard
        self._before = logging.WARNING

    def __enter__(self) -> Tap:
        root = logging.getLogger()
        self._before = root.level
        root.setLevel(self.level)
        root.addHandler(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        root = logging.getLogger()
        root.removeHandler(self)
        root.setLevel(self._before)

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on one record, its traceback included."""
        try:
            self._heard(record.levelno, record.name, self.format(record))
        except Exception:
            self.handleError(record)


def fields(line: str) -> dict[str, str]:
    """The `key=value` pairs of a log line; a value in quotes may hold blanks and escapes."""
    found = {}
    for name, value in _FIELD.findall(line):
        if value.startswith('"') and len(value) > 1:
            value = _ESCAPE.sub(lambda at: "\n" if at[1] == "n" else at[1], value[1:-1])
        found[name] = value
    return found
