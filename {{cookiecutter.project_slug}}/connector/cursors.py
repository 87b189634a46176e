# Owned by fivetran-azfn-template: updates replace this file.
"""Cursor values: compared as what they mean, written as the upstream writes; it reads no clock."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta, tzinfo
from decimal import ROUND_FLOOR, Decimal
from typing import Any, NamedTuple

from connector import instants
from connector.errors import SourceError
from connector.instants import DAY, EXACT, Instant

TYPES = ("sequence", "epoch", "epoch_ms")
_HALF_DAY = Decimal(12 * 3600)
_MILLISECONDS = Decimal(10**12)  # as seconds, the year 33658
_FARTHEST_EAST = Decimal(14 * 3600)
# Of a width that numbers have: what is longer, or padded, is an id that compares as text.
_DIGITS = re.compile(r"-?(?:0|[1-9]\d{0,19})(?:\.\d+)?")
_DAY = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_NO_DATE = re.compile(r"0000-00-00(?:[T ][0:.,]*(?:Z|[+-][0:]*)?)?")


class Point(NamedTuple):
    """A cursor value and where it stands.

    Attributes:
        value: The value as the upstream wrote it.
        kind: "instant", "naive", "number" or "text"; only points of one kind compare.
        at: Seconds since the epoch, the number, or the text.
    """

    value: Any
    kind: str
    at: Any

    def compares(self, other: Point) -> bool:
        """Whether one of the two can be said to be the higher: texts compare with texts alone."""
        return (self.kind == "text") == (other.kind == "text")


class Cursors:
    """How one entity's cursor values are read, compared and written.

    Args:
        cursor_type: "sequence", "epoch", "epoch_ms", or None to go by the value.
        zone: IANA name of the time zone of instants without an offset, or None if unknown.

    Raises:
        SourceError: The type or the time zone is none that is known.
    """

    def __init__(self, cursor_type: str | None = None, zone: str | None = None) -> None:
        if cursor_type not in (None, *TYPES):
            raise SourceError(f"cursor_type is {cursor_type!r}; it is one of {', '.join(TYPES)}")
        self.cursor_type = cursor_type
        self.zone: tzinfo | None = None
        if zone is not None:
            # Not at the top: a cold start pays for each import, and few sources need this one.
            from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

            try:
                self.zone = ZoneInfo(zone)
            except (ZoneInfoNotFoundError, ValueError):
                raise SourceError(
                    f"timezone {zone!r} is not known here: use an IANA name such as "
                    '"America/Denver" (on Windows also: pip install tzdata)'
                ) from None

    def read(self, value: Any) -> Point | None:
        """The point of a value, or None for one that does not count (null, "", 0000-00-00).

        Raises:
            ValueError: The value can be no cursor of this entity; the text says why.
        """
        if type(value) is str and self.cursor_type is None and self.zone is None:
            usual = instants.usual(value)
            if usual is not None:
                return _instant(value, usual)
        if value is None or value == "" or (isinstance(value, str) and _NO_DATE.fullmatch(value)):
            return None
        if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
            raise ValueError(
                f"{_short(value)} is no text and no number: cursor= names a column, or the "
                "dotted path to one"
            )
        if self.cursor_type is not None:
            return self._number(value)
        if not isinstance(value, str) or (_DIGITS.fullmatch(value) and not _DAY.fullmatch(value)):
            raise ValueError(
                f"{_short(value)} is a number: say what it counts with cursor_type= "
                '"sequence" (ever growing), "epoch" (seconds) or "epoch_ms" (milliseconds)'
            )
        instant = instants.read(value, self.zone)
        if instant is not None:
            return _instant(value, instant)
        return Point(value, "text", value)

    def start(self, value: Any) -> Any:
        """A declared `start` as a lower bound: ISO text becomes a number where cursors are epochs.

        Raises:
            ValueError: It can be no cursor of this entity.
        """
        if isinstance(value, str) and self.cursor_type in ("epoch", "epoch_ms"):
            instant = instants.read(value, self.zone)
            if instant is not None:
                value = int(instant.at.scaleb(3) if self.cursor_type == "epoch_ms" else instant.at)
        self.read(value)
        return value

    def alike(self, point: Point, other: Point) -> bool:
        """Whether two points are of one kind; where the zone is known, an offset is none's own."""
        kinds = {point.kind, other.kind}
        return len(kinds) == 1 or (kinds == {"instant", "naive"} and self.zone is not None)

    def earliest(self, point: Point) -> Any:
        """Where the point stands at the earliest: clocks put back give one hour twice."""
        if point.kind != "naive" or self.zone is None:
            return point.at
        first = instants.read(point.value, self.zone, fold=0)
        return point.at if first is None else min(first.at, point.at)

    def held_back(self, point: Point, instant: float) -> bool:
        """Whether the point lies after the instant (epoch seconds), at the latest it can mean."""
        if point.kind == "text" or self.cursor_type == "sequence":
            return False
        limit = Decimal(instant)
        return bool(point.at > (limit - _HALF_DAY if self._unknown_zone(point) else limit))

    def passed(self, point: Point, instant: float) -> bool:
        """Whether the point surely lies after the instant (epoch seconds)."""
        if point.kind == "text" or self.cursor_type == "sequence":
            return False
        limit = Decimal(instant)
        return bool(point.at > (limit + _FARTHEST_EAST if self._unknown_zone(point) else limit))

    def after(self, instant: float, *, like: Point) -> Point:
        """The first value in the other's form that surely lies after the instant."""
        seconds = Decimal(instant)
        if self._unknown_zone(like):
            seconds += _FARTHEST_EAST
        return self.at(seconds, like=like, up=True)

    def is_instant(self, point: Point) -> bool:
        """Whether the point is a moment in time, so that a duration can be taken from it."""
        return _is_written(point) or self.cursor_type in ("epoch", "epoch_ms")

    def moved(self, point: Point, by: timedelta, *, up: bool = False) -> Point:
        """The point moved by a duration, in the same form; rounded down, or up to the next unit."""
        seconds = Decimal(by.days * 86400 + by.seconds) + Decimal(by.microseconds).scaleb(-6)
        return self.at(EXACT.add(point.at, seconds), like=point, up=up)

    def at(self, seconds: Decimal, *, like: Point, up: bool = False) -> Point:
        """The instant in the form of another point; rounded down, or up to the next unit."""
        unit = self._unit(like)
        floor = EXACT.multiply(EXACT.divide(seconds, unit).to_integral_value(ROUND_FLOOR), unit)
        if unit == DAY:
            floor = seconds  # days begin where the zone says: rounded when written
        if up:
            floor = EXACT.add(floor, unit)
        try:
            point = self.read(self._written(floor, like))
        except OverflowError:  # before the year 1 or after 9999: no bound is narrower
            return like
        assert point is not None
        return point

    def _number(self, value: Any) -> Point:
        text = str(value)
        if not re.fullmatch(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", text):
            raise ValueError(
                f'{_short(value)} is no number, as cursor_type="{self.cursor_type}" says: '
                "leave it out, or name another column"
            )
        at = Decimal(text)
        if self.cursor_type == "epoch" and abs(at) >= _MILLISECONDS:
            raise ValueError(f'{_short(value)} is no time in seconds: use cursor_type="epoch_ms"')
        return Point(
            value, "number", at.scaleb(-3, EXACT) if self.cursor_type == "epoch_ms" else at
        )

    def _unknown_zone(self, point: Point) -> bool:
        return point.kind == "naive" and self.zone is None

    def _unit(self, point: Point) -> Decimal:
        if _is_written(point):
            return instants.unit(point.value)
        places = -Decimal(str(point.value)).as_tuple().exponent  # type: ignore[operator]
        unit = Decimal(1).scaleb(-max(places, 0))
        return unit.scaleb(-3) if self.cursor_type == "epoch_ms" else unit

    def _written(self, at: Decimal, like: Point) -> Any:
        if _is_written(like):
            return instants.write(at, like.value, self.zone)
        number = at.scaleb(3, EXACT) if self.cursor_type == "epoch_ms" else at
        if isinstance(like.value, str):
            return format(number, "f")
        return int(number) if number == number.to_integral_value() else number


def dotted(record: Mapping[str, Any], path: str, missing: Any = None) -> Any:
    """The value at a top-level name or a dotted path of a record, or what is given for none."""
    if path in record:
        return record[path]
    value: Any = record
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return missing
        value = value[name]
    return value


def _instant(value: str, instant: Instant) -> Point:
    return Point(value, "naive" if instant.naive else "instant", instant.at)


def _is_written(point: Point) -> bool:
    """Whether the point is an instant in ISO 8601, and no number."""
    return point.kind in ("instant", "naive")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
