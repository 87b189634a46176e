"""What one call packs: several pages of several entities, until seconds or bytes are spent."""

import pytest
from connector import Page, TokenExpired

from .play import Player, encoded
from .scripted import Upstream, endless, iso, one, script, several, stepping

COMMITTED = {"thing": iso(-60)}

pytestmark = pytest.mark.usefixtures("clock")


def slow(clock, *seconds):
    """Every request takes so long; the last number goes for all that follow."""
    left, upstream = list(seconds), endless()

    def answers(asked):
        clock.advance(left.pop(0) if len(left) > 1 else left[0])
        return upstream.answers(asked)

    return Upstream(answers)


def test_several_pages_of_several_entities_share_one_reply():
    sync = Player(several("a", "b", "c"), endless(pages=3)).sync()
    assert len(sync.replies) == 1
    assert [sync.ids(name) for name in "abc"] == [[0, 1, 2]] * 3


@pytest.mark.parametrize(
    ("setting", "seconds", "pages"),
    [
        (None, [40], 3),
        (None, [60, 10], 4),
        (None, [10, 60, 10], 4),
        ("190", [40], 4),
        ("50", [20], 2),
    ],
    ids=str,
)
def test_a_call_ends_when_a_page_as_slow_as_the_slowest_may_not_fit(
    setting, seconds, pages, clock, monkeypatch
):
    """150 seconds by default; a fiftieth is reserved for the reply."""
    if setting:
        monkeypatch.setenv("CONNECTOR_CALL_SECONDS", setting)
    sync = Player(one(), slow(clock, *seconds)).sync(calls=1)
    assert len(sync.ids()) == pages
    assert sync.replies[0]["hasMore"]


def test_a_reply_ends_when_its_bytes_are_spent(monkeypatch):
    """8 MiB by default."""
    assert len(Player(one(), endless(size=2**20, pages=20)).sync(calls=1).ids()) == 8
    monkeypatch.setenv("CONNECTOR_CALL_BYTES", "5000")
    sync = Player(one(), endless(size=1000, pages=20)).sync()
    assert sync.ids() == list(range(20))
    sizes = [sum(len(encoded(row)) for row in reply["insert"]["thing"]) for reply in sync.replies]
    assert all(5000 <= size <= 5000 + 1100 for size in sizes[:-1])


def test_what_waited_longest_goes_first(clock):
    """One page a call, three entities: each has its turn."""
    player = Player(several("a", "b", "c"), slow(clock, 100))
    player.sync(calls=7)
    assert [ask.path for ask in player.upstream.asked] == [f"/{name}" for name in "abcabca"]


# ---- settings


@pytest.mark.parametrize("setup_test", [True, False])
@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        *(("CONNECTOR_CALL_SECONDS", text, repr(text)) for text in ("191", "0", "long", "nan")),
        *(("CONNECTOR_CALL_BYTES", text, repr(text)) for text in ("-1", "8 MiB")),
        ("CONNECTOR_ENTITIES", "b,x", "names x; fetch.py declares a, b"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(name, value, text, setup_test, monkeypatch):
    monkeypatch.setenv(name, value)
    error = Player(several("a", "b"), endless(), setup_test=setup_test).sync().error
    assert name in error and text in error


@pytest.mark.usefixtures("page_by_page")
def test_a_setting_reads_some_entities_alone(monkeypatch):
    """The sync is complete without the others, and leaves what they have in the state."""
    upstream = endless(pages=2)
    player = Player(several("a", "b", "c"), upstream, state={"a": iso(-60)})
    player.sync(calls=1)
    walk = player.state["_sync"]["walks"]["a"]
    monkeypatch.setenv("CONNECTOR_ENTITIES", " c, b ,")
    sync = player.sync()
    assert (sync.error, sync.replies[-1]["hasMore"]) == ("", False)
    assert all(reply["schema"].keys() == {"a", "b", "c"} for reply in sync.replies)
    assert [ask.path for ask in upstream.asked] == ["/a", "/b", "/c", "/b", "/c"]
    assert player.state.pop("_sync")["walks"] == {"a": walk}
    assert player.state == {"a": iso(-60), "b": iso(-8999), "c": iso(-8999)}


# ---- empty pages and replies


def parents(clock, count, seconds, asked, every=0):
    """Comments of so many tickets, one request each; every so many tickets have a new one."""

    def step(fetch):
        clock.advance(seconds)
        parent = fetch.token or 0
        asked.append(parent)
        rows = [{"id": parent, "at": iso(-30)}] if every and parent % every == every - 1 else []
        return Page(rows, parent + 1 if parent + 1 < count else None)

    return stepping(step, cursor="at")


@pytest.mark.parametrize(
    ("count", "seconds", "sync_ids", "pauses"),
    [(400, 0.3, True, 0), (6000, 0.3, True, 1), (240, 15, True, 2), (240, 15, False, 2)],
)
def test_nine_empty_replies_pause_a_sync_and_the_next_scheduled_one_goes_on(
    clock, count, seconds, sync_ids, pauses
):
    """Fivetran ends a connection after more than ten; a call takes 150 seconds, and walks through
    empty pages."""
    asked = []
    made = parents(clock, count, seconds, asked)
    player = Player(made, script({}), state=COMMITTED, sync_ids=sync_ids)
    syncs = []
    while not syncs or "_sync" in player.state:
        syncs.append(player.sync())
        assert syncs[-1].error == "" and len(syncs) < 9
        clock.advance(3600)
    assert [len(sync.replies) for sync in syncs[:-1]] == [9] * pauses
    assert asked == list(range(count))
    assert player.state == COMMITTED
    assert pauses or len(syncs[0].replies) == 1


def test_a_first_sync_that_pauses_must_not_look_complete(clock):
    """`hasMore: false` would let Fivetran start what waits for the historical sync. The ninth
    empty reply carries the progress; the call after it reports, and asks the upstream nothing."""
    asked = []
    player = Player(parents(clock, 120, 15, asked), script({}))
    first = player.sync()
    assert [reply["hasMore"] for reply in first.replies] == [True] * 9
    assert "thing is not complete yet: 9 replies in a row were empty" in first.error
    assert "the next sync continues" in first.error
    before = len(asked)
    assert player.go_on().error == first.error and len(asked) == before
    second = player.sync()
    assert second.error == "" and not second.replies[-1]["hasMore"]
    assert (asked, player.state) == (list(range(120)), {})


def test_a_first_reading_stays_one_when_it_starts_over(clock):
    """Each page is committed, so what is committed says nothing; a token is refused on the way."""

    def step(fetch):
        clock.advance(100)
        if fetch.since is None and fetch.token:
            raise TokenExpired("expired")
        page = fetch.token or 0
        return Page([{"id": 1, "at": iso(-60)}] if fetch.since is None else [], page + 1)

    sync = Player(stepping(step, cursor="at", order="asc"), script({})).sync()
    assert sync.ids() == [1] and "thing is not complete yet" in sync.error


def test_rows_end_a_streak_of_empty_replies(clock):
    sync = Player(parents(clock, 40, 100, [], every=8), script({}), state=COMMITTED).sync()
    assert sync.ids() == [7, 15, 23, 31, 39]
    assert [bool(reply["insert"]) for reply in sync.replies] == ([False] * 7 + [True]) * 5
