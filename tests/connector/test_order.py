"""Walks of sorted upstreams: what they commit page by page, and when they end."""

import json
from datetime import timedelta
from typing import Any

import pytest
from connector import Fetch, Page, Source
from connector.testing import HeldClock, Reply

from .play import Player
from .scripted import Asked, Listing, Upstream, days, http_date, iso, one, script, source

pytestmark = pytest.mark.usefixtures("clock")

DAY = timedelta(days=1)


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

    upstream = Upstream(answers)
    upstream.most = 100
    player = Player(one(order="asc"), upstream)
    sync = player.sync()
    assert 1 < len(sync.ids()) < 10
    assert player.state["thing"] <= iso(0)


@pytest.mark.parametrize(
    "options", [{"order": "asc"}, {"window": DAY, "start": iso(-86400)}], ids=["asc", "window"]
)
def test_an_upstream_clock_an_hour_ahead_does_not_end_a_walk_early(
    options: dict[str, Any],
) -> None:
    """What it stamped within that hour lies after our start and before its own."""
    listing = Listing([{"id": i, "at": iso(600 * i)} for i in range(6)], sort="at", size=1)
    headers = {"Date": http_date(3600)}
    upstream = Upstream(lambda asked: Reply(json=listing(asked), headers=headers))
    player = Player(one(**options), upstream)
    assert player.sync().ids() == list(range(6))
    assert player.state == {"thing": iso(0)}


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


def test_a_deleted_record_ahead_of_its_page_does_not_carry_an_ascending_walk_past_what_is_unread(
    page_by_page: None,
) -> None:
    """The first page brings a tombstone of just now; then a deployment changes the declaration,
    and the walk starts over from what is committed."""

    def declared(**options: Any) -> Source:
        made = source()

        @made.entity("thing", primary_key=["id"], cursor="at", order="asc", **options)
        def thing(fetch: Fetch) -> Page:
            response = fetch.get("/thing", params={"since": fetch.since, "token": fetch.token})
            gone = response.rows("gone")
            return Page(response.rows("data"), response.value("next"), deleted=gone)

        return made

    listing = Listing([{"id": i, "at": iso(-9000 + 1000 * i)} for i in range(4)], "at", size=1)

    def answers(asked: Asked) -> Any:
        gone = [] if asked.params.get("token") else [{"id": 9, "at": iso(-10)}]
        return {**listing(asked), "gone": gone}

    player = Player(declared(), Upstream(answers))
    player.sync(calls=1)
    player.source = declared(window=DAY, start=iso(-86400))
    assert player.go_on().error == ""
    assert sorted(player.alive()) == [0, 1, 2, 3]


def test_a_deleted_record_ahead_of_its_page_counts_when_the_ascending_walk_is_through() -> None:
    made = source()

    @made.entity("thing", primary_key=["id"], cursor="at", order="asc")
    def thing(fetch: Fetch) -> Page:
        body = fetch.get("/thing", params={"token": fetch.token}).json()
        return Page(body["data"], body["next"], deleted=body["gone"])

    pages = {
        None: {"data": days(2), "gone": [{"id": 9, "at": iso(-10)}], "next": "b"},
        "b": {"data": days(1), "gone": [], "next": None},
    }
    player = Player(made, Upstream(lambda asked: pages[asked.params.get("token")]))
    assert player.sync().error == ""
    assert player.state == {"thing": iso(-10)}


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


def test_a_search_goes_on_through_records_dated_in_the_future() -> None:
    """They can never be committed, and there are more of them than one search gives."""
    rows = [{"id": i, "at": iso(-60 if i < 2 else 10**6 + i)} for i in range(20)]
    listing = Listing(rows, sort="at", size=2)

    def answers(asked: Asked) -> Any:
        page = listing(asked)
        since = asked.params.get("since", "")
        found = [row["id"] for row in rows if row["at"] >= since]
        if page["data"] and page["data"][0]["id"] not in found[:6]:
            return Reply(json={"error": "no more than 6 results"}, status=400)
        return page

    player = Player(one(order="asc"), Upstream(answers))
    for _ in range(2):
        sync = player.sync()
        assert (sync.error, set(sync.ids())) == ("", set(range(20)))
        assert player.state == {"thing": iso(-60)}


def test_a_search_goes_on_from_records_that_cannot_be_committed_yet() -> None:
    """Of an upstream whose clock is an hour behind ours, all records of that hour are such."""
    listing = Listing([{"id": i, "at": iso(-3000 + i)} for i in range(20)], sort="at", size=2)
    answered: list[str] = []

    def answers(asked: Asked) -> Any:
        answered.append(asked.params.get("token", ""))
        if not answered[-1]:
            answered[:] = [""]
        if len(answered) > 3:
            return Reply(json={"error": "no more than 6 results"}, status=400)
        return Reply(json=listing(asked), headers={"Date": http_date(-3600)})

    sync = Player(one(order="asc"), Upstream(answers)).sync()
    assert sync.error == ""
    assert set(sync.ids()) == set(range(20))


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_the_hour_that_comes_twice_is_in_order_either_way(order: str) -> None:
    """Clocks are put back at two: 1:10 may come after 1:50, and nobody can tell."""
    rows = [{"id": i, "at": f"2025-11-02T{at}:00"} for i, at in enumerate(("01:50", "01:10"))]
    rows = rows if order == "asc" else rows[::-1]
    made = one(order=order, timezone="America/New_York")
    assert Player(made, script({None: rows})).sync().error == ""
    rows = [{"id": i, "at": f"2025-11-03T{at}:00"} for i, at in enumerate(("01:50", "01:10"))]
    rows = rows if order == "asc" else rows[::-1]
    assert f'order="{order}"' in Player(made, script({None: rows})).sync().error
