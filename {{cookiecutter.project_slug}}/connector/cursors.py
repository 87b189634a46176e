"""Cursor values: compared by their meaning, written in the upstream's own format."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, timedelta, timezone
from decimal import Decimal
from functools import cached_property
from math import ceil, floor
from typing import Any, NamedTuple

import msgspec

from connector import times
from connector.errors import SourceError
from connector.times import DAY, HOUR, MICROSECOND, SECOND, TimeForm, moment_of, quoted
from connector.times import CursorError as CursorError

MISSING: Any = msgspec.UNSET
# How far a wall clock whose zone is not known may be behind UTC, and ahead of it.
_WEST, _EAST = 12 * HOUR, 14 * HOUR


class Point(NamedTuple):
    """A cursor value and its position."""

    value: Any  # as the upstream wrote it
    at: Any  # a number, a text or microseconds since 1970: the latest that a wall can mean
    naive: bool = False  # a time without an offset


# Index of a record, its cursor, and the one before it.
_Pair = tuple[int, Point, Point] | None


class Cursors:
    """How one entity's cursor values are read, compared and written."""

    def __init__(self, cursor_type: str | None = None, timezone: str | None = None) -> None:
        self.cursor_type = cursor_type
        self.timezone = timezone
        self._form = _form_of(cursor_type)
        self._zone = times.Zone(timezone)
        self.is_time = self._form is not None

    def parse(self, value: Any, *, in_record: bool = False) -> Point | None:
        """The point of a value, None for null and blank; CursorError if it cannot be one.

        In a record, an epoch of another magnitude is an error: a bound may lie anywhere.
        """
        if value is None or value is MISSING or (isinstance(value, str) and not value.strip()):
            return None
        if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
            raise CursorError(
                f"{quoted(value)} is neither text nor a number: cursor= names a column, or the "
                "dotted path to one"
            )
        if self._form is not None:
            wall, offset = self._form.read(value, in_record=in_record)
            if offset is not None:
                return Point(value, wall - offset)
            return Point(value, self._zone.instants(wall)[1], naive=True)
        if self.cursor_type == "sequence":
            return Point(value, times.number_of(value, "sequence"))
        if not isinstance(value, str):
            raise CursorError(f'{quoted(value)} is a number, but cursor_type="text" is for text')
        return Point(value, value)

    def parse_start(self, value: Any) -> Point | None:
        """A declared `start`: ISO 8601 becomes what the upstream writes."""
        form = self._form
        try:
            # 0 is the beginning, not a magnitude.
            return self.parse(value, in_record=value not in (0, "0"))
        except CursorError:
            if form is None or not isinstance(value, str) or not times.ISO.fullmatch(value):
                raise
        wall, offset = times.Iso().read(value)
        try:
            if form.read(form.sample)[1] is not None:
                wall = self._zone.instants(wall)[0] if offset is None else wall - offset
            elif offset is not None:
                wall = self._zone.wall(wall - offset - self._unknown(_WEST))
            return self._written(wall, form.sample)
        except (ValueError, OverflowError):
            why = f"{quoted(value)} cannot be written as {self.cursor_type!r}"
            raise CursorError(why) from None

    def alike(self, point: Point, other: Point) -> bool:
        """Whether two points may be compared: with and without an offset only in a known zone."""
        return point.naive == other.naive or self._zone.info is not None

    def check_alike(self, point: Point, other: Point) -> None:
        """CursorError, unless two points may be compared."""
        if not self.alike(point, other):
            raise CursorError(
                f"{quoted(point.value)} cannot be compared with {quoted(other.value)}: one has an "
                "offset and the other has none. Declare timezone=, or write all in one form in the "
                "step"
            )

    def may_be_after(self, point: Point, moment: float) -> bool:
        """Whether a point may lie after a moment (epoch seconds)."""
        west = self._unknown(_WEST) if point.naive else 0
        return self.is_time and bool(point.at > floor(moment * SECOND) - west)

    def is_before(self, point: Point, start: Point) -> bool:
        """Whether a point surely lies before a start, which a user may write without an offset."""
        if self.alike(point, start):
            return bool(point.at < start.at)
        return bool(point.at < start.at - max(_EAST, _WEST))

    def passed(self, point: Point, moment: float) -> bool:
        """Whether a point surely lies after a moment (epoch seconds)."""
        east = self._unknown(_EAST) if point.naive else 0
        return self.is_time and bool(self.earliest(point) > ceil(moment * SECOND) + east)

    def earliest(self, point: Point) -> Any:
        """The earliest position of a point: when clocks are put back, an hour comes twice."""
        if self._form is None or not point.naive:
            return point.at
        return self._zone.instants(self._form.read(point.value)[0])[0]

    def lookback(self, point: Point, by: timedelta) -> Point:
        """A point moved back, written alike and rounded down; never later on a wall clock."""
        if self._form is None or by <= timedelta():
            return point
        wall, offset = self._form.read(point.value)
        target = wall - by // MICROSECOND
        try:
            if offset is None:
                target = min(target, self._zone.wall(point.at - by // MICROSECOND))
            return self._written(target, point.value)
        except (ValueError, OverflowError):  # before the year 1
            return point

    def slice_end(self, since: Point, window: timedelta, horizon: float) -> Point:
        """Where a slice ends, written alike: always after it begins, on a wall clock too.

        A window is counted in UTC, of days without a time in calendar days. The last slice ends
        just after the horizon (epoch seconds), in any zone.
        """
        if self._form is None:
            return since
        zone, (wall, offset) = self._zone, self._form.read(since.value)
        unit = self._form.unit(since.value)
        end, last = wall + window // MICROSECOND, ceil(horizon * SECOND)
        try:
            if offset is not None:
                end = max(min(end, last + offset + unit), wall + unit)
            else:
                if unit < DAY:
                    end = zone.wall(since.at + window // MICROSECOND)
                last = zone.wall(last + self._unknown(_EAST))
                earliest, latest = zone.instants(last)
                last += latest - earliest  # the clock may have been put back just before
                end = max(min(end, last + unit), wall + unit)
                end = zone.wall(zone.instants(end)[1])  # never in an hour that is skipped
            return self._written(end, since.value)
        except (ValueError, OverflowError):  # after the year 9999
            return since

    def format(self, point: Point, form: str) -> Any:
        """A time in another form, rounded down; Fetch.since_as documents the forms."""
        if self._form is None:
            raise CursorError(f"{quoted(point.value)} is not a time")
        zone = self._zone.info
        if point.naive and zone is None:
            why = 'has no offset: declare the upstream\'s zone, such as timezone="America/Denver"'
            raise CursorError(f"{quoted(point.value)} {why}")
        at, (wall, offset) = self.earliest(point), self._form.read(point.value)
        if form in ("epoch", "epoch_ms"):
            return at // (SECOND if form == "epoch" else SECOND // 1000)
        if form != "iso" and "%" not in str(form):
            raise CursorError('the form is "iso", "epoch", "epoch_ms" or a strftime text')
        try:
            moment = moment_of(at)
            if form == "iso":
                return moment.isoformat(timespec="microseconds").rstrip("0").rstrip(".") + "Z"
            if offset is None:
                moment = moment_of(wall).replace(tzinfo=zone)
            else:
                zone = zone or timezone(timedelta(microseconds=offset))
                moment = moment.replace(tzinfo=UTC).astimezone(zone)
            return times.strftime(moment, form)
        except (ValueError, OverflowError):
            raise CursorError(f"{quoted(point.value)} cannot be written as {form!r}") from None

    def keys(self, values: Sequence[Any]) -> Sequence[Any]:
        """As Iso.keys, of values of any type."""
        if not values:
            return values
        if self._form is not None:
            return self._form.keys(values)
        if self.cursor_type == "sequence":
            return times.keys_of_numbers(values)
        if type(values[0]) is not str or not all(map(str.strip, values)):
            raise ValueError
        return values

    def _unknown(self, micros: int) -> int:
        return micros if self._zone.info is None else 0

    def _written(self, wall: int, like: Any) -> Point:
        """A wall, written as another value; ValueError if it reads as a later one."""
        assert self._form is not None
        point = self.parse(self._form.write(wall, like))
        if point is None or self._form.read(point.value)[0] > wall:
            raise ValueError
        return point


class PageCursors:
    """The cursors of one page's records. Those that are written alike are not read one by one."""

    def __init__(self, cursors: Cursors, values: Sequence[Any]) -> None:
        self._cursors, self._all = cursors, values
        kinds = set(map(type, values))
        self.present = not kinds <= {type(MISSING)}  # whether any record has the column
        self.unreadable: list[tuple[int, Any]] = []  # index and value, null and blank ones not
        self.error: CursorError | None = None  # why the first of those cannot be read
        self._is_mixed = False  # whether some have an offset and others have none
        # What can be read, and what it sorts by.
        self._values: Sequence[Any]
        self._keys: Sequence[Any]
        try:
            self._values = _of_one_kind(values, kinds)
            self._keys = cursors.keys(self._values)
        except ValueError:
            self.points = list(map(self._read, range(len(values))))
            self._use(self.points)
        else:
            self._find_top()

    @cached_property
    def points(self) -> list[Point | None]:
        """The point of each record, None if its cursor does not count."""
        return list(map(self._cursors.parse, self._all))

    @property
    def last(self) -> Point | None:
        """The last one that can be read."""
        return self._point(-1) if self._values else None

    def first_keys(self, count: int) -> Sequence[Any]:
        """What the first ones that can be read sort by."""
        return self._keys[:count]

    def highest(self, bound: float, until: Point | None = None) -> Point | None:
        """The highest one that is not after `bound` (epoch seconds) and not above `until`."""

        def is_too_high(point: Point) -> bool:
            above = until is not None and point.at > until.at
            return above or self._cursors.may_be_after(point, bound)

        if self.top is None or not is_too_high(self.top):
            return self.top
        indexes = sorted(range(self.readable), key=self._keys.__getitem__)
        found = bisect_left(indexes, True, key=lambda index: is_too_high(self._point(index)))
        return self._point(indexes[found - 1]) if found else None

    def unsorted(self, before: Point | None, descending: bool) -> _Pair:
        """The first one out of order, `before` being the last one of the page before."""

        def goes_back(before: Point, point: Point) -> bool:
            earliest = self._cursors.earliest
            return bool(earliest(point) > before.at if descending else point.at < earliest(before))

        if before is not None and self._values and not self._cursors.alike(before, self._point(0)):
            before = None
        if not self._values or (
            sorted(self._keys, reverse=descending) == self._keys
            and (before is None or not goes_back(before, self._point(0)))
        ):
            return None
        return self._first(before, goes_back)

    def keep_alike(self, known: Point | None = None) -> None:
        """If some have an offset and others have none, let only those count that are like `known`,
        or without it the majority."""
        if not self._is_mixed:
            return
        points = [point for point in self.points if point is not None]
        aware, naive = (next(p for p in points if p.naive == naive) for naive in (False, True))
        if self._cursors.alike(aware, naive):
            return
        if known is None:
            known = naive if sum(point.naive for point in points) * 2 > len(points) else aware
        for index, point in enumerate(self.points):
            if point is None:
                continue
            try:
                self._cursors.check_alike(point, known)
            except CursorError as error:
                self._leave_out(index, point.value, error)
                self.points[index] = None
        self._use(self.points)

    def _use(self, points: list[Point | None]) -> None:
        found = [point for point in points if point is not None]
        self._values, self._keys = [point.value for point in found], [point.at for point in found]
        self._is_mixed = len({point.naive for point in found}) > 1
        self._find_top()

    def _find_top(self) -> None:
        self.readable = len(self._values)
        top = max(range(self.readable), key=self._keys.__getitem__, default=None)
        self.top = None if top is None else self._point(top)

    def _first(self, before: Point | None, is_wrong: Callable[[Point, Point], bool]) -> _Pair:
        for index, point in enumerate(self.points):
            if point is not None:
                if before is not None and is_wrong(before, point):
                    return index, point, before
                before = point
        return None

    def _point(self, index: int) -> Point:
        point = self._cursors.parse(self._values[index])
        assert point is not None
        return point

    def _read(self, index: int) -> Point | None:
        try:
            return self._cursors.parse(self._all[index], in_record=True)
        except CursorError as error:
            self._leave_out(index, self._all[index], error)
            return None

    def _leave_out(self, index: int, value: Any, error: CursorError) -> None:
        self.error = self.error or error
        self.unreadable.append((index, value))


def dotted(record: Mapping[str, Any], path: str, missing: Any = None) -> Any:
    """The value at a path of names; at each level all the rest is tried as one name first."""
    value: Any = record
    while isinstance(value, Mapping):
        if path in value:
            return value[path]
        name, _, path = path.partition(".")
        if not path or name not in value:
            break
        value = value[name]
    return missing


def _of_one_kind(values: Sequence[Any], kinds: set[type]) -> Sequence[Any]:
    """The values but null, blank and missing ones, if all of them are texts or whole numbers."""
    read = kinds - {type(MISSING), type(None)}
    if read == {str}:
        return list(filter(None, values))
    if read not in ({int}, set()):
        raise ValueError
    return values if read == kinds else [value for value in values if type(value) is int]


def _form_of(cursor_type: str | None) -> TimeForm | None:
    if cursor_type is None:
        return times.Iso()
    if cursor_type in times.EPOCHS:
        return times.Epoch(cursor_type)
    if "%" in cursor_type:
        return times.Strptime(cursor_type)
    if cursor_type not in ("sequence", "text"):
        raise SourceError(f"cursor_type is {cursor_type!r}; it must be {times.CHOICES}")
    return None
