"""Walks cut into slices, and walks of sorted upstreams: what each commits, and when it ends."""

import json
from datetime import timedelta
from typing import Any

import pytest
from connector import Fetch, Page
from connector.testing import HeldClock, Reply

from .play import Asked, Listing, Player, Upstream, iso, one, script, source

pytestmark = pytest.mark.usefixtures("clock")

DAY = timedelta(days=1)


@pytest.fixture
def page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call delivers one page."""
    monkeypatch.setenv("CONNECTOR_CALL_BYTES", "1")


def days(*ago: float) -> list[dict[str, Any]]:
    """Records that changed so many days ago, numbered in this order."""
    return [{"id": i, "at": iso(-86400 * days)} for i, days in enumerate(ago)]


def slices(upstream: Upstream) -> list[tuple[str, str]]:
    """The bounds that were asked for, each once, in order."""
    asked = [(ask.params["since"], ask.params["until"]) for ask in upstream.asked]
    return list(dict.fromkeys(asked))


def test_a_window_walks_slices_that_touch_and_reach_past_the_start() -> None:
    upstream = Upstream(Listing(days(2.5, 1.5, 0.5)))
    made = one(window=DAY, start=iso(-3 * 86400))
    assert Player(made, upstream).sync().ids() == [0, 1, 2]
    asked = slices(upstream)
    assert asked[0] == (iso(-3 * 86400), iso(-2 * 86400))
    assert [since for since, _ in asked[1:]] == [until for _, until in asked[:-1]]
    assert asked[-1][1] > iso(0)


def test_a_record_at_a_slices_edge_comes_once() -> None:
    """`until` is exclusive and `since` inclusive."""
    upstream = Upstream(Listing(days(2, 1)))
    assert Player(one(window=DAY, start=iso(-3 * 86400)), upstream).sync().ids() == [0, 1]


def test_a_record_as_old_as_the_start_of_the_walk_lies_in_the_last_slice() -> None:
    upstream = Upstream(Listing(days(0)))
    player = Player(one(window=DAY, start=iso(-86400)), upstream)
    assert player.sync().ids() == [0]
    assert player.state == {"thing": iso(0)}


def test_each_slice_is_committed_when_it_is_through(page_by_page: None) -> None:
    upstream = Upstream(Listing(days(2.5, 2.4, 1.5, 0.5), size=1))
    sync = Player(one(window=DAY, start=iso(-3 * 86400)), upstream).sync()
    assert [reply["state"].get("thing") for reply in sync.replies if reply["insert"]] == [
        None,
        iso(-2.4 * 86400),
        iso(-1.5 * 86400),
        iso(-0.5 * 86400),
    ]


def test_a_slice_commits_nothing_beyond_its_end(page_by_page: None) -> None:
    """The upstream does not know `until`: what lies between is yet to be read."""
    listing = Listing(days(2.5, 0.5, 1.5))

    def answers(asked: Asked) -> Any:
        asked.params.pop("until")
        return listing(asked)

    player = Player(one(window=DAY, start=iso(-3 * 86400)), Upstream(answers))
    player.sync(calls=1)
    assert player.state["thing"] == iso(-2.5 * 86400)


def test_a_long_backfill_that_is_given_up_goes_on_with_its_slice(page_by_page: None) -> None:
    upstream = Upstream(Listing(days(9.5, 8.5, 7.5, 6.5)))
    player = Player(one(window=DAY, start=iso(-10 * 86400)), upstream)
    ids = [player.sync(calls=1).ids() for _ in range(4)]
    assert ids == [[0], [1], [2], [3]]


def test_empty_slices_cost_no_reply_of_their_own() -> None:
    upstream = Upstream(Listing(days(999, 1)))
    sync = Player(one(window=DAY, start=iso(-1000 * 86400)), upstream).sync()
    assert sync.ids() == [0, 1]
    assert len(upstream.asked) > 1000
    assert len(sync.replies) == 1


def test_page_numbers_that_repeat_from_slice_to_slice_are_no_cycle() -> None:
    made = source()

    @made.entity(
        "thing", primary_key=["id"], cursor="at", window=DAY, start=iso(-3 * 86400), page_size=2
    )
    def thing(fetch: Fetch) -> Page:
        page = fetch.token or 1
        response = fetch.get(
            "/thing", params={"since": fetch.since, "until": fetch.until, "page": page}
        )
        rows = response.rows("data")
        return Page(rows, page + 1 if rows else None)

    records = days(2.9, 2.8, 2.7, 1.9, 1.8, 1.7, 0.9, 0.8, 0.7)

    def answers(asked: Asked) -> Any:
        since, until = asked.params["since"], asked.params["until"]
        rows = [row for row in records if since <= row["at"] < until]
        first = (int(asked.params["page"]) - 1) * 2
        return {"data": rows[first : first + 2]}

    sync = Player(made, Upstream(answers)).sync()
    assert (sync.error, sync.ids()) == ("", list(range(9)))


def test_equal_pages_of_two_slices_are_no_repetition() -> None:
    """A record without a cursor of its own stands in every slice."""
    upstream = script({None: [{"id": 1, "at": None}]})
    sync = Player(one(window=DAY, start=iso(-2 * 86400)), upstream).sync()
    assert "holds the same records" not in sync.error


def test_a_window_of_epoch_numbers_has_numbers_as_bounds() -> None:
    upstream = script({None: []})
    Player(one(window=DAY, start="2025-12-30T00:00:00Z", cursor_type="epoch"), upstream).sync()
    assert slices(upstream)[:2] == [("1767052800", "1767139200"), ("1767139200", "1767225600")]


def test_what_changes_during_a_windowed_walk_is_read_by_the_next(clock: HeldClock) -> None:
    listing = Listing(days(2.5, 1.5, 0.5))

    def answers(asked: Asked) -> Any:
        said = listing(asked)
        clock.advance(20)
        listing.records[0]["at"] = iso(10)
        return said

    player = Player(one(window=DAY, start=iso(-3 * 86400)), Upstream(answers))
    player.sync()
    assert player.state["thing"] <= iso(0)
    clock.advance(86400)
    player.sync()
    assert player.alive() == {row["id"]: row for row in listing.records}


# ---- order="asc"


def test_an_ascending_walk_commits_after_each_page(page_by_page: None) -> None:
    upstream = Upstream(Listing(days(3, 2, 1), sort="at", size=1))
    sync = Player(one(order="asc"), upstream).sync()
    assert [reply["state"]["thing"] for reply in sync.replies] == [
        iso(-3 * 86400),
        iso(-2 * 86400),
        iso(-86400),
    ]


def test_an_ascending_walk_over_a_list_that_grows_ends_when_it_has_passed_its_start(
    clock: HeldClock,
) -> None:
    """Every request finds one record more: without an end the walk would never come home."""
    listing = Listing(days(1), sort="at", size=1)

    def answers(asked: Asked) -> Any:
        clock.advance(1)
        listing.records.append({"id": len(listing.records), "at": iso(len(listing.records))})
        return listing(asked)

    player = Player(one(order="asc"), Upstream(answers))
    sync = player.sync()
    assert 1 < len(sync.ids()) < 10
    assert player.state["thing"] <= iso(0)


def test_an_ascending_walk_does_not_end_at_a_record_dated_in_the_future() -> None:
    upstream = script(
        {
            None: ([{"id": 1, "at": iso(-60)}, {"id": 2, "at": iso(10**9)}], "b"),
            "b": [{"id": 3, "at": iso(10**9 + 1)}],
        }
    )
    assert Player(one(order="asc"), upstream).sync().ids() == [1, 2, 3]


def test_an_ascending_walk_over_an_unsorted_upstream_is_an_error() -> None:
    sync = Player(one(order="asc"), script({None: days(1, 2)})).sync()
    for said in ('order="asc"', "'at'", "record 1", "page 1"):
        assert said in sync.error


def test_an_ascending_walk_whose_next_page_lies_before_this_one_is_an_error(
    page_by_page: None,
) -> None:
    upstream = script({None: (days(1), "b"), "b": [{"id": 9, "at": iso(-2 * 86400)}]})
    sync = Player(one(order="asc"), upstream).sync()
    assert 'order="asc"' in sync.error and "page 2" in sync.error


def test_lookback_with_ascending_order_reads_back_and_commits_forward(page_by_page: None) -> None:
    """What lies before the committed cursor is read again and does not move it back."""
    records = [{"id": i, "at": iso(-600 + 30 * i)} for i in range(10)]
    upstream = Upstream(Listing(records, sort="at", size=2))
    player = Player(one(order="asc"), upstream, state={"thing": iso(-420)})
    sync = player.sync()
    assert sync.ids() == list(range(10))
    cursors = [reply["state"]["thing"] for reply in sync.replies]
    assert cursors == sorted(cursors)
    assert (cursors[0], cursors[-1]) == (iso(-420), iso(-330))


def test_lookback_with_ascending_order_survives_a_token_that_expires(page_by_page: None) -> None:
    """A record that the index showed late lies between the lower bound and the cursor."""
    records = [{"id": i, "at": iso(-300 + 10 * i)} for i in range(10)]
    listing, refused = Listing(records, sort="at", size=2), []

    def answers(asked: Asked) -> Any:
        if asked.params.get("token") and not refused:
            refused.append(asked)
            return Reply(json={"error": "expired"}, status=410)
        return listing(asked)

    player = Player(one(order="asc"), Upstream(answers), state={"thing": iso(-220)})
    player.sync()
    assert sorted(player.alive()) == list(range(10))


# ---- order="desc"


def test_a_descending_walk_ends_at_the_first_page_wholly_below_since() -> None:
    pages = {
        None: ([{"id": 9, "at": iso(-10)}, {"id": 8, "at": iso(-400)}], "b"),
        "b": ([{"id": 7, "at": iso(-1000)}, {"id": 6, "at": iso(-3650)}], "c"),
        "c": ([{"id": 5, "at": iso(-3700)}, {"id": 4, "at": iso(-3800)}], "d"),
        "d": [{"id": 3, "at": iso(-4000)}],
    }
    upstream = script(pages)
    made = one(order="desc", lookback=timedelta(seconds=600))
    player = Player(made, upstream, state={"thing": iso(-3000)})
    player.sync()
    assert upstream.each("token") == [None, "b", "c"]
    assert player.state == {"thing": iso(-10)}


def test_the_first_descending_walk_reads_to_the_end() -> None:
    upstream = script({None: (days(1), "b"), "b": ([{"id": 5, "at": iso(-9 * 86400)}], None)})
    assert Player(one(order="desc"), upstream).sync().ids() == [0, 5]


def test_a_descending_walk_commits_only_at_its_end(page_by_page: None) -> None:
    upstream = script({None: (days(1), "b"), "b": [{"id": 5, "at": iso(-9 * 86400)}]})
    sync = Player(one(order="desc"), upstream).sync()
    assert [reply["state"].get("thing") for reply in sync.replies] == [None, iso(-86400)]


def test_a_page_of_records_without_a_cursor_does_not_end_a_descending_walk() -> None:
    upstream = script(
        {
            None: ([{"id": 1, "at": None}], "b"),
            "b": ([{"id": 2, "at": iso(-10)}], "c"),
            "c": [{"id": 3, "at": iso(-9000)}],
        }
    )
    player = Player(one(order="desc"), upstream, state={"thing": iso(-60)})
    assert player.sync().ids() == [1, 2, 3]


def test_a_descending_walk_over_an_unsorted_upstream_is_an_error() -> None:
    sync = Player(one(order="desc"), script({None: days(2, 1)})).sync()
    for said in ('order="desc"', "'at'", "record 1"):
        assert said in sync.error


# ---- page numbers


def numbered(sort: str, records: list[dict[str, Any]]) -> tuple[Any, Any]:
    """A source that pages by number, and the answers of an upstream sorted by a column."""
    made = source()

    @made.entity("thing", primary_key=["id"], cursor="at", page_size=2)
    def thing(fetch: Fetch) -> Page:
        page = fetch.token or 1
        params = {"since": fetch.since, "page": page, "limit": fetch.page_size}
        rows = fetch.get("/thing", params=params).rows("data")
        return Page(rows, page + 1 if rows else None)

    def answers(asked: Asked) -> Any:
        rows = sorted(records, key=lambda row: row[sort])
        rows = [row for row in rows if row["at"] >= asked.params.get("since", "")]
        first = (int(asked.params["page"]) - 1) * 2
        return {"data": json.loads(json.dumps(rows[first : first + 2]))}

    return made, answers


@pytest.mark.parametrize(("sort", "lost"), [("at", [2]), ("id", [])])
def test_page_numbers_over_a_list_sorted_by_change_lose_records_as_documented(
    clock: HeldClock, sort: str, lost: list[int]
) -> None:
    """A record of page one moves to the end, and its neighbours slip past the reader."""
    records = [{"id": i, "at": iso(-5000 + 1000 * i)} for i in range(4)]
    made, answers = numbered(sort, records)

    def moving(asked: Asked) -> Any:
        said = answers(asked)
        clock.advance(1)
        if asked.params["page"] == "1":
            records[0]["at"] = iso(1)
        return said

    player = Player(made, Upstream(moving))
    player.sync()
    clock.advance(86400)
    player.sync()
    assert [i for i in range(4) if i not in player.alive()] == lost
