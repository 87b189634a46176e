"""One walk: what a step gets on each page, when it ends, and where the next one begins."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from connector import Fetch, Page, Payload, Source, StartOver
from connector.testing import HeldClock

from .play import Player
from .scripted import START, Asked, Listing, Upstream, days, iso, one, script, source, stepping

pytestmark = pytest.mark.usefixtures("clock")

THREE_PAGES = {
    None: ([{"id": 1, "at": iso(-30)}], "b"),
    "b": ([{"id": 2, "at": iso(-20)}], "c"),
    "c": [{"id": 3, "at": iso(-10)}],
}
TYPED = {"start_date": "2025-03-01"}


@pytest.mark.parametrize(
    ("start", "kind", "since"),
    [
        (None, None, None),
        ("2025-01-01", None, "2025-01-01"),
        (datetime(2025, 1, 1, tzinfo=UTC), None, "2025-01-01T00:00:00Z"),
        ("2025-01-01T00:00:00Z", "epoch", "1735689600"),
        (datetime(2025, 1, 1, tzinfo=UTC), "epoch_ms", "1735689600000"),
        (date(2025, 1, 1), "epoch", "1735689600"),
        (17, "sequence", "17"),
        (Payload("start_date"), None, "2025-03-01"),
        (Payload("begin", "2025-02-01"), None, "2025-02-01"),
        (Payload("begin", date(2025, 2, 1)), None, "2025-02-01"),
    ],
    ids=str,
)
def test_the_first_walk_begins_at_start(start: Any, kind: Any, since: Any) -> None:
    upstream = script({None: []})
    sync = Player(one(start=start, cursor_type=kind), upstream, customPayload=TYPED).sync()
    assert (sync.error, upstream.each("since")) == ("", [since])


@pytest.mark.parametrize(
    ("start", "kind", "texts"),
    [
        (Payload("begin"), None, ["'begin'", "custom payload"]),
        (Payload("start_date"), "sequence", ["payload key 'start_date'", "'2025-03-01'"]),
        ("yesterday", None, ["entity thing", "start", "'yesterday'"]),
    ],
    ids=str,
)
def test_a_start_that_cannot_be_used_is_named(start: Any, kind: Any, texts: list[str]) -> None:
    upstream = script({None: []})
    sync = Player(one(start=start, cursor_type=kind), upstream, customPayload=TYPED).sync()
    assert [text for text in texts if text not in sync.error] == [], sync.error
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("options", "committed", "since"),
    [
        ({}, "2025-12-31T20:00:00Z", "2025-12-31T19:55:00Z"),
        ({}, "2025-12-31 00:01:00.1234567+05:30", "2025-12-30 23:56:00.1234560+05:30"),
        ({}, "20251231T200000Z", "20251231T195500Z"),
        ({}, "2025-12-31T20:00Z", "2025-12-31T19:55Z"),
        ({}, "2025-12-30T20:00:00", "2025-12-30T19:55:00"),
        ({}, "2025-12-31", "2025-12-30"),
        ({"cursor_type": "epoch"}, 1767225000, "1767224700"),
        ({"cursor_type": "epoch_ms"}, 1767225000000, "1767224700000"),
        ({"cursor_type": "%d.%m.%Y %H:%M"}, "31.12.2025 20:00", "31.12.2025 19:55"),
        ({"cursor_type": "sequence"}, 1767225000, "1767225000"),
        ({"cursor_type": "text"}, "event-17", "event-17"),
        ({"lookback": timedelta(hours=1)}, iso(-60), iso(-3660)),
        ({"lookback": timedelta()}, "2025-12-31 20:00:00.1234567+05:30", None),
        ({"primary_key": []}, iso(-60), iso(-60)),
        ({"start": iso(-9000)}, iso(-600), iso(-900)),
        ({"start": iso(-300)}, iso(-600), iso(-300)),
    ],
    ids=str,
)
def test_a_new_walk_looks_back_from_what_is_committed(
    options: dict[str, Any], committed: Any, since: str | None
) -> None:
    """In the upstream's own form; a `start` that is later replaces it."""
    upstream = script({None: []})
    player = Player(one(**options), upstream, state={"thing": committed})
    assert player.sync().error == ""
    assert upstream.each("since") == [since or committed]
    assert player.state["thing"] in (committed, {"cursor": committed, "seen": []})


def test_a_step_gets_the_same_bounds_on_every_page(clock: HeldClock, page_by_page: None) -> None:
    seen: list[Any] = []

    def step(fetch: Fetch) -> Page:
        seen.append((fetch.since, fetch.until, fetch.page_size, fetch.started))
        clock.advance(30)
        return Page([{"id": len(seen), "at": iso(-30)}], len(seen) if len(seen) < 3 else None)

    made = stepping(step, cursor="at", page_size=7)
    Player(made, script({}), state={"thing": iso(-600)}).sync()
    assert seen == [(iso(-900), None, 7, datetime.fromtimestamp(START, UTC))] * 3


def test_a_walk_commits_when_the_step_ends_it_and_not_before(page_by_page: None) -> None:
    """Each call may be a fresh process; it goes on from the state that it gets."""
    upstream = script(THREE_PAGES)
    sync = Player(one(), upstream, state={"thing": iso(-600)}).sync()
    assert [reply["state"]["thing"] for reply in sync.replies] == [iso(-600), iso(-600), iso(-10)]
    assert (sync.ids(), upstream.each("token")) == ([1, 2, 3], [None, "b", "c"])


def test_tokens_may_be_any_json_value(page_by_page: None) -> None:
    """A list of two walks projects and their issues; zero is not the end."""
    order, tokens = [["alpha", 1], {"page": [2.5, None, True]}, 0, "x"], []

    def step(fetch: Fetch) -> Page:
        tokens.append(fetch.token)
        return Page([{"id": len(tokens)}], order[len(tokens) - 1] if len(tokens) < 5 else None)

    assert Player(stepping(step), script({})).sync().ids() == [1, 2, 3, 4, 5]
    assert tokens == [None, *order]


@pytest.mark.parametrize("end", [None, "", False])
def test_none_empty_text_and_false_end_the_walk(end: Any) -> None:
    upstream = script({None: ([{"id": 1, "at": iso(-60)}], end)})
    sync = Player(one(), upstream).sync()
    assert (sync.error, len(upstream.asked)) == ("", 1)


@pytest.mark.parametrize("written", ["7.5", "1600000000.25", "12345678901234567890.123456789"])
def test_a_number_comes_back_exactly_and_as_a_float_where_one_can_hold_it(written: str) -> None:
    """As `json.loads` would: a step may calculate with it."""
    seen: list[Any] = []

    def step(fetch: Fetch) -> Page:
        seen.append(fetch.since)
        return Page(fetch.get("/thing", params={"since": fetch.since}).rows("data"))

    upstream = Upstream(lambda asked: b'{"data": [{"id": 1, "at": %b}]}' % written.encode())
    player = Player(stepping(step, cursor="at", cursor_type="sequence"), upstream)
    assert player.sync().error == player.sync().error == ""
    assert upstream.each("since") == [None, written]
    assert type(seen[1]) is (float if len(written) < 20 else Decimal)


# ---- positions of the upstream's own


def feed(seen: list[Any] | None = None) -> Source:
    """An entity that returns the upstream's own position with each page; what `since` was."""
    made, seen = source(), [] if seen is None else seen

    @made.entity("event", primary_key=["id"])
    def event(fetch: Fetch) -> Page:
        seen.append(fetch.since)
        after = fetch.since if isinstance(fetch.since, str) else None
        response = fetch.get("/events", params={"after": after, "token": fetch.token})
        if response.value("expired", default=False):
            raise StartOver("the position is too old")
        next_token = response.value("next", default=None)
        return Page(response.rows("data"), next_token, cursor=response.value("position"))

    return made


def test_a_position_is_committed_when_the_walk_ends_and_handed_back_as_since(
    page_by_page: None,
) -> None:
    position = {"delta": [12345678901234567890, "b"]}

    def answers(asked: Asked) -> Any:
        if asked.params.get("token"):
            return {"data": [{"id": 2}], "position": position}
        return {"data": [{"id": 1}], "position": "a", "next": "2"}

    seen: list[Any] = []
    player = Player(feed(seen), Upstream(answers))
    sync = player.sync()
    assert ["event" in reply["state"] for reply in sync.replies] == [False, True]
    assert player.state == {"event": position}
    player.sync()
    assert seen == [None, None, position, position]


@pytest.mark.parametrize("again", [False, True])
def test_start_over_reads_the_entity_from_the_beginning_once(again: bool) -> None:
    """Raised at the beginning too, it is an error."""

    def answers(asked: Asked) -> Any:
        if asked.params.get("after") or again:
            return {"expired": True}
        return {"data": [{"id": 1}], "position": "new"}

    upstream = Upstream(answers)
    player = Player(feed(), upstream, state={"event": "old"})
    sync = player.sync()
    assert upstream.each("after") == ["old", None]
    if again:
        assert "the position is too old" in sync.error and player.state["event"] == "old"
    else:
        assert (sync.ids("event"), player.state) == ([1], {"event": "new"})


@pytest.mark.parametrize("options", [{"cursor": "at"}, {"soft_delete": True}], ids=str)
def test_a_position_does_not_go_together_with_a_cursor_or_soft_delete(options: Any) -> None:
    made = stepping(lambda fetch: Page([{"id": 1}], cursor="p1"), **options)
    error = Player(made, script({})).sync().error
    assert "Page(cursor=)" in error and next(iter(options)) in error


# ---- slices


DAY = timedelta(days=1)
NEW_YORK = "America/New_York"


def slices(upstream: Upstream) -> list[tuple[str, str]]:
    """The bounds that were asked for, each once, in order."""
    asked = [(ask.params["since"], ask.params["until"]) for ask in upstream.asked]
    return list(dict.fromkeys(asked))


def test_a_window_walks_slices_that_touch_and_reach_past_the_start() -> None:
    """`since` is inclusive and `until` exclusive: a record at an edge comes once."""
    upstream = Upstream(Listing(days(2.5, 2, 1.5, 1, 0.5, 0)))
    player = Player(one(window=DAY, start=iso(-3 * 86400)), upstream)
    assert player.sync().ids() == list(range(6))
    asked = slices(upstream)
    assert asked[0] == (iso(-3 * 86400), iso(-2 * 86400))
    assert all(one[1] == next[0] for one, next in pairwise(asked))
    assert asked[-1][1] == iso(1)
    assert player.state == {"thing": iso(0)}


def test_each_slice_commits_at_its_end_and_nothing_beyond_it(page_by_page: None) -> None:
    """Each call is a sync of its own here, and goes on with its slice."""
    upstream = Upstream(Listing(days(2.5, 2.4, 1.5, 0.5), size=1))
    player = Player(one(window=DAY, start=iso(-3 * 86400)), upstream)
    replies = [player.sync(calls=1).replies[0] for _ in range(4)]
    assert [reply["insert"]["thing"][0]["id"] for reply in replies] == [0, 1, 2, 3]
    states = [reply["state"].get("thing") for reply in replies]
    assert states == [None, *(iso(-at * 86400) for at in (2.4, 1.5, 0.5))]
    # An upstream that does not know `until`: what lies between is yet to be read.
    listing = Listing(days(2.5, 0.5, 1.5))
    upstream = Upstream(lambda asked: [asked.params.pop("until"), listing(asked)][1])
    player = Player(one(window=DAY, start=iso(-3 * 86400)), upstream)
    player.sync(calls=1)
    assert player.state["thing"] == iso(-2.5 * 86400)


def test_empty_slices_cost_no_reply_of_their_own() -> None:
    upstream = Upstream(Listing(days(999, 1)))
    sync = Player(one(window=DAY, start=iso(-1000 * 86400)), upstream).sync()
    assert (sync.ids(), len(sync.replies)) == ([0, 1], 1)
    assert len(upstream.asked) > 1000


@pytest.mark.parametrize(
    ("kind", "bounds"),
    [
        ("epoch", ["1767052800", "1767139200", "1767225600"]),
        ("epoch_us", ["1767052800000000", "1767139200000000", "1767225600000000"]),
        ("%d.%m.%Y", ["30.12.2025", "31.12.2025", "01.01.2026"]),
        ("%m/%d/%y %I %p", ["12/30/25 12 AM", "12/31/25 12 AM", "01/01/26 12 AM"]),
    ],
)
def test_bounds_are_written_as_the_upstream_writes_cursors(kind: str, bounds: list[str]) -> None:
    upstream = script({None: []})
    made = one(window=DAY, start="2025-12-30T00:00:00Z", cursor_type=kind, timezone="UTC")
    assert Player(made, upstream).sync().error == ""
    assert slices(upstream)[:2] == list(pairwise(bounds))
