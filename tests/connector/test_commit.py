"""What a walk commits: never more than was surely read, and always what the upstream wrote."""

from typing import Any

import pytest
from connector import Fetch, Page
from connector.testing import HeldClock, Reply

from .play import Player, committed
from .scripted import Asked, Upstream, http_date, iso, one, script, stepping
from .test_setup_test import setup_test

pytestmark = pytest.mark.usefixtures("clock")

NEW_YORK = "America/New_York"
# The clock stands at 2026-01-01T00:00:00Z. Cursors, what is declared, and which is committed.
COMMITTED: list[tuple[list[Any], dict[str, Any], Any]] = [
    ([iso(-60), iso(0)], {}, iso(0)),
    ([iso(-60), iso(10**9)], {}, iso(-60)),
    ([iso(1)], {}, None),
    ([None, iso(-60), "", " "], {}, iso(-60)),
    (["2025-12-31 20:00:00.1234567Z"], {}, "2025-12-31 20:00:00.1234567Z"),
    (["2025-12-29", "2025-12-30", "2099-01-01"], {}, "2025-12-30"),
    (["2025-12-31T09:00+09:00", "2025-12-31T01:00Z", "2025-12-31T00:30Z"], {}, "2025-12-31T01:00Z"),
    (["2025-12-31T00:00:00.5Z", "2025-12-31T00:00:00Z"], {}, "2025-12-31T00:00:00.5Z"),
    # Without a zone, twelve hours before the start of the walk.
    (["2025-12-31 11:59:59", "2025-12-31 12:00:01"], {}, "2025-12-31 11:59:59"),
    (["2025-12-31T18:59", "2025-12-31T19:01"], {"timezone": NEW_YORK}, "2025-12-31T18:59"),
    (["2025-12-01T09:00+01:00", "2025-12-01T04:00"], {"timezone": NEW_YORK}, "2025-12-01T04:00"),
    (["31.12.2025 11:59", "02.11.2025 12:30", "31.12.2025 12:01", "01.02.2026 00:00"],
     {"cursor_type": "%d.%m.%Y %H:%M"}, "31.12.2025 11:59"),
    ([0, 1767225540, 4102444800, 1767225510], {"cursor_type": "epoch"}, 1767225540),
    ([1767225540000, 4102444800000], {"cursor_type": "epoch_ms"}, 1767225540000),
    ([1767225540000001, 1767225540000000], {"cursor_type": "epoch_us"}, 1767225540000001),
    ([1767225540 * 10**9, 4102444800 * 10**9], {"cursor_type": "epoch_ns"}, 1767225540 * 10**9),
    ([7, 10**15, 9], {"cursor_type": "sequence"}, 10**15),
    (["9", "10"], {"cursor_type": "sequence"}, "10"),
    ([2**70 + 1, 2**70], {"cursor_type": "sequence"}, 2**70 + 1),
    (["b7", "a9", "b10"], {"cursor_type": "text"}, "b7"),
]  # fmt: skip
FORMS = {
    "2025-12-31T08:30:00.000Z[UTC]": "%Y-%m-%dT%H:%M:%S.%fZ[UTC]",
    "31.12.2025 08:30": "%d.%m.%Y %H:%M",
    "12/31/2025 8:30:00 AM": "%m/%d/%Y %I:%M:%S %p",
    "2025-12-31 08:30:00 EST": "%Y-%m-%d %H:%M:%S EST",
    "Wed, 31 Dec 2025 08:30:00 GMT": "%a, %d %b %Y %H:%M:%S GMT",
}
ODD = ["2026-02-30T00:00:00Z", "Never", "-", "0000-12-30T00:00:00Z", iso(-10) + " ", 0]


def rows_of(*cursors: Any) -> list[dict[str, Any]]:
    return [{"id": index, "at": cursor} for index, cursor in enumerate(cursors)]


@pytest.mark.parametrize(("cursors", "options", "highest"), COMMITTED)
def test_the_highest_that_was_surely_read_is_committed_as_it_was_written(
    cursors: list[Any], options: dict[str, Any], highest: Any
) -> None:
    """Whatever the order of the records."""
    assert committed(*cursors, **options) == highest
    assert committed(*reversed(cursors), **options) == highest


@pytest.mark.parametrize("written", [*FORMS, "/Date(1767601800000)/", 1767225000, "1767225000.5"])
def test_dates_that_are_not_iso_8601_are_never_text_by_accident(written: Any) -> None:
    """The setup test and the first sync fail with one sentence that names value and choices."""
    upstream = script({None: rows_of(written, written)})
    reply = setup_test(one(), upstream)
    player = Player(one(), upstream)
    for message in (reply["errorMessage"], player.sync().error):
        for text in ("entity thing", "'at'", str(written), "cursor_type", "%d.%m.%Y", '"text"'):
            assert text in message
    assert player.state.get("thing") is None


@pytest.mark.parametrize("place", [0, 24, 49])
@pytest.mark.parametrize("odd", ODD)
def test_one_odd_value_of_fifty_is_delivered_logged_and_does_not_count(
    odd: Any, place: int, caplog: pytest.LogCaptureFixture
) -> None:
    cursors = [iso(-1000 - i) for i in range(49)]
    cursors.insert(place, odd)
    assert committed(*cursors) == iso(-1000)
    (line,) = [each for each in caplog.messages if "event=unreadable_cursor" in each]
    assert f"record={place}" in line and str(odd) in line


@pytest.mark.parametrize("at", ["2099-01-01T00:00:00Z", None])
def test_a_walk_that_can_commit_no_cursor_says_so_in_the_log(
    at: Any, caplog: pytest.LogCaptureFixture
) -> None:
    committed(at)
    assert "event=no_cursor_committed " in caplog.text and "entity=thing" in caplog.text
    caplog.clear()
    committed(at, iso(-60))
    assert "no_cursor_committed" not in caplog.text


def test_a_walk_of_which_no_value_can_be_read_is_an_error_at_any_time() -> None:
    """A page of such values is not: the next one may have others."""
    pages = {None: (rows_of("Never", None), "b"), "b": rows_of(iso(-60))}
    player = Player(one(), script(pages))
    assert player.sync().error == "" and player.state == {"thing": iso(-60)}
    player.upstream = script({None: (rows_of("Never"), "b"), "b": rows_of("-", None)})
    assert "'-' is not" in player.sync().error and player.state["thing"] == iso(-60)


@pytest.mark.parametrize(
    ("first", "second"), [(iso(-60), "2025-12-31T00:00:00"), ("2025-12-31T00:00:00", iso(-60))]
)
def test_times_with_and_without_an_offset_are_an_error_where_the_zone_is_unknown(
    first: str, second: str
) -> None:
    sync = Player(one(), script({None: rows_of(first, second)})).sync()
    for text in ("cannot be compared", first, second, "timezone=", "page 1", "record 1"):
        assert text in sync.error
    player = Player(one(), script({None: rows_of(second)}), state={"thing": first})
    assert "cannot be compared" in player.sync().error
    assert player.state["thing"] == first


@pytest.mark.parametrize("cursors", [[], [iso(-9000)], [None], [""]])
def test_a_cursor_stays_without_rows_or_dates_and_never_goes_backwards(cursors: list[Any]) -> None:
    player = Player(one(), script({None: rows_of(*cursors)}), state={"thing": iso(-60)})
    sync = player.sync()
    assert (sync.error, len(sync.ids())) == ("", len(cursors))
    assert player.state == {"thing": iso(-60)}


def test_deleted_records_count_where_they_carry_the_cursor() -> None:
    def step(fetch: Fetch) -> Page:
        deleted = [{"id": 2, "at": iso(-60)}, {"id": 3}, {"id": 4, "at": "Never"}]
        return Page([{"id": 1, "at": iso(-90)}], deleted=deleted)

    player = Player(stepping(step, cursor="at"), script({}))
    player.sync()
    assert player.state == {"thing": iso(-60)}


def test_a_cursor_that_no_record_has_is_an_error_and_not_a_full_sync_for_ever() -> None:
    sync = Player(one(cursor="updatedAt"), script({None: rows_of(iso(-60))})).sync()
    assert "'updatedAt'" in sync.error


# ---- clocks that differ


BEHIND = {"Date": http_date(-3600)}
AHEAD, OLD, FAR = (http_date(seconds) for seconds in (3600, -86401, 86401))


@pytest.mark.parametrize(
    ("headers", "committed_at"),
    [
        (BEHIND, -3700),
        ({**BEHIND, "Age": "3600"}, -60),
        *(({"Date": date}, -60) for date in (AHEAD, OLD, FAR, "yesterday", "")),
    ],
)
def test_the_earlier_of_both_clocks_bounds_what_is_committed(
    headers: dict[str, str], committed_at: float
) -> None:
    """What changed during the walk looks old where the upstream's clock is behind. A date with an
    age, which is a cache's, and one that is a day off are ignored."""
    cursors = [iso(at) for at in (-3700, -3590, -60, 60, 1800)]
    assert committed(*cursors, headers=headers) == iso(committed_at)


def test_the_upstreams_clock_counts_from_the_first_request_of_a_page(clock: HeldClock) -> None:
    """A record that changes after that may be missing, even where only the last one has a Date."""
    rows = [{"id": 0, "at": iso(-3601)}, {"id": 1, "at": iso(-3590)}]

    def answers(asked: Asked) -> Any:
        clock.advance(30)
        if asked.path == "/first":
            return {}
        return Reply(json={"data": rows}, headers={"Date": http_date(-3600 + 60)})

    def step(fetch: Fetch) -> Page:
        fetch.get("/first")
        return Page(fetch.get("/thing").rows("data"))

    player = Player(stepping(step, cursor="at"), Upstream(answers))
    player.sync()
    assert player.state == {"thing": iso(-3601)}
