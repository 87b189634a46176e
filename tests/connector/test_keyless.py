"""Entities without a primary key: rows are appended, so none may come twice."""

from datetime import timedelta
from typing import Any

import pytest
from connector import Fetch, Page, Source, StartOver
from connector.testing import HeldClock, Reply

from .play import Player
from .scripted import Asked, Listing, Upstream, iso, one, script, search, stepping

pytestmark = pytest.mark.usefixtures("clock")


def keyless(**options: Any) -> Source:
    return one(primary_key=[], **options)


def syncs(player: Player, clock: HeldClock, times: int, seconds: float = 600) -> list[int]:
    """The ids that several syncs deliver, one list."""
    ids = []
    for _ in range(times):
        sync = player.sync()
        assert sync.error == ""
        ids += sync.ids()
        clock.advance(seconds)
    return ids


def test_rows_are_appended_and_the_schema_does_not_name_the_table() -> None:
    """Without a cursor too, everything at each sync."""
    (reply,) = Player(keyless(), script({None: [{"id": 1, "at": iso(-60)}]})).sync().replies
    assert "schema" not in reply
    assert reply["insert"] == {"thing": [{"id": 1, "at": iso(-60)}]}
    player = Player(keyless(cursor=None), script({None: [{"id": 1}]}))
    player.sync()
    player.sync()
    assert list(player.alive().values()) == [{"id": 1}, {"id": 1}]


ROWS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "at the last second": ([-100, -100, -80, -80, -60, -60], {}),
    "after the start of the walk": ([-60, 900], {}),
    "after the start, and nothing else": ([900], {}),
    "without a date": ([None, -60, None, ""], {}),
    "without a date, and nothing else": ([None], {}),
    "unreadable": ([-60, "0000-00-00", "Never"], {}),
    "by day": ([-60], {"cursor_type": "%Y-%m-%d"}),
    "ascending": ([-100, -100, -80, -60, 900], {"order": "asc"}),
    "descending": ([900, -60, -80, -80], {"order": "desc"}),
    "in slices": (
        [-5000, -4000, -60, 900, None],
        {"window": timedelta(hours=1), "start": iso(-9000)},
    ),
}


@pytest.mark.parametrize("since", ["ignored", "exact", "to the minute"])
@pytest.mark.parametrize("name", ROWS)
def test_no_row_comes_twice_and_a_new_one_comes(
    name: str, since: str, clock: HeldClock, packed: None
) -> None:
    """`since` is inclusive, or rounded down, or not sent at all; rows are given in their order."""
    whens, options = ROWS[name]
    form = options.get("cursor_type", "%Y-%m-%dT%H:%M:%SZ")
    rows = [
        {"id": i, "at": iso(at, form) if isinstance(at, (int, float)) else at}
        for i, at in enumerate(whens)
    ]

    def step(fetch: Fetch) -> Page:
        bound = fetch.since
        if since == "ignored" or "cursor_type" in options:
            bound = None
        elif bound and since == "to the minute":
            bound = fetch.since_as("%Y-%m-%dT%H:%M:00Z")
        first = fetch.token or 0
        found = [
            r for r in rows if not bound or not r["at"] or r["at"][:1] != "2" or r["at"] >= bound
        ]
        return Page(found[first : first + 2], first + 2 if first + 2 < len(found) else None)

    made = stepping(step, **{"primary_key": [], "cursor": "at", **options})
    player = Player(made, script({}))
    ids = syncs(player, clock, 3)
    new = {"id": 99, "at": iso(1500, form)}
    rows[:] = [new, *rows] if options.get("order") == "desc" else [*rows, new]
    ids += syncs(player, clock, 3)
    assert sorted(ids) == [*range(len(whens)), 99]


def test_rows_that_are_alike_are_counted_and_not_merged(clock: HeldClock) -> None:
    """Two equal rows at the committed cursor are two rows; a third one is new."""
    rows = [{"id": 1, "at": iso(-60)}] * 2
    player = Player(keyless(), Upstream(lambda asked: {"data": rows}))
    assert syncs(player, clock, 2) == [1, 1]
    rows = [*rows, rows[0]]
    assert syncs(player, clock, 2) == [1]


def test_the_state_remembers_digests_of_the_rows_at_the_cursor_alone() -> None:
    """And of those that came in the last reading: a deleted row is forgotten."""
    rows = [{"id": i, "at": iso(-90000 + 10 * (i // 3)) if i else None} for i in range(3000)]
    player = Player(keyless(), Upstream(lambda asked: {"data": rows}))
    player.sync()
    assert player.state["thing"]["cursor"] == rows[-1]["at"]
    assert len(player.state["thing"]["seen"]) == 4
    rows = rows[1:]
    player.sync()
    assert len(player.state["thing"]["seen"]) == 3


@pytest.mark.parametrize("at", [iso(-60), iso(60), None])
@pytest.mark.parametrize("count", [1000, 1001])
def test_a_thousand_rows_are_remembered_and_more_are_an_error(count: int, at: Any) -> None:
    listing = Upstream(lambda asked: {"data": [{"id": i, "at": at} for i in range(count)]})
    player = Player(keyless(), listing)
    sync = player.sync()
    if count == 1000:
        assert (sync.error, player.sync().ids()) == ("", [])
    else:
        assert "more than 1000 records" in sync.error and "declare primary_key" in sync.error


@pytest.mark.parametrize("ats", [[-1000 + i // 3 for i in range(40)], list(range(-7, 9))])
def test_an_ascending_search_without_a_key_starts_over_from_what_each_page_committed(
    ats: list[float], page_by_page: None
) -> None:
    """It stops after twelve rows; what the last commit does not cover is known by its digest, rows
    after the start of the walk too."""
    records = [{"id": i, "at": iso(at)} for i, at in enumerate(ats)]
    player = Player(keyless(order="asc"), search(records, size=4, most=12))
    assert [player.sync().ids() for _ in range(2)] == [list(range(len(ats))), []]


def test_what_an_ordered_walk_did_not_reach_stays_remembered() -> None:
    """It ends at the first page wholly below `since`; the next one may read further."""
    ats = [-60, -80, -90, -95, None, -99]
    rows = [{"id": i, "at": at and iso(at)} for i, at in enumerate(ats)]
    player = Player(keyless(order="desc"), Upstream(lambda asked: pages(rows, asked)))

    def pages(rows: list[Any], asked: Asked) -> Any:
        first = int(asked.params.get("token", 0))
        return {"data": rows[first : first + 2], "next": first + 2 if first < 4 else None}

    assert player.sync().ids() == [0, 1, 2, 3, 4, 5]
    assert player.sync().ids() == []
    del rows[2]
    assert player.sync().ids() == []


def test_a_token_refused_at_a_later_slice_appends_nothing_twice(page_by_page: None) -> None:
    """A slice that has delivered does not start over; one that has not does."""
    records = [{"id": i, "at": iso(-5400 + 900 * i)} for i in range(6)]
    listing = Listing(records, sort="at", size=1)
    refusals = {3: Reply(json={}, status=410)}

    def answers(asked: Asked) -> Any:
        return refusals.pop(len(upstream.asked), None) or listing(asked)

    upstream = Upstream(answers)
    window = {"window": timedelta(hours=1), "start": iso(-5400)}
    player = Player(keyless(**window), upstream)
    first = player.sync()
    assert first.ids() == [0, 1] and "twice" in first.error
    second = player.sync()
    assert (second.error, second.ids()) == ("", [2, 3, 4, 5])


def test_a_slice_that_has_delivered_nothing_starts_over(clock: HeldClock) -> None:
    """Its first page is empty, and the token of that page is refused in the next call."""
    refusals = [Reply(json={}, status=410)]

    def answers(asked: Asked) -> Any:
        clock.advance(50)  # so that a call has time for two pages
        if asked.params["since"] == iso(-5400):
            return {"data": [{"id": 0, "at": iso(-5000)}], "next": None}
        if "token" in asked.params:
            return refusals.pop() if refusals else {"data": [{"id": 1, "at": iso(-60)}]}
        return {"data": [], "next": "b"}

    window = {"window": timedelta(hours=1), "start": iso(-5400)}
    sync = Player(keyless(**window), Upstream(answers)).sync()
    assert (sync.error, sync.ids()) == ("", [0, 1])


@pytest.mark.parametrize("committed", ["p1", None])
def test_start_over_of_a_position_without_a_key_is_an_error_once_it_ever_delivered(
    committed: str | None,
) -> None:

    def step(fetch: Fetch) -> Page:
        raise StartOver("the position is too old")

    state = {"thing": committed} if committed else {}
    sync = Player(stepping(step, primary_key=[]), script({}), state=state).sync()
    assert "the position is too old" in sync.error
    assert ("re-sync" in sync.error) == bool(committed)
