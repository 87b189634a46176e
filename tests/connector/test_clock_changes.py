"""Wall clocks: what their times can mean, and bounds that move across changes of the clock."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from connector.cursors import Cursors, Point
from hypothesis import example, given
from hypothesis import strategies as st

from .test_cursors import AMERICAN, EPOCH, GERMAN, NEW_YORK, SECOND, at, micros, point

HOUR = 3600 * SECOND
EARLIEST_AND_LATEST = [
    (NEW_YORK, "2025-11-02 01:30:00", "2025-11-02T05:30Z", "2025-11-02T06:30Z"),  # comes twice
    (NEW_YORK, "2026-03-08 02:30:00", "2026-03-08T06:30Z", "2026-03-08T07:30Z"),  # is skipped
    (NEW_YORK, "2026-01-05 12:00:00", "2026-01-05T17:00Z", "2026-01-05T17:00Z"),
    (None, "2026-01-05 12:00:00", "2026-01-04T22:00Z", "2026-01-06T00:00Z"),
    (None, "2026-01-05 12:00:00Z", "2026-01-05T12:00Z", "2026-01-05T12:00Z"),
]


@pytest.mark.parametrize(("zone", "value", "earliest", "latest"), EARLIEST_AND_LATEST)
def test_a_time_is_may_be_after_at_the_latest_and_passed_at_the_earliest_it_can_mean(
    zone: str | None, value: str, earliest: str, latest: str
) -> None:
    cursors = Cursors(None, zone)
    found, first, last = point(cursors, value), at(earliest) / SECOND, at(latest) / SECOND
    assert cursors.may_be_after(found, last - 1) and not cursors.may_be_after(found, last)
    assert cursors.passed(found, first - 1) and not cursors.passed(found, first)


# When clocks were changed: by half an hour, by two and by three; at midnight; by a whole day.
CHANGES = [
    (NEW_YORK, "2025-03-09T07:00Z"), (NEW_YORK, "2025-11-02T06:00Z"),
    ("Australia/Lord_Howe", "2025-04-05T15:00Z"), ("Australia/Lord_Howe", "2025-10-04T15:30Z"),
    ("Antarctica/Troll", "2025-03-30T01:00Z"), ("Antarctica/Troll", "2025-10-26T01:00Z"),
    ("Antarctica/Casey", "2010-03-04T15:00Z"), ("Pacific/Apia", "2011-12-30T10:00Z"),
    ("America/Sao_Paulo", "2018-02-18T02:00Z"), ("America/Sao_Paulo", "2018-11-04T03:00Z"),
    ("Asia/Beirut", "2025-03-29T22:00Z"), ("Asia/Beirut", "2025-10-25T21:00Z"),
    ("Africa/Casablanca", "2025-02-23T02:00Z"), ("Europe/Dublin", "2025-10-26T01:00Z"),
]  # fmt: skip
NEAR = st.tuples(
    st.sampled_from([(name, at(text)) for name, text in CHANGES]),
    st.integers(-30, 30).map(lambda tens: tens * 600 * SECOND),
    st.sampled_from([-1, 0, 1]) | st.integers(-5 * HOUR, 5 * HOUR),
).map(lambda drawn: (drawn[0][0], drawn[0][1] + drawn[1] + drawn[2]))
# How upstreams write times, and how they are declared; {} stands for the zone.
FORMS: dict[str, tuple[str, str | None, str | None]] = {
    "seconds": ("%Y-%m-%d %H:%M:%S", None, "{}"),
    "minutes": ("%Y-%m-%dT%H:%M", None, "{}"),
    "hours": ("%Y-%m-%dT%H", None, "{}"),
    "micros": ("%Y-%m-%dT%H:%M:%S.%f", None, "{}"),
    "days": ("%Y-%m-%d", None, "{}"),
    "offset": ("%Y-%m-%dT%H:%M:%S%z", None, None),
    "offset in a zone": ("%Y-%m-%dT%H:%M:%S%z", None, "{}"),
    "no zone": ("%Y-%m-%d %H:%M:%S", None, None),
    "strptime": (GERMAN, GERMAN, "{}"),
    "strptime, days": ("%b %d, %Y", "%b %d, %Y", "{}"),
    "strptime, months": ("%Y/%m", "%Y/%m", "{}"),
    "strptime, 12 hours": (AMERICAN, AMERICAN, "{}"),
    "epoch": ("%s", "epoch", None),
}


def declared(form: str, name: str) -> tuple[Cursors, str]:
    text, kind, zone = FORMS[form]
    return Cursors(kind, zone and name), text


def written(text: str, name: str, when: int) -> Any:
    if text == "%s":
        return when // SECOND
    moment = (EPOCH + timedelta(microseconds=when)).astimezone(ZoneInfo(name))
    return moment.strftime(text)


def rank(text: str, value: Any) -> Any:
    """How an upstream compares what it wrote: wall clocks as they stand."""
    return value * SECOND if text == "%s" else micros(datetime.strptime(value, text))


@given(NEAR, st.sampled_from(sorted(FORMS)), st.timedeltas(timedelta(0), timedelta(days=3)))
@example((NEW_YORK, at("2026-11-01T06:02Z")), "seconds", timedelta(minutes=5))
def test_a_lookback_is_never_later_than_what_is_committed(
    near: tuple[str, int], form: str, by: timedelta
) -> None:
    (name, when), micros_back = near, by // timedelta(microseconds=1)
    cursors, text = declared(form, name)
    committed = point(cursors, written(text, name, when))
    back = cursors.lookback(committed, by)
    distance = rank(text, committed.value) - rank(text, back.value)
    assert distance >= 0 and back.at <= committed.at
    # As much as was asked for, a unit of the form, and what clocks were put back.
    unit = 31 * 24 * HOUR if "month" in form else 24 * HOUR
    assert distance <= micros_back + unit + 25 * HOUR
    if not by:
        assert back == committed
    elif form != "no zone":  # what was written in the time before is read again
        then = written(text, name, committed.at - micros_back)
        assert rank(text, back.value) <= rank(text, then)


def slices(cursors: Cursors, start: Any, window: timedelta, horizon: float) -> Iterator[Point]:
    """The bounds of a walk's slices, as an engine asks for them from what it has written."""
    bound = point(cursors, start)
    yield bound
    for _ in range(2000):
        bound = point(cursors, cursors.slice_end(bound, window, horizon).value)
        yield bound
        if cursors.passed(bound, horizon):
            return
    raise AssertionError("the slices do not end")


WINDOWS = [timedelta(hours=hours) for hours in (0.5, 1, 6, 12, 24, 36, 24 * 9)]


@given(NEAR, st.sampled_from(sorted(FORMS)), st.sampled_from(WINDOWS), st.integers(-36, 36))
@example((NEW_YORK, at("2025-10-30T04:00Z")), "days", WINDOWS[4], -150)
@example((NEW_YORK, at("2025-11-02T04:00Z")), "seconds", WINDOWS[0], -10)
@example((NEW_YORK, at("2025-03-09T07:00Z") - 1), "micros", WINDOWS[0], 0)
@example((NEW_YORK, at("2025-11-02T00:10Z")), "seconds", WINDOWS[3], -6)
def test_slices_touch_move_on_and_end_just_after_the_horizon(
    near: tuple[str, int], form: str, window: timedelta, hours: int
) -> None:
    """As an upstream compares: no gap, no slice that is empty by its bounds, no endless walk."""
    name, when = near
    cursors, text = declared(form, name)
    horizon = when - hours * HOUR
    found = list(slices(cursors, written(text, name, when), window, horizon / SECOND))
    ranks = [rank(text, bound.value) for bound in found]
    assert all(low < high for low, high in pairwise(ranks))
    # Whatever was written up to the horizon lies below the end.
    for minutes in (0, 1, 29, 31, 59, 61, 90, 121, 180, 24 * 60):
        assert rank(text, written(text, name, horizon - minutes * 60 * SECOND)) < ranks[-1]
    length = window // timedelta(microseconds=1)
    unit = 31 * 24 * HOUR if "month" in form else 24 * HOUR if "day" in form else HOUR
    for low, high in pairwise(found):
        assert high.at - low.at <= max(length, unit) + 25 * HOUR
    assert len(found) <= 3 + max(0, 26 + 24 - hours) * HOUR / length + 30


@pytest.mark.parametrize(
    ("days", "bounds"),
    [
        (1, ["2025-10-31", "2025-11-01", "2025-11-02", "2025-11-03", "2025-11-04", "2025-11-05"]),
        (2, ["2025-11-01", "2025-11-03", "2025-11-05"]),
        (1, ["2025-11-01T00:00:00", "2025-11-02T00:00:00", "2025-11-02T23:00:00",
             "2025-11-03T23:00:00", "2025-11-04T07:00:01"]),
    ],
)  # fmt: skip
def test_days_move_by_calendar_days_and_timestamps_by_hours_in_utc(
    days: int, bounds: list[str]
) -> None:
    """Clocks are put back on 2 November."""
    horizon = at("2025-11-04T12:00Z") / SECOND
    found = slices(Cursors(None, NEW_YORK), bounds[0], timedelta(days=days), horizon)
    assert [bound.value for bound in found] == bounds


def test_slices_begin_in_1970_or_in_the_future() -> None:
    """An epoch passes through every magnitude on its way; after 9999 there is nothing."""
    month = timedelta(days=30)
    for bound in list(slices(Cursors("epoch_ms"), 0, month, 1767225600))[:-1]:
        assert bound.value % (30 * 86_400_000) == 0
    assert len(list(slices(Cursors(), "2099-01-01T00:00:00Z", month, 1.7e9))) == 2
    last = point(Cursors(), "9999-12-31T23:59:59Z")
    assert Cursors().slice_end(last, month, 1.7e9) == last
