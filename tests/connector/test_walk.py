"""One walk: what a step gets on each page, when it ends, and where the next one begins."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from connector import Page, Payload, StartOver
from connector.testing import Reply

from .play import Player
from .scripted import START, Listing, Upstream, dated, days, feeding, iso, one, script, stepping

pytestmark = pytest.mark.usefixtures("clock")

DAY = timedelta(days=1)
NEW_YORK = "America/New_York"
GERMAN = "%d.%m.%Y %H:%M"
HTTP = "%a, %d %b %Y %H:%M:%S %Z"
EXACT = Decimal("12345678901234567890.123456789")
TYPED = {"start_date": "2025-03-01"}
# A declared start, the cursor's type and zone, and `since` of the first walk.
STARTS = [
    (None, None, None, None),
    ("2025-12-30", None, None, "2025-12-30"),
    (datetime(2025, 1, 1, tzinfo=UTC), None, None, "2025-01-01T00:00:00Z"),
    (date(2025, 1, 1), "epoch", None, "1735689600"),
    ("2025-11-02T01:30:00", "epoch", NEW_YORK, "1762061400"),
    ("2025-12-30T00:00:00.5Z", "epoch_ms", None, "1767052800500"),
    ("1970-06-01", "epoch_us", None, "13046400000000"),
    ("1960-01-01", "epoch_ns", None, "-315619200000000000"),
    (0, "epoch_ms", None, "0"),
    (17, "sequence", None, "17"),
    ("30.12.2025 07:00", GERMAN, None, "30.12.2025 07:00"),
    ("2025-12-30", GERMAN, None, "30.12.2025 00:00"),
    ("2025-12-30T00:00:00Z", GERMAN, NEW_YORK, "29.12.2025 19:00"),
    ("2025-12-30T00:00:00Z", GERMAN, None, "29.12.2025 12:00"),
    ("2025-12-30T01:00:00+01:00", HTTP, None, "Tue, 30 Dec 2025 00:00:00 GMT"),
    ("2025-12-30", "%d.%m.%Y %H:%M %z", NEW_YORK, "30.12.2025 05:00 +0000"),
    (Payload("start_date"), None, None, "2025-03-01"),
    (Payload("begin", "2025-02-01"), None, None, "2025-02-01"),
    (Payload("begin", date(2025, 2, 1)), None, None, "2025-02-01"),
]
BAD_STARTS = [
    ("yesterday", None, "'yesterday' is not a time in ISO 8601"),
    ("30.12.2025", None, "not a time in ISO 8601"),
    (1767052800, "epoch_ms", 'cursor_type="epoch"'),
    ("30.12.2025", "epoch", "not a number"),
    ("30/12/2025", GERMAN, "not in the form"),
    ("1960-01-01", "%y%m%d", "cannot be written"),
    ("0001-01-01T00:00:00Z", GERMAN, "cannot be written"),
    (17, "text", "is for text"),
    (True, "epoch", "neither text nor a number"),
    (Payload("begin"), None, "'begin'"),
    (Payload("start_date"), "sequence", "payload key 'start_date'"),
]


@pytest.mark.parametrize(("start", "kind", "zone", "since"), STARTS, ids=str)
def test_the_first_walk_begins_at_start(start, kind, zone, since):
    """Written as the upstream writes times."""
    upstream = script({None: []})
    made = one(start=start, cursor_type=kind, timezone=zone)
    assert Player(made, upstream, customPayload=TYPED).sync().error == ""
    assert upstream.each("since") == [since]


@pytest.mark.parametrize(("start", "kind", "why"), BAD_STARTS, ids=str)
def test_a_start_that_cannot_be_used_is_named(start, kind, why):
    upstream = script({None: []})
    made = one(start=start, cursor_type=kind)
    error = Player(made, upstream, customPayload=TYPED).sync().error
    assert "entity thing" in error or "payload" in error
    assert why in error and upstream.asked == []


@pytest.mark.parametrize(
    ("options", "committed", "since"),
    [
        ({}, "2025-12-31T20:00:00Z", "2025-12-31T19:55:00Z"),
        ({"cursor_type": "epoch"}, 1767225000, "1767224700"),
        ({"cursor_type": "sequence"}, 1767225000, "1767225000"),
        ({"cursor_type": "sequence"}, 7.5, "7.5"),
        ({"cursor_type": "sequence"}, EXACT, str(EXACT)),
        ({"cursor_type": "text"}, "event-17", "event-17"),
        ({"lookback": timedelta(hours=1)}, iso(-60), iso(-3660)),
        ({"lookback": timedelta()}, "2025-12-31 20:00:00.1234567+05:30", None),
        ({"primary_key": []}, iso(-60), iso(-60)),
        ({"start": iso(-9000)}, iso(-600), iso(-900)),
        ({"start": iso(-300)}, iso(-600), iso(-300)),
    ],
    ids=str,
)
def test_a_new_walk_looks_back_from_what_is_committed(options, committed, since):
    """A `start` that is later replaces it."""
    upstream = script({None: []})
    player = Player(one(**options), upstream, state={"thing": committed})
    assert player.sync().error == ""
    assert upstream.each("since") == [since or committed]
    assert player.state["thing"] in (committed, {"cursor": committed, "seen": []})


def test_a_step_gets_the_same_bounds_on_every_page(clock, page_by_page):
    seen = []

    def step(fetch):
        seen.append((fetch.since, fetch.until, fetch.page_size, fetch.started))
        clock.advance(30)
        return Page([{"id": len(seen), "at": iso(-30)}], len(seen) if len(seen) < 3 else None)

    made = stepping(step, cursor="at", page_size=7)
    Player(made, script({}), state={"thing": iso(-600)}).sync()
    assert seen == [(iso(-900), None, 7, datetime.fromtimestamp(START, UTC))] * 3


@pytest.mark.parametrize("end", [None, "", False])
def test_tokens_may_be_any_json_value_and_none_empty_text_and_false_end_the_walk(end, page_by_page):
    """A list of two walks projects and their issues; zero is not the end."""
    order, tokens = [["alpha", 1], {"page": [2.5, None, True]}, 0, "x", end], []

    def step(fetch):
        tokens.append(fetch.token)
        return Page([{"id": len(tokens)}], order[len(tokens) - 1])

    assert Player(stepping(step), script({})).sync().ids() == [1, 2, 3, 4, 5]
    assert tokens == [None, *order[:-1]]


# ---- positions of the upstream's own


def test_a_position_is_committed_when_the_walk_ends_and_handed_back_as_since(page_by_page):
    """A position of None keeps the one before."""
    position = {"delta": [12345678901234567890, "b"]}
    positions, seen = {None: "a", "b": position, "c": None}, []

    def step(fetch):
        seen.append(fetch.since)
        token = {None: "b", "b": "c", "c": None}[fetch.token]
        return Page([{"id": 1}], token, cursor=positions[fetch.token])

    player = Player(stepping(step), script({}))
    sync = player.sync()
    assert ["thing" in reply["state"] for reply in sync.replies] == [False, False, True]
    assert player.state == {"thing": position}
    positions.update({None: None, "b": None})
    assert (player.sync().error, player.state) == ("", {"thing": position})
    assert seen == [None] * 3 + [position] * 3


@pytest.mark.parametrize(
    ("state", "key", "refused", "advice"),
    [
        ("old", ["id"], ["old"], None),
        ("old", ["id"], ["old", None], ""),
        ("old", [], ["old"], "re-sync"),  # it has delivered before, and rows would come twice
        (None, [], [None], ""),
    ],
)
def test_start_over_reads_the_entity_from_the_beginning(state, key, refused, advice):
    def step(fetch):
        if fetch.since in refused:
            raise StartOver("the position is too old")
        return Page([{"id": 1}], cursor="new")

    held = {"thing": state} if state else {}
    player = Player(stepping(step, primary_key=key), script({}), state=held)
    error = player.sync().error
    if advice is None:
        assert (error, player.alive().keys(), player.state) == ("", {1}, {"thing": "new"})
    else:
        assert "the position is too old" in error and advice in error
        assert ("re-sync" in error) == bool(advice) and player.state.get("thing") == state


@pytest.mark.parametrize("options", [{"cursor": "at"}, {"soft_delete": True}], ids=str)
def test_a_position_does_not_go_together_with_a_cursor_or_soft_delete(options):
    made = stepping(lambda fetch: Page([{"id": 1}], cursor="p1"), **options)
    error = Player(made, script({})).sync().error
    assert "Page(cursor=)" in error and next(iter(options)) in error


# ---- slices


def test_each_slice_commits_at_its_end_and_nothing_beyond_it(page_by_page):
    """Each call is a sync of its own here, and goes on with its slice."""
    made = one(window=DAY, start=iso(-3 * 86400))
    player = Player(made, Upstream(Listing(days(2.5, 2.4, 1.5, 0.5), size=1)))
    replies = [player.sync(calls=1).replies[0] for _ in range(4)]
    assert [reply["insert"]["thing"][0]["id"] for reply in replies] == [0, 1, 2, 3]
    states = [reply["state"].get("thing") for reply in replies]
    assert states == [None, *(iso(-at * 86400) for at in (2.4, 1.5, 0.5))]
    # An upstream that does not know `until`: what lies between is yet to be read.
    player = Player(made, script({None: days(2.5, 0.5, 1.5)}))
    player.sync(calls=1)
    assert player.state["thing"] == iso(-2.5 * 86400)


def test_empty_slices_cost_no_reply_of_their_own():
    upstream = Upstream(Listing(days(999, 1)))
    sync = Player(one(window=DAY, start=iso(-1000 * 86400)), upstream).sync()
    assert (sync.ids(), len(sync.replies)) == ([0, 1], 1)
    assert len(upstream.asked) > 1000


# ---- sorted upstreams


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
def test_an_unsorted_upstream_is_an_error_with_its_place(order, pages, place, page_by_page):
    sync = Player(one(order=order), script(pages)).sync()
    for text in (f'order="{order}"', "'at'", place):
        assert text in sync.error


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_the_hour_that_comes_twice_is_in_order_either_way(order):
    """Clocks are put back at two: 1:10 may come after 1:50, and nobody can tell."""
    made = one(order=order, timezone=NEW_YORK)
    for day, fails in (("2025-11-02", False), ("2025-11-03", True)):
        rows = dated(f"{day}T01:50:00", f"{day}T01:10:00")
        error = Player(made, script({None: rows if order == "asc" else rows[::-1]})).sync().error
        assert (f'order="{order}"' in error) == fails == bool(error)


@pytest.mark.parametrize("refused", [0, 1])
def test_an_ascending_walk_commits_after_each_page_and_never_back(refused, page_by_page):
    """What the lookback reads again moves nothing back, also where a token expires meanwhile."""
    listing = Listing(dated(*(iso(-600 + 30 * i) for i in range(10))), "at", size=2)
    refusals = [Reply(json={"error": "expired"}, status=410)] * refused

    def answers(asked):
        return refusals.pop() if asked.params.get("token") and refusals else listing(asked)

    player = Player(one(order="asc"), Upstream(answers), state={"thing": iso(-420)})
    sync = player.sync()
    assert sorted(player.alive()) == list(range(10))
    cursors = [reply["state"]["thing"] for reply in sync.replies]
    ends = [iso(max(-420, -600 + 60 * i - 30)) for i in range(1, 6)]
    assert cursors == ends if not refused else cursors == sorted(cursors)


def test_an_ascending_walk_that_starts_over_keeps_its_first_start_and_page_size(
    clock, page_by_page
):
    """What changed after the first start may not be committed: records before it may be unread."""
    listing = Listing(days(3, 2, 1), sort="at", size=1)
    player = Player(one(order="asc"), Upstream(listing))
    player.sync(calls=1)
    clock.advance(600)
    listing.records.append({"id": 9, "at": iso(300)})
    refusals = [Reply(json={}, status=410)]
    player.upstream.answers = lambda asked: refusals.pop() if refusals else listing(asked)
    player.source = one(order="asc", page_size=7)
    sync = player.go_on()
    assert (sync.error, player.state) == ("", {"thing": iso(-86400)})
    assert 9 in sync.ids() and set(player.upstream.each("limit")) == {"100"}


def test_a_descending_walk_ends_at_the_first_page_wholly_below_since_that_has_a_date():
    """Records without a date, unreadable ones and deletions decide nothing."""
    pages = {
        None: (dated(iso(-10), iso(-400)), [], "b"),
        "b": (dated(None, "draft"), [], "c"),
        "c": ([], [{"id": 30, "at": iso(-5000)}], "d"),
        "d": (dated(iso(-1000), iso(-3650)), [], "e"),
        "e": (dated(iso(-3700), iso(-3800)), [], "f"),
    }

    def answers(asked):
        return dict(zip(("data", "gone", "next"), pages[asked.params.get("token")], strict=True))

    made = feeding(order="desc", lookback=timedelta(seconds=600))
    player = Player(made, Upstream(answers), state={"thing": iso(-3000)})
    assert player.sync().error == ""
    assert player.upstream.each("token") == [None, "b", "c", "d", "e"]
    assert player.state == {"thing": iso(-10)}
