# Owned by fivetran-azfn-template: updates replace this file.
"""How a request writes its bounds: the words of `since_as`; which records they choose is not known.

The words are those of the fetch step's `since_as()`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

RULE = 'is "iso", "epoch" (seconds), "epoch_ms" (milliseconds) or a strftime text, as "%d/%m/%Y"'
_UNITS = {"epoch": timedelta(seconds=1), "epoch_ms": timedelta(milliseconds=1)}
_EPOCH = datetime(1970, 1, 1)
_WHOLE = re.compile(r"-?\d+")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_FIRST = datetime(1973, 3, 3)  # what is less, in milliseconds, were seconds
_EXAMPLE = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)


def is_known(form: str) -> bool:
    """Whether bounds can be written so: one of the words, or a strftime text that can be read."""
    if form == "iso" or form in _UNITS:
        return True
    try:
        datetime.strptime(_EXAMPLE.strftime(form), form)
    except ValueError:
        return False
    return "%" in form.replace("%%", "")


def iso(text: str, form: str | None) -> str:
    """A bound as ISO 8601 text; without a form as it came.

    Raises:
        ValueError, OverflowError: It is not written so.
    """
    if form is None:
        return text
    if form == "iso":
        if _NUMBER.fullmatch(text):
            raise ValueError("a number is no ISO 8601 text")
        return text
    if form not in _UNITS:
        return datetime.strptime(text, form).isoformat()
    if not _WHOLE.fullmatch(text):
        raise ValueError("it is no whole number")
    moment = _EPOCH + int(text) * _UNITS[form]
    if form == "epoch_ms" and moment < _FIRST:
        raise ValueError("these are seconds")
    return moment.isoformat()
