"""Cursor values: read as a moment, and written as one example is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

FORMS = (
    "an ISO 8601 text (2026-01-05T08:30:00Z, with an offset or without), a date, a number of "
    "seconds, milliseconds or microseconds since 1970, or an ever growing whole number"
)
NANO = 10**9
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:([T ])(\d\d:\d\d)(:\d\d)?(?:([.,])(\d+))?( ?(?:Z|UTC|[+-]\d\d(?::?\d\d)?))?)?"
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_EPOCH = datetime(1970, 1, 1)
_EXAMPLE = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
_UNITS = {"epoch": NANO, "epoch_ms": 10**6}


class Form:
    """How cursor values are written: as one example is.

    A value is counted in nanoseconds since 1970, or as it is where it counts no time.

    Attributes:
        is_time: False where the number only grows and counts no time (a sequence).
        unit: The smallest step that the form can show.
        first: The example's value.

    Raises:
        ValueError: The example is none of `FORMS`.
    """

    def __init__(self, example: Any) -> None:
        text = str(example)
        self._is_text = isinstance(example, str)
        self._iso = _ISO.fullmatch(text)
        self.is_time, self._places, self.unit = True, 0, 1
        if self._iso is not None and self._is_text:
            _, between, _, second, _, fraction, _ = self._iso.groups()
            seconds = 1 if second else 60 if between else 86400
            self.unit = max(seconds * NANO // 10 ** len(fraction or ""), 1)
        elif isinstance(example, bool) or not _NUMBER.fullmatch(text):
            raise ValueError(f"{example!r} is not {FORMS}")
        else:
            number = Decimal(text)
            self._places = -int(number.as_tuple().exponent)
            self.is_time = _scale(number) > 0
            if self._places and not self.is_time:
                raise ValueError(f"{example!r} is not {FORMS}")
            self.unit = max(_scale(number) // 10**self._places, 1)
        self.first = self.read(text)

    def read(self, text: str, since_as: str | None = None) -> int:
        """The value of a bound in any form of `FORMS`, or in that of `since_as`.

        Without an offset it has the example's. ValueError, OverflowError: it is not written so.
        """
        is_number = _NUMBER.fullmatch(text) is not None
        if since_as in _UNITS and (not is_number or _scale(Decimal(text)) != _UNITS[since_as]):
            raise ValueError("another unit")
        if since_as == "iso" and is_number:
            raise ValueError("not ISO 8601")
        if since_as and since_as != "iso" and since_as not in _UNITS:
            text, is_number = datetime.strptime(text, since_as).isoformat(), False
        if is_number:
            return int(Decimal(text) * (_scale(Decimal(text)) if self.is_time else 1))
        iso = _ISO.fullmatch(text)
        if iso is None or not self.is_time:
            raise ValueError(f"{text!r} is not {FORMS}")
        day, _, minute, second, _, fraction, offset = iso.groups()
        if offset is None and self._iso is not None:
            offset = self._iso[7]
        local = datetime.fromisoformat(f"{day}T{minute or '00:00'}{second or ''}")
        seconds = (local - _EPOCH) // timedelta(seconds=1) - _seconds_of(offset)
        return seconds * NANO + int(f"{fraction or ''}000000000"[:9])

    def floor(self, moment: int) -> int:
        """The last value that the form can show and that is not after a moment."""
        return moment // self.unit * self.unit

    def write(self, value: int) -> Any:
        """The value as the example is written."""
        if self._iso is None:
            number = Decimal(value // self.unit).scaleb(-self._places)
            return str(number) if self._is_text else number if self._places else int(number)
        _, between, _, second, point, fraction, offset = self._iso.groups()
        seconds, rest = divmod(value, NANO)
        local = _EPOCH + timedelta(seconds=seconds + _seconds_of(offset))
        if between is None:
            return local.date().isoformat()
        text = local.isoformat(between, "seconds" if second else "minutes")
        if fraction:
            text += f"{point}{f'{rest:09}'.ljust(len(fraction), '0')[: len(fraction)]}"
        return text + (offset or "")


def is_since_form(form: str) -> bool:
    """Whether bounds can be written so: a word of `since_as()`, or a strftime text."""
    if form == "iso" or form in _UNITS:
        return True
    try:
        datetime.strptime(_EXAMPLE.strftime(form), form)
    except ValueError:
        return False
    return "%" in form.replace("%%", "")


def _scale(number: Decimal) -> int:
    """Nanoseconds that a number since 1970 counts, by its size; 0 where it counts no time."""
    if number < 10**8:  # 1973, in seconds
        return 0
    return next((NANO // n for n in (1, 10**3, 10**6) if number < 10**11 * n), 1)


def _seconds_of(offset: str | None) -> int:
    if offset is None or offset.strip() in ("Z", "UTC"):
        return 0
    digits = offset.strip()[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:] or 0) * 60
    return -seconds if "-" in offset else seconds
