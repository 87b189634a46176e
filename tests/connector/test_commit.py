"""What a walk commits: never more than was surely read, and always what the upstream wrote."""

from decimal import Decimal

import pytest
from connector import Page
from connector.testing import Reply

from .play import Player, committed
from .scripted import Upstream, dated, feeding, http_date, iso, one, script, stepping

pytestmark = pytest.mark.usefixtures("clock")

NEW_YORK = "America/New_York"
GERMAN = "%d.%m.%Y %H:%M"
HTTP = "%a, %d %b %Y %H:%M:%S %Z"
# The clock stands at 2026-01-01T00:00:00Z. Cursors, what is declared, and which is committed.
COMMITTED = [
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
     {"cursor_type": GERMAN}, "31.12.2025 11:59"),
    ([0, 1767225540, 4102444800, 1767225510], {"cursor_type": "epoch"}, 1767225540),
    ([1767225540000, 4102444800000], {"cursor_type": "epoch_ms"}, 1767225540000),
    ([1767225540000001, 1767225540000000], {"cursor_type": "epoch_us"}, 1767225540000001),
    ([1767225540 * 10**9, 4102444800 * 10**9], {"cursor_type": "epoch_ns"}, 1767225540 * 10**9),
    ([7, 10**15, 9], {"cursor_type": "sequence"}, 10**15),
    (["9", "10"], {"cursor_type": "sequence"}, "10"),
    ([2**70 + 1, 2**70], {"cursor_type": "sequence"}, 2**70 + 1),
    (["b7", "a9", "b10"], {"cursor_type": "text"}, "b7"),
    (["20250105", "10000101"], {}, "20250105"),
    (["2025-03-09T02:30", "2025-03-09T01:45"], {"timezone": NEW_YORK}, "2025-03-09T02:30"),
]  # fmt: skip


@pytest.mark.parametrize(("cursors", "options", "highest"), COMMITTED)
def test_the_highest_that_was_surely_read_is_committed_as_it_was_written(cursors, options, highest):
    """Whatever the order of the records."""
    assert committed(*cursors, **options) == highest
    assert committed(*reversed(cursors), **options) == highest


ODD = [
    *((None, "2025-12-05T08:30:00Z", odd) for odd in (
        "2026-02-30T00:00:00Z", "Never", "-", "0000-12-30T00:00:00Z", "0000-00-00",
        "2026-01-05T08:30:00Z ", True, {"at": 1}, ["2026-01-05"], 17, Decimal("17.5"),
        "2025-12-05T08:30:00+01:75", "2025+12-05T08:30:00Z", "2025-12-05\n2025-12-05",
        "2025-12-31", "2025-12-31T08:30:00",  # without an offset, as the others have
    )),
    ("epoch", "1764837000", "17648370000000"),
    ("sequence", "10", "١"),
    ("epoch", 1764837000, 0),
    ("epoch_ms", 1764837000000, -62135596800000),
    ("epoch_us", 1764837000000000, 1764837000),
    ("sequence", 17, "seventeen"),
    ("sequence", "17", "0x11"),
    ("text", "b7", 17),
    (GERMAN, "05.12.2025 08:30", "05.12.2025 08:30 "),
    (HTTP, "Fri, 05 Dec 2025 08:30:00 GMT", "Fri, 05 Dec 2025 08:30:00 EST"),
]  # fmt: skip


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(("kind", "good", "odd"), ODD)
def test_an_odd_value_is_delivered_logged_and_does_not_count(kind, good, odd, place, caplog):
    cursors = [good, good]
    cursors.insert(place, odd)
    assert committed(*cursors, cursor_type=kind) == good
    (line,) = [each for each in caplog.messages if "event=unreadable_cursor" in each]
    assert f"record={place}" in line and " ".join(str(odd).split()) in line


@pytest.mark.parametrize("at", ["2099-01-01T00:00:00Z", None])
def test_a_walk_that_can_commit_no_cursor_says_so_in_the_log(at, caplog):
    committed(at)
    assert "event=no_cursor_committed " in caplog.text and "entity=thing" in caplog.text
    caplog.clear()
    committed(at, iso(-60))
    assert "no_cursor_committed" not in caplog.text


def test_a_walk_of_which_no_value_can_be_read_is_an_error_at_any_time():
    """A page of such values is not: the next one may have others."""
    player = Player(one(), script({None: (dated("Never", None), "b"), "b": dated(iso(-60))}))
    assert player.sync().error == "" and player.state == {"thing": iso(-60)}
    player.upstream = script({None: (dated("Never"), "b"), "b": dated("-", None)})
    assert "'Never' is not" in player.sync().error and player.state["thing"] == iso(-60)


@pytest.mark.parametrize("cursors", [[], [iso(-9000)], [None], [""]])
def test_a_cursor_stays_without_rows_or_dates_and_never_goes_backwards(cursors):
    player = Player(one(), script({None: dated(*cursors)}), state={"thing": iso(-60)})
    sync = player.sync()
    assert (sync.error, len(sync.ids())) == ("", len(cursors))
    assert player.state == {"thing": iso(-60)}


@pytest.mark.parametrize(("order", "at"), [(None, -60), ("asc", -90)])
def test_deleted_records_count_where_they_carry_the_cursor_but_not_in_an_ascending_walk(order, at):
    gone = [{"id": 2, "at": iso(-60)}, {"id": 3}, {"id": 4, "at": "Never"}]
    page = {"data": dated(iso(-90)), "gone": gone, "next": None}
    player = Player(feeding(order=order), Upstream(lambda asked: page))
    player.sync()
    assert player.state == {"thing": iso(at)}


# ---- clocks that differ


BEHIND = {"Date": http_date(-3600)}
OTHERS = [http_date(seconds) for seconds in (3600, -86401, 86401)]


@pytest.mark.parametrize(
    ("headers", "committed_at"),
    [
        (BEHIND, -3700),
        ({**BEHIND, "Age": "3600"}, -60),
        *(({"Date": date}, -60) for date in (*OTHERS, "yesterday", "")),
    ],
)
def test_the_earlier_of_both_clocks_bounds_what_is_committed(headers, committed_at):
    """What changed during the walk looks old where the upstream's clock is behind. A date with an
    age, which is a cache's, and one that is a day off are ignored."""
    cursors = [iso(at) for at in (-3700, -3590, -60, 60, 1800)]
    assert committed(*cursors, headers=headers) == iso(committed_at)


def test_the_upstreams_clock_counts_from_the_first_request_of_a_page(clock):
    """A record that changes after that may be missing, even where only the last one has a Date."""
    rows = dated(iso(-3601), iso(-3590))

    def answers(asked):
        clock.advance(30)
        date = {} if asked.path == "/first" else {"Date": http_date(-3600 + 60)}
        return Reply(json={"data": rows}, headers=date)

    def step(fetch):
        fetch.get("/first")
        return Page(fetch.get("/thing").rows("data"))

    player = Player(stepping(step, cursor="at"), Upstream(answers))
    player.sync()
    assert player.state == {"thing": iso(-3601)}


# ---- without a primary key; the model holds that no row is lost or comes twice


def test_rows_are_appended_and_the_schema_does_not_name_the_table():
    """Without a cursor, everything at each sync."""
    player = Player(one(primary_key=[], cursor=None), script({None: [{"id": 1}]}))
    for _ in range(2):
        (reply,) = player.sync().replies
        assert "schema" not in reply
    assert list(player.alive().values()) == [{"id": 1}, {"id": 1}]


def test_the_state_remembers_digests_of_the_rows_at_the_cursor_alone():
    """And of those that came in the last reading: a deleted row is forgotten."""
    rows = dated(None, *(iso(-90000 + 10 * (i // 3)) for i in range(1, 3000)))
    player = Player(one(primary_key=[]), Upstream(lambda asked: {"data": rows}))
    player.sync()
    assert player.state["thing"]["cursor"] == rows[-1]["at"]
    assert len(player.state["thing"]["seen"]) == 4
    del rows[0]
    player.sync()
    assert len(player.state["thing"]["seen"]) == 3


@pytest.mark.parametrize("at", [iso(-60), iso(60), None])
@pytest.mark.parametrize("count", [1000, 1001])
def test_a_thousand_rows_are_remembered_and_more_are_an_error(count, at):
    player = Player(one(primary_key=[]), script({None: dated(*[at] * count)}))
    sync = player.sync()
    if count == 1000:
        assert (sync.error, player.sync().ids()) == ("", [])
    else:
        assert "more than 1000 records" in sync.error and "declare primary_key" in sync.error
