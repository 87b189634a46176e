"""Walks of sorted upstreams: what they commit page by page, and when they end."""

from datetime import timedelta
from typing import Any

import pytest
from connector import Fetch, Page, Source
from connector.testing import HeldClock, Reply

from .play import Player
from .scripted import Asked, Listing, Upstream, days, iso, one, script, stepping

pytestmark = pytest.mark.usefixtures("clock")

DAY = timedelta(days=1)


def with_deletions(**options: Any) -> Source:
    """A source whose pages have deleted records too."""

    def step(fetch: Fetch) -> Page:
        body = fetch.get("/thing", params={"since": fetch.since, "token": fetch.token}).json()
        return Page(body["data"], body["next"], deleted=body["gone"])

    return stepping(step, cursor="at", **options)


# ---- order="asc"


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


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_the_hour_that_comes_twice_is_in_order_either_way(order: str) -> None:
    """Clocks are put back at two: 1:10 may come after 1:50, and nobody can tell."""
    made = one(order=order, timezone="America/New_York")
    for day, fails in (("2025-11-02", False), ("2025-11-03", True)):
        rows = [{"id": i, "at": f"{day}T{at}:00"} for i, at in enumerate(("01:50", "01:10"))]
        error = Player(made, script({None: rows if order == "asc" else rows[::-1]})).sync().error
        assert (f'order="{order}"' in error) == fails == bool(error)


# ---- page numbers
