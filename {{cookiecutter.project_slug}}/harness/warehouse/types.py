"""A column's type from the values it has held, and the SQL that casts its text.

Only times lose something, digits after the microsecond, as in every destination of Fivetran's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec

_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?P<time>[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"(?P<zone>Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_INTEGERS = ((15, "SMALLINT"), (31, "INTEGER"), (63, "BIGINT"))
_DECIMAL_DIGITS = 38
INSTANT = "TIMESTAMP WITH TIME ZONE"
_TYPES = {
    "a boolean": "BOOLEAN",
    "a date": "DATE",
    "a time without offset": "TIMESTAMP",
    "a time with offset": INSTANT,
    "an object or a list": "JSON",
    "text": "VARCHAR",
}
TIMES = frozenset({"a date", "a time without offset", "a time with offset"})
_NUMBER = frozenset({"a number"})
_JSON = msgspec.json.Encoder(decimal_format="number")
_JSON_OF_TEXTS = msgspec.json.Encoder(decimal_format="string")
_HALF_PAIR = re.compile("[\ud800-\udfff]")


class Shape(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of all values that a column has held; the column's type follows from it alone.

    `join` is commutative and associative: a type does not depend on the order in which values came.
    A time beside other text is text, a date beside times without offset is its midnight.
    """

    kinds: frozenset[str] = frozenset()  # what the values were, in words; empty if all were null
    bits: int = 0  # of the largest integer, without its sign
    whole: int = 0  # digits before the point
    scale: int = 0  # digits after the point, as written
    fractional: bool = False  # whether a number was written with a point or an exponent
    exact: bool = True  # whether all numbers survive as a 64-bit float

    def join(self, other: Shape) -> Shape:
        """The narrowest shape that holds the values of both."""
        if self == other:
            return self
        kinds = self.kinds | other.kinds
        if "text" in kinds:
            kinds -= TIMES
        elif "a time without offset" in kinds:
            kinds -= {"a date"}
        return Shape(
            kinds,
            bits=max(self.bits, other.bits),
            whole=max(self.whole, other.whole),
            scale=max(self.scale, other.scale),
            fractional=self.fractional or other.fractional,
            exact=self.exact and other.exact,
        )

    @property
    def sql(self) -> str:
        """The DuckDB type."""
        if self.kinds != _NUMBER:
            return _TYPES[next(iter(self.kinds))] if len(self.kinds) == 1 else "VARCHAR"
        if not self.fractional:
            for bits, name in _INTEGERS:
                if self.bits <= bits:
                    return name
        digits = self.whole + self.scale
        if digits <= _DECIMAL_DIGITS:
            return f"DECIMAL({18 if digits <= 18 else _DECIMAL_DIGITS},{self.scale})"
        return "DOUBLE" if self.fractional and self.exact else "VARCHAR"

    @property
    def words(self) -> str:
        """What the values were, in a sentence."""
        return " or ".join(sorted(self.kinds))

    def cast(self, column: str) -> str:
        """The SQL that turns the text in `column` (an SQL expression) into the column's type."""
        return column if self.sql == "VARCHAR" else f"{column}::{self.sql}"


NULL = Shape()
_ONE_KIND = {kind: Shape(frozenset({kind})) for kind in _TYPES}
TEXT = _ONE_KIND["text"]


def observe(values: list[Any], before: Shape = NULL) -> Shape:
    """The shape of decoded JSON values; no time is looked for if the column has had text."""
    shape = NULL
    types = set(map(type, values))
    for kind in types - {type(None)}:
        if kind is str and "text" in before.kinds:
            shape = shape.join(TEXT)
        else:
            alike = values if len(types) == 1 else [v for v in values if type(v) is kind]
            shape = shape.join(_OBSERVERS[kind](alike))
    return shape


def as_text(value: Any) -> str:
    """The text of a decoded JSON value: a number as its digits, objects and lists as JSON."""
    return _sound(value) if isinstance(value, str) else _encoded(_JSON, value)


def json_of_texts(values: list[Any]) -> str:
    """A JSON list of the values' texts; DuckDB makes texts of integers and booleans."""
    if not {dict, list}.isdisjoint(map(type, values)):
        values = [as_text(value) if isinstance(value, dict | list) else value for value in values]
    return _encoded(_JSON_OF_TEXTS, values)


def _encoded(encoder: msgspec.json.Encoder, value: Any) -> str:
    try:
        return encoder.encode(value).decode()
    except UnicodeEncodeError:
        return encoder.encode(_sound(value)).decode()


def _sound(value: Any) -> Any:
    """The value with every half of a surrogate pair as U+FFFD: such halves have no UTF-8."""
    if isinstance(value, dict):
        return {_sound(name): _sound(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_sound(item) for item in value]
    return _HALF_PAIR.sub("\ufffd", value) if isinstance(value, str) else value


def _integers(values: list[int]) -> Shape:
    low, high = min(values), max(values)
    largest = max(high, -low)
    return Shape(
        _NUMBER,
        bits=max(high, ~low).bit_length(),
        whole=len(str(largest)),
        exact=largest <= 2**53 or all(map(_is_exact, values)),
    )


def _decimals(values: list[Decimal]) -> Shape:
    sizes = {(len(digits), int(point)) for _, digits, point in map(Decimal.as_tuple, values)}
    return Shape(
        _NUMBER,
        whole=max(1, *(digits + point for digits, point in sizes)),
        scale=max(0, *(-point for _, point in sizes)),
        fractional=True,
        exact=all(digits <= 15 and abs(point) < 290 for digits, point in sizes)
        or all(map(_is_exact, values)),
    )


def _is_exact(value: int | Decimal) -> bool:
    try:
        return Decimal(repr(float(value))) == value
    except OverflowError:
        return False


def _texts(values: list[str]) -> Shape:
    shape = _text(values[0])
    if shape is not TEXT:
        for value in set(values):
            found = _text(value)
            if found is not shape:
                shape = shape.join(found)
    return shape


def _text(value: str) -> Shape:
    match = _ISO.fullmatch(value)
    if match is None:
        return TEXT
    try:
        if match["time"] is None:
            date.fromisoformat(value)
            return _ONE_KIND["a date"]
        stamp = datetime.fromisoformat(value)
        if stamp.tzinfo and stamp.year in (1, 9999):
            stamp.astimezone(UTC)
    except (ValueError, OverflowError):
        return TEXT
    return _ONE_KIND["a time with offset" if match["zone"] else "a time without offset"]


_OBSERVERS: dict[type, Callable[[list[Any]], Shape]] = {
    bool: lambda _: _ONE_KIND["a boolean"],
    int: _integers,
    Decimal: _decimals,
    str: _texts,
    dict: lambda _: _ONE_KIND["an object or a list"],
    list: lambda _: _ONE_KIND["an object or a list"],
}
