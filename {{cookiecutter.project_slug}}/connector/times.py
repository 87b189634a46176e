"""Times as upstreams write them: read to the microsecond, and written as another one is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Context, Decimal
from operator import itemgetter
from typing import Any

from connector.errors import SourceError
from connector.zones import DAY, HOUR, MICROSECOND, SECOND, micros_of, moment_of

PER_SECOND = {"epoch": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}
CHOICES = (
    'a strptime form such as "%d.%m.%Y %H:%M", "epoch", "epoch_ms", "epoch_us", "epoch_ns" '
    '(numbers that count time), "sequence" (ever growing numbers) or "text" (alphabetical)'
)
_YEAR_1, _YEAR_10000 = -719_162 * DAY, 2_932_897 * DAY
_EXACT = Context(prec=80, rounding=ROUND_FLOOR)
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_ISO = re.compile(
    r"[0-9]{4}(?P<dash>-?)[0-9]{2}(?P=dash)[0-9]{2}"
    r"(?:(?P<letter>[Tt ])(?P<hour>[0-9]{2})(?:(?P<colon>:?)(?P<minute>[0-9]{2})"
    r"(?:(?P=colon)(?P<second>[0-9]{2})(?:(?P<point>[.,])(?P<fraction>[0-9]+))?)?)?"
    r"(?P<offset> ?(?:[Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?))?)?"
)
_DAY_OF_DIGITS = re.compile("(?:19|20)[0-9]{6}")
# Texts of one shape are of one form; an offset may be + or -.
_SHAPE = bytes.maketrans(b"123456789-", b"000000000+")
# No field of it is what strptime assumes for a field that a form leaves out.
_SAMPLE = datetime(2003, 11, 25, 17, 38, 49, 123456, UTC)
_ASSUMED = "1900-01-01T00:00:00.000000"
# Units in microseconds, and how long a time in ISO 8601 is that ends with them.
_UNITS = {26: 1, 19: SECOND, 16: 60 * SECOND, 13: HOUR, 10: DAY, 7: 31 * DAY, 4: 366 * DAY}
_DIRECTIVE = re.compile(r"(%[-_0^#:]*.)", re.DOTALL)
_UTC_LITERAL = re.compile(r"(?<![A-Za-z])(?:Z|UTC|GMT)(?![A-Za-z+-])")
_FIELDS = {
    "%%": "%",
    "%Y": r"(\d{4})",
    "%f": r"(\d{1,6})",
    "%j": r"(\d{1,3})",
    "%z": r"([+-]\d\d:?\d\d[:.\d]*|Z)",
    **dict.fromkeys(("%d", "%m", "%y", "%H", "%I", "%M", "%S", "%U", "%V", "%W"), r"(\d{1,2})"),
}


class CursorError(ValueError):
    """A value cannot be a cursor of its entity; the text says why and what to declare."""


class TimeForm:
    """A form in which upstreams write times.

    Attributes:
        sample: A value in this form, used when no upstream value is at hand.
    """

    sample: Any = None

    def read(self, value: Any) -> tuple[int, int | None]:
        """The time of the wall clock, and its offset from UTC, None if unknown.

        Raises:
            CursorError: The value is not a time in this form.
        """
        raise NotImplementedError

    def read_record(self, value: Any) -> tuple[int, int | None]:
        """As `read`, of a record's value: a bound may be an epoch of another magnitude."""
        return self.read(value)

    def write(self, wall: int, like: Any) -> Any:
        """A wall clock's time, written as another value of this form and cut off where that ends.

        Raises:
            OverflowError: It lies before the year 1 or after 9999.
        """
        raise NotImplementedError

    def unit(self, like: Any) -> int:
        """Microseconds from a value to the next one that is written alike, at most."""
        raise NotImplementedError

    def order(self, values: Sequence[Any]) -> Callable[[Any], Any] | None:
        """The key by which values sort as their times do, None where they do so themselves.

        Raises:
            ValueError: They are not written alike, or one of them is not a time. The key raises it
                too.
        """
        raise ValueError


class Iso(TimeForm):
    """ISO 8601, with a day at least."""

    @staticmethod
    def matches(value: Any) -> bool:
        """Whether a value looks like ISO 8601, even if the day does not exist."""
        return isinstance(value, str) and _ISO.fullmatch(value) is not None

    def read(self, value: Any) -> tuple[int, int | None]:
        found = _ISO.fullmatch(value) if isinstance(value, str) else None
        if found is None or (found.end() == 8 and not _DAY_OF_DIGITS.fullmatch(value)):
            raise _not_iso(value)
        text, added = value[: _end(found)], 0
        if found["hour"] == "24" and not value[found.end("hour") : len(text)].strip("0:.,"):
            text = text[: found.start("hour")] + "00"  # the end of a day
            added = DAY
        elif found["second"] == "60":
            text = text[: found.start("second")] + "59"  # a leap second
            added = SECOND
        try:
            wall = micros_of(datetime.fromisoformat(text)) + added
            offset = _offset_of(found["offset"])
        except ValueError:
            raise _not_iso(value) from None
        if wall >= _YEAR_10000:
            raise _not_iso(value)
        return wall, offset

    def write(self, wall: int, like: Any) -> str:
        found = _ISO.fullmatch(like)
        assert found is not None
        moment, dash, colon = moment_of(wall), found["dash"], found["colon"] or ""
        text = (
            f"{moment.year:04d}{dash}{moment.month:02d}{dash}{moment.day:02d}{found['letter']}"
            f"{moment.hour:02d}{colon}{moment.minute:02d}{colon}{moment.second:02d}"
            f"{found['point']}{moment.microsecond:06d}"
        )
        end = _end(found)
        return text[:end].ljust(end, "0") + str(like[end:])

    def unit(self, like: Any) -> int:
        found = _ISO.fullmatch(like)
        assert found is not None
        for part, unit in zip(
            ("fraction", "second", "minute", "hour"), _UNITS.values(), strict=False
        ):
            if found[part]:
                return unit if unit > 1 else max(1, SECOND // 10 ** min(6, len(found[part])))
        return DAY

    def order(self, values: Sequence[Any]) -> Callable[[Any], Any] | None:
        found = _ISO.fullmatch(values[0]) if isinstance(values[0], str) else None
        if found is None or found.end() == 8:
            raise ValueError
        shape = values[0].encode("ascii").translate(_SHAPE)
        shapes = "\n".join(values).encode("ascii").translate(_SHAPE)
        if shapes != b"\n".join([shape] * len(values)):
            raise ValueError
        end = _end(found)
        if end < found.end():
            offsets = set(map(itemgetter(slice(end, None)), values))
            list(map(_offset_of, offsets))
            if len(offsets) > 1:
                return datetime.fromisoformat
        all(map(datetime.fromisoformat, map(itemgetter(slice(end)), values)))
        return None


class Epoch(TimeForm):
    """Numbers, or texts of digits, that count time since 1970.

    Args:
        name: "epoch", "epoch_ms", "epoch_us" or "epoch_ns".
    """

    sample = 0

    def __init__(self, name: str) -> None:
        self._name = name
        self._per_second = PER_SECOND[name]

    def read(self, value: Any) -> tuple[int, int | None]:
        number = number_of(value, self._name)
        if isinstance(number, Decimal):
            if not -100 < number.adjusted() < 30:
                raise self._misfit(value, number)
            scaled = _EXACT.multiply(number, Decimal(SECOND) / self._per_second)
            at = int(scaled.to_integral_value(ROUND_FLOOR))
        else:
            at = number * SECOND // self._per_second
        if not _YEAR_1 <= at < _YEAR_10000:
            raise self._misfit(value, number)
        return at, 0

    def read_record(self, value: Any) -> tuple[int, int | None]:
        number = number_of(value, self._name)
        if _name_by_size(number) != self._name:
            raise self._misfit(value, number)
        return self.read(value)

    def write(self, wall: int, like: Any) -> Any:
        number = wall * self._per_second
        if isinstance(like, int):
            return number // SECOND
        places = self._places(like)
        exact = Decimal(number).scaleb(-6, _EXACT)
        rounded = exact.quantize(Decimal(1).scaleb(-places), ROUND_FLOOR, _EXACT)
        if isinstance(like, str):
            return format(rounded, "f")
        return rounded if places else int(rounded)

    def unit(self, like: Any) -> int:
        units: int = self._per_second * 10 ** self._places(like)
        return max(1, SECOND // units)

    def order(self, values: Sequence[Any]) -> Callable[[Any], Any] | None:
        key = order_of_numbers(values)
        self.read_record(min(values, key=key))
        self.read_record(max(values, key=key))
        return key

    def _places(self, like: Any) -> int:
        number = number_of(like, self._name)
        exponent = 0 if isinstance(number, int) else int(number.as_tuple().exponent)
        return min(max(0, -exponent), 40)

    def _misfit(self, value: Any, number: int | Decimal) -> CursorError:
        why = f'{shown(value)} is not a time of cursor_type="{self._name}"'
        name = _name_by_size(number)
        if name is None or name == self._name:
            return CursorError(f"{why}: leave it out in the step, or name another column")
        return CursorError(f'{why}; by its size it is cursor_type="{name}"')


class Strptime(TimeForm):
    """A form of strptime.

    Args:
        form: Its text, which names the year at least. Of zones (`%Z`), UTC and GMT can be read:
            other names are ambiguous.

    Raises:
        SourceError: It is not a form of strptime, or leaves open which time is meant.
    """

    def __init__(self, form: str) -> None:
        self._form = form
        self._variants = [form]
        if "%Z" in form:
            self._variants = [form.replace("%Z", name) for name in ("GMT", "UTC", "Z")]
        literals = _DIRECTIVE.sub("0", self._variants[0])
        self._is_utc = _UTC_LITERAL.search(literals) is not None
        self.sample = strftime(_SAMPLE, self._variants[0])
        self._unit = self._unit_of(self._variants[0])

    def read(self, value: Any) -> tuple[int, int | None]:
        moment, _ = self._parse(value)
        wall, offset = micros_of(moment.replace(tzinfo=None)), moment.utcoffset()
        if offset is None:
            return wall, 0 if self._is_utc else None
        return wall, offset // MICROSECOND

    def write(self, wall: int, like: Any) -> str:
        moment, (_, form) = moment_of(wall), self._parse(like)
        parts = _DIRECTIVE.split(form)
        parts[::2] = (re.sub(r"(\\\s)+", r"\\s+", re.escape(part)) for part in parts[::2])
        parts[1::2] = (_FIELDS.get(part, "(.+?)") for part in parts[1::2])
        found = re.fullmatch("".join(parts), like, re.IGNORECASE | re.DOTALL)
        fields = iter(found.groups() if found else ())
        parts = _DIRECTIVE.split(form)
        for index in range(1, len(parts), 2):
            like_field = "" if parts[index] == "%%" else next(fields, "")
            parts[index] = _field(moment, parts[index], like_field)
        return "".join(parts)

    def unit(self, like: Any) -> int:
        return self._unit

    def _parse(self, value: Any) -> tuple[datetime, str]:
        for form in self._variants:
            try:
                return datetime.strptime(value, form), form
            except (TypeError, ValueError):
                continue
        raise CursorError(
            f"{shown(value)} is not in the form cursor_type={self._form!r}: declare the form that "
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
            f"cursor_type {self._form!r} leaves open which time is meant: it needs a year (%Y), "
            "and no part without those above it (%d needs %m, %I needs %p)"
        )


def number_of(value: Any, cursor_type: str) -> int | Decimal:
    """A number, or a text of digits, exactly.

    Raises:
        CursorError: It is not a number.
    """
    if isinstance(value, int):
        return value
    if isinstance(value, (float, Decimal)) or _NUMBER.fullmatch(value):
        number = Decimal(str(value))
        if number.is_finite():
            return number
    raise CursorError(
        f'{shown(value)} is not a number, and cursor_type="{cursor_type}" is for numbers: declare '
        "what the values are, or another column"
    )


def order_of_numbers(values: Sequence[Any]) -> Callable[[Any], Any] | None:
    """As TimeForm.order, for whole numbers or texts of digits."""
    if type(values[0]) is int:
        return None
    digits = "".join(values)
    if not digits.isascii() or not digits.isdigit():
        raise ValueError
    return int


def strftime(moment: datetime, form: str) -> str:
    """As datetime.strftime, with years of four digits on every machine."""
    return _DIRECTIVE.sub(lambda found: _field(moment, found[0], ""), form)


def shown(value: Any) -> str:
    """A value as a text may show it."""
    if isinstance(value, str):
        return repr(value) if len(value) <= 60 else repr(value[:57]) + "..."
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return f"a {type(value).__name__}"
    is_long = isinstance(value, int) and value.bit_length() > 200  # str() has a limit
    return "a number of more than 60 digits" if is_long else str(value)[:60]


def _field(moment: datetime, directive: str, like: str) -> str:
    """A field of a time, written as the same field of another one."""
    if directive == "%Y":
        return f"{moment.year:04d}"
    if directive == "%z" and like:
        return like
    text = moment.strftime(directive)
    if directive == "%f" and like:
        return text[: len(like)]
    if like.isdigit() and len(like) < len(text):
        return text.lstrip("0") or "0"
    if like.isupper():
        return text.upper()
    return text.lower() if like.islower() else text


def _end(found: re.Match[str]) -> int:
    """Where a time in ISO 8601 ends and its offset begins."""
    return found.end() if found["offset"] is None else found.start("offset")


def _offset_of(text: str | None) -> int | None:
    """Microseconds of an offset in ISO 8601.

    Raises:
        ValueError: There is no such offset.
    """
    if text is None:
        return None
    text = text.strip()
    if not text[-1].isdigit():
        return 0
    digits = text[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > 23 or minutes > 59:
        raise ValueError
    return (hours * 60 + minutes) * 60 * SECOND * (-1 if text[0] == "-" else 1)


def _name_by_size(number: int | Decimal) -> str | None:
    """The cursor_type for which a number lies within the years 1973 to 5138."""
    for name, per_second in PER_SECOND.items():
        if 10**8 * per_second <= number < 10**11 * per_second:
            return name
    return None


def _not_iso(value: Any) -> CursorError:
    what = "is not a time in ISO 8601" if isinstance(value, str) else "is a number"
    return CursorError(
        f"{shown(value)} {what}: declare what it is with cursor_type=, one of: {CHOICES}"
    )
