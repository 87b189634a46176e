"""What a walk commits: never more than was surely read, and always what the upstream wrote."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from connector import Fetch, Page
from connector.testing import HeldClock

from .play import Player, committed
from .scripted import Asked, Listing, Upstream, iso, one, script, source

pytestmark = pytest.mark.usefixtures("clock")


def test_state_at_rest_is_one_cursor_per_entity() -> None:
    player = Player(one(), script({None: [{"id": 1, "at": iso(-60)}]}))
    player.sync()
    assert player.state == {"thing": iso(-60)}


def test_a_cursor_is_committed_when_the_last_page_is_in_and_not_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_BYTES", "1")
    upstream = script(
        {
            None: ([{"id": 1, "at": iso(-10)}], "b"),
            "b": ([{"id": 2, "at": iso(-30)}], "c"),
            "c": [{"id": 3, "at": iso(-20)}],
        }
    )
    player = Player(one(), upstream, state={"thing": iso(-999)})
    sync = player.sync()
    assert [reply["state"]["thing"] for reply in sync.replies] == [
        iso(-999),
        iso(-999),
        iso(-10),
    ]
    assert upstream.each("token") == [None, "b", "c"]


def test_a_record_that_changes_while_the_walk_runs_is_read_again(clock: HeldClock) -> None:
    listing = Listing([{"id": 1, "at": iso(-60)}, {"id": 2, "at": iso(-50)}], size=1)

    def answers(asked: Asked) -> Any:
        said = listing(asked)
        clock.advance(5)
        listing.records[0] = {"id": 1, "at": iso(3), "changed": True}
        return said

    player = Player(one(), Upstream(answers))
    assert player.sync().ids() == [1, 2]
    assert player.state == {"thing": iso(-50)}
    player.sync()
    assert player.alive()[1]["changed"]


def test_a_record_dated_in_the_future_is_delivered_and_never_committed() -> None:
    assert committed(iso(-60), iso(10**9)) == iso(-60)


def test_a_record_as_old_as_the_start_of_the_walk_may_be_committed() -> None:
    assert committed(iso(-60), iso(0)) == iso(0)


@pytest.mark.parametrize(
    "written",
    [
        "2025-12-31 20:00:00.1234567+05:30",
        "20251231T200000Z",
        "2025-12-31T20:00Z",
        "2025-12-31T08:00:00,5-0800",
        "2025-12-30",
    ],
)
def test_what_is_committed_is_what_the_upstream_wrote(written: str) -> None:
    options = {"timezone": "UTC"} if written == "2025-12-30" else {}
    assert committed(written, **options) == written


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2025-12-31T09:00:00+09:00", "2025-12-31T01:00:00Z"),
        ("2025-12-31T00:00:00Z", "2025-12-31T00:00:00.5Z"),
        ("2025-12-31T00:00:00.10Z", "2025-12-31T00:00:00.9Z"),
        ("2025-12-31T00:00:00.999999999Z", "2025-12-31T00:00:01Z"),
        ("2025-12-31 23:00:00Z", "2025-12-31T01:00:00-23:00"),
        ("2025-12-31T00:00:00.000000001Z", "2025-12-31T00:00:00.000000002Z"),
    ],
)
def test_instants_compare_as_instants_whatever_their_offset_and_precision(
    earlier: str, later: str
) -> None:
    assert committed(earlier, later) == later
    assert committed(later, earlier) == later


def test_naive_instants_are_read_in_the_zone_that_was_declared() -> None:
    """New York is five hours behind UTC: 18:59 there is before the start, 19:01 after it."""
    zone = "America/New_York"
    assert (
        committed("2025-12-31T18:59:00", "2025-12-31T19:01:00", timezone=zone)
        == "2025-12-31T18:59:00"
    )


def test_naive_local_time_west_of_utc_is_not_committed_past_the_start(clock: HeldClock) -> None:
    """The upstream writes its wall clock, eight hours behind: what changes during the walk looks
    eight hours old."""

    def local(seconds: float) -> str:
        return iso(seconds - 8 * 3600, "%Y-%m-%dT%H:%M:%S")

    listing = Listing([{"id": 1, "at": local(-86400)}, {"id": 2, "at": local(-80000)}], size=1)

    def answers(asked: Asked) -> Any:
        said = listing(asked)
        clock.advance(10)
        if listing.records[0]["at"] == local(-86400):
            listing.records += [{"id": 0, "at": local(4)}, {"id": 3, "at": local(8)}]
            listing.records[0]["at"] = local(6)
        return said

    player = Player(one(), Upstream(answers))
    player.sync()
    assert player.state == {"thing": local(-80000)}
    clock.advance(86400)
    player.sync()
    assert {key: row["at"] for key, row in player.alive().items()} == {
        row["id"]: row["at"] for row in listing.records
    }


@pytest.mark.parametrize(
    "changes", ["2026-11-01T06:00:00+00:00", "2026-03-08T07:00:00+00:00"], ids=["autumn", "spring"]
)
def test_the_hour_that_comes_twice_and_the_one_that_is_left_out_lose_nothing(
    clock: HeldClock, changes: str
) -> None:
    """Denver's wall clock, a record every seven minutes, a sync every eleven."""
    zone, listing = ZoneInfo("America/Denver"), Listing()
    clock.time = datetime.fromisoformat(changes).timestamp()
    player = Player(one(timezone="America/Denver", lookback=timedelta()), Upstream(listing))
    for minute in range(300):
        if minute % 7 == 0:
            wall = datetime.fromtimestamp(clock.time, UTC).astimezone(zone)
            listing.records.append({"id": minute, "at": f"{wall:%Y-%m-%dT%H:%M:%S}"})
        if minute % 11 == 0:
            assert player.sync().error == ""
        clock.advance(60)
    clock.advance(7200)
    player.sync()
    assert sorted(player.alive()) == [row["id"] for row in listing.records]


def test_without_a_zone_the_start_counts_as_twelve_hours_earlier() -> None:
    before, after = (iso(-12 * 3600 + off, "%Y-%m-%d %H:%M:%S") for off in (-1, 1))
    assert committed(before, after) == before


@pytest.mark.parametrize(("kind", "scale"), [("epoch", 1), ("epoch_ms", 1000)])
def test_epoch_numbers_with_a_row_dated_2100_go_on_from_the_row_before_it(
    clock: HeldClock, kind: str, scale: int
) -> None:
    now, far = int(clock.time) * scale, 4_102_444_800 * scale
    assert committed(now - 60, far, now - 90, cursor_type=kind) == now - 60


def test_a_sequence_is_not_held_back() -> None:
    assert committed(7, 10**15, 9, cursor_type="sequence") == 10**15


def test_numbers_compare_as_numbers_even_when_written_as_text() -> None:
    assert committed("9", "10", cursor_type="sequence") == "10"


def test_a_number_beyond_64_bits_is_committed_exactly() -> None:
    assert committed(2**70 + 1, 2**70, cursor_type="sequence") == 2**70 + 1


def test_a_number_with_a_fraction_is_committed_exactly() -> None:
    upstream = Upstream(lambda asked: b'{"data": [{"id": 1, "at": 1767225599.123456789012345}]}')
    player = Player(one(cursor_type="epoch"), upstream)
    player.sync()
    assert player.state == {"thing": Decimal("1767225599.123456789012345")}
    player.sync()
    assert upstream.each("since")[1] == "1767225299.123456789012345"


@pytest.mark.parametrize("number", [1767225000, 1767225000.5, "1767225000"])
def test_numbers_without_cursor_type_are_an_error_that_names_the_three(number: Any) -> None:
    sync = Player(one(), script({None: [{"id": 1, "at": number}]})).sync()
    for name in ("cursor_type", '"sequence"', '"epoch"', '"epoch_ms"', "entity thing", "record 0"):
        assert name in sync.error


def test_anything_else_compares_as_text() -> None:
    assert committed("b7", "a9", "b10") == "b7"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (iso(-60), "yesterday"),
        (iso(-60), "2025-12-31T00:00:00"),
        ("2025-12-31T00:00:00", iso(-60)),
    ],
)
def test_a_cursor_that_changes_its_kind_is_an_error(first: str, second: str) -> None:
    rows = [{"id": 1, "at": first}, {"id": 2, "at": second}]
    sync = Player(one(), script({None: rows})).sync()
    for said in ("kind", first, second, "entity thing", "page 1", "record 1"):
        assert said in sync.error


def test_a_cursor_that_changes_its_kind_since_the_last_sync_is_an_error() -> None:
    player = Player(one(), script({None: [{"id": 1, "at": "v2-0001"}]}), state={"thing": iso(-60)})
    assert "kind" in player.sync().error
    assert player.state == {"thing": iso(-60)}


@pytest.mark.parametrize(
    "nothing", [None, "", "0000-00-00", "0000-00-00 00:00:00", "0000-00-00T00:00:00Z"]
)
def test_an_empty_cursor_is_delivered_and_does_not_count(nothing: Any) -> None:
    assert committed(nothing, iso(-60), nothing) == iso(-60)


def test_records_with_empty_cursors_alone_leave_the_cursor_where_it_was() -> None:
    rows = [{"id": 1, "at": ""}, {"id": 2, "at": "0000-00-00"}, {"id": 3}]
    player = Player(one(), script({None: rows}), state={"thing": iso(-60)})
    assert player.sync().ids() == [1, 2, 3]
    assert player.state == {"thing": iso(-60)}


def test_with_no_rows_the_cursor_stays() -> None:
    player = Player(one(), script({None: []}), state={"thing": iso(-60)})
    assert player.sync().error == ""
    assert player.state == {"thing": iso(-60)}


def test_a_cursor_never_goes_backwards() -> None:
    old = script({None: [{"id": 1, "at": iso(-9000)}]})
    player = Player(one(), old, state={"thing": iso(-60)})
    player.sync()
    assert player.state == {"thing": iso(-60)}


def test_deleted_records_count_where_they_carry_the_cursor() -> None:
    made = source()

    @made.entity("thing", primary_key=["id"], cursor="at")
    def thing(fetch: Fetch) -> Page:
        response = fetch.get("/thing")
        return Page(response.rows("data"), deleted=response.rows("gone"))

    said = {"data": [{"id": 1, "at": iso(-90)}], "gone": [{"id": 2, "at": iso(-60)}, {"id": 3}]}
    player = Player(made, Upstream(lambda asked: said))
    player.sync()
    assert player.state == {"thing": iso(-60)}


def test_the_cursor_may_lie_in_a_nested_object() -> None:
    rows = [{"id": 1, "meta": {"at": iso(-90)}}, {"id": 2, "meta": {"at": iso(-60)}}, {"id": 3}]
    player = Player(one(cursor="meta.at"), script({None: rows}))
    player.sync()
    assert player.state == {"thing": iso(-60)}


def test_a_column_whose_name_holds_a_dot_is_tried_first() -> None:
    rows = [{"id": 1, "meta.at": iso(-60), "meta": {"at": iso(-90)}}]
    player = Player(one(cursor="meta.at"), script({None: rows}))
    player.sync()
    assert player.state == {"thing": iso(-60)}


def test_a_cursor_that_no_record_has_is_an_error_and_not_a_full_sync_for_ever() -> None:
    sync = Player(one(cursor="updatedAt"), script({None: [{"id": 1, "at": iso(-60)}]})).sync()
    assert "'updatedAt'" in sync.error


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2025-12-01T00:00:00", "2025-12-01T08:00:00Z"),
        ("2025-12-01T09:00:00+01:00", "2025-12-01T04:00:00"),
        ("2025-12-01", "2025-12-02T08:00:00Z"),
    ],
)
def test_where_the_zone_is_known_an_offset_may_be_there_or_not(earlier: str, later: str) -> None:
    """Both are instants, and compare as such."""
    for cursors in ((earlier, later), (later, earlier)):
        assert committed(*cursors, timezone="America/New_York") == later


def test_days_without_hyphens_are_instants() -> None:
    """ISO 8601's basic form; it is a number by its looks alone."""
    assert committed("20251130", "20251201") == "20251201"
    assert committed("20251201", "20990101") == "20251201"


@pytest.mark.parametrize(
    "cursors", [("0009", "0010"), ("507f1f77bcf86cd799439011", "507011771250860799439012")]
)
def test_ids_of_digits_that_are_no_numbers_compare_as_text(cursors: tuple[str, str]) -> None:
    """Padded ones, and hexadecimal ones that happen to have no letter."""
    assert committed(*cursors) == max(cursors)


@pytest.mark.parametrize("none", ["0000-00-00T00:00:00+00:00", "0000-00-00 00:00:00,000"])
def test_no_date_in_any_form_does_not_count(none: str) -> None:
    assert committed(none, iso(-60)) == iso(-60)
