"""Log lines as key=value, and a record factory that redacts every record of every logger."""

from __future__ import annotations

import logging
import re
import threading
import weakref
from collections import deque
from collections.abc import Mapping
from typing import Any

from connector.errors import text_of
from connector.secrets import WITHHELD, Redactor, Table

logger = logging.getLogger("connector")

# Redactors are used as long as somebody refers to them, such as a thread that was left behind;
# the latest ones longer, for lines that are written after a call.
_living: weakref.WeakSet[Redactor] = weakref.WeakSet()
_latest: deque[Redactor] = deque(maxlen=16)
_UNQUOTED = re.compile(r"[\w.:/+?&%@,;~*-]+", re.ASCII)
_lock = threading.RLock()
_merged: tuple[frozenset[Table], Table] = (frozenset(), Table(()))


def line(event: str, **fields: Any) -> str:
    """`event=… key=value …`; values with other characters than a URL's are quoted, on one line."""
    parts = [f"event={event}"]
    for key, value in fields.items():
        text = str(value)
        if not _UNQUOTED.fullmatch(text):
            text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
            if not text.isprintable():
                # Spaces, not escapes: readers of key=value do not agree on what a backslash means.
                text = "".join(char if char.isprintable() else " " for char in text)
        if value is not None:
            parts.append(f"{key}={text}")
    return " ".join(parts)


class StepLog(logging.LoggerAdapter[logging.Logger]):
    """A logger for a fetch step, whose lines end with where they were written."""

    def __init__(self, place: str) -> None:
        super().__init__(logger, {})
        self._place = place

    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        """Add the place to a message."""
        return f"{text_of(msg)} {self._place}", kwargs


def guard(redactor: Redactor) -> None:
    """Keep the redactor's secrets out of every log record of this process from now on.

    A record factory, not a filter: a filter on one logger does not see what urllib3 or the
    user's loggers write.
    """
    with _lock:
        _living.add(redactor)
        _latest.append(redactor)
        make = logging.getLogRecordFactory()
        if getattr(make, "redacts", False):
            return

        def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
            return _redacted(make(*args, **kwargs))

        factory.redacts = True  # type: ignore[attr-defined]
        logging.setLogRecordFactory(factory)


def _table() -> Table:
    """What all redactors that are looked at know, so that secrets that overlap are one."""
    global _merged
    with _lock:
        tables = frozenset(redactor.table for redactor in _living)
        if tables != _merged[0]:
            _merged = tables, Table(form for table in tables for form in table.forms)
        return _merged[1]


class _Fields(dict[str, Any]):
    """A record's fields; what `extra=` adds after it was made is redacted as it comes in."""

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, _clean(value, _table()))

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Add fields, redacted."""
        for name, value in dict(*args, **kwargs).items():
            self[name] = value


def _redacted(record: logging.LogRecord) -> logging.LogRecord:
    try:
        table = _table()
        _redact_message(record, table)
        if record.exc_info and record.exc_info[0] is not None:
            text = logging.Formatter().formatException(record.exc_info)
            clean = table.redact(text)
            if clean != text or _holds_secret(record.exc_info[1], table):
                record.exc_info, record.exc_text = None, clean
        if record.stack_info:
            record.stack_info = table.redact(record.stack_info)
        record.__dict__ = _Fields(record.__dict__)
    except Exception:
        record.msg, record.args = WITHHELD, None
        record.exc_info = record.exc_text = record.stack_info = None
    return record


def _redact_message(record: logging.LogRecord, table: Table) -> None:
    # The arguments one by one first: "%.8s" would cut a secret before the line is looked at.
    if isinstance(record.args, tuple):
        record.args = tuple(_clean(value, table) for value in record.args)
    elif isinstance(record.args, Mapping):
        record.args = {name: _clean(value, table) for name, value in record.args.items()}
    try:
        message = record.getMessage()
    except Exception:
        message = f"{text_of(record.msg)} {record.args!r}"
        record.msg, record.args = message, None
    clean = table.redact(message)
    if clean != message:
        record.msg, record.args = clean, None
    elif record.args or not isinstance(record.msg, str):
        record.msg = _clean(record.msg, table)


def _clean(value: Any, table: Table) -> Any:
    """The value, or its text without secrets if it contains some."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, str):
        return table.redact(value)
    texts = text_of(value), text_of(value, repr)
    return table.redact(texts[0]) if any(table.redact(text) != text for text in texts) else value


def _holds_secret(error: BaseException | None, table: Table) -> bool:
    """Whether a secret is in an exception, or in one that it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if any(_clean(part, table) is not part for part in (error, error.args)):
            return True
        error = error.__cause__ or error.__context__
    return False
