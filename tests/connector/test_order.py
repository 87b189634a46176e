"""Walks of sorted upstreams: what they commit page by page, and when they end."""

import json
from datetime import timedelta
from typing import Any

import pytest
from connector import Fetch, Page, Source
from connector.testing import HeldClock, Reply

from .play import Player
from .scripted import Asked, Listing, Upstream, days, http_date, iso, one, script, stepping

pytestmark = pytest.mark.usefixtures("clock")

DAY = timedelta(days=1)


def with_deletions(**options: Any) -> Source:
    """A source whose pages have deleted records too."""

    def step(fetch: Fetch) -> Page:
        body = fetch.get("/thing", params={"since": fetch.since, "token": fetch.token}).json()
        return Page(body["data"], body["next"], deleted=body["gone"])

    return stepping(step, cursor="at", **options)


# ---- order="asc"


def test_an_ascending_walk_over_a_list_that_grows_ends_when_it_has_passed_its_start(
    clock: HeldClock,
) -> None:
    """Every request finds one record more: without an end the walk would go on for ever."""
    listing = Listing(days(1), sort="at", size=1)

    def answers(asked: Asked) -> Any:
        clock.advance(1)
        listing.records.append({"id": len(listing.records), "at": iso(len(listing.records))})
        return listing(asked)

    upstream = Upstream(answers)
    upstream.most = 100
    player = Player(one(order="asc"), upstream)
    assert 1 < len(player.sync().ids()) < 10
    assert player.state["thing"] <= iso(0)


@pytest.mark.parametrize("options", [{"order": "asc"}, {"window": DAY, "start": iso(-86400)}])
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


@pytest.mark.parametrize("first", [[iso(-60), iso(10**9)], [None, None], ["Never", iso(10**9)]])
def test_an_ascending_walk_does_not_end_at_records_dated_in_the_future_or_not_at_all(
    first: list[Any],
) -> None:
    rows = [{"id": i, "at": at} for i, at in enumerate(first)]
    upstream = script({None: (rows, "b"), "b": [{"id": 3, "at": iso(10**9 + 1)}]})
    assert Player(one(order="asc"), upstream).sync().ids() == [0, 1, 3]


@pytest.mark.parametrize(
    ("order", "pages", "place"),
    [
        ("asc", {None: days(1, 2)}, "page 1, record 1"),
        ("asc", {None: [*days(1), {"id": 1, "at": None}, *days(2)]}, "page 1, record 2"),
        ("asc", {None: (days(1), "b"), "b": days(2)}, "page 2, record 0"),
        ("desc", {None: days(2, 1)}, "page 1, record 1"),
        ("desc", {None: [*days(2), {"id": 1, "at": "Never"}, *days(1)]}, "page 1, record 2"),
    ],
)
def test_an_unsorted_upstream_is_an_error_with_its_place(
    order: str, pages: dict[str | None, Any], place: str, page_by_page: None
) -> None:
    sync = Player(one(order=order), script(pages)).sync()
    for text in (f'order="{order}"', "'at'", place):
        assert text in sync.error


@pytest.mark.parametrize("refused", [0, 1])
def test_an_ascending_walk_commits_after_each_page_and_never_back(
    refused: int, page_by_page: None
) -> None:
    """What the lookback reads again moves nothing back, also where a token expires meanwhile."""
    listing = Listing([{"id": i, "at": iso(-600 + 30 * i)} for i in range(10)], "at", size=2)
    refusals = [Reply(json={"error": "expired"}, status=410)] * refused

    def answers(asked: Asked) -> Any:
        return refusals.pop() if asked.params.get("token") and refusals else listing(asked)

    player = Player(one(order="asc"), Upstream(answers), state={"thing": iso(-420)})
    sync = player.sync()
    assert sorted(player.alive()) == list(range(10))
    cursors = [reply["state"]["thing"] for reply in sync.replies]
    ends = [iso(max(-420, -600 + 60 * i - 30)) for i in range(1, 6)]
    assert cursors == ends if not refused else cursors == sorted(cursors)


def test_an_ascending_walk_that_starts_over_keeps_its_first_start_and_page_size(
    clock: HeldClock, page_by_page: None
) -> None:
    """What changed after the first start may not be committed: records before it may be unread."""
    listing = Listing(days(3, 2, 1), sort="at", size=1)
    upstream = Upstream(listing)
    player = Player(one(order="asc"), upstream)
    player.sync(calls=1)
    clock.advance(600)
    listing.records.append({"id": 9, "at": iso(300)})
    refusals = [Reply(json={}, status=410)]
    upstream.answers = lambda asked: refusals.pop() if refusals else listing(asked)
    player.source = one(order="asc", page_size=7)
    sync = player.go_on()
    assert (sync.error, player.state) == ("", {"thing": iso(-86400)})
    assert 9 in sync.ids() and set(upstream.each("limit")) == {"100"}


def test_a_deletion_ahead_of_its_page_does_not_carry_an_ascending_walk_past_what_is_unread(
    page_by_page: None,
) -> None:
    """The first page brings a deletion of just now; then a deployment changes the declaration,
    and the walk starts over from what is committed."""
    listing = Listing([{"id": i, "at": iso(-9000 + 1000 * i)} for i in range(4)], "at", size=1)

    def answers(asked: Asked) -> Any:
        gone = [] if asked.params.get("token") else [{"id": 9, "at": iso(-10)}]
        return {**listing(asked), "gone": gone}

    player = Player(with_deletions(order="asc"), Upstream(answers))
    player.sync(calls=1)
    assert player.state["thing"] == iso(-9000)
    player.source = with_deletions(order="asc", window=DAY, start=iso(-86400))
    assert player.go_on().error == ""
    assert sorted(player.alive()) == [0, 1, 2, 3]
    assert player.state == {"thing": iso(-6000)}


@pytest.mark.parametrize("limit", [-60, 10**6])
def test_a_search_goes_on_through_records_that_cannot_be_committed_yet(limit: int) -> None:
    """There are more of them than one search gives: dated in the future, or stamped within the
    hour by which the upstream's clock is behind ours."""
    behind = limit < 0
    rows = [
        {"id": i, "at": iso(-3000 + i if behind else -60 if i < 2 else limit + i)}
        for i in range(20)
    ]
    listing = Listing(rows, sort="at", size=2)

    def answers(asked: Asked) -> Any:
        page = listing(asked)
        since = asked.params.get("since", "")
        found = [row["id"] for row in rows if row["at"] >= since]
        if page["data"] and page["data"][0]["id"] not in found[:6]:
            return Reply(json={"error": "no more than 6 results"}, status=400)
        return Reply(json=page, headers={"Date": http_date(-3600)} if behind else {})

    player = Player(one(order="asc"), Upstream(answers))
    for _ in range(2):
        sync = player.sync()
        assert (sync.error, set(sync.ids())) == ("", set(range(20)))
        assert player.state.get("thing") == (None if behind else iso(-60))


# ---- order="desc"


@pytest.mark.parametrize("second", ["drafts", "deletions", "both"])
def test_a_descending_walk_ends_at_the_first_page_wholly_below_since_that_has_a_date(
    second: str,
) -> None:
    """Records without a date, unreadable ones and deletions decide nothing."""
    drafts = [{"id": 20, "at": None}, {"id": 21, "at": "draft"}] if second != "deletions" else []
    gone = [{"id": 30, "at": iso(-5000)}] if second != "drafts" else []
    pages = {
        None: ([{"id": 9, "at": iso(-10)}, {"id": 8, "at": iso(-400)}], [], "b"),
        "b": (drafts, gone, "c"),
        "c": ([{"id": 7, "at": iso(-1000)}, {"id": 6, "at": iso(-3650)}], [], "d"),
        "d": ([{"id": 5, "at": iso(-3700)}, {"id": 4, "at": iso(-3800)}], [], "e"),
        "e": ([{"id": 3, "at": iso(-4000)}], [], None),
    }

    def answers(asked: Asked) -> Any:
        return dict(zip(("data", "gone", "next"), pages[asked.params.get("token")], strict=True))

    upstream = Upstream(answers)
    made = with_deletions(order="desc", lookback=timedelta(seconds=600))
    player = Player(made, upstream, state={"thing": iso(-3000)})
    assert player.sync().error == ""
    assert upstream.each("token") == [None, "b", "c", "d"]
    assert player.state == {"thing": iso(-10)}


def test_the_first_descending_walk_reads_to_the_end_and_commits_there(page_by_page: None) -> None:
    upstream = script({None: (days(1), "b"), "b": ([{"id": 5, "at": iso(-9 * 86400)}], None)})
    sync = Player(one(order="desc"), upstream).sync()
    assert sync.ids() == [0, 5]
    assert [reply["state"].get("thing") for reply in sync.replies] == [None, iso(-86400)]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_the_hour_that_comes_twice_is_in_order_either_way(order: str) -> None:
    """Clocks are put back at two: 1:10 may come after 1:50, and nobody can tell."""
    made = one(order=order, timezone="America/New_York")
    for day, fails in (("2025-11-02", False), ("2025-11-03", True)):
        rows = [{"id": i, "at": f"{day}T{at}:00"} for i, at in enumerate(("01:50", "01:10"))]
        error = Player(made, script({None: rows if order == "asc" else rows[::-1]})).sync().error
        assert (f'order="{order}"' in error) == fails == bool(error)


# ---- page numbers


@pytest.mark.parametrize(("sort", "lost"), [("at", [2]), ("id", [])])
def test_page_numbers_over_a_list_sorted_by_change_lose_records_as_documented(
    clock: HeldClock, sort: str, lost: list[int]
) -> None:
    """A record of page one moves to the end, and its neighbours slip past the reader."""
    records = [{"id": i, "at": iso(-5000 + 1000 * i)} for i in range(4)]

    def step(fetch: Fetch) -> Page:
        page = fetch.token or 1
        rows = fetch.get("/thing", params={"since": fetch.since, "page": page}).rows("data")
        return Page(rows, page + 1 if rows else None)

    def answers(asked: Asked) -> Any:
        rows = sorted(records, key=lambda row: row[sort])
        rows = [row for row in rows if row["at"] >= asked.params.get("since", "")]
        first = (int(asked.params["page"]) - 1) * 2
        body = json.dumps({"data": rows[first : first + 2]}).encode()
        clock.advance(1)
        if first == 0:
            records[0]["at"] = iso(1)
        return body

    player = Player(stepping(step, cursor="at"), Upstream(answers))
    player.sync()
    clock.advance(86400)
    player.sync()
    assert [i for i in range(4) if i not in player.alive()] == lost
