# Owned by fivetran-azfn-template: updates replace this file.
"""Column types: inferred from values and widened so that none is ever lost; it converts nothing.

Times alone lose something: digits behind the microsecond (.NET writes seven, Go nine), as they do
in every destination of Fivetran's, whose types of time end there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import reduce
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
MIXED = "mixed"


class Shape(msgspec.Struct, frozen=True):
    """What is known of all values that a column has held; the column's type follows from it alone.

    `join` is commutative and associative: a type does not depend on the order in which values came.

    Attributes:
        kind: "null" (no value yet), "boolean", "number", "date", "timestamp" (no zone), "instant",
            "json", or "text", which holds everything.
        bits: Numbers: bits of the largest integer, without its sign.
        whole: Numbers: digits before the point.
        scale: Numbers: digits after the point, as written.
        fractional: Numbers: whether any was written with a point or an exponent.
        exact: Numbers: whether all of them survive as a 64-bit float.
        form: Timestamps: how all of them are written, as separator, length before the zone (two
            digits) and zone, as in `T19Z`; or "mixed", also where they are not written so again.
    """

    kind: str
    bits: int = 0
    whole: int = 0
    scale: int = 0
    fractional: bool = False
    exact: bool = True
    form: str = ""

    def join(self, other: Shape) -> Shape:
        """The narrowest shape that holds the values of both."""
        if self.kind == "null" or self == other:
            return other
        if other.kind == "null":
            return self
        if {self.kind, other.kind} == {"date", "timestamp"}:
            return Shape("timestamp", form=MIXED)  # a date is its midnight
        if self.kind != other.kind:
            return TEXT
        both = Shape(
            self.kind,
            bits=max(self.bits, other.bits),
            whole=max(self.whole, other.whole),
            scale=max(self.scale, other.scale),
            fractional=self.fractional or other.fractional,
            exact=self.exact and other.exact,
            form=self.form if self.form == other.form else MIXED,
        )
        return TEXT if both.sql == "VARCHAR" else both

    @property
    def sql(self) -> str:
        """The DuckDB type; "null" has none, its column is not created."""
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


NULL = Shape("null")
TEXT = Shape("text")


def observe(values: list[Any]) -> Shape:
    """The shape of decoded JSON values: None, bool, int, Decimal, str, dict, list."""
    types = set(map(type, values)) - {type(None)}
    shape = NULL
    for kind in types:
        shape = shape.join(_OBSERVERS[kind]([value for value in values if type(value) is kind]))
        if shape == TEXT:
            break
    return shape


def _integers(values: list[int]) -> Shape:
    ends = (min(values), max(values))
    shape = Shape(
        "number",
        bits=max((end if end >= 0 else ~end).bit_length() for end in ends),
        whole=max(Decimal(end).adjusted() + 1 for end in ends),
        exact=max(map(abs, ends)) <= 2**53 or all(_is_exact(Decimal(value)) for value in values),
    )
    return TEXT if shape.sql == "VARCHAR" else shape


def _decimals(values: list[Decimal]) -> Shape:
    parts = [value.as_tuple() for value in values]
    sizes = {(len(digits), int(exponent)) for _, digits, exponent in parts}
    short = all(digits <= 15 and abs(exponent) < 290 for digits, exponent in sizes)
    shape = Shape(
        "number",
        whole=max(1, *(digits + exponent for digits, exponent in sizes)),
        scale=max(0, *(-exponent for _, exponent in sizes)),
        fractional=True,
        exact=short or all(map(_is_exact, values)),
    )
    return TEXT if shape.sql == "VARCHAR" else shape


def _is_exact(value: Decimal) -> bool:
    try:
        return Decimal(repr(float(value))) == value
    except OverflowError:
        return False


def _texts(values: list[str]) -> Shape:
    shapes = set()
    for value in values:
        shape = _text(value)
        if shape is TEXT:
            return TEXT
        shapes.add(shape)
    return reduce(Shape.join, shapes)


def _text(value: str) -> Shape:
    match = _ISO.fullmatch(value)
    if match is None:
        return TEXT
    try:
        if match["time"] is None:
            date.fromisoformat(value)
            return Shape("date")
        stamp = datetime.fromisoformat(value.upper())
        if stamp.tzinfo and stamp.year in (1, 9999):
            stamp.astimezone(UTC)
    except (ValueError, OverflowError):
        return TEXT
    zone, more = match["zone"] or "", match["more"] or ""
    plain = zone != "z" and "," not in more and not more[7:].strip("0")
    form = f"{value[10]}{len(value) - len(zone)}{zone}" if plain else MIXED
    return Shape("instant" if zone else "timestamp", form=form)


_OBSERVERS: dict[type, Callable[[list[Any]], Shape]] = {
    bool: lambda _: Shape("boolean"),
    int: _integers,
    Decimal: _decimals,
    str: _texts,
    dict: lambda _: Shape("json"),
    list: lambda _: Shape("json"),
}
