"""Entities without a primary key: rows are appended, so none may come twice."""

from datetime import timedelta
from typing import Any

import pytest
from connector import Fetch, Page, StartOver
from connector.testing import HeldClock, Reply

from .play import Player
from .scripted import Asked, Listing, Upstream, http_date, iso, one, reading, script, source

pytestmark = pytest.mark.usefixtures("clock")

DAY = timedelta(days=1)


def keyless(**options: Any) -> Any:
    return one(primary_key=[], **options)


def test_rows_are_appended_and_the_schema_does_not_name_the_table() -> None:
    (reply,) = Player(keyless(), script({None: [{"id": 1, "at": iso(-60)}]})).sync().replies
    assert "schema" not in reply
    assert reply["insert"] == {"thing": [{"id": 1, "at": iso(-60)}]}


def test_inclusive_since_without_a_primary_key_appends_no_row_twice(clock: HeldClock) -> None:
    """`since` names the last row's own second: the upstream gives that row again."""
    listing = Listing([{"id": i, "at": iso(-100 + 20 * (i // 2))} for i in range(6)])
    player = Player(keyless(), Upstream(listing))
    player.sync()
    for extra in range(3):
        clock.advance(600)
        listing.records.append({"id": 10 + extra, "at": iso(-60)})
        player.sync()
    rows = [row["id"] for row in player.alive().values()]
    assert rows == [0, 1, 2, 3, 4, 5, 10, 11, 12]


def test_rows_that_are_alike_are_counted_and_not_merged() -> None:
    """Two equal rows at the committed cursor are two rows; a third one is new."""
    rows = [{"id": 1, "at": iso(-60)}] * 2
    player = Player(keyless(), Upstream(lambda asked: {"data": rows}))
    assert player.sync().ids() == [1, 1]
    assert player.sync().ids() == []
    rows = [*rows, rows[0]]
    assert player.sync().ids() == [1]
    assert player.sync().ids() == []


def test_a_row_dated_after_the_start_of_the_walk_comes_once(clock: HeldClock) -> None:
    """Its cursor may not be committed, so it is read again and again until it may be."""
    listing = Listing([{"id": 1, "at": iso(-60)}, {"id": 2, "at": iso(900)}])
    player = Player(keyless(), Upstream(listing))
    ids = []
    for _ in range(4):
        ids += player.sync().ids()
        clock.advance(600)
    assert ids == [1, 2]
    assert player.state["thing"]["cursor"] == iso(900)


def test_a_row_dated_after_the_start_and_nothing_else_comes_once(clock: HeldClock) -> None:
    player = Player(keyless(), Upstream(Listing([{"id": 2, "at": iso(900)}])))
    ids = []
    for _ in range(4):
        ids += player.sync().ids()
        clock.advance(600)
    assert ids == [2]


def test_rows_below_the_cursor_are_left_out_where_the_upstream_filters_by_day() -> None:
    rows = [{"id": i, "at": iso(-300 + 100 * i)} for i in range(3)]
    player = Player(keyless(), Upstream(lambda asked: {"data": rows}))
    assert player.sync().ids() == [0, 1, 2]
    assert player.sync().ids() == []
    rows = [*rows, {"id": 3, "at": iso(-50)}]
    assert player.sync().ids() == [3]


def test_rows_are_left_out_on_later_pages_and_calls_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_BYTES", "1")
    listing = Listing([{"id": i, "at": iso(-60)} for i in range(6)], size=2)
    player = Player(keyless(), Upstream(listing))
    assert player.sync().ids() == list(range(6))
    listing.records.append({"id": 6, "at": iso(-60)})
    assert player.sync().ids() == [6]


def test_a_call_that_is_repeated_appends_the_same_rows_again_and_no_others() -> None:
    listing = Listing([{"id": i, "at": iso(-60)} for i in range(3)], size=2)
    player = Player(keyless(), Upstream(listing))
    player.new_sync()
    first = player.call()
    player.state = {}
    assert player.call() == first


def test_the_state_remembers_digests_of_the_rows_at_the_cursor_alone() -> None:
    rows = [{"id": i, "at": iso(-900 + 10 * (i // 3))} for i in range(30)]
    player = Player(keyless(), script({None: rows}))
    player.sync()
    state = player.state["thing"]
    assert state["cursor"] == rows[-1]["at"]
    assert len(state["seen"]) == 3


def test_a_thousand_rows_at_one_cursor_are_remembered() -> None:
    player = Player(keyless(), Upstream(Listing([{"id": i, "at": iso(-60)} for i in range(1000)])))
    assert (player.sync().error, player.sync().ids()) == ("", [])


def test_more_than_a_thousand_rows_at_one_cursor_are_an_error_that_asks_for_a_key() -> None:
    listing = Listing([{"id": i, "at": iso(-60)} for i in range(1001)], size=5000)
    player = Player(keyless(), Upstream(listing))
    sync = player.sync()
    assert "1000 records" in sync.error and "primary_key" in sync.error


def test_lookback_without_a_primary_key_is_refused() -> None:
    with pytest.raises(ValueError, match="lookback without a primary_key"):
        keyless(lookback=timedelta(minutes=1))


def test_without_a_primary_key_a_new_walk_does_not_look_back() -> None:
    upstream = script({None: []})
    Player(keyless(), upstream, state={"thing": iso(-60)}).sync()
    assert upstream.each("since") == [iso(-60)]


def test_a_key_taken_away_or_added_by_a_deployment_goes_on_from_the_same_cursor() -> None:
    listing = Listing([{"id": 1, "at": iso(-60)}])
    upstream = Upstream(listing)
    player = Player(one(), upstream)
    player.sync()
    player.source = keyless()
    assert player.sync().error == ""
    player.source = one()
    assert player.sync().error == ""
    assert player.state == {"thing": iso(-60)}
    assert upstream.each("since") == [None, iso(-60), iso(-360)]


def test_without_key_and_cursor_everything_is_appended_at_each_sync() -> None:
    player = Player(keyless(cursor=None), script({None: [{"id": 1}]}))
    player.sync()
    player.sync()
    assert list(player.alive().values()) == [{"id": 1}, {"id": 1}]


def test_an_ascending_feed_without_a_key_appends_no_row_twice(
    clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_BYTES", "1")
    listing = Listing([{"id": i, "at": iso(-100 + i // 2)} for i in range(9)], sort="at", size=2)
    player = Player(keyless(order="asc"), Upstream(listing))
    ids = player.sync(calls=3).ids()
    ids += player.sync().ids()
    listing.records.append({"id": 9, "at": iso(-96)})
    ids += player.sync().ids()
    assert ids == list(range(10))


def test_a_refused_token_of_an_ascending_feed_without_a_key_appends_no_row_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The search API stops at its limit; the walk starts over from the committed cursor."""
    monkeypatch.setenv("CONNECTOR_CALL_BYTES", "1")
    from connector.testing import Reply

    records = [{"id": i, "at": iso(-1000 + i // 3)} for i in range(40)]

    def answers(asked: Asked) -> Any:
        rows = [row for row in records if row["at"] >= asked.params.get("since", "")]
        first = int(asked.params.get("token", 0))
        if first >= 12:
            return Reply(json={"error": "too far"}, status=400)
        more = first + 4 < len(rows)
        return {"data": rows[first : first + 4], "next": first + 4 if more else None}

    made = source()
    reading(made, cursor="at", order="asc")
    sync = Player(made, Upstream(answers)).sync()
    assert (sync.error, sync.ids()) == ("", list(range(40)))


# ---- walks that begin anew


def expiring(rows: list[dict[str, Any]], after: int, status: int = 410) -> Upstream:
    """Pages of three; the token that was given out after so many requests is refused once."""
    asks = [0]

    def answers(asked: Asked) -> Any:
        asks[0] += 1
        start = int(asked.params.get("token", 0))
        if asks[0] == after + 1:
            return Reply(json="expired", status=status)
        more = start + 3 < len(rows)
        return {"data": rows[start : start + 3], "next": start + 3 if more else None}

    return Upstream(answers)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"order": "asc"},
        {"order": "desc"},
        {"cursor": None},
        {"window": DAY, "start": iso(-86400)},
    ],
    ids=["cursor", "asc", "desc", "no cursor", "window"],
)
def test_a_walk_that_starts_over_appends_nothing_twice(
    options: dict[str, Any], page_by_page: None
) -> None:
    """What this walk has delivered already is remembered, rows that are alike one by one."""
    rows = [{"n": i // 2, "at": iso(-900 + 10 * (i // 2))} for i in range(12)]
    rows = rows[::-1] if options.get("order") == "desc" else rows
    sync = Player(keyless(**options), expiring(rows, after=2)).sync()
    assert sync.error == ""
    assert sorted(row["n"] for row in sync.inserted()) == sorted(row["n"] for row in rows)


def test_start_over_in_mid_walk_appends_nothing_twice(page_by_page: None) -> None:
    made, asks = source(), [0]

    @made.entity("thing", cursor="at")
    def thing(fetch: Fetch) -> Page:
        asks[0] += 1
        if asks[0] == 3:
            raise StartOver("the position is gone")
        at = fetch.token or 0
        rows = [{"n": i, "at": iso(-900 + i)} for i in range(at, at + 3)]
        return Page(rows, at + 3 if at < 9 else None)

    sync = Player(made, Upstream(lambda asked: {})).sync()
    assert [row["n"] for row in sync.inserted()] == list(range(12))


def test_a_walk_of_more_than_can_be_remembered_does_not_start_over(page_by_page: None) -> None:
    """It would append them twice: it is an error that says what to do, and nothing is lost."""
    pages = {None: ([{"n": i, "at": iso(-9000 + i)} for i in range(1001)], "b")}
    upstream = script({**pages, "b": Reply(json="expired", status=410)})
    player = Player(keyless(), upstream)
    sync = player.sync()
    for said in ("410", "more than 1000 records", "declare primary_key", "re-sync"):
        assert said in sync.error
    assert len(sync.inserted()) == 1001


def test_further_tables_without_a_key_are_not_filled_twice(page_by_page: None) -> None:
    made = source()

    @made.entity("thing", primary_key=["id"], tables={"line": []})
    def thing(fetch: Fetch) -> Page:
        response = fetch.get("/thing", params={"token": fetch.token})
        rows = response.rows("data")
        return Page(rows, response.value("next"), tables={"line": [{"of": 1}]})

    sync = Player(made, expiring([{"id": i} for i in range(12)], after=2)).sync()
    assert "declare primary_key" in sync.error
    assert len(sync.inserted("line")) == 2


@pytest.mark.parametrize(
    ("changed", "said"), [({"cursor": "created"}, "cursor= was changed"), ({"order": "asc"}, "")]
)
def test_a_deployment_in_mid_walk_appends_nothing_twice(
    page_by_page: None, changed: dict[str, Any], said: str
) -> None:
    rows = [{"n": i, "at": iso(-900 + i), "created": iso(-900 + i)} for i in range(12)]
    player = Player(keyless(), expiring(rows, after=99))
    first = player.sync(calls=2)
    player.source = keyless(**changed)
    second = player.go_on()
    assert said in second.error
    if not said:
        assert len(first.inserted() + second.inserted()) == 12


def test_a_first_reading_of_which_nothing_could_be_committed_goes_on(page_by_page: None) -> None:
    """The upstream's clock is an hour behind: its records are remembered, without a cursor yet."""
    listing = Listing([{"id": 0, "at": iso(-60)}], sort="at", size=1)
    hours = [-1]

    def answers(asked: Asked) -> Any:
        return Reply(json=listing(asked), headers={"Date": http_date(3600 * hours[0])})

    player = Player(keyless(order="asc"), Upstream(answers))
    assert player.sync().ids() == [0]
    assert player.state["thing"]["cursor"] is None
    hours[0] = 1
    listing.records += [{"id": i, "at": iso(-60 + i)} for i in (1, 2)]
    sync = player.sync()
    assert (sync.error, sync.ids()) == ("", [1, 2])
