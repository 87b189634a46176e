"""Walks cut into slices by a window: what each is asked for and commits."""

from datetime import timedelta
from typing import Any

import pytest
from connector import Fetch, Page
from connector.testing import HeldClock, Reply

from .play import Player
from .scripted import Asked, Listing, Upstream, days, iso, one, script, source

pytestmark = pytest.mark.usefixtures("clock")

DAY = timedelta(days=1)


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


def test_a_search_that_stops_after_some_rows_goes_on_inside_a_slice() -> None:
    """order="asc": a refused token goes on from what is committed, also where slices are walked."""
    records = [{"id": i, "at": iso(-90000 + i)} for i in range(100)]

    def answers(asked: Asked) -> Any:
        since, until = asked.params["since"], asked.params["until"]
        first = int(asked.params.get("token", 0))
        if first >= 20:
            return Reply(json={"error": "too far"}, status=400)
        found = [row for row in records if since <= row["at"] < until]
        more = first + 10 if len(found) > first + 10 else None
        return {"data": found[first : first + 10], "next": more}

    options = {"order": "asc", "window": timedelta(days=2), "start": iso(-90001)}
    upstream = Upstream(answers)
    upstream.most = 200
    player = Player(one(**options), upstream)
    assert player.sync().error == ""
    assert sorted(player.alive()) == list(range(100))


def test_an_expired_token_in_a_slice_appends_no_row_twice(page_by_page: None) -> None:
    """Without a primary key and in order: what was committed is not read again."""
    listing = Listing([{"id": i, "at": iso(-9000 + i)} for i in range(9)], sort="at", size=2)
    upstream = Upstream(listing)
    options = {"order": "asc", "window": timedelta(days=1), "start": iso(-9500)}
    player = Player(one(primary_key=(), **options), upstream)
    got = player.sync(2).ids()
    upstream.answers = lambda asked: (
        Reply(json={}, status=410) if "token" in asked.params else listing(asked)
    )
    listing.size = 100  # the token is gone, and the rest comes on one page
    assert sorted(got + player.go_on().ids()) == list(range(9))
