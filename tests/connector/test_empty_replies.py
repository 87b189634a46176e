"""Empty pages and empty replies: walked through, and paused before Fivetran counts ten."""

from typing import Any

import pytest
from connector import Fetch, Page, Source, TokenExpired
from connector.testing import HeldClock

from .play import Player, Sync
from .scripted import Asked, Upstream, iso, script, source

COMMITTED = {"comment": iso(-60)}


def quiet_parents(clock: HeldClock, parents: int, seconds: float) -> tuple[Source, Upstream]:
    """Comments of so many tickets, one request each, and nothing new in any."""
    made = source()

    @made.entity("comment", primary_key=["id"], cursor="at")
    def comment(fetch: Fetch) -> Page:
        parent = fetch.token or 0
        rows = fetch.get(f"/tickets/{parent}/comments", params={"since": fetch.since}).rows()
        return Page(rows, parent + 1 if parent + 1 < parents else None)

    def answers(asked: Asked) -> Any:
        clock.advance(seconds)
        return []

    return made, Upstream(answers)


def empty_streak(*syncs: Sync) -> int:
    """The longest run of empty replies."""
    longest = run = 0
    for reply in (reply for sync in syncs for reply in sync.replies):
        run = 0 if reply["insert"] or reply.get("delete") or reply.get("softDelete") else run + 1
        longest = max(longest, run)
    return longest


def test_empty_pages_are_walked_through_inside_a_call(clock: HeldClock) -> None:
    made, upstream = quiet_parents(clock, 400, 0.3)
    sync = Player(made, upstream, state=COMMITTED).sync()
    assert (len(sync.replies), len(upstream.asked)) == (1, 400)


@pytest.mark.parametrize(
    ("parents", "seconds", "sync_ids"), [(6000, 0.3, True), (240, 15, True), (240, 15, False)]
)
def test_nine_empty_replies_pause_a_sync_and_the_next_scheduled_one_goes_on(
    clock: HeldClock, parents: int, seconds: float, sync_ids: bool
) -> None:
    """Fivetran ends a connection after more than ten; a call takes 150 seconds."""
    made, upstream = quiet_parents(clock, parents, seconds)
    player = Player(made, upstream, state=COMMITTED, sync_ids=sync_ids)
    syncs = []
    while not syncs or "_sync" in player.state:
        syncs.append(player.sync())
        assert len(syncs) < 9
        clock.advance(3600)
    assert len(syncs) > 1 and [sync.error for sync in syncs] == [""] * len(syncs)
    assert [len(sync.replies) for sync in syncs[:-1]] == [9] * (len(syncs) - 1)
    assert len({ask.path for ask in upstream.asked}) == len(upstream.asked) == parents
    assert player.state == COMMITTED


def test_a_first_sync_that_pauses_must_not_look_complete(clock: HeldClock) -> None:
    """`hasMore: false` would let Fivetran start what waits for the historical sync. The ninth
    empty reply carries the progress; the call after it reports, and asks the upstream nothing."""
    made, upstream = quiet_parents(clock, 120, 15)
    player = Player(made, upstream)
    first = player.sync()
    assert [reply["hasMore"] for reply in first.replies] == [True] * 9
    assert "comment is not complete yet: 9 replies in a row were empty" in first.error
    assert "the next sync goes on" in first.error
    asked = len(upstream.asked)
    assert player.go_on().error == first.error and len(upstream.asked) == asked
    second = player.sync()
    assert second.error == "" and not second.replies[-1]["hasMore"]
    assert len({ask.path for ask in upstream.asked}) == len(upstream.asked) == 120
    assert player.state == {}


def test_a_first_reading_stays_one_when_it_starts_over(clock: HeldClock) -> None:
    """Each page is committed, so what is committed says nothing; a token is refused on the way."""
    made = source()

    @made.entity("thing", primary_key=["id"], cursor="at", order="asc")
    def thing(fetch: Fetch) -> Page:
        clock.advance(100)
        if fetch.since is None and fetch.token:
            raise TokenExpired("expired")
        page = fetch.token or 0
        return Page([{"id": 1, "at": iso(-60)}] if fetch.since is None else [], page + 1)

    sync = Player(made, script({})).sync()
    assert sync.ids() == [1] and "thing is not complete yet" in sync.error


def test_rows_end_a_streak_of_empty_replies(clock: HeldClock) -> None:
    made = source()

    @made.entity("comment", primary_key=["id"], cursor="at")
    def comment(fetch: Fetch) -> Page:
        clock.advance(100)
        parent = fetch.token or 0
        rows = [{"id": parent, "at": iso(-30)}] if parent % 8 == 7 else []
        return Page(rows, parent + 1 if parent < 39 else None)

    sync = Player(made, script({}), state=COMMITTED).sync()
    assert sync.ids("comment") == [7, 15, 23, 31, 39]
    assert empty_streak(sync) == 7
