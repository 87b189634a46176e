"""One walk: what a step is given on each page, and where the next walk begins."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from connector import Fetch, Page, Payload
from connector.testing import HeldClock

from .play import Player
from .scripted import START, Asked, Listing, Upstream, iso, one, reading, script, source

pytestmark = pytest.mark.usefixtures("clock")

THREE_PAGES = {
    None: ([{"id": 1, "at": iso(-30)}], "b"),
    "b": ([{"id": 2, "at": iso(-20)}], "c"),
    "c": [{"id": 3, "at": iso(-10)}],
}


def test_the_first_walk_has_no_lower_bound() -> None:
    upstream = script({None: []})
    Player(one(), upstream).sync()
    assert upstream.each("since") == [None]


@pytest.mark.parametrize(
    ("start", "kind", "given"),
    [
        ("2025-01-01", None, "2025-01-01"),
        (datetime(2025, 1, 1, tzinfo=UTC), None, "2025-01-01T00:00:00Z"),
        ("2025-01-01T00:00:00Z", "epoch", "1735689600"),
        (datetime(2025, 1, 1, tzinfo=UTC), "epoch_ms", "1735689600000"),
        (date(2025, 1, 1), "epoch", "1735689600"),
        (17, "sequence", "17"),
    ],
)
def test_the_first_walk_begins_at_start(start: Any, kind: Any, given: str) -> None:
    upstream = script({None: []})
    Player(one(start=start, cursor_type=kind), upstream).sync()
    assert upstream.each("since") == [given]


def test_start_may_be_typed_in_fivetrans_form() -> None:
    upstream = script({None: []})
    made = one(start=Payload("start_date"))
    Player(made, upstream, customPayload={"start_date": "2025-03-01"}).sync()
    assert upstream.each("since") == ["2025-03-01"]


def test_a_start_that_was_not_typed_is_an_error_that_names_the_key() -> None:
    sync = Player(one(start=Payload("start_date")), script({None: []})).sync()
    assert "'start_date'" in sync.error and "custom payload" in sync.error


def test_a_start_that_is_typed_as_no_cursor_is_an_error_that_names_the_key() -> None:
    made = one(start=Payload("start_date"), cursor_type="epoch")
    player = Player(made, script({None: []}), customPayload={"start_date": "yesterday"})
    assert "the payload key 'start_date', where 'thing' begins: 'yesterday'" in player.sync().error


def test_a_start_with_a_default_need_not_be_typed() -> None:
    upstream = script({None: []})
    Player(one(start=Payload("start_date", "2025-02-01")), upstream).sync()
    assert upstream.each("since") == ["2025-02-01"]


def test_the_committed_cursor_is_given_back_in_the_upstreams_own_form() -> None:
    written = "2025-12-31 20:00:00.1234567+05:30"
    upstream = script({None: [{"id": 1, "at": written}]})
    player = Player(one(lookback=timedelta()), upstream)
    player.sync()
    player.sync()
    assert upstream.each("since") == [None, written]


@pytest.mark.parametrize(
    ("written", "earlier"),
    [
        ("2025-12-31T20:00:00Z", "2025-12-31T19:55:00Z"),
        ("2025-12-31 00:01:00.1234567+05:30", "2025-12-30 23:56:00.1234567+05:30"),
        ("20251231T200000Z", "20251231T195500Z"),
        ("2025-12-31T20:00Z", "2025-12-31T19:55Z"),
        ("2025-12-30T20:00:00", "2025-12-30T19:55:00"),
        ("2025-12-31", "2025-12-30"),
    ],
)
def test_a_new_walk_looks_back_five_minutes_in_the_upstreams_own_form(
    written: str, earlier: str
) -> None:
    upstream = script({None: []})
    Player(one(), upstream, state={"thing": written}).sync()
    assert upstream.each("since") == [earlier]


@pytest.mark.parametrize(
    ("options", "committed", "since"),
    [
        ({"cursor_type": "epoch"}, 1767225000, "1767224700"),
        ({"cursor_type": "epoch_ms"}, 1767225000000, "1767224700000"),
        ({"cursor_type": "sequence"}, 1767225000, "1767225000"),
        ({"lookback": timedelta(hours=1)}, iso(-60), iso(-3660)),
        ({"lookback": timedelta()}, iso(-60), iso(-60)),
        ({}, "event-17", "event-17"),
    ],
)
def test_lookback_is_a_time_and_goes_with_instants_alone(
    options: dict[str, Any], committed: Any, since: str
) -> None:
    upstream = script({None: []})
    Player(one(**options), upstream, state={"thing": committed}).sync()
    assert upstream.each("since") == [since]


def test_a_step_is_given_the_same_bounds_on_every_page(
    clock: HeldClock, page_by_page: None
) -> None:
    made, given = source(), []

    @made.entity("thing", primary_key=["id"], cursor="at", page_size=7)
    def thing(fetch: Fetch) -> Page:
        given.append((fetch.since, fetch.until, fetch.page_size, fetch.started))
        clock.advance(30)
        rows, token = THREE_PAGES[fetch.token] if fetch.token != "c" else (THREE_PAGES["c"], None)
        return Page(rows, token)

    Player(made, script({}), state={"thing": iso(-600)}).sync()
    began = datetime.fromtimestamp(START, UTC)
    assert given == [(iso(-900), None, 7, began)] * 3


def test_page_size_changed_by_a_deployment_in_mid_walk_waits_for_the_next_walk(
    page_by_page: None,
) -> None:
    """Page 2 of pages of 100 is not page 2 of pages of 50."""
    upstream = script(THREE_PAGES)
    player = Player(one(page_size=100), upstream)
    player.sync(calls=1)
    player.source = one(page_size=50)
    player.go_on()
    player.sync()
    assert upstream.each("limit") == ["100", "100", "100", "50", "50", "50"]


@pytest.mark.parametrize(
    "changed",
    [
        {"cursor": "created"},
        {"order": "asc"},
        {"window": timedelta(days=1), "start": iso(-900)},
    ],
)
def test_a_walk_whose_declaration_was_changed_by_a_deployment_starts_over(
    page_by_page: None, changed: dict[str, Any]
) -> None:
    pages = {
        None: ([{"id": 1, "at": iso(-30), "created": iso(-30)}], "b"),
        "b": [{"id": 2, "at": iso(-20), "created": iso(-20)}],
    }
    upstream = script(pages)
    player = Player(one(), upstream)
    player.sync(calls=1)
    player.source = one(**changed)
    player.go_on(calls=1)
    assert upstream.each("token") == [None, None]


def test_a_fresh_process_goes_on_where_the_last_reply_stopped(page_by_page: None) -> None:
    upstream = script(THREE_PAGES)
    assert Player(one(), upstream).sync().ids() == [1, 2, 3]
    assert upstream.each("token") == [None, "b", "c"]


def test_a_call_that_is_repeated_has_the_same_effect(page_by_page: None) -> None:
    """Fivetran asks again when a reply was lost."""
    player = Player(one(), script(THREE_PAGES))
    player.sync(calls=1)
    before = player.state
    replies = []
    for _ in range(2):
        player.state = before
        replies.append(player.call())
    assert replies[0] == replies[1]


def test_a_sync_given_up_half_way_is_taken_up_by_the_next(page_by_page: None) -> None:
    upstream = script(THREE_PAGES)
    player = Player(one(), upstream)
    player.sync(calls=2)
    assert player.sync().ids() == [3]
    assert upstream.each("token") == [None, "b", "c"]


def test_an_entity_without_a_cursor_is_read_whole_at_each_sync() -> None:
    player = Player(one(cursor=None), script({None: [{"id": 1}, {"id": 2}]}))
    assert player.sync().ids() == player.sync().ids() == [1, 2]
    assert player.state == {}


def test_a_resync_reads_everything_again() -> None:
    upstream = script({None: [{"id": 1, "at": iso(-60)}]})
    player = Player(one(), upstream)
    player.sync()
    player.state = {}
    assert player.sync().ids() == [1]
    assert upstream.each("since") == [None, None]


def test_an_entity_renamed_by_a_deployment_is_read_anew_and_the_old_cursor_is_kept(
    page_by_page: None,
) -> None:
    """The deployment falls into the middle of a walk; going back to the old name loses nothing."""
    upstream = script(THREE_PAGES)
    player = Player(one(), upstream, state={"thing": iso(-86400)})
    player.sync(calls=1)
    renamed = source()
    reading(renamed, "item", primary_key=["id"], cursor="at")
    player.source = renamed
    sync = player.go_on()
    assert (sync.error, sync.ids("item")) == ("", [1, 2, 3])
    assert upstream.each("since", "/item") == [None] * 3
    assert player.state == {"thing": iso(-86400), "item": iso(-10)}


def test_tokens_may_be_any_json_value(page_by_page: None) -> None:
    """A list of two walks projects and their issues."""
    made, tokens = source(), []
    order = [["alpha", 1], {"page": [2.5, None, True]}, 7, "x"]

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        tokens.append(fetch.token)
        return Page([{"id": len(tokens)}], order[len(tokens) - 1] if len(tokens) < 5 else None)

    assert Player(made, script({})).sync().ids() == [1, 2, 3, 4, 5]
    assert tokens == [None, *order]


@pytest.mark.parametrize("end", [None, "", False])
def test_none_empty_text_and_false_end_the_walk(end: Any) -> None:
    upstream = script({None: ([{"id": 1, "at": iso(-60)}], end)})
    sync = Player(one(), upstream).sync()
    assert (sync.error, len(upstream.asked)) == ("", 1)


def test_zero_is_a_token_and_not_the_end() -> None:
    upstream = script({None: ([{"id": 1, "at": iso(-60)}], 0), "0": [{"id": 2, "at": iso(-50)}]})
    assert Player(one(), upstream).sync().ids() == [1, 2]


def test_a_short_page_is_not_the_last_page() -> None:
    listing = Listing([{"id": i, "at": iso(-60)} for i in range(9)], size=2)
    assert len(Player(one(page_size=100), Upstream(listing)).sync().ids()) == 9


def test_a_default_of_start_may_be_a_date() -> None:
    upstream = script({None: []})
    Player(one(start=Payload("start_date", date(2025, 2, 1))), upstream).sync()
    assert upstream.each("since") == ["2025-02-01"]


def test_milliseconds_declared_as_seconds_are_an_error() -> None:
    """As seconds all of them would lie in the future: nothing would ever be committed."""
    rows = [{"id": 1, "at": 1_767_225_600_000}]
    sync = Player(one(cursor_type="epoch"), script({None: rows})).sync()
    assert 'use cursor_type="epoch_ms"' in sync.error and "record 0" in sync.error


@pytest.mark.parametrize("number", [7.5, 1600000000.25])
def test_a_number_with_a_fraction_is_given_as_a_float(number: float) -> None:
    """As `json.loads` would: a step may calculate with it, or send it as JSON."""
    given: list[Any] = []
    made = source()

    @made.entity("thing", primary_key=["id"], cursor="at", cursor_type="sequence")
    def thing(fetch: Fetch) -> Page:
        given.append(fetch.since)
        fetch.post("/thing", json={"since": fetch.since})
        return Page([{"id": 1, "at": number}])

    player = Player(made, Upstream(lambda asked: {}))
    for _ in range(2):
        assert player.sync().error == ""
    assert [(type(since), since) for since in given] == [(type(None), None), (float, number)]


def test_a_number_that_no_float_holds_is_given_exactly() -> None:
    exact = "12345678901234567890.123456789"
    rows = b'{"data": [{"id": 1, "at": ' + exact.encode() + b"}]}"
    upstream = Upstream(lambda asked: rows)
    player = Player(one(cursor_type="sequence"), upstream)
    player.sync()
    player.sync()
    assert upstream.each("since") == [None, exact]


@pytest.mark.parametrize(
    "options", [{"order": "asc"}, {"window": timedelta(hours=1), "start": iso(-7200)}]
)
def test_another_cursor_in_mid_walk_is_not_bounded_by_values_of_the_former(
    options: dict[str, Any], page_by_page: None, caplog: pytest.LogCaptureFixture
) -> None:
    """What was committed is a time of the former column: below it no record would be read."""
    rows = [{"id": i, "at": iso(-3000 + i), "created": iso(-7000 - i)} for i in range(6)]

    def answers(asked: Asked) -> Any:
        since, token = asked.params.get("since", ""), int(asked.params.get("token", 0))
        column = "created" if player.source is changed else "at"
        found = [row for row in rows if row[column] >= since]
        found.sort(key=lambda row: row[column])
        more = token + 2 < len(found)
        return {"data": found[token : token + 2], "next": token + 2 if more else None}

    changed = one(cursor="created", order="asc")
    player = Player(one(**options), Upstream(answers))
    player.sync(calls=2)
    player.source = changed
    with caplog.at_level("WARNING"):
        sync = player.go_on()
    assert "event=start_over" in caplog.text and "declaration was changed" in caplog.text
    assert sync.error == ""
    assert set(sync.ids()) == set(range(6))
    assert player.state == {"thing": iso(-7000)}


def test_a_number_may_take_the_place_of_a_time_in_mid_walk(page_by_page: None) -> None:
    """What is committed is none of the new column's, and the walk begins anew."""
    rows = [{"id": i, "at": iso(-3000 + i), "number": i} for i in range(6)]
    upstream = Upstream(Listing(rows, sort="id", size=2))
    player = Player(one(order="asc"), upstream)
    player.sync(calls=1)
    player.source = one(cursor="number", cursor_type="sequence")
    sync = player.go_on()
    assert (sync.error, sync.ids()) == ("", list(range(6)))
    assert player.state == {"thing": 5}
