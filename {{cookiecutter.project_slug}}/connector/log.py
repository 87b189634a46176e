# Owned by fivetran-azfn-template: updates replace this file.
"""Log lines as key=value, with no secret in any record of any logger while a call runs."""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from connector.secrets import Redactor, hidden

logger = logging.getLogger("connector")

# A redactor is looked at as long as anybody holds it, a thread that was left behind included;
# the latest ones a while longer, for lines that are written after a call.
_living: weakref.WeakSet[Redactor] = weakref.WeakSet()
_latest: deque[Redactor] = deque(maxlen=16)
_lock = threading.RLock()
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
            # A space, not an escape: readers of key=value do not agree on what a backslash means.
            text = "".join(char if char.isprintable() else " " for char in text)
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
        _living.add(redactor)
        _latest.append(redactor)
        made = logging.getLogRecordFactory()
        if getattr(made, "redacts", False):
            return

        def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
            return _redacted(made(*args, **kwargs))

        factory.redacts = True  # type: ignore[attr-defined]
        logging.setLogRecordFactory(factory)


def redact(text: str) -> str:
    """The text without any secret of the calls that run or ran lately."""
    with _lock:
        known = {value for redactor in _living for value in redactor.values}
    return hidden(text, sorted(known, key=len, reverse=True))


class _Fields(dict[str, Any]):
    """A record's fields; what `extra=` adds after it was made is redacted as it comes in."""

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, _clean(value))

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Add fields, redacted."""
        for name, value in dict(*args, **kwargs).items():
            self[name] = value


def _redacted(record: logging.LogRecord) -> logging.LogRecord:
    # The arguments one by one first: "%.8s" would cut a secret before the line is looked at.
    if isinstance(record.args, tuple):
        record.args = tuple(_clean(value) for value in record.args)
    elif isinstance(record.args, Mapping):
        record.args = {name: _clean(value) for name, value in record.args.items()}
    try:
        said = record.getMessage()
    except Exception:
        said = f"{_shown(record.msg)} {record.args!r}"
        record.msg, record.args = said, None
    clean = redact(said)
    if clean != said:
        record.msg, record.args = clean, None
    record.msg = _clean(record.msg)
    if record.exc_info and record.exc_info[0] is not None:
        text = logging.Formatter().formatException(record.exc_info)
        if redact(text) != text or _tells(record.exc_info[1]):
            record.exc_info, record.exc_text = None, redact(text)
    if record.stack_info:
        record.stack_info = redact(record.stack_info)
    record.__dict__ = _Fields(record.__dict__)
    return record


def _clean(value: Any) -> Any:
    """The value, or its text without secrets if some stand in it."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, str):
        return redact(value)
    told, quoted = _shown(value), _shown(value, repr)
    return value if redact(told) == told and redact(quoted) == quoted else redact(told)


def _shown(value: Any, show: Callable[[Any], str] = str) -> str:
    try:
        return show(value)
    except Exception:
        return f"<{type(value).__name__} that cannot be shown>"


def _tells(error: BaseException | None) -> bool:
    """Whether a secret stands in an exception, or in one that it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        text = f"{_shown(error, repr)} {_shown(error.args, repr)}"
        if redact(text) != text:
            return True
        error = error.__cause__ or error.__context__
    return False
