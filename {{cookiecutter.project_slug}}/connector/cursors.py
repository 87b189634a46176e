"""Cursor values: compared as what they mean, written back as the upstream writes them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, timedelta, timezone
from decimal import Decimal
from math import ceil, floor
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from connector import times
from connector.errors import SourceError
from connector.times import CursorError as CursorError
from connector.times import Epoch, Iso, Strptime, TimeForm, shown
from connector.zones import DAY, MICROSECOND, SECOND, Zone, moment_of

MISSING: Any = msgspec.UNSET


class Point(NamedTuple):
    """A cursor value and where it stands.

    Attributes:
        value: As the upstream wrote it.
        at: Comparable among the points of one entity: a number, a text, or microseconds since
            1970; of a time without an offset, the latest that it can mean.
        naive: Whether it is a time without an offset.
    """

    value: Any
    at: Any
    naive: bool = False


_Pair = tuple[int, Point, Point] | None


class Cursors:
    """How one entity's cursor values are read, compared and written.

    Args:
        cursor_type: None for ISO 8601, "sequence", "epoch", "epoch_ms", "epoch_us", "epoch_ns",
            "text", or a strptime form.
        timezone: IANA name of the zone of times without an offset, or None if unknown.

    Attributes:
        cursor_type, timezone: As given.
        is_time: Whether the values are times, which can be held back and moved by durations.

    Raises:
        SourceError: The type or the zone is unknown.
    """

    def __init__(self, cursor_type: str | None = None, timezone: str | None = None) -> None:
        self.cursor_type = cursor_type
        self.timezone = timezone
        self._form = _form_of(cursor_type)
        self._zone = Zone(timezone)
        self.is_time = self._form is not None

    def parse(self, value: Any, *, in_record: bool = False) -> Point | None:
        """The point of a value, None for null and blank.

        In a record, an epoch of another magnitude is an error: a bound may lie anywhere.

        Raises:
            CursorError: It cannot be a cursor of this entity.
        """
        if value is None or value is MISSING or (isinstance(value, str) and not value.strip()):
            return None
        if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
            raise CursorError(
                f"{shown(value)} is neither text nor a number: cursor= names a column, or the "
                "dotted path to one"
            )
        if self._form is not None:
            read = self._form.read_record if in_record else self._form.read
            wall, offset = read(value)
            if offset is not None:
                return Point(value, wall - offset)
            return Point(value, self._zone.latest(wall), naive=True)
        if self.cursor_type == "sequence":
            return Point(value, times.number_of(value, "sequence"))
        if not isinstance(value, str):
            raise CursorError(f'{shown(value)} is a number, and cursor_type="text" is for text')
        return Point(value, value)

    def parse_start(self, value: Any) -> Any:
        """A declared `start` as a lower bound: ISO 8601 is written as the upstream writes times.

        Raises:
            CursorError: It cannot be a cursor of this entity.
        """
        form = self._form
        if form is None or value in (0, "0"):  # 0 is the beginning, not a magnitude
            self.parse(value)
            return value
        try:
            self.parse(value, in_record=True)
            return value
        except CursorError:
            if not Iso.matches(value):
                raise
        wall, offset = Iso().read(value)
        try:
            if form.read(form.sample)[1] is not None:
                wall = self._zone.earliest(wall) if offset is None else wall - offset
            elif offset is not None:
                wall = self._zone.lowest_wall(wall - offset)
            start = form.write(wall, form.sample)
            if form.read(start)[0] <= wall:  # 1960 in two digits is 2060
                return start
        except OverflowError:
            pass
        raise CursorError(f"{shown(value)} cannot be written as {self.cursor_type!r}")

    def alike(self, point: Point, other: Point) -> bool:
        """Whether two points may be compared: with and without an offset only in a known zone."""
        return point.naive == other.naive or self._zone.info is not None

    def held_back(self, point: Point, moment: float) -> bool:
        """Whether a point lies after a moment (epoch seconds), at the latest it can mean."""
        west = self._zone.west if point.naive else 0
        return self.is_time and bool(point.at > floor(moment * SECOND) - west)

    def passed(self, point: Point, moment: float) -> bool:
        """Whether a point surely lies after a moment (epoch seconds), in any zone."""
        east = self._zone.east if point.naive else 0
        return self.is_time and bool(self.earliest(point) > ceil(moment * SECOND) + east)

    def earliest(self, point: Point) -> Any:
        """Where a point stands at the earliest: where clocks are put back, an hour comes twice."""
        if self._form is None or not point.naive:
            return point.at
        return self._zone.earliest(self._form.read(point.value)[0])

    def lookback(self, point: Point, by: timedelta) -> Point:
        """A point moved back, written alike and rounded down; never later on a wall clock."""
        if self._form is None or by <= timedelta():
            return point
        wall, offset = self._form.read(point.value)
        target = wall - by // MICROSECOND
        try:
            if offset is None:
                target = min(target, self._zone.wall(point.at - by // MICROSECOND))
            return self._written(target, point)
        except (ValueError, OverflowError):  # before the year 1
            return point

    def slice_end(self, since: Point, window: timedelta, horizon: float) -> Point:
        """Where a slice ends, written alike: always after it begins, on a wall clock too.

        Args:
            since: Where it begins.
            window: Its length, counted in UTC; of days without a time, in calendar days.
            horizon: Epoch seconds; the last slice ends just after them, in any zone.
        """
        if self._form is None:
            return since
        wall, offset = self._form.read(since.value)
        unit = self._form.unit(since.value)
        end, last = wall + window // MICROSECOND, ceil(horizon * SECOND)
        try:
            last = self._zone.highest_wall(last) if offset is None else last + offset
            if offset is None and unit < DAY:
                end = self._zone.wall(since.at + window // MICROSECOND)
            return self._written(max(min(end, last + unit), wall + unit), since)
        except (ValueError, OverflowError):  # after the year 9999
            return since

    def is_last_slice(self, until: Point, horizon: float) -> bool:
        """Whether no slice follows one that ends here."""
        return self.passed(until, horizon)

    def format(self, point: Point, form: str) -> Any:
        """A time in another form, rounded down.

        Args:
            point: The time.
            form: "iso" (UTC, with Z), "epoch", "epoch_ms", or a strftime text, which is written in
                the entity's zone, else in the value's offset.

        Raises:
            CursorError: The point is not a time, or has no offset and the entity no zone.
        """
        if self._form is None:
            raise CursorError(f"{shown(point.value)} is not a time")
        if point.naive and self._zone.info is None:
            why = 'has no offset: declare the upstream\'s zone, such as timezone="America/Denver"'
            raise CursorError(f"{shown(point.value)} {why}")
        at, (wall, offset) = self.earliest(point), self._form.read(point.value)
        if form in ("epoch", "epoch_ms"):
            return at * times.PER_SECOND[form] // SECOND
        try:
            moment = moment_of(at)
            if form == "iso":
                return moment.isoformat(timespec="microseconds").rstrip("0").rstrip(".") + "Z"
            zone = self._zone.info or timezone(timedelta(microseconds=offset or 0))
            moment = moment.replace(tzinfo=UTC).astimezone(zone)
            if offset is None:
                moment = moment_of(wall).replace(tzinfo=zone)
            return times.strftime(moment, form)
        except (ValueError, OverflowError):
            raise CursorError(f"{shown(point.value)} cannot be written as {form!r}") from None

    def read_page(self, values: Sequence[Any]) -> PageCursors:
        """The cursors of a page's records: one value each, MISSING where there is no column."""
        return PageCursors(self, values)

    def order(self, values: Sequence[Any]) -> Callable[[Any], Any] | None:
        """As TimeForm.order, for values of any type."""
        if self._form is not None:
            return self._form.order(values)
        if self.cursor_type == "sequence":
            return times.order_of_numbers(values)
        if type(values[0]) is not str or not all(map(str.strip, values)):
            raise ValueError
        return None

    def _written(self, wall: int, like: Point) -> Point:
        """A wall clock's time, written as another point; ValueError if it reads as a later one."""
        assert self._form is not None
        point = self.parse(self._form.write(wall, like.value))
        if point is None or self._form.read(point.value)[0] > wall:
            raise ValueError
        return point


class PageCursors:
    """The cursors of one page's records. Those that are written alike are not read one by one.

    Args:
        cursors: How they are read.
        values: One for each record, MISSING where it has no such column.

    Attributes:
        count: How many records there are.
        readable: How many of the values can be read; the others do not count.
        present: Whether any record has the column, even if it is null.
        unreadable: Index and value of each that cannot be read; null and blank are not among them.
        error: Why the first of those cannot be read, or None.
    """

    def __init__(self, cursors: Cursors, values: Sequence[Any]) -> None:
        self._cursors = cursors
        self._values = values
        self._points: list[Point | None] | None = None
        self.count = len(values)
        self.unreadable: list[tuple[int, Any]] = []
        self.error: CursorError | None = None
        kinds = set(map(type, values))
        self.present = not kinds <= {type(MISSING)}
        # What can be read, as values or as points, and by what it sorts.
        self._items: Sequence[Any] = ()
        self._key: Callable[[Any], Any] | None = None
        self._written_alike = True
        try:
            self._items = _of_one_kind(values, kinds)
            self._key = cursors.order(self._items) if self._items else None
            top = max(self._items, key=self._key, default=None)
        except ValueError:
            self._written_alike = False
            self._read_one_by_one()
            top = max(self._items, key=self._key, default=None)
        self._top = None if top is None else self._point(top)
        self.readable = len(self._items)

    @property
    def points(self) -> list[Point | None]:
        """The point of each record, None where its cursor does not count."""
        if self._points is None:
            self._points = list(map(self._cursors.parse, self._values))
        return self._points

    @property
    def last(self) -> Point | None:
        """The last one that can be read."""
        return self._point(self._items[-1]) if self._items else None

    def highest(self, bound: float, until: Point | None) -> Point | None:
        """The highest one that is not after `bound` (epoch seconds) and not above `until`."""

        def is_too_high(item: Any) -> bool:
            point = self._point(item)
            above = until is not None and point.at > until.at
            return above or self._cursors.held_back(point, bound)

        if self._top is None or not is_too_high(self._top):
            return self._top
        items = sorted(self._items, key=self._key)
        found = bisect_left(items, True, key=is_too_high)
        return self._point(items[found - 1]) if found else None

    def unsorted(self, before: Point | None, descending: bool) -> _Pair:
        """The first one out of order: its record's index, it, and the one before it.

        Args:
            before: The last one of the page before, or None.
            descending: Whether the newest should come first.
        """
        if not self._items:
            return None
        first = self._point(self._items[0])
        if sorted(self._items, key=self._key, reverse=descending) == self._items and (
            before is None or not self._goes_back(before, first, descending)
        ):
            return None
        return self._first(before, lambda one, next: self._goes_back(one, next, descending))

    def mixed(self, known: Point | None) -> _Pair:
        """The first one that does not compare with the one before it, or with one from before."""
        if self._written_alike and (
            self._top is None or known is None or self._cursors.alike(self._top, known)
        ):
            return None
        return self._first(known, lambda before, point: not self._cursors.alike(before, point))

    def all_below(self, point: Point) -> bool:
        """Whether all of them lie below a point."""
        return self._top is None or bool(self._top.at < point.at)

    def any_passed(self, horizon: float, now: float) -> bool:
        """Whether one surely lies after `horizon` but not after `now`, both in epoch seconds."""
        passed = self._cursors.passed
        if self._top is None or not passed(self._top, horizon):
            return False
        points = map(self._point, self._items)
        return not passed(self._top, now) or any(
            passed(point, horizon) and not passed(point, now) for point in points
        )

    def _point(self, item: Any) -> Point:
        point = item if isinstance(item, Point) else self._cursors.parse(item)
        assert point is not None
        return point

    def _first(self, before: Point | None, is_wrong: Callable[[Point, Point], bool]) -> _Pair:
        for index, point in enumerate(self.points):
            if point is not None:
                if before is not None and is_wrong(before, point):
                    return index, point, before
                before = point
        return None

    def _goes_back(self, before: Point, point: Point, descending: bool) -> bool:
        earliest = self._cursors.earliest
        return bool(earliest(point) > before.at if descending else point.at < earliest(before))

    def _read_one_by_one(self) -> None:
        self._points = []
        for index, value in enumerate(self._values):
            point = None
            try:
                point = self._cursors.parse(value, in_record=True)
            except CursorError as error:
                self.error = self.error or error
                self.unreadable.append((index, value))
            self._points.append(point)
        self._items = [point for point in self._points if point is not None]
        self._key = attrgetter("at")


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
        return Iso()
    if cursor_type in times.PER_SECOND:
        return Epoch(cursor_type)
    if "%" in cursor_type:
        return Strptime(cursor_type)
    if cursor_type not in ("sequence", "text"):
        raise SourceError(f"cursor_type is {cursor_type!r}; it must be {times.CHOICES}")
    return None
