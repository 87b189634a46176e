"""Cursor values: read, compared, moved and written, against a simple model of the upstream."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from connector.cursors import MISSING, CursorError, Cursors, PageCursors, Point, dotted
from connector.errors import SourceError
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

SECOND = 1_000_000  # microseconds
HOUR = 3600 * SECOND
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEW_YORK = "America/New_York"
GERMAN = "%d.%m.%Y %H:%M"
AMERICAN = "%m/%d/%Y %I:%M:%S %p"
HTTP = "%a, %d %b %Y %H:%M:%S %Z"
# Clocks put back by half an hour, by two and by three; at midnight; a day that was left out.
ODD_ZONES = [
    NEW_YORK, "Australia/Lord_Howe", "Antarctica/Troll", "Antarctica/Casey", "America/Sao_Paulo",
    "America/Havana", "Asia/Beirut", "Africa/Casablanca", "Europe/Dublin", "Pacific/Apia",
]  # fmt: skip


def micros(moment: datetime) -> int:
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // timedelta(microseconds=1)


def at(text: str) -> int:
    return micros(datetime.fromisoformat(text))


def point(cursors: Cursors, value: Any) -> Point:
    found = cursors.parse(value)
    assert found is not None
    return found


def refused(cursors: Cursors, value: Any) -> str:
    with pytest.raises(CursorError) as error:
        cursors.parse(value, in_record=True)
    return str(error.value)


# ---- what is read

INSTANTS = [
    (None, "2026-01-05T08:30:00Z", "2026-01-05T08:30+00:00"),
    (None, "2026-01-05t08:30:00z", "2026-01-05T08:30+00:00"),
    (None, "2026-01-05 08:30:00 UTC", "2026-01-05T08:30+00:00"),
    (None, "2026-01-05 08:30:00 GMT", "2026-01-05T08:30+00:00"),
    (None, "2026-01-05 08:30:00 +0100", "2026-01-05T07:30+00:00"),
    (None, "2026-01-05T08:30:00.000-0800", "2026-01-05T16:30+00:00"),
    (None, "2026-01-05T08:30:00-08", "2026-01-05T16:30+00:00"),
    (None, "2026-01-05 20:00:00.1234567+05:30", "2026-01-05T14:30:00.123456+00:00"),
    (None, "2026-01-05T08:00:00,5Z", "2026-01-05T08:00:00.500000+00:00"),
    (None, "20260105T083000Z", "2026-01-05T08:30+00:00"),
    (None, "20260105T08:30Z", "2026-01-05T08:30+00:00"),
    (None, "2026-01-05T08Z", "2026-01-05T08:00+00:00"),
    (None, "0001-01-01T00:00:00Z", "0001-01-01T00:00+00:00"),
    (None, "2026-01-05T08:30", "2026-01-05T08:30"),
    (None, "2026-01-05", "2026-01-05T00:00"),
    (None, "20240101", "2024-01-01T00:00"),
    (GERMAN, "5.1.2026 8:30", "2026-01-05T08:30"),
    (AMERICAN, "1/5/2026 8:30:00 pm", "2026-01-05T20:30"),
    (HTTP, "Mon, 05 Jan 2026 08:30:00 GMT", "2026-01-05T08:30+00:00"),
    (HTTP, "MON, 05 JAN 2026 08:30:00 UTC", "2026-01-05T08:30+00:00"),
    ("%Y-%m-%dT%H:%M:%S.%fZ[UTC]", "2026-01-05T08:30:00.5Z[UTC]", "2026-01-05T08:30:00.5+00:00"),
    ("%Y-%m-%d %H:%M:%S %z", "2026-01-05 08:30:00 -0800", "2026-01-05T16:30+00:00"),
    ("%d.%m.%Y %H:%M GMT+1", "05.01.2026 08:30 GMT+1", "2026-01-05T08:30"),
]


@pytest.mark.parametrize(("kind", "value", "instant"), INSTANTS)
def test_a_time_is_an_instant_whatever_its_form_offset_and_precision(
    kind: str | None, value: str, instant: str
) -> None:
    assert Cursors(kind).parse(value) == Point(value, at(instant), "+" not in instant)


NOT_ISO = [
    "2026-01-05T08:30:00.000Z[UTC]", "05.01.2026 08:30", "1/5/2026 8:30:00 AM",
    "2026-01-05 08:30:00 EST", "Mon, 05 Jan 2026 08:30:00 GMT", "/Date(1767601800000)/", "2026-01",
    "2026-W02-1", "2026-005", "08:30:00", "12340101", "20261301", "1767601800", "1767601800.5",
    "507f1f77bcf86cd799439011", "2026-01-05T08:30:00+25:00", "2026-01-05T08:30:00+01:75",
    "2026-01-05T24:30:00Z", "2026-01-05T08:61:00Z", "2026-1-5", "2026-01-05T08:3015Z",
    "２０２６-01-05", "2026-01-05T08:30:00Z\n", 1767601800, 1767601800.5, Decimal("1.5"), -1,
]  # fmt: skip


@pytest.mark.parametrize("value", NOT_ISO)
def test_what_is_not_iso_8601_is_an_error_that_names_the_value_and_the_choices(value: Any) -> None:
    why = refused(Cursors(), value)
    assert (repr(value) if isinstance(value, str) else str(value)) in why
    for choice in ("cursor_type=", "%d.%m.%Y %H:%M", "epoch", "epoch_us", "sequence", "text"):
        assert choice in why


@pytest.mark.parametrize("value", [None, "", " ", "\t", MISSING])
@pytest.mark.parametrize("kind", [None, "text", "sequence", "epoch", GERMAN])
def test_null_blank_and_missing_values_decide_nothing(kind: str | None, value: Any) -> None:
    page = PageCursors(Cursors(kind), [value, value])
    assert (page.readable, page.unreadable, page.points) == (0, [], [None, None])
    assert page.present == (value is not MISSING)


ODD = [
    *((None, "2026-01-05T08:30:00Z", odd) for odd in (
        "2026-02-30T00:00:00Z", "Never", "-", "0000-12-30T00:00:00Z", "0000-00-00",
        "2026-01-05T08:30:00Z ", True, {"at": 1}, ["2026-01-05"], 17, Decimal("17.5"),
    )),
    ("epoch", 1767601800, 0),
    ("epoch", "1767601800", "0"),
    ("epoch", "1767601800", "1767601800 "),
    ("epoch_ms", 1767601800000, -62135596800000),
    ("epoch_us", 1767601800000000, Decimal("1E+1000000")),
    ("epoch_ns", 1767601800000000000, float("nan")),
    ("sequence", 17, "seventeen"),
    ("sequence", "17", "0x11"),
    ("text", "b7", 17),
    (GERMAN, "05.01.2026 08:30", "30.02.2026 08:30"),
    (GERMAN, "05.01.2026 08:30", "05.01.2026 08:30 "),
    (HTTP, "Mon, 05 Jan 2026 08:30:00 GMT", "Mon, 05 Jan 2026 08:30:00 EST"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "good", "odd"), ODD)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_odd_value_is_put_aside_and_never_becomes_the_cursor(
    kind: str | None, good: Any, odd: Any, place: int
) -> None:
    values = [good, good]
    values.insert(place, odd)
    page = PageCursors(Cursors(kind), values)
    assert (page.unreadable, page.readable, page.points[place]) == ([(place, odd)], 2, None)
    assert page.top is not None and page.top.value == good
    assert isinstance(page.error, CursorError)


# ---- numbers and texts


def test_an_epoch_of_another_magnitude_is_an_error_that_names_the_right_unit() -> None:
    """Each number is refused by all types but its own, which is the one that they name."""
    kinds = {
        "epoch": (1767601800, "1767601800", Decimal("1767601800.25"), 10**8, 10**11 - 1),
        "epoch_ms": (1767601800000, "1767601800000.5", 10**11),
        "epoch_us": (1767601800000000, "1767601800000000"),
        "epoch_ns": (1767601800000000000, 10**20 - 1),
    }
    for kind, numbers in kinds.items():
        for number in numbers:
            assert PageCursors(Cursors(kind), [number]).unreadable == []
            for declared in kinds.keys() - {kind}:
                why = refused(Cursors(declared), number)
                assert f'cursor_type="{declared}"' in why
                assert f'by its size it is cursor_type="{kind}"' in why


def test_a_sequence_is_exact_at_any_size_and_not_held_back() -> None:
    cursors, longest = Cursors("sequence"), "9" * 5000
    values = [2**70, 2**70 + 1, str(2**70 + 2), Decimal("1.5"), "9", "10", "0009", "1e3"]
    page = PageCursors(cursors, values)
    assert page.unreadable == [] and page.highest(0) == point(cursors, str(2**70 + 2))
    assert PageCursors(cursors, ["1", longest]).highest(0) == point(cursors, longest)
    assert "more than 60 digits" in refused(Cursors(), 10**5000)


def test_text_is_alphabetical_and_has_no_time() -> None:
    cursors = Cursors("text")
    found = PageCursors(cursors, ["b7", "a9", "b10", " ", None]).highest(0)
    assert found == Point("b7", "b7")
    assert cursors.lookback(found, timedelta(days=1)) == found
    with pytest.raises(CursorError, match="is not a time"):
        cursors.format(found, "iso")


# ---- declarations


@pytest.mark.parametrize("kind", ["", "iso", "Epoch", "timestamp", "dd.mm.yyyy"])
def test_an_unknown_type_is_an_error_that_names_the_choices(kind: str) -> None:
    with pytest.raises(SourceError, match=r"%d\.%m\.%Y.*epoch_ns.*sequence.*text"):
        Cursors(kind)


@pytest.mark.parametrize("name", ["Mars", "../etc/passwd", "America", "", "EST5EDT6"])
def test_an_unknown_zone_is_an_error(name: str) -> None:
    with pytest.raises(SourceError, match="IANA"):
        Cursors(None, name)


FORMS = [
    *((form, "") for form in (
        GERMAN, AMERICAN, HTTP, "%Y-%m-%dT%H:%M:%S.%fZ[UTC]", "%y%m%d", "%Y", "%Y-%m", "%Y%j",
        "%G-W%V-%u", "%c", "%b %d, %Y, %I %p", "%%%Y%m%d%H%M%S", "%d-%b-%y %z",
    )),
    *((form, "leaves open") for form in (
        "%H:%M", "%d.%m. %H:%M", "%d %Y", "%I:%M %d.%m.%Y", "%Y-%m-%d %M", "%Y-%U",
    )),
    *((form, "not a strptime form") for form in ("%Q", "%-d.%m.%Y", "%s", "%d %d %Y", "100%")),
]  # fmt: skip


@pytest.mark.parametrize(("form", "why"), FORMS)
def test_a_strptime_form_must_not_leave_open_which_time_is_meant(form: str, why: str) -> None:
    if not why:
        assert Cursors(form).is_time
        return
    with pytest.raises(SourceError, match=why):
        Cursors(form)


# ---- what is written

BACK = timedelta(minutes=5, seconds=5)
WRITTEN = [
    (None, "20260105T000000Z", "20260104T235455Z"),
    (None, "2026-01-05 00:00:00,1234567 +0530", "2026-01-04 23:54:55,1234560 +0530"),
    (None, "2026-01-05t00:00z", "2026-01-04t23:54z"),
    (None, "2026-01-05T00Z", "2026-01-04T23Z"),
    (None, "2026-01-05 00:00:00 UTC", "2026-01-04 23:54:55 UTC"),
    (None, "2026-01-05T00:00:00.1-08", "2026-01-04T23:54:55.1-08"),
    (None, "20260105", "20260104"),
    (None, "1000-01-01T00:00:00Z", "0999-12-31T23:54:55Z"),
    (None, "0001-01-01", "0001-01-01"),
    ("epoch", 1767601800, 1767601495),
    ("epoch", "1767601800", "1767601495"),
    ("epoch", "1767601800.25", "1767601495.25"),
    ("epoch", Decimal("1767601800.250"), Decimal("1767601495.250")),
    ("epoch", Decimal("1.7676018E+9"), 1767601495),
    ("epoch_ns", 1767601800000000999, 1767601495000000000),
    (GERMAN, "05.01.2026 08:30", "05.01.2026 08:24"),
    (GERMAN, "5.1.2026 8:30", "5.1.2026 8:24"),
    (AMERICAN, "1/5/2026 12:02:00 AM", "1/4/2026 11:56:55 PM"),
    (AMERICAN, "01/05/2026 08:30:00 pm", "01/05/2026 08:24:55 pm"),
    (HTTP, "Mon, 05 Jan 2026 08:30:00 GMT", "Mon, 05 Jan 2026 08:24:55 GMT"),
    (HTTP, "MON, 05 JAN 2026 08:30:00 UTC", "MON, 05 JAN 2026 08:24:55 UTC"),
    ("%Y-%m-%dT%H:%M:%S.%fZ[U]", "2026-01-05T08:30:00.000Z[U]", "2026-01-05T08:24:55.000Z[U]"),
    ("%Y-%m-%d %H:%M:%S.%f %z", "2026-01-05 08:30:00.5 +01:00", "2026-01-05 08:24:55.5 +01:00"),
    ("%a %b %d %Y %H:%M GMT%z", "Mon Jan 05 2026 08:30 GMT+0100", "Mon Jan 05 2026 08:24 GMT+0100"),
    ("%d.%m.%Y %H:%M GMT+1", "05.01.2026 08:30 GMT+1", "05.01.2026 08:24 GMT+1"),
    ("%d-%b-%y", "05-JAN-26", "04-JAN-26"),
    ("%y%m%d", "690101", "690101"),  # the day before reads as 2068
    ("%Y-%m", "2026-01", "2025-12"),
    ("%Y%j", "2026005", "2026004"),
    ("%Y%m%d%H%M%S", "20260105083000", "20260105082455"),
    ("%d.%m.%Y 100%% %H:%M", "5.1.2026 100% 8:30", "5.1.2026 100% 8:24"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "back"), WRITTEN)
def test_a_lookback_is_written_as_the_upstream_writes(
    kind: str | None, value: Any, back: Any
) -> None:
    cursors = Cursors(kind)
    found = cursors.lookback(point(cursors, value), BACK).value
    assert (found, type(found), str(found)) == (back, type(back), str(back))


STARTS = [
    (None, None, "2025-12-30", "2025-12-30"),
    ("epoch", None, "2025-12-30", 1767052800),
    ("epoch", NEW_YORK, "2025-12-30", 1767070800),
    ("epoch", NEW_YORK, "2025-11-02T01:30:00", 1762061400),
    ("epoch_ms", None, "2025-12-30T00:00:00.5Z", 1767052800500),
    ("epoch_us", None, "1970-06-01", 13046400000000),
    ("epoch_ns", None, "1960-01-01", -315619200 * 10**9),
    ("epoch", None, "20251230", 1767052800),
    ("epoch", None, "1767052800", "1767052800"),
    ("epoch_ms", None, 0, 0),
    ("sequence", None, 17, 17),
    ("text", None, "a", "a"),
    (GERMAN, None, "30.12.2025 07:00", "30.12.2025 07:00"),
    (GERMAN, None, "2025-12-30", "30.12.2025 00:00"),
    (GERMAN, NEW_YORK, "2025-12-30T00:00:00Z", "29.12.2025 19:00"),
    (GERMAN, None, "2025-12-30T00:00:00Z", "29.12.2025 12:00"),
    (HTTP, None, "2025-12-30T01:00:00+01:00", "Tue, 30 Dec 2025 00:00:00 GMT"),
    ("%d.%m.%Y %H:%M %z", NEW_YORK, "2025-12-30", "30.12.2025 05:00 +0000"),
]


@pytest.mark.parametrize(("kind", "zone", "start", "written"), STARTS)
def test_a_start_in_iso_8601_is_written_as_the_upstream_writes_times(
    kind: str | None, zone: str | None, start: Any, written: Any
) -> None:
    cursors = Cursors(kind, zone)
    assert cursors.parse_start(start) == point(cursors, written)


@pytest.mark.parametrize(
    ("kind", "start", "why"),
    [
        (None, "30.12.2025", "not a time in ISO 8601"),
        (None, 20251230, "is a number"),
        ("epoch_ms", 1767052800, 'cursor_type="epoch"'),
        ("epoch", "30.12.2025", "not a number"),
        ("epoch", "2025-02-30", "not a time in ISO 8601"),
        (GERMAN, "30/12/2025", "not in the form"),
        ("%y%m%d", "1960-01-01", "cannot be written"),
        (GERMAN, "0001-01-01T00:00:00Z", "cannot be written"),
        ("sequence", "2025-12-30", "not a number"),
        ("text", 17, "is for text"),
        ("epoch", True, "neither text nor a number"),
    ],
)
def test_a_start_that_cannot_be_a_cursor_is_an_error(kind: str, start: Any, why: str) -> None:
    with pytest.raises(CursorError, match=why):
        Cursors(kind).parse_start(start)


@pytest.mark.parametrize(
    ("value", "options", "form", "written"),
    [
        ("2026-11-27T18:41:47.000-0800", {}, "%Y/%m/%d %H:%M", "2026/11/27 18:41"),
        ("2026-11-27T18:41:47.000-0800", {}, "%H:%M%z", "18:41-0800"),
        ("2026-11-27T18:41:47.000-0800", {"timezone": "Asia/Tokyo"}, "%d. %H:%M", "28. 11:41"),
        ("2026-11-27T18:41:47.999-0800", {}, "iso", "2026-11-28T02:41:47.999Z"),
        ("2026-11-27T18:41:47.999-0800", {}, "epoch", 1795833707),
        ("2026-11-27T18:41:47.9999-0800", {}, "epoch_ms", 1795833707999),
        ("2026-11-27T18:41:47Z", {}, "%S.%f 100%%", "47.000000 100%"),
        ("2026-07-05 08:30", {"timezone": "America/Denver"}, "%Y/%m/%d %H:%M", "2026/07/05 08:30"),
        ("2026-07-05 08:30", {"timezone": "America/Denver"}, "iso", "2026-07-05T14:30:00Z"),
        ("2025-11-02 01:30", {"timezone": NEW_YORK}, "epoch", 1762061400),
        ("2025-11-02 01:30", {"timezone": NEW_YORK}, "%H:%M", "01:30"),
        (1767601800, {"cursor_type": "epoch"}, "%d.%m.%Y", "05.01.2026"),
        (1767601800, {"cursor_type": "epoch", "timezone": "America/Denver"}, "%H", "01"),
        ("05.01.2026 08:30", {"cursor_type": GERMAN, "timezone": "UTC"}, "epoch", 1767601800),
        ("0001-01-01T00:00:00Z", {}, "%Y-%m-%d", "0001-01-01"),
        (-1, {"cursor_type": "epoch_ms"}, "epoch", -1),
    ],
)  # fmt: skip
def test_a_time_is_written_in_another_form_rounded_down(
    value: Any, options: dict[str, Any], form: str, written: Any
) -> None:
    cursors = Cursors(**options)
    found = cursors.format(point(cursors, value), form)
    assert (found, type(found)) == (written, type(written))


@pytest.mark.parametrize("form", ["iso", "epoch", "epoch_ms", "%Y/%m/%d %H:%M", "%H:%M%z"])
def test_a_time_without_an_offset_needs_a_zone_to_be_written_otherwise(form: str) -> None:
    with pytest.raises(CursorError, match="timezone="):
        Cursors().format(point(Cursors(), "2026-01-05 08:30"), form)
    denver = Cursors(None, "America/Denver")
    with pytest.raises(CursorError, match="cannot be written"):
        denver.format(point(denver, "0001-01-01T00:00:00Z"), "%Y")


# ---- zones


def test_a_wall_clocks_time_is_held_back_at_the_latest_and_passed_at_the_earliest_it_can_mean() -> (
    None
):
    """Between one and two it comes twice, or is skipped; without a zone it is 12 h behind at most,
    and 14 h ahead."""
    for zone, value, earliest, latest in (
        (NEW_YORK, "2025-11-02 01:30:00", "2025-11-02T05:30Z", "2025-11-02T06:30Z"),
        (NEW_YORK, "2026-03-08 02:30:00", "2026-03-08T06:30Z", "2026-03-08T07:30Z"),
        (NEW_YORK, "2026-01-05 12:00:00", "2026-01-05T17:00Z", "2026-01-05T17:00Z"),
        (None, "2026-01-05 12:00:00", "2026-01-04T22:00Z", "2026-01-06T00:00Z"),
        (None, "2026-01-05 12:00:00Z", "2026-01-05T12:00Z", "2026-01-05T12:00Z"),
    ):
        cursors = Cursors(None, zone)
        found = point(cursors, value)
        assert cursors.held_back(found, at(latest) / SECOND - 1)
        assert not cursors.held_back(found, at(latest) / SECOND)
        assert cursors.passed(found, at(earliest) / SECOND - 1)
        assert not cursors.passed(found, at(earliest) / SECOND)


@cache
def changes(name: str) -> list[int]:
    """Epoch seconds, about, of a zone's clock changes from 1990 to 2037."""
    zone, found, before = ZoneInfo(name), [], None
    for day in range(7305, 24837, 5):
        offset = datetime.fromtimestamp(day * 86400, zone).utcoffset()
        if before is not None and offset != before:
            low, high = (day - 5) * 86400, day * 86400
            while high - low > 1:
                half = (low + high) // 2
                same = datetime.fromtimestamp(half, zone).utcoffset() == before
                low, high = (half, high) if same else (low, half)
            found.append(high)
        before = offset
    return found


@st.composite
def near_a_change(draw: st.DrawFn) -> tuple[str, int]:
    """A zone, and microseconds of a time near one of its clock changes."""
    name = draw(st.sampled_from(ODD_ZONES) | st.sampled_from(sorted(available_timezones())))
    assume(name not in ("localtime", "Factory"))
    change = draw(st.sampled_from(changes(name) or [1_767_225_600]))
    return name, (change + draw(st.integers(-30, 30)) * 600) * SECOND + draw(
        st.sampled_from([-1, 0, 1]) | st.integers(-5 * HOUR, 5 * HOUR)
    )


# ---- moving


def forms(name: str) -> dict[str, tuple[Cursors, str]]:
    """Forms of times with the strftime text by which an upstream writes them."""
    return {
        "seconds": (Cursors(None, name), "%Y-%m-%d %H:%M:%S"),
        "minutes": (Cursors(None, name), "%Y-%m-%dT%H:%M"),
        "hours": (Cursors(None, name), "%Y-%m-%dT%H"),
        "micros": (Cursors(None, name), "%Y-%m-%dT%H:%M:%S.%f"),
        "days": (Cursors(None, name), "%Y-%m-%d"),
        "offset": (Cursors(), "%Y-%m-%dT%H:%M:%S%z"),
        "offset in a zone": (Cursors(None, name), "%Y-%m-%dT%H:%M:%S%z"),
        "no zone": (Cursors(), "%Y-%m-%d %H:%M:%S"),
        "strptime": (Cursors(GERMAN, name), GERMAN),
        "strptime, days": (Cursors("%b %d, %Y", name), "%b %d, %Y"),
        "strptime, months": (Cursors("%Y/%m", name), "%Y/%m"),
        "strptime, 12 hours": (Cursors(AMERICAN, name), AMERICAN),
        "epoch": (Cursors("epoch"), "%s"),
    }


def written(text: str, name: str, when: int) -> Any:
    if text == "%s":
        return when // SECOND
    moment = (EPOCH + timedelta(microseconds=when)).astimezone(ZoneInfo(name))
    return moment.strftime(text)


def rank(text: str, value: Any) -> Any:
    """How an upstream compares what it wrote: wall clocks as they stand."""
    if text == "%s":
        return value * SECOND
    return micros(datetime.strptime(value, text))


@given(near_a_change(), st.sampled_from(sorted(forms("UTC"))), st.data())
def test_a_lookback_is_never_later_than_what_is_committed(
    near: tuple[str, int], form: str, data: st.DataObject
) -> None:
    (name, when), by = near, data.draw(st.timedeltas(timedelta(0), timedelta(days=3)))
    cursors, text = forms(name)[form]
    committed = point(cursors, written(text, name, when))
    back = cursors.lookback(committed, by)
    distance = rank(text, committed.value) - rank(text, back.value)
    assert distance >= 0 and back.at <= committed.at
    # As much as was asked for, a unit of the form, and what clocks were put back.
    unit = 31 * 24 * HOUR if "month" in form else 24 * HOUR
    micros_back = by // timedelta(microseconds=1)
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


@given(
    near_a_change(),
    st.sampled_from(sorted(forms("UTC"))),
    st.sampled_from(WINDOWS),
    st.integers(-36, 36),
)
@example((NEW_YORK, at("2025-10-30T04:00Z")), "days", WINDOWS[4], -150)
@example((NEW_YORK, at("2025-11-02T04:00Z")), "seconds", WINDOWS[0], -10)
def test_slices_touch_move_on_and_end_just_after_the_horizon(
    near: tuple[str, int], form: str, window: timedelta, hours: int
) -> None:
    """As an upstream compares: no gap, no slice that is empty by its bounds, no endless walk."""
    name, when = near
    cursors, text = forms(name)[form]
    horizon = when - hours * HOUR
    found = list(slices(cursors, written(text, name, when), window, horizon / SECOND))
    ranks = [rank(text, bound.value) for bound in found]
    assert all(low < high for low, high in pairwise(ranks))
    # Whatever was written up to the horizon lies below the end.
    for minutes in (0, 1, 29, 31, 59, 61, 90, 121, 180, 24 * 60):
        assert rank(text, written(text, name, horizon - minutes * 60 * SECOND)) < ranks[-1]
    length = window // timedelta(microseconds=1)
    for low, high in pairwise(found):
        unit = 31 * 24 * HOUR if "month" in form else 24 * HOUR if "day" in form else HOUR
        assert high.at - low.at <= max(length, unit) + 25 * HOUR
    assert len(found) <= 3 + max(0, 26 + 24 - hours) * HOUR / length + 30


def test_days_move_by_calendar_days_and_timestamps_by_hours_in_utc() -> None:
    """Clocks are put back on 2 November."""
    zone, horizon = Cursors(None, NEW_YORK), at("2025-11-04T12:00Z") / SECOND
    day = timedelta(days=1)
    assert [bound.value for bound in slices(zone, "2025-10-31", day, horizon)] == [
        "2025-10-31", "2025-11-01", "2025-11-02", "2025-11-03", "2025-11-04", "2025-11-05",
    ]  # fmt: skip
    assert [bound.value for bound in slices(zone, "2025-11-01", 2 * day, horizon)] == [
        "2025-11-01", "2025-11-03", "2025-11-05",
    ]  # fmt: skip
    assert [bound.value for bound in slices(zone, "2025-10-31T00:00:00", day, horizon)] == [
        "2025-10-31T00:00:00",
        "2025-11-01T00:00:00",
        "2025-11-02T00:00:00",
        "2025-11-02T23:00:00",
        "2025-11-03T23:00:00",
        "2025-11-04T07:00:01",
    ]


def test_a_start_in_the_future_has_one_slice() -> None:
    assert len(list(slices(Cursors(), "2099-01-01T00:00:00Z", timedelta(days=1), 1.7e9))) == 2
    last = point(Cursors(), "9999-12-31T23:59:59Z")
    assert Cursors().slice_end(last, timedelta(days=1), 1.7e9) == last
    assert Cursors().passed(last, 1.7e9)


def test_bounds_pass_through_every_magnitude_on_their_way_from_1970() -> None:
    cursors = Cursors("epoch_ms")
    bound, month = point(cursors, 0), timedelta(days=30)
    for _ in range(50):
        bound = point(cursors, cursors.slice_end(bound, month, 1767225600).value)
    assert bound.value == 50 * 30 * 86_400_000


# ---- pages


@st.composite
def iso_texts(draw: st.DrawFn) -> list[str]:
    """Texts in ISO 8601; of one form, or of several."""
    styles = draw(
        st.lists(
            st.sampled_from(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y%m%dT%H%M"]).flatmap(
                lambda form: st.sampled_from(["Z", "z", " UTC", "+01:00", "-0530", " +01", ""]).map(
                    lambda offset: form + offset
                )
            )
            | st.just("%Y-%m-%d"),
            min_size=1,
            max_size=2,
        )
    )
    hours = st.integers(0, 20).map(lambda hour: datetime(2026, 1, 5, hour))
    moments = draw(st.lists(hours | st.datetimes(datetime(1970, 1, 1), datetime(2037, 12, 31))))
    return [moment.strftime(draw(st.sampled_from(styles))) for moment in moments]


class OneByOne(Cursors):
    """The same, with nothing read at once."""

    def keys(self, values: Any) -> Any:
        raise ValueError


ODD_ONES = st.sampled_from(
    [None, "", MISSING, "Never", "2026-02-30T00:00:00Z", "0000-00-00", 0, " "]
)


@st.composite
def pages(draw: st.DrawFn) -> tuple[dict[str, Any], list[Any]]:
    """What is declared, and a page's values: often of one form, sometimes sorted."""
    kind = draw(st.sampled_from([None, None, "sequence", "text", "epoch", "epoch_ms", GERMAN]))
    whole = st.integers(99_999_990, 100_000_010) | st.integers(10**9, 2 * 10**9)
    if kind is None:
        values: list[Any] = draw(iso_texts())
    elif kind == "text":
        values = draw(st.lists(st.text(min_size=1, max_size=3), max_size=9))
    elif kind == GERMAN:
        moments = st.datetimes(datetime(2025, 1, 1), datetime(2026, 12, 31))
        values = [moment.strftime(GERMAN) for moment in draw(st.lists(moments, max_size=5))]
    else:
        scale = 1000 if kind == "epoch_ms" else 1
        values = [number * scale for number in draw(st.lists(whole, max_size=12))]
        values = draw(st.sampled_from([values, list(map(str, values))]))
    values = draw(st.sampled_from([values, sorted(values), sorted(values, reverse=True)]))
    for odd in draw(st.lists(ODD_ONES, max_size=2)):
        values.insert(draw(st.integers(0, len(values))), odd)
    zone = draw(st.sampled_from([None, NEW_YORK]))
    return {"cursor_type": kind, "timezone": zone}, values


def seen(page: PageCursors, others: list[Point], moments: list[float]) -> list[Any]:
    """All that a page answers; where several points are the same time, the time."""

    def at_of(found: Point | None) -> Any:
        return found and found.at

    answers: list[Any] = [page.readable, page.present, page.unreadable, page.points]
    answers += [page.last, str(page.error)]
    for other in [None, *others]:
        answers += [page.mixed(other), page.unsorted(other, False), page.unsorted(other, True)]
        answers += [at_of(page.highest(moment, other)) for moment in moments]
    answers += [page.top and page.top.at]
    return answers


@settings(max_examples=200)
@given(pages(), st.data())
@example(({}, ["2026-01-05T09:00:00+09:00", "2026-01-05T01:00:00+00:00"]), None)
@example(({}, ["2026-01-05T08:30:00+01:00", "2026-01-05T08:30:00+01:75"]), None)
@example(({}, ["2026-01-05T08:30:00Z", "2026+01-05T08:30:00Z"]), None)
@example(({}, ["20260105", "10000101"]), None)
@example(({}, ["2026-01-05\n2026-01-05", "2026-01-05"]), None)
@example(({"timezone": NEW_YORK}, ["2025-03-09T02:30", "2025-03-09T01:45"]), None)
@example(({"cursor_type": "epoch"}, [0, 1767225600]), None)
@example(({"cursor_type": "epoch"}, ["1767225600", "17672256000000"]), None)
@example(({"cursor_type": "sequence"}, ["9", "10", "١"]), None)
def test_a_page_read_at_once_answers_as_one_read_one_by_one(
    declared: tuple[dict[str, Any], list[Any]], data: st.DataObject | None
) -> None:
    options, values = declared
    page = PageCursors(Cursors(**options), values)
    slow = PageCursors(OneByOne(**options), values)
    points = [found for found in slow.points if found is not None]
    others = data.draw(st.lists(st.sampled_from(points), max_size=2)) if data and points else points
    moments = [0.0, 1e9, 1.7676e9, 4e9]
    if Cursors(**options).is_time:
        moments += [found.at / SECOND for found in points[:3]]
    assert seen(page, others, moments) == seen(slow, others, moments)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (None, [f"2026-01-05T08:{i // 60:02d}:{i % 60:02d}Z" for i in range(1000)]),
        (None, [f"2026-01-05T08:{i // 60:02d}:{i % 60:02d}.5+0{i % 2}:00" for i in range(1000)]),
        (None, [f"2026-01-05 08:{i // 60:02d}:{i % 60:02d} UTC" for i in range(1000)] + [None]),
        ("sequence", list(range(1000))),
        ("sequence", list(map(str, range(1000)))),
        ("epoch", list(range(1767225600, 1767226600))),
        ("text", [f"v{i:04d}" for i in range(1000)]),
    ],
)
def test_a_page_of_one_form_is_not_read_one_by_one(
    kind: str | None, values: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand texts cost a handful of readings, also where the highest is held back."""
    parsed: list[Any] = []
    parse = Cursors.parse

    def counted(self: Cursors, value: Any, **options: Any) -> Point | None:
        parsed.append(value)
        return parse(self, value, **options)

    monkeypatch.setattr(Cursors, "parse", counted)
    cursors = Cursors(kind)
    page = PageCursors(cursors, values)
    held = at("2026-01-05T08:05Z") / SECOND
    for bound in (4e9, held):
        assert page.highest(bound) is not None
    assert page.mixed(None) is None
    assert (page.unreadable, page.readable >= 999) == ([], True)
    assert len(parsed) < 30


def test_times_with_and_without_an_offset_compare_in_a_known_zone_only() -> None:
    values = ["2026-01-05T08:30:00Z", "2026-01-05T08:30:00"]
    unknown, known = Cursors(), Cursors(None, "America/Denver")
    first, second = (point(unknown, value) for value in values)
    assert PageCursors(unknown, values).mixed(None) == (1, second, first)
    assert PageCursors(unknown, [None, *values[1:]]).mixed(first) == (1, second, first)
    assert PageCursors(unknown, values[:1]).mixed(first) is None
    assert PageCursors(known, values).mixed(None) is None
    highest = PageCursors(known, values).highest(4e9)
    assert highest is not None and highest.value == values[1]


def test_a_record_out_of_order_is_found_with_the_one_before_it() -> None:
    cursors = Cursors()
    one, two, three = (point(cursors, f"2026-01-0{day}T00:00:00Z") for day in (1, 2, 3))
    page = PageCursors(cursors, [one.value, None, three.value, two.value])
    assert page.unsorted(None, descending=False) == (3, two, three)
    assert page.unsorted(None, descending=True) == (2, three, one)
    assert page.unsorted(two, descending=False) == (0, one, two)
    assert page.last == two
    assert page.top == three


@pytest.mark.parametrize(
    ("record", "path", "value"),
    [
        ({"a": {"b": 1}}, "a.b", 1),
        ({"a.b": 2, "a": {"b": 1}}, "a.b", 2),
        ({"a": {"@odata.at": 3}}, "a.@odata.at", 3),
        ({"a": {"b": None}}, "a.b", None),
        ({"a": {"b": 1}}, "a.c", MISSING),
        ({"a": 1}, "a.b", MISSING),
        ({"a": None}, "a.b", MISSING),
        ({}, "a", MISSING),
        ({"a.b": {"c": 1}}, "a.b.c", MISSING),
    ],
)
def test_a_dotted_path_is_tried_as_one_name_before_its_first_name(
    record: dict[str, Any], path: str, value: Any
) -> None:
    assert dotted(record, path, MISSING) is value
