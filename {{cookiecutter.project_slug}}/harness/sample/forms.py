"""Cursor values: parsed as a time, written like a given example."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

FORMS = (
    "an ISO 8601 text (2026-01-05T08:30:00Z, with an offset or without), a date, a number of "
    "seconds, milliseconds or microseconds since 1970, or an ever growing whole number"
)
SECOND = 10**6
DAY = 86400 * SECOND
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d(?:([T ])\d\d:\d\d(:\d\d)?(?:\.(\d+))?(Z|[+-]\d\d(?::?\d\d)?)?)?"
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Form:
    """How cursor values are written: like one example; ValueError if it is not one of `FORMS`.

    A value is counted in microseconds since 1970, or as it is in a sequence, which counts no time.
    `unit` is the smallest step that the form can show, `first` the example's value.
    """

    def __init__(self, example: Any) -> None:
        text = str(example)
        self._is_text = isinstance(example, str)
        self._iso = _ISO.fullmatch(text) if self._is_text else None
        self._zone: tzinfo = UTC
        self._places, self.is_time = 0, True
        if self._iso is not None:
            self._zone = datetime.fromisoformat(text).tzinfo or UTC
            between, second, fraction, _ = self._iso.groups()
            step = SECOND if second else 60 * SECOND if between else DAY
            self.unit: int = max(step // 10 ** len(fraction or ""), 1)
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

    def read(self, text: str) -> int:
        """The value of a bound in any of `FORMS`, in the example's offset if it has none."""
        if _NUMBER.fullmatch(text):
            number = Decimal(text)
            return int(number * _scale(number) if self.is_time else number)
        if not self.is_time:
            raise ValueError("not a number")
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._zone)
        return (moment - _EPOCH) // timedelta(microseconds=1)

    def floor(self, moment: int) -> int:
        """The last value that the form can show and that is not after a moment."""
        return moment // self.unit * self.unit

    def write(self, value: int) -> Any:
        """The value as the example is written."""
        if self._iso is None:
            number = Decimal(value // self.unit).scaleb(-self._places)
            return str(number) if self._is_text else number if self._places else int(number)
        between, second, fraction, offset = self._iso.groups()
        local = (_EPOCH + timedelta(microseconds=value)).astimezone(self._zone)
        if between is None:
            return local.date().isoformat()
        text = local.strftime(f"%Y-%m-%d{between}%H:%M{':%S' if second else ''}")
        if fraction:
            text += "." + f"{local.microsecond:06}".ljust(len(fraction), "0")[: len(fraction)]
        return text + (offset or "")


def _scale(number: Decimal) -> int:
    """Microseconds that a number since 1970 counts, by its size; 0 where it counts no time."""
    if number < 10**8:  # 1973, in seconds
        return 0
    return SECOND if number < 10**11 else 1000 if number < 10**14 else 1
