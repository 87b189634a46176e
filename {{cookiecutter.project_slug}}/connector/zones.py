"""Times as microseconds since 1970, and what a wall clock shows in a zone.

A wall clock's time is counted as if the clock stood in UTC.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta, tzinfo

from connector.errors import SourceError

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1)


class Zone:
    """The zone of times without an offset.

    Args:
        name: IANA name, or None if it is unknown.

    Attributes:
        info: The zone, or None.
        west: How far behind UTC the wall clock may be besides what the zone says.
        east: How far ahead of UTC it may be, likewise.

    Raises:
        SourceError: This machine knows no such zone.
    """

    def __init__(self, name: str | None) -> None:
        self.info: tzinfo | None = None
        self.west, self.east = (12 * HOUR, 14 * HOUR) if name is None else (0, 0)
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

    def readings(self, wall: int) -> tuple[int, int]:
        """The two times at which the wall clock shows this; twice the same time in most hours.

        Where clocks are put back, an hour comes twice. Where they are put forward, an hour is
        skipped, and the first of the two is the later one.
        """
        if self.info is None:
            return wall, wall
        moment = moment_of(wall).replace(tzinfo=self.info)
        return wall - _offset_at(moment), wall - _offset_at(moment.replace(fold=1))

    def latest(self, wall: int) -> int:
        """The latest time at which the wall clock shows this; times sort as wall clocks do."""
        first, second = self.readings(wall)
        if first <= second:
            return second
        # The hour that is left out is all at the time when clocks are put forward.
        after = wall - second
        seconds = range(second // SECOND, first // SECOND + 1)

        def is_after(second: int) -> bool:
            return self.wall(second * SECOND) - second * SECOND >= after

        return (seconds.start + bisect_left(seconds, True, key=is_after)) * SECOND

    def earliest(self, wall: int) -> int:
        """The earliest time at which the wall clock shows this."""
        return min(self.readings(wall)[0], self.latest(wall))

    def wall(self, at: int) -> int:
        """What the wall clock shows at a time; in UTC where the zone is unknown."""
        if self.info is None:
            return at
        return at + _offset_at(moment_of(at).replace(tzinfo=UTC).astimezone(self.info))

    def lowest_wall(self, at: int) -> int:
        """The lowest that the wall clock may show at a time."""
        return self.wall(at - self.west)

    def highest_wall(self, at: int) -> int:
        """The highest that the wall clock may have shown up to a time."""
        wall = self.wall(at + self.east)
        first, second = self.readings(wall)
        return wall + max(0, second - first)


def micros_of(moment: datetime) -> int:
    """Microseconds of a wall clock's time."""
    since = moment - _EPOCH
    return (since.days * 86400 + since.seconds) * SECOND + since.microseconds


def moment_of(micros: int) -> datetime:
    """The wall clock's time of so many microseconds.

    Raises:
        OverflowError: It lies before the year 1 or after 9999.
    """
    return _EPOCH + timedelta(microseconds=micros)


def _offset_at(moment: datetime) -> int:
    return (moment.utcoffset() or timedelta()) // MICROSECOND
