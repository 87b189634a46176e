"""Empty pages and empty replies: walked through, and paused before Fivetran counts ten."""

from typing import Any

from connector import Fetch, Page, Source
from connector.testing import HeldClock

from .play import Player, Sync
from .scripted import Asked, Upstream, iso, script, source


def quiet_parents(clock: HeldClock, parents: int, seconds: float) -> tuple[Source, Upstream]:
    """Comments of 6,000 tickets, one request each, and nothing new in any."""
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
    sync = Player(made, upstream, state={"comment": iso(-60)}).sync()
    assert (len(sync.replies), len(upstream.asked)) == (1, 400)


def test_6000_quiet_parents_at_300_ms_pause_before_fivetran_counts_ten_empty_replies(
    clock: HeldClock,
) -> None:
    made, upstream = quiet_parents(clock, 6000, 0.3)
    player = Player(made, upstream, state={"comment": iso(-60)})
    first, second = player.sync(), player.sync()
    assert first.error == second.error == ""
    assert empty_streak(first) <= 10
    assert "_sync" in first.replies[-1]["state"]
    assert len({ask.path for ask in upstream.asked}) == len(upstream.asked) == 6000
    assert player.state == {"comment": iso(-60)}


def test_without_a_sync_id_a_pause_goes_on_with_the_next_scheduled_sync(clock: HeldClock) -> None:
    made, upstream = quiet_parents(clock, 240, 15)
    player = Player(made, upstream, state={"comment": iso(-60)}, sync_ids=False)
    for _ in range(6):
        assert player.sync().error == ""
        clock.advance(3600)
    assert player.state == {"comment": iso(-60)}


def test_a_first_sync_that_pauses_must_not_look_complete(clock: HeldClock) -> None:
    """`hasMore: false` would let Fivetran start what waits for the historical sync."""
    made, upstream = quiet_parents(clock, 120, 15)
    player = Player(made, upstream)
    first = player.sync()
    assert empty_streak(first) <= 10
    assert all(reply["hasMore"] for reply in first.replies)
    assert "reading of comment is not through" in first.error
    assert "next sync goes on" in first.error
    second = player.sync()
    assert second.error == "" and not second.replies[-1]["hasMore"]
    assert "_sync" not in player.state


def test_a_first_sync_that_pauses_always_gets_on(clock: HeldClock) -> None:
    made, upstream = quiet_parents(clock, 300, 15)
    player = Player(made, upstream)
    errors = 0
    for _ in range(10):
        sync = player.sync()
        assert empty_streak(sync) <= 10
        errors += bool(sync.error)
        if not sync.error:
            break
    assert 0 < errors < 5
    assert {ask.path for ask in upstream.asked} == {f"/tickets/{i}/comments" for i in range(300)}


def test_rows_end_a_streak_of_empty_replies(clock: HeldClock) -> None:
    made = source()

    @made.entity("comment", primary_key=["id"], cursor="at")
    def comment(fetch: Fetch) -> Page:
        clock.advance(100)
        parent = fetch.token or 0
        rows = [{"id": parent, "at": iso(-30)}] if parent % 8 == 7 else []
        return Page(rows, parent + 1 if parent < 39 else None)

    sync = Player(made, script({}), state={"comment": iso(-60)}).sync()
    assert sync.ids("comment") == [7, 15, 23, 31, 39]
