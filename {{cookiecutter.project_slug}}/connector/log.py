# Owned by fivetran-azfn-template: updates replace this file.
"""Log lines as key=value, with no secret in any record of any logger while a call runs."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import Any

from connector.secrets import Redactor

logger = logging.getLogger("connector")

_KEPT = 64  # redactors of recent calls: a thread that was left behind may still log
_active: OrderedDict[int, Redactor] = OrderedDict()
_lock = threading.Lock()
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/+?&%@,;~*")


def line(event: str, **fields: Any) -> str:
    """`event=… key=value …`; values with other characters than a URL's are quoted, on one line."""
    parts = [f"event={event}"]
    for key, value in fields.items():
        if value is None:
            continue
        text = str(value)
        if not text or not _PLAIN.issuperset(text):
            text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
            text = text.replace("\n", "\\n").replace("\r", "\\r")
        parts.append(f"{key}={text}")
    return " ".join(parts)


class StepLog(logging.LoggerAdapter[logging.Logger]):
    """A logger for a fetch step, whose lines end with where they were written."""

    def __init__(self, place: str) -> None:
        super().__init__(logger, {})
        self._place = place

    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        """Add the place to a message."""
        return f"{msg} {self._place}", kwargs


def guard(redactor: Redactor) -> None:
    """Keep the redactor's secrets out of every log record of this process from now on.

    A record factory, not a filter: a filter on one logger does not see what urllib3 or the
    user's own loggers write.
    """
    with _lock:
        _active[id(redactor)] = redactor
        while len(_active) > _KEPT:
            _active.popitem(last=False)
        made = logging.getLogRecordFactory()
        if getattr(made, "redacts", False):
            return

        def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
            return _redacted(made(*args, **kwargs))

        factory.redacts = True  # type: ignore[attr-defined]
        logging.setLogRecordFactory(factory)


def redact(text: str) -> str:
    """The text without any secret of the calls that ran lately."""
    for redactor in list(_active.values()):
        text = redactor.redact(text)
    return text


def _redacted(record: logging.LogRecord) -> logging.LogRecord:
    try:
        said = record.getMessage()
    except Exception:
        said = f"{record.msg!s} {record.args!r}"
    clean = redact(said)
    if clean != said:
        record.msg, record.args = clean, None
    if record.exc_info and record.exc_info[0] is not None:
        text = logging.Formatter().formatException(record.exc_info)
        hidden = redact(text)
        if hidden != text:
            record.exc_info, record.exc_text = None, hidden
    if record.stack_info:
        record.stack_info = redact(record.stack_info)
    return record
