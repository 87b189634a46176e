"""Cursor values in the form of an example, counted in the smallest step that it can show."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

FORMS = (
    "an ISO 8601 text (2026-01-05T08:30:00Z, with an offset or without), a date, a number of "
    "seconds, milliseconds or microseconds since 1970, or an ever growing whole number"
)
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:([T ])(\d\d):(\d\d)(?::(\d\d)(?:([.,])(\d+))?)?( ?(?:Z|UTC|[+-]\d\d(?::?\d\d)?))?)?"
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_EPOCH = datetime(1970, 1, 1)
_NANO = 10**9
_FIRST_SECONDS = 10**8  # 1973; a smaller number counts something else
_FIRST_MILLISECONDS = 10**11  # as seconds, this would be the year 5138
_EXAMPLE = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
_UNITS = {"epoch": timedelta(seconds=1), "epoch_ms": timedelta(milliseconds=1)}


class Form:
    """How cursor values are written: as one example is.

    Attributes:
        is_time: False where the number only grows and counts no time (a sequence).
        first: The example, in steps.

    Raises:
        ValueError: The example is none of `FORMS`.
    """

    def __init__(self, example: Any) -> None:
        self._is_text = isinstance(example, str)
        self._iso = _ISO.fullmatch(example) if isinstance(example, str) else None
        self._places = 0
        self._steps, self._seconds = 1, 1  # so many steps in so many seconds
        self.is_time = True
        if self._iso is not None:
            _, between, _, _, second, _, fraction, _ = self._iso.groups()
            self._steps = 10 ** len(fraction or "")
            self._seconds = 1 if second else 60 if between else 86400
        elif isinstance(example, bool) or not _NUMBER.fullmatch(str(example)):
            raise ValueError(f"{example!r} is not {FORMS}")
        else:
            number = Decimal(str(example))
            self._places = -int(number.as_tuple().exponent)
            self._steps = 10**self._places * _steps_a_second(number)
            self.is_time = number >= _FIRST_SECONDS
            if self._places and not self.is_time:
                raise ValueError(f"{example!r} is not {FORMS}")
        self.first = self.read(str(example))

    @property
    def nanoseconds(self) -> int:
        """Length of a step."""
        return _NANO * self._seconds // self._steps

    def read(self, text: str, since_as: str | None = None) -> int:
        """The first step that is not before a bound.

        Args:
            text: The bound, in any form of `FORMS`; without an offset it has the example's.
            since_as: The form that it must have: "iso", "epoch", "epoch_ms", a strftime text.

        Raises:
            ValueError, OverflowError: The text is not written so.
        """
        if since_as is not None:
            text = _iso(text, since_as)
        if _NUMBER.fullmatch(text):
            number = Fraction(text)
            if not self.is_time:
                return math.ceil(number)
            return math.ceil(number / _steps_a_second(number) * self._steps / self._seconds)
        iso = _ISO.fullmatch(text)
        if iso is None or not self.is_time:
            raise ValueError(f"{text!r} is not {FORMS}")
        day, _, hour, minute, second, _, fraction, offset = iso.groups()
        local = datetime.fromisoformat(f"{day}T{hour or '00'}:{minute or '00'}:{second or '00'}")
        if offset is None and self._iso is not None:
            offset = self._iso[8]
        whole = (local - _EPOCH) // timedelta(seconds=1) - _seconds_of(offset)
        rest = Fraction(int(fraction or 0), 10 ** len(fraction or ""))
        return math.ceil((whole + rest) * self._steps / self._seconds)

    def write(self, step: int) -> Any:
        """The step as the example is written."""
        if self._iso is None:
            number = Decimal(step).scaleb(-self._places) if self._places else step
            return str(number) if self._is_text else number
        _, between, _, _, second, point, fraction, offset = self._iso.groups()
        seconds, rest = divmod(step * self._seconds, self._steps)
        local = _EPOCH + timedelta(seconds=seconds + _seconds_of(offset))
        if between is None:
            return local.date().isoformat()
        text = local.isoformat(between, "seconds" if second else "minutes")
        if fraction:
            text += f"{point}{rest:0{len(fraction)}d}"
        return text + (offset or "")

    def at(self, nanoseconds: int) -> int:
        """The last step that is not after a moment (nanoseconds since 1970); of a time only."""
        return nanoseconds * self._steps // (_NANO * self._seconds)


def is_since_form(form: str) -> bool:
    """Whether bounds can be written so: a word of `since_as()`, or a strftime text."""
    if form == "iso" or form in _UNITS:
        return True
    try:
        datetime.strptime(_EXAMPLE.strftime(form), form)
    except ValueError:
        return False
    return "%" in form.replace("%%", "")


def _iso(text: str, since_as: str) -> str:
    """A bound of this form as ISO 8601 text."""
    if since_as == "iso":
        if _NUMBER.fullmatch(text):
            raise ValueError("a number is not ISO 8601 text")
        return text
    if since_as not in _UNITS:
        return datetime.strptime(text, since_as).isoformat()
    is_milli = Fraction(text) >= _FIRST_MILLISECONDS
    if "." in text or is_milli != (since_as == "epoch_ms"):
        raise ValueError("another unit")
    return f"{(_EPOCH + int(text) * _UNITS[since_as]).isoformat()}Z"


def _steps_a_second(number: Decimal | Fraction) -> int:
    """1 for seconds since 1970, 1,000 for milliseconds and so on, by the number's size."""
    unit = 1
    while unit < _NANO and number >= _FIRST_MILLISECONDS * unit:
        unit *= 1000
    return unit


def _seconds_of(offset: str | None) -> int:
    if offset is None or offset.strip() in ("Z", "UTC"):
        return 0
    digits = offset.strip()[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:] or 0) * 60
    return -seconds if "-" in offset else seconds
