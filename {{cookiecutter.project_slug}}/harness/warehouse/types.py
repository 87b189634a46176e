"""A column's type from the values it has held, and the SQL that casts its text.

Times alone lose something: digits behind the microsecond (.NET writes seven, Go nine), as in
every destination of Fivetran's. The text below the view has them all.
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
    r"(?P<time>[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?P<more>[.,][0-9]{1,9})?)?"
    r"(?P<zone>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_INTEGERS = ((15, "SMALLINT"), (31, "INTEGER"), (63, "BIGINT"))
_DECIMAL_DIGITS = 38
_TYPES = {
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "instant": "TIMESTAMP WITH TIME ZONE",
    "json": "JSON",
    "text": "VARCHAR",
}
TIMES = frozenset({"date", "timestamp", "instant"})
_NUMBERS = msgspec.json.Encoder(decimal_format="number")
_NUMBERS_AS_TEXT = msgspec.json.Encoder(decimal_format="string")
_HALF_PAIR = re.compile("[\ud800-\udfff]")
WORDS = {
    "null": "null",
    "boolean": "a boolean",
    "number": "a number",
    "date": "a date",
    "timestamp": "a time without offset",
    "instant": "a time with offset",
    "json": "an object or a list",
    "text": "text",
}


class Shape(msgspec.Struct, frozen=True):
    """What is known of all values that a column has held; the column's type follows from it alone.

    `join` is commutative and associative: a type does not depend on the order in which values came.

    Attributes:
        kind: "null" (no value yet), "boolean", "number", "date", "timestamp" (without offset),
            "instant", "json", or "text", which holds everything.
        seen: What the values were in JSON: "boolean", "integer", "decimal", "text", "json".
        bits: Numbers: bits of the largest integer, without its sign.
        whole: Numbers: digits before the point.
        scale: Numbers: digits after the point, as written.
        fractional: Numbers: whether any was written with a point or an exponent.
        exact: Numbers: whether all of them survive as a 64-bit float.
        odd: Times: whether one has a comma or a small z, which DuckDB does not read.
    """

    kind: str
    seen: frozenset[str] = frozenset()
    bits: int = 0
    whole: int = 0
    scale: int = 0
    fractional: bool = False
    exact: bool = True
    odd: bool = False

    def join(self, other: Shape) -> Shape:
        """The narrowest shape that holds the values of both."""
        if self.kind == "null" or self == other:
            return other
        if other.kind == "null":
            return self
        seen = self.seen | other.seen
        kind = self.kind
        if self.kind != other.kind:
            # A date is its midnight.
            kind = "timestamp" if {self.kind, other.kind} == {"date", "timestamp"} else "text"
        if kind == "text":
            return Shape("text", seen)
        both = Shape(
            kind,
            seen,
            bits=max(self.bits, other.bits),
            whole=max(self.whole, other.whole),
            scale=max(self.scale, other.scale),
            fractional=self.fractional or other.fractional,
            exact=self.exact and other.exact,
            odd=self.odd or other.odd,
        )
        return Shape("text", seen) if both.sql == "VARCHAR" else both

    @property
    def sql(self) -> str:
        """The DuckDB type; a column of nulls has none, it is not created."""
        return _TYPES.get(self.kind) or self._number()

    def _number(self) -> str:
        if not self.fractional:
            for bits, name in _INTEGERS:
                if self.bits <= bits:
                    return name
        digits = self.whole + self.scale
        if digits <= _DECIMAL_DIGITS:
            return f"DECIMAL({18 if digits <= 18 else _DECIMAL_DIGITS},{self.scale})"
        return "DOUBLE" if self.fractional and self.exact else "VARCHAR"

    def cast(self, column: str) -> str:
        """The SQL that turns the text in `column` (an SQL expression) into the column's type."""
        if self.odd:
            column = f"replace(upper({column}), ',', '.')"
        return column if self.kind == "text" else f"{column}::{self.sql}"

    def identity(self, column: str) -> str:
        """The SQL by which two texts in `column` are the same key."""
        same_text = self.kind in ("text", "boolean", "date")
        if same_text or (self.kind == "number" and not self.fractional):
            return column
        return self.cast(column)


NULL = Shape("null")
TEXT = Shape("text", frozenset({"text"}))


def observe(values: list[Any], before: Shape = NULL) -> Shape:
    """The shape of decoded JSON values; no time is looked for where the column was text before."""
    shape = NULL
    types = set(map(type, values))
    for kind in types - {type(None)}:
        if kind is str and before.kind == "text":
            found = TEXT
        elif len(types) == 1:
            found = _OBSERVERS[kind](values)
        else:
            found = _OBSERVERS[kind]([value for value in values if type(value) is kind])
        shape = shape.join(found)
    return shape


def kind_of(value: Any) -> str:
    """The kind of one value, as `Shape.kind` names it."""
    return observe([value]).kind


def flip(values: list[Any], before: Shape, seen: Shape) -> int | None:
    """Index of the first value that is of another kind than those before it; None: there is none.

    Texts beside texts that look like dates are texts; times of several kinds are not, because the
    column would be of a type of time without the others. `before` is the shape of the column so
    far, `seen` that of the values.
    """
    mixed = len(_plain(seen)) > 1
    if before.kind == "null":
        if not mixed and not (seen.kind == "text" and _only_times(values)):
            return None
        kind = kind_of(next(value for value in values if value is not None))
    else:
        kind = before.kind
        if kind == "text" and not mixed and seen.seen <= before.seen:
            return None
        if seen.kind == "null" or before.join(seen).kind not in (kind, "text"):
            return None  # a date becomes its midnight
        if kind == seen.kind != "text":
            return None
    if kind == "text":
        return _first(values, lambda value: not isinstance(value, str))
    return _first(values, lambda value: kind_of(value) != kind)


def as_text(value: Any) -> str:
    """The text of a decoded JSON value: a number as its digits, objects and lists as JSON."""
    if isinstance(value, str):
        return _HALF_PAIR.sub("\ufffd", value)
    if not isinstance(value, bool | dict | list):
        return str(value)
    try:
        return _NUMBERS.encode(value).decode()
    except UnicodeEncodeError:
        return _NUMBERS.encode(_sound(value)).decode()


def json_of_texts(values: list[Any]) -> str:
    """A JSON list of the values' texts; DuckDB makes texts of numbers and booleans."""
    if not {dict, list}.isdisjoint(map(type, values)):
        values = [as_text(value) if isinstance(value, dict | list) else value for value in values]
    try:
        return _NUMBERS_AS_TEXT.encode(values).decode()
    except UnicodeEncodeError:
        return _NUMBERS_AS_TEXT.encode(_sound(values)).decode()


def _sound(value: Any) -> Any:
    """The value with every half of a surrogate pair as U+FFFD: such halves have no UTF-8."""
    if isinstance(value, dict):
        return {_sound(name): _sound(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_sound(item) for item in value]
    return _HALF_PAIR.sub("\ufffd", value) if isinstance(value, str) else value


def _first(values: list[Any], differs: Callable[[Any], bool]) -> int | None:
    found = (i for i, value in enumerate(values) if value is not None and differs(value))
    return next(found, None)


def _plain(shape: Shape) -> set[str]:
    return {"number" if kind in ("integer", "decimal") else kind for kind in shape.seen}


def _only_times(values: list[Any]) -> bool:
    return all(_text(value).kind in TIMES for value in values if isinstance(value, str))


def _integers(values: list[int]) -> Shape:
    ends = (min(values), max(values))
    seen = frozenset({"integer"})
    shape = Shape(
        "number",
        seen,
        bits=max((end if end >= 0 else ~end).bit_length() for end in ends),
        whole=max(Decimal(end).adjusted() + 1 for end in ends),
        exact=max(map(abs, ends)) <= 2**53 or all(_is_exact(Decimal(value)) for value in values),
    )
    return Shape("text", seen) if shape.sql == "VARCHAR" else shape


def _decimals(values: list[Decimal]) -> Shape:
    # The text of a number gives its digits faster than as_tuple does.
    texts = list(map(str, values))
    forms = {(len(text), text.find("."), text[0] == "-") for text in texts if "E" not in text}
    sizes = {
        (point - minus, size - point - 1) if point > 0 else (size - minus, 0)
        for size, point, minus in forms
    }
    exact = all(whole + scale <= 15 for whole, scale in sizes)
    for value in [value for value, text in zip(values, texts, strict=True) if "E" in text]:
        _, digits, exponent = value.as_tuple()
        sizes.add((len(digits) + int(exponent), -int(exponent)))
        exact = exact and _is_exact(value)
    seen = frozenset({"decimal"})
    shape = Shape(
        "number",
        seen,
        whole=max(1, *(whole for whole, _ in sizes)),
        scale=max(0, *(scale for _, scale in sizes)),
        fractional=True,
        exact=exact or all(map(_is_exact, values)),
    )
    return Shape("text", seen) if shape.sql == "VARCHAR" else shape


def _is_exact(value: Decimal) -> bool:
    try:
        return Decimal(repr(float(value))) == value
    except OverflowError:
        return False


def _texts(values: list[str]) -> Shape:
    shape = _text(values[0])
    for value in set(values) if shape is not TEXT else ():
        found = _text(value)
        if found is not shape:
            shape = shape.join(found)
            if found is TEXT:
                break
    return shape


def _time(kind: str, odd: bool = False) -> Shape:
    return Shape(kind, TEXT.seen, odd=odd)


_TIMES = {(kind, odd): _time(kind, odd) for kind in TIMES for odd in (False, True)}


def _text(value: str) -> Shape:
    match = _ISO.fullmatch(value)
    if match is None:
        return TEXT
    try:
        if match["time"] is None:
            date.fromisoformat(value)
            return _TIMES["date", False]
        stamp = datetime.fromisoformat(value.upper())
        if stamp.tzinfo and stamp.year in (1, 9999):
            stamp.astimezone(UTC)
    except (ValueError, OverflowError):
        return TEXT
    zone = match["zone"] or ""
    odd = zone == "z" or "," in (match["more"] or "")
    return _TIMES["instant" if zone else "timestamp", odd]


_OBSERVERS: dict[type, Callable[[list[Any]], Shape]] = {
    bool: lambda _: Shape("boolean", frozenset({"boolean"})),
    int: _integers,
    Decimal: _decimals,
    str: _texts,
    dict: lambda _: Shape("json", frozenset({"json"})),
    list: lambda _: Shape("json", frozenset({"json"})),
}
