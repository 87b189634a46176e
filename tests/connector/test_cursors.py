"""Cursor values: read, compared, moved and written as the upstream does, across clock changes."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from connector.cursors import CursorError, Cursors, PageCursors, Point
from hypothesis import example, given
from hypothesis import strategies as st

from .play import Player
from .scripted import dated, one, script
from .test_setup_test import setup_test

SECOND = 1_000_000  # microseconds
HOUR = 3600 * SECOND
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEW_YORK = "America/New_York"
GERMAN = "%d.%m.%Y %H:%M"
AMERICAN = "%m/%d/%Y %I:%M:%S %p"
HTTP = "%a, %d %b %Y %H:%M:%S %Z"


def micros(moment):
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // timedelta(microseconds=1)


def at(text):
    return micros(datetime.fromisoformat(text))


def point(cursors, value):
    found = cursors.parse(value)
    assert found is not None
    return found


# ---- what is read, and how it is written

BACK = timedelta(minutes=5, seconds=5)
# The type, a value, when that is, and the value that lies so much before it.
VALUES = [
    (None, "2026-01-05T08:30:00Z", "2026-01-05T08:30Z", "2026-01-05T08:24:55Z"),
    (None, "2026-01-05t08:30z", "2026-01-05T08:30Z", "2026-01-05t08:24z"),
    (None, "2026-01-05 08:30:00 +0100", "2026-01-05T07:30Z", "2026-01-05 08:24:55 +0100"),
    (None, "2026-01-05T08:30:00.1-08", "2026-01-05T16:30:00.1Z", "2026-01-05T08:24:55.1-08"),
    (None, "2026-01-05 20:00:00.1234567+05:30", "2026-01-05T14:30:00.123456Z",
     "2026-01-05 19:54:55.1234560+05:30"),
    (None, "2026-01-05T08:00:00,5Z", "2026-01-05T08:00:00.5Z", "2026-01-05T07:54:55,5Z"),
    (None, "20260101T000000Z", "2026-01-01T00:00Z", "20251231T235455Z"),
    (None, "2026-01-05T00Z", "2026-01-05T00:00Z", "2026-01-04T23Z"),
    (None, "0001-01-01T00:00:00Z", "0001-01-01T00:00Z", "0001-01-01T00:00:00Z"),
    (None, "2026-01-05T08:30", "2026-01-05T08:30", "2026-01-05T08:24"),
    (None, "2026-01-05", "2026-01-05", "2026-01-04"),
    (None, "20260105", "2026-01-05", "20260104"),
    ("epoch", 1767601800, "2026-01-05T08:30Z", 1767601495),
    ("epoch", "1767601800.25", "2026-01-05T08:30:00.25Z", "1767601495.25"),
    ("epoch", Decimal("1.7676018E+9"), "2026-01-05T08:30Z", 1767601495),
    ("epoch_ns", 1767601800000000999, "2026-01-05T08:30Z", 1767601495000000000),
    (GERMAN, "5.1.2026 8:30", "2026-01-05T08:30", "5.1.2026 8:24"),
    (AMERICAN, "1/5/2026 12:02:00 AM", "2026-01-05T00:02", "1/4/2026 11:56:55 PM"),
    (HTTP, "MON, 05 JAN 2026 08:30:00 UTC", "2026-01-05T08:30Z", "MON, 05 JAN 2026 08:24:55 UTC"),
    ("%Y-%m-%dT%H:%M:%S.%fZ[UTC]", "2026-01-05T08:30:00.000Z[UTC]", "2026-01-05T08:30Z",
     "2026-01-05T08:24:55.000Z[UTC]"),
    ("%Y-%m-%d %H:%M:%S.%f %z", "2026-01-05 08:30:00.5 +01:00", "2026-01-05T07:30:00.5Z",
     "2026-01-05 08:24:55.5 +01:00"),
    ("%d-%b-%y", "05-JAN-26", "2026-01-05", "04-JAN-26"),
    ("%y%m%d", "690101", "1969-01-01", "690101"),  # the day before reads as 2068
    ("%Y-%m", "2026-01", "2026-01-01", "2025-12"),
    ("%d.%m.%Y 100%% %H:%M", "5.1.2026 100% 8:30", "2026-01-05T08:30", "5.1.2026 100% 8:24"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "instant", "back"), VALUES)
def test_a_time_is_an_instant_and_moved_as_the_upstream_writes_it(kind, value, instant, back):
    cursors = Cursors(kind)
    found = point(cursors, value)
    assert found == Point(value, at(instant), not instant.endswith("Z"))
    moved = cursors.lookback(found, BACK).value
    assert (moved, type(moved), str(moved)) == (back, type(back), str(back))


NOT_ISO = [
    "2026-01-05T08:30:00.000Z[UTC]", "05.01.2026 08:30", "1/5/2026 8:30:00 AM",
    "2026-01-05 08:30:00 EST", "Mon, 05 Jan 2026 08:30:00 GMT", "/Date(1767601800000)/", "2026-01",
    "2026-W02-1", "2026-005", "08:30:00", "12340101", "20261301", "1767601800", "1767601800.5",
    "507f1f77bcf86cd799439011", "2026-01-05T08:30:00+25:00", "2026-01-05T08:30:00+01:75",
    "2026-01-05T24:30:00Z", "2026-01-05T08:61:00Z", "2026-1-5", "2026-01-05T08:3015Z",
    "２０２６-01-05", "2026-01-05T08:30:00Z\n", 1767601800, 1767601800.5, Decimal("1.5"), -1,
]  # fmt: skip


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("written", [*NOT_ISO, 1767225000])
def test_dates_that_are_not_iso_8601_are_never_text_by_accident(written):
    """The setup test and the first sync fail with one sentence that names value and choices."""
    player = Player(one(), script({None: dated(written, written)}))
    named = repr(written) if isinstance(written, str) else str(written)
    for message in (setup_test(one(), player.upstream)["errorMessage"], player.sync().error):
        for text in ("entity thing", "'at'", named, "cursor_type", "%d.%m.%Y", '"text"'):
            assert text in message
    assert player.state.get("thing") is None


EPOCHS = {
    "epoch": (1767601800, "1767601800", Decimal("1767601800.25"), 10**8, 10**11 - 1),
    "epoch_ms": (1767601800000, "1767601800000.5", 10**11),
    "epoch_us": (1767601800000000, "1767601800000000"),
    "epoch_ns": (1767601800000000000, 10**20 - 1),
}


@pytest.mark.parametrize("declared", EPOCHS)
def test_an_epoch_of_another_magnitude_is_an_error_that_names_the_right_unit(declared):
    cursors = Cursors(declared)
    for kind, numbers in EPOCHS.items():
        if kind == declared:
            assert PageCursors(cursors, numbers).unreadable == []
            continue
        for number in numbers:
            with pytest.raises(CursorError, match=f'by its size it is cursor_type="{kind}"') as why:
                cursors.parse(number, in_record=True)
            assert f'cursor_type="{declared}"' in str(why.value)


# ---- wall clocks


@pytest.mark.parametrize(
    ("zone", "value", "earliest", "latest"),
    [
        (NEW_YORK, "2025-11-02 01:30:00", "2025-11-02T05:30Z", "2025-11-02T06:30Z"),  # comes twice
        (NEW_YORK, "2026-03-08 02:30:00", "2026-03-08T06:30Z", "2026-03-08T07:30Z"),  # is skipped
        (NEW_YORK, "2026-01-05 12:00:00", "2026-01-05T17:00Z", "2026-01-05T17:00Z"),
        (None, "2026-01-05 12:00:00", "2026-01-04T22:00Z", "2026-01-06T00:00Z"),
        (None, "2026-01-05 12:00:00Z", "2026-01-05T12:00Z", "2026-01-05T12:00Z"),
    ],
)
def test_a_time_is_may_be_after_at_the_latest_and_passed_at_the_earliest_it_can_mean(
    zone, value, earliest, latest
):
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
FORMS = {
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


def declared(form, name):
    text, kind, zone = FORMS[form]
    return Cursors(kind, zone and name), text


def written(text, name, when):
    if text == "%s":
        return when // SECOND
    moment = (EPOCH + timedelta(microseconds=when)).astimezone(ZoneInfo(name))
    return moment.strftime(text)


def rank(text, value):
    """How an upstream compares what it wrote: wall clocks as they stand."""
    return value * SECOND if text == "%s" else micros(datetime.strptime(value, text))


@given(NEAR, st.sampled_from(sorted(FORMS)), st.timedeltas(timedelta(0), timedelta(days=3)))
@example((NEW_YORK, at("2026-11-01T06:02Z")), "seconds", timedelta(minutes=5))
def test_a_lookback_is_never_later_than_what_is_committed(near, form, by):
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


def slices(cursors, start, window, horizon):
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
def test_slices_touch_move_on_and_end_just_after_the_horizon(near, form, window, hours):
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
def test_days_move_by_calendar_days_and_timestamps_by_hours_in_utc(days, bounds):
    """Clocks are put back on 2 November."""
    horizon = at("2025-11-04T12:00Z") / SECOND
    found = slices(Cursors(None, NEW_YORK), bounds[0], timedelta(days=days), horizon)
    assert [bound.value for bound in found] == bounds


def test_slices_begin_in_1970_or_in_the_future():
    """An epoch passes through every magnitude on its way; after 9999 there is nothing."""
    month = timedelta(days=30)
    for bound in list(slices(Cursors("epoch_ms"), 0, month, 1767225600))[:-1]:
        assert bound.value % (30 * 86_400_000) == 0
    assert len(list(slices(Cursors(), "2099-01-01T00:00:00Z", month, 1.7e9))) == 2
    last = point(Cursors(), "9999-12-31T23:59:59Z")
    assert Cursors().slice_end(last, month, 1.7e9) == last
