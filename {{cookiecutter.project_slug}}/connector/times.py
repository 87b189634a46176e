"""Times in the formats of upstreams: parsed to the microsecond, written like a given example.

All are microseconds since 1970. A *wall* is what a wall clock shows, counted as if it stood in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import ROUND_FLOOR, Context, Decimal
from functools import lru_cache
from math import floor
from operator import itemgetter
from typing import Any

from connector.errors import SourceError

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
MICROSECOND = timedelta(microseconds=1)
# Decimal places of a second.
EPOCHS = {"epoch": 0, "epoch_ms": 3, "epoch_us": 6, "epoch_ns": 9}
CHOICES = (
    'a strptime form such as "%d.%m.%Y %H:%M", "epoch", "epoch_ms", "epoch_us", "epoch_ns" '
    '(numbers that count time), "sequence" (ever growing numbers) or "text" (alphabetical)'
)
_1970 = datetime(1970, 1, 1)
_YEAR_1, _YEAR_10000 = -719_162 * DAY, 2_932_897 * DAY
_EXACT = Context(prec=80, rounding=ROUND_FLOOR)
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?"
ISO = re.compile(
    r"[0-9]{4}(?P<dash>-?)[0-9]{2}(?P=dash)[0-9]{2}"
    r"(?:[Tt ][0-9]{2}(?:(?P<colon>:?)[0-9]{2}(?:(?P=colon)[0-9]{2}(?:[.,][0-9]+)?)?)?"
    r"(?P<offset> ?(?:[Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?))?)?"
)
# Texts of one shape are of one form; an offset may be + or -.
_SHAPE = bytes.maketrans(b"123456789-", b"000000000+")
_DIRECTIVE = r"(?s)(%[-_0^#:]*.)"
# No field of it is what strptime assumes for a field that a form leaves out.
_SAMPLE = datetime(2003, 11, 25, 17, 38, 49, 123456, UTC)
_ASSUMED = "1900-01-01T00:00:00.000000"
# Units by the length of a time in ISO 8601 that ends with them.
_UNITS = {26: 1, 19: SECOND, 16: 60 * SECOND, 13: HOUR, 10: DAY, 7: 31 * DAY, 4: 366 * DAY}


class CursorError(ValueError):
    """A value cannot be a cursor of its entity; the text says why and what to declare."""


class Iso:
    """ISO 8601, with a day at least."""

    sample = "2003-11-25T17:38:49Z"

    def read(self, value: Any, *, in_record: bool = False) -> tuple[int, int | None]:
        """The wall, and its offset from UTC, None if unknown."""
        found = ISO.fullmatch(value) if isinstance(value, str) else None
        if found is not None and (found.end() > 8 or value[:2] in ("19", "20")):
            try:
                moment = datetime.fromisoformat(value[: _end(found)])
                return (moment - _1970) // MICROSECOND, _offset_of(found["offset"])
            except ValueError:
                pass
        what = "is not a time in ISO 8601" if isinstance(value, str) else "is a number"
        raise CursorError(
            f"{quoted(value)} {what}: declare what it is with cursor_type=, one of: {CHOICES}"
        )

    def write(self, wall: int, like: Any) -> Any:
        """A wall, written as another value of this form and cut off where that ends."""
        moment, end = moment_of(wall), _end(ISO.fullmatch(like))
        digits = iter(f"{moment.year:04d}{moment:%m%d%H%M%S%f}")
        return re.sub("[0-9]", lambda _: next(digits, "0"), like[:end]) + str(like[end:])

    def unit(self, like: Any) -> int:
        """Microseconds from a value to the next one that is written alike, at most."""
        digits = sum(map(str.isdigit, like[: _end(ISO.fullmatch(like))]))
        if digits < 14:
            return {8: DAY, 10: HOUR, 12: 60 * SECOND}[digits]
        return SECOND // int(10 ** min(6, digits - 14))

    def keys(self, values: Sequence[Any]) -> Sequence[Any]:
        """What values sort by; ValueError unless all are times and written alike."""
        found = ISO.fullmatch(values[0]) if isinstance(values[0], str) else None
        if found is None or found.end() == 8:
            raise ValueError
        shape = values[0].encode("ascii").translate(_SHAPE)
        if "\n".join(values).encode("ascii").translate(_SHAPE) != b"\n".join([shape] * len(values)):
            raise ValueError
        end = _end(found)
        if values[0][end:].strip(" ZzUTCGM"):  # of an offset of digits, only the shape is known
            offsets = set(map(itemgetter(slice(end, None)), values))
            list(map(_offset_of, offsets))
            if len(offsets) > 1:
                return list(map(datetime.fromisoformat, values))
        all(map(datetime.fromisoformat, map(itemgetter(slice(end)), values)))
        return values


class Epoch:
    """Numbers, or texts of digits, that count time since 1970."""

    sample = 0

    def __init__(self, name: str) -> None:
        self._name, self._places = name, EPOCHS[name]

    def read(self, value: Any, *, in_record: bool = False) -> tuple[int, int | None]:
        number = number_of(value, self._name)
        fits = not in_record or _epoch_of_size(number) == self._name
        if fits and -100 < number.adjusted() < 30:
            at = floor(number.scaleb(6 - self._places, _EXACT))
            if _YEAR_1 <= at < _YEAR_10000:
                return at, 0
        by_size = _epoch_of_size(number)
        advice = f'by its size it is cursor_type="{by_size}"'
        if by_size in (None, self._name):
            advice = "leave it out in the step, or name another column"
        raise CursorError(f'{quoted(value)} is not a time of cursor_type="{self._name}": {advice}')

    def write(self, wall: int, like: Any) -> Any:
        places = _places(like)
        number = Decimal(wall).scaleb(self._places - 6, _EXACT)
        number = number.quantize(Decimal(1).scaleb(-places), ROUND_FLOOR, _EXACT)
        if isinstance(like, str):
            return format(number, "f")
        return number if places else int(number)

    def unit(self, like: Any) -> int:
        return max(1, SECOND // int(10 ** (self._places + _places(like))))

    def keys(self, values: Sequence[Any]) -> Sequence[Any]:
        keys = keys_of_numbers(values)
        for outermost in (min(keys), max(keys)):
            self.read(outermost, in_record=True)
        return keys


class Strptime:
    """A form of strptime that names the year at least. Of zones (%Z) it reads UTC and GMT only."""

    def __init__(self, form: str) -> None:
        self._form = form
        self._variants = list(dict.fromkeys(form.replace("%Z", z) for z in ("GMT", "UTC", "Z")))
        literals = re.sub(_DIRECTIVE, "0", self._variants[0])
        self._is_utc = re.search(r"(?<![A-Za-z])(Z|UTC|GMT)(?![A-Za-z+-])", literals) is not None
        self.sample = strftime(_SAMPLE, self._variants[0])
        self._unit = self._unit_of(self._variants[0])

    def read(self, value: Any, *, in_record: bool = False) -> tuple[int, int | None]:
        moment, _ = self._parse(value)
        wall = (moment.replace(tzinfo=None) - _1970) // MICROSECOND
        if moment.tzinfo is None:
            return wall, 0 if self._is_utc else None
        return wall, _offset_at(moment)

    def write(self, wall: int, like: Any) -> str:
        moment, (_, form) = moment_of(wall), self._parse(like)
        found = _pattern(form).fullmatch(like)
        fields = iter(found.groups() if found else ())
        return re.sub(_DIRECTIVE, lambda each: _field(moment, each[0], next(fields, "")), form)

    def unit(self, like: Any) -> int:
        return self._unit

    def keys(self, values: Sequence[Any]) -> Sequence[Any]:
        raise ValueError

    def _parse(self, value: Any) -> tuple[datetime, str]:
        for form in self._variants:
            try:
                return datetime.strptime(value, form), form
            except (TypeError, ValueError):
                continue
        raise CursorError(
            f"{quoted(value)} is not in the form cursor_type={self._form!r}: declare the form that "
            "the upstream writes, or another column"
        )

    def _unit_of(self, form: str) -> int:
        try:
            read = datetime.strptime(self.sample, form)
        except (ValueError, re.error) as error:
            raise SourceError(
                f"cursor_type {self._form!r} is not a strptime form: {error}"
            ) from None
        found = read.replace(tzinfo=None).isoformat(timespec="microseconds")
        sample = _SAMPLE.replace(tzinfo=None).isoformat()
        for end, unit in _UNITS.items():
            if found == sample[:end] + _ASSUMED[end:] and read.strftime(form) == self.sample:
                return unit
        raise SourceError(
            f"cursor_type {self._form!r} does not say which time is meant: it needs a year (%Y), "
            "and with each part the larger ones (%d needs %m, %I needs %p)"
        )


TimeForm = Iso | Epoch | Strptime


class Zone:
    """What wall clocks show in an IANA zone; if none is named, they are taken for UTC."""

    def __init__(self, name: str | None) -> None:
        self.info: tzinfo | None = None
        if name is None:
            return
        # Not at the top: a cold start pays for each import, and few sources need this one.
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            self.info = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise SourceError(
                f"timezone {name!r} is not known here: use an IANA name such as "
                '"America/Denver" (on Windows also: pip install tzdata)'
            ) from None

    def instants(self, wall: int) -> tuple[int, int]:
        """The earliest and the latest time that a wall can mean; the same in most hours.

        Where clocks are put back, an hour comes twice; where they are put forward, one is skipped,
        and which time is meant is just as uncertain.
        """
        if self.info is None:
            return wall, wall
        moment = moment_of(wall).replace(tzinfo=self.info)
        one, other = wall - _offset_at(moment), wall - _offset_at(moment.replace(fold=1))
        return (one, other) if one < other else (other, one)

    def wall(self, at: int) -> int:
        """What the wall clock shows at a time."""
        if self.info is None:
            return at
        return at + _offset_at(moment_of(at).replace(tzinfo=UTC).astimezone(self.info))


def moment_of(micros: int) -> datetime:
    """The naive datetime of so many microseconds; OverflowError beyond the years 1 to 9999."""
    return _1970 + timedelta(microseconds=micros)


def number_of(value: Any, cursor_type: str) -> Decimal:
    """A number, or a text of digits, exactly."""
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, (float, Decimal)) or re.fullmatch(_NUMBER, value):
        number = Decimal(str(value))
        if number.is_finite():
            return number
    raise CursorError(
        f'{quoted(value)} is not a number, but cursor_type="{cursor_type}" is for numbers: declare '
        "what the values are, or another column"
    )


def keys_of_numbers(values: Sequence[Any]) -> Sequence[Any]:
    """As Iso.keys, of whole numbers or texts of digits."""
    if type(values[0]) is int:
        return values
    digits = "".join(values)
    if not digits.isascii() or not digits.isdigit():
        raise ValueError
    return list(map(int, values))


def strftime(moment: datetime, form: str) -> str:
    """As datetime.strftime, with years of four digits on every machine."""
    return re.sub(_DIRECTIVE, lambda found: _field(moment, found[0], ""), form)


def quoted(value: Any) -> str:
    """A value as a text may show it."""
    if isinstance(value, str):
        return repr(value) if len(value) <= 60 else repr(value[:57]) + "..."
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return f"a {type(value).__name__}"
    is_long = isinstance(value, int) and value.bit_length() > 200  # str() has a limit
    return "a number of more than 60 digits" if is_long else str(value)[:60]


@lru_cache
def _pattern(form: str) -> re.Pattern[str]:
    """Matches what strptime reads by a form, with a group for each directive."""
    fields = {
        "%%": "(%)",
        "%Y": r"(\d{4})",
        "%f": r"(\d{1,6})",
        "%j": r"(\d{1,3})",
        "%z": r"([+-]\d\d:?\d\d[:.\d]*|Z)",
        **dict.fromkeys(("%d", "%m", "%y", "%H", "%I", "%M", "%S", "%U", "%V", "%W"), r"(\d\d?)"),
    }
    parts = re.split(_DIRECTIVE, form)
    parts[::2] = (re.sub(r"(\\\s)+", r"\\s+", re.escape(part)) for part in parts[::2])
    parts[1::2] = (fields.get(part, "(.+?)") for part in parts[1::2])
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


def _field(moment: datetime, directive: str, like: str) -> str:
    """A field of a time, written as the same field of another one, where there is one."""
    text = f"{moment.year:04d}" if directive == "%Y" else moment.strftime(directive)
    if directive == "%z" and like:
        return like
    if directive == "%f" and like:
        return text[: len(like)]
    if like.isdigit() and len(like) < len(text):
        return text.lstrip("0") or "0"
    if like.isupper():
        return text.upper()
    return text.lower() if like.islower() else text


def _end(found: re.Match[str] | None) -> int:
    """Where a time in ISO 8601 ends and its offset begins."""
    assert found is not None
    return found.end() if found["offset"] is None else found.start("offset")


@lru_cache
def _offset_of(text: str | None) -> int | None:
    """Microseconds of an offset in ISO 8601; ValueError if there is no such offset."""
    if not text:
        return None
    if not text[-1].isdigit():
        return 0
    digits = text.strip().replace(":", "")
    hours, minutes = int(digits[1:3]), int(digits[3:] or 0)
    if hours > 23 or minutes > 59:
        raise ValueError
    return int(f"{digits[0]}1") * (hours * 60 + minutes) * 60 * SECOND


def _epoch_of_size(number: Decimal) -> str | None:
    """The cursor_type by which a number lies in the years 1973 to 5138."""
    size = number.adjusted() if number > 0 else 0
    return next((name for name, places in EPOCHS.items() if 8 <= size - places < 11), None)


def _places(number: Any) -> int:
    """Decimal places of an epoch."""
    return min(max(0, -int(Decimal(str(number)).as_tuple().exponent)), 40)


def _offset_at(moment: datetime) -> int:
    return (moment.utcoffset() or timedelta()) // MICROSECOND
