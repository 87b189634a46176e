"""Cursor values: read, compared, moved and written, against a simple model of the upstream."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from connector.cursors import MISSING, CursorError, Cursors, PageCursors, Point
from connector.errors import SourceError
from hypothesis import example, given, settings
from hypothesis import strategies as st

SECOND = 1_000_000  # microseconds
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEW_YORK = "America/New_York"
GERMAN = "%d.%m.%Y %H:%M"
AMERICAN = "%m/%d/%Y %I:%M:%S %p"
HTTP = "%a, %d %b %Y %H:%M:%S %Z"


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


# ---- what is read, and how it is written

BACK = timedelta(minutes=5, seconds=5)
# The type, a value, when that is, and the value that lies so much before it.
VALUES: list[tuple[str | None, Any, str, Any]] = [
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
def test_a_time_is_an_instant_and_moved_as_the_upstream_writes_it(
    kind: str | None, value: Any, instant: str, back: Any
) -> None:
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


@pytest.mark.parametrize("value", NOT_ISO)
def test_what_is_not_iso_8601_is_an_error_that_names_it(value: Any) -> None:
    assert (repr(value) if isinstance(value, str) else str(value)) in refused(Cursors(), value)


@pytest.mark.parametrize("value", [None, "", " ", "\t", MISSING])
@pytest.mark.parametrize("kind", [None, "text", "sequence", "epoch", GERMAN])
def test_null_blank_and_missing_values_decide_nothing(kind: str | None, value: Any) -> None:
    page = PageCursors(Cursors(kind), [value, value])
    assert (page.readable, page.unreadable, page.points) == (0, [], [None, None])
    assert page.present == (value is not MISSING)


ODD: list[tuple[str | None, Any, Any]] = [
    *((None, "2026-01-05T08:30:00Z", odd) for odd in (
        "2026-02-30T00:00:00Z", "Never", "-", "0000-12-30T00:00:00Z", "0000-00-00",
        "2026-01-05T08:30:00Z ", True, {"at": 1}, ["2026-01-05"], 17, Decimal("17.5"),
    )),
    ("epoch", 1767601800, 0),
    ("epoch_ms", 1767601800000, -62135596800000),
    ("epoch_us", 1767601800000000, Decimal("1E+1000000")),
    ("epoch_ns", 1767601800000000000, float("nan")),
    ("sequence", 17, "seventeen"),
    ("sequence", "17", "0x11"),
    ("text", "b7", 17),
    (GERMAN, "05.01.2026 08:30", "05.01.2026 08:30 "),
    (HTTP, "Mon, 05 Jan 2026 08:30:00 GMT", "Mon, 05 Jan 2026 08:30:00 EST"),
]  # fmt: skip


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(("kind", "good", "odd"), ODD)
def test_one_odd_value_is_put_aside_and_never_becomes_the_cursor(
    kind: str | None, good: Any, odd: Any, place: int
) -> None:
    values = [good, good]
    values.insert(place, odd)
    page = PageCursors(Cursors(kind), values)
    assert (page.unreadable, page.readable, page.points[place]) == ([(place, odd)], 2, None)
    assert page.top is not None and page.top.value == good
    assert isinstance(page.error, CursorError)


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


# ---- declarations

DECLARATIONS: list[tuple[tuple[str | None, str | None], str]] = [
    *(((kind, None), r"%d\.%m\.%Y.*epoch_ns.*sequence.*text") for kind in ("", "iso", "Epoch")),
    *(((None, zone), "IANA") for zone in ("Mars", "../etc/passwd", "America", "", "EST5EDT6")),
    *(((form, None), "does not say which") for form in (
        "%H:%M", "%d.%m. %H:%M", "%d %Y", "%I:%M %d.%m.%Y", "%Y-%m-%d %M", "%Y-%U",
    )),
    *(((form, None), "not a strptime form") for form in (
        "%Q", "%-d.%m.%Y", "%s", "%d %d %Y", "100%",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("declared", "why"), DECLARATIONS)
def test_a_type_or_a_zone_that_leaves_open_what_is_meant_is_refused(
    declared: tuple[str | None, str | None], why: str
) -> None:
    with pytest.raises(SourceError, match=why):
        Cursors(*declared)


def test_a_strptime_form_that_names_a_time_is_taken() -> None:
    for form in ("%Y", "%G-W%V-%u", "%c", "%b %d, %Y, %I %p", "%%%Y%m%d%H%M%S", "%d-%b-%y %z"):
        assert Cursors(form).is_time


# The type, the zone, a declared start, and what it is written as; an error's words in a list.
STARTS: list[tuple[str | None, str | None, Any, Any]] = [
    (None, None, "2025-12-30", "2025-12-30"),
    ("epoch", None, "2025-12-30", 1767052800),
    ("epoch", NEW_YORK, "2025-11-02T01:30:00", 1762061400),
    ("epoch_ms", None, "2025-12-30T00:00:00.5Z", 1767052800500),
    ("epoch_us", None, "1970-06-01", 13046400000000),
    ("epoch_ns", None, "1960-01-01", -315619200 * 10**9),
    ("epoch_ms", None, 0, 0),
    ("sequence", None, 17, 17),
    (GERMAN, None, "30.12.2025 07:00", "30.12.2025 07:00"),
    (GERMAN, None, "2025-12-30", "30.12.2025 00:00"),
    (GERMAN, NEW_YORK, "2025-12-30T00:00:00Z", "29.12.2025 19:00"),
    (GERMAN, None, "2025-12-30T00:00:00Z", "29.12.2025 12:00"),
    (HTTP, None, "2025-12-30T01:00:00+01:00", "Tue, 30 Dec 2025 00:00:00 GMT"),
    ("%d.%m.%Y %H:%M %z", NEW_YORK, "2025-12-30", "30.12.2025 05:00 +0000"),
    (None, None, "30.12.2025", ["not a time in ISO 8601"]),
    ("epoch_ms", None, 1767052800, ['cursor_type="epoch"']),
    ("epoch", None, "30.12.2025", ["not a number"]),
    ("epoch", None, "2025-02-30", ["not a time in ISO 8601"]),
    (GERMAN, None, "30/12/2025", ["not in the form"]),
    ("%y%m%d", None, "1960-01-01", ["cannot be written"]),
    (GERMAN, None, "0001-01-01T00:00:00Z", ["cannot be written"]),
    ("text", None, 17, ["is for text"]),
    ("epoch", None, True, ["neither text nor a number"]),
]


@pytest.mark.parametrize(("kind", "zone", "start", "written"), STARTS)
def test_a_start_in_iso_8601_is_written_as_the_upstream_writes_times(
    kind: str | None, zone: str | None, start: Any, written: Any
) -> None:
    cursors = Cursors(kind, zone)
    if not isinstance(written, list):
        assert cursors.parse_start(start) == point(cursors, written)
        return
    with pytest.raises(CursorError, match=written[0]):
        cursors.parse_start(start)


# ---- pages


class OneByOne(Cursors):
    """The same, with nothing read at once."""

    def keys(self, values: Any) -> Any:
        raise ValueError


ODD_ONES = [None, "", MISSING, "Never", "2026-02-30T00:00:00Z", "0000-00-00", 0, " "]
STYLES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S.%f UTC", "%Y%m%dT%H%M+0130",
          "%Y-%m-%dT%H:%M:%S.%f+01:00", "%Y-%m-%dT%H:%M:%S.%f-05:30", "%Y-%m-%d %H:%M"]  # fmt: skip
MOMENTS = st.integers(0, 20).map(lambda hour: datetime(2026, 1, 5, hour)) | st.datetimes(
    datetime(1970, 1, 1), datetime(2037, 12, 31)
)
WHOLE = st.integers(99_999_990, 100_000_010) | st.integers(10**9, 2 * 10**9)


@st.composite
def pages(draw: st.DrawFn) -> tuple[dict[str, Any], list[Any]]:
    """What is declared, and a page's values: often of one form, sometimes sorted."""
    kind = draw(st.sampled_from([None, None, "sequence", "text", "epoch", "epoch_ms", GERMAN]))
    if kind is None:
        styles = draw(st.lists(st.sampled_from(STYLES), min_size=1, max_size=2))
        moments = draw(st.lists(MOMENTS, max_size=12))
        values: list[Any] = [each.strftime(draw(st.sampled_from(styles))) for each in moments]
    elif kind == "text":
        values = draw(st.lists(st.text(min_size=1, max_size=3), max_size=9))
    elif kind == GERMAN:
        values = [moment.strftime(GERMAN) for moment in draw(st.lists(MOMENTS, max_size=5))]
    else:
        scale = 1000 if kind == "epoch_ms" else 1
        values = [number * scale for number in draw(st.lists(WHOLE, max_size=12))]
        values = draw(st.sampled_from([values, list(map(str, values))]))
    values = draw(st.sampled_from([values, sorted(values), sorted(values, reverse=True)]))
    for odd in draw(st.lists(st.sampled_from(ODD_ONES), max_size=2)):
        values.insert(draw(st.integers(0, len(values))), odd)
    return {"cursor_type": kind, "timezone": draw(st.sampled_from([None, NEW_YORK]))}, values


def answers(page: PageCursors, others: list[Point], moments: list[float]) -> list[Any]:
    """All that a page answers; where several points are the same time, the time."""
    found: list[Any] = [page.readable, page.present, page.unreadable, page.points, page.last]
    found += [str(page.error), page.top and page.top.at]
    for other in [None, *others]:
        found += [page.mixed(other), page.unsorted(other, False), page.unsorted(other, True)]
        highest = [page.highest(moment, other) for moment in moments]
        found += [each and each.at for each in highest]
    return found


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
    page, slow = PageCursors(Cursors(**options), values), PageCursors(OneByOne(**options), values)
    points = [found for found in slow.points if found is not None]
    others = data.draw(st.lists(st.sampled_from(points), max_size=2)) if data and points else points
    moments = [0.0, 1e9, 1.7676e9, 4e9]
    if Cursors(**options).is_time:
        moments += [found.at / SECOND for found in points[:3]]
    assert answers(page, others, moments) == answers(slow, others, moments)
