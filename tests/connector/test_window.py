"""Walks cut into slices by a window: what each is asked for and commits."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from connector import Fetch, Page
from connector.testing import HeldClock, Reply

from .play import Player
from .scripted import Asked, Listing, Upstream, days, iso, one, script, stepping

pytestmark = pytest.mark.usefixtures("clock")

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


@pytest.mark.parametrize("hours", [0.5, 6, 24])
@pytest.mark.parametrize("change", ["2025-11-02T06:00:00", "2026-03-08T07:00:00"])
@pytest.mark.parametrize(
    ("start", "form"),
    [
        ("%Y-%m-%d", "%Y-%m-%d"),
        ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"),
        ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S"),
        ("%Y-%m-%d", "%Y.%m.%d %H:%M"),
    ],
)
def test_slices_move_on_where_clocks_change(
    start: str, form: str, change: str, hours: float, clock: HeldClock
) -> None:
    """A record every forty minutes of New York's wall clock, three days before and after."""
    now = datetime.fromisoformat(change).replace(tzinfo=UTC).astimezone(ZoneInfo(NEW_YORK))
    moments = [now.astimezone(UTC) + timedelta(minutes=40 * i) for i in range(-108, 108)]
    written = [moment.astimezone(ZoneInfo(NEW_YORK)).strftime(form) for moment in moments]
    listing = Listing([{"id": i, "at": at} for i, at in enumerate(written)], size=1000)
    clock.time = now.timestamp() + 3 * 86400
    upstream = Upstream(listing)
    upstream.most = 400
    options = {"cursor_type": form} if "." in form else {}
    begin = (now - timedelta(days=4)).strftime(start)
    made = one(timezone=NEW_YORK, window=timedelta(hours=hours), start=begin, **options)
    sync = Player(made, upstream).sync()
    assert (sync.error, sorted(sync.ids())) == ("", list(range(216)))
    asked = slices(upstream)
    assert all(since < until for since, until in asked)
    assert all(one[1] == next[0] for one, next in pairwise(asked))


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


def test_page_numbers_that_repeat_from_slice_to_slice_are_progress() -> None:
    def step(fetch: Fetch) -> Page:
        page = fetch.token or 1
        params = {"since": fetch.since, "until": fetch.until, "page": page}
        rows = fetch.get("/thing", params=params).rows("data")
        return Page(rows, page + 1 if rows else None)

    records = days(2.9, 2.8, 2.7, 1.9, 1.8, 1.7, 0.9, 0.8, 0.7)

    def answers(asked: Asked) -> Any:
        since, until = asked.params["since"], asked.params["until"]
        rows = [row for row in records if since <= row["at"] < until]
        first = (int(asked.params["page"]) - 1) * 2
        return {"data": rows[first : first + 2]}

    made = stepping(step, cursor="at", window=DAY, start=iso(-3 * 86400))
    sync = Player(made, Upstream(answers)).sync()
    assert (sync.error, sync.ids()) == ("", list(range(9)))


def test_a_record_without_a_date_that_stands_in_every_slice_is_progress() -> None:
    upstream = script({None: [{"id": 1, "at": None}]})
    sync = Player(one(window=timedelta(hours=1), start=iso(-2 * 86400)), upstream).sync()
    assert (sync.error, set(sync.ids())) == ("", {1})


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


def test_a_search_that_stops_after_some_rows_goes_on_inside_a_slice() -> None:
    """order="asc": a refused token goes on from what is committed, also where slices are walked."""
    records = [{"id": i, "at": iso(-90000 + i)} for i in range(100)]

    def answers(asked: Asked) -> Any:
        since, until = asked.params["since"], asked.params["until"]
        first = int(asked.params.get("token", 0))
        if first >= 20:
            return Reply(json={"error": "too far"}, status=400)
        found = [row for row in records if since <= row["at"] < until]
        more = first + 10 if len(found) > first + 10 else None
        return {"data": found[first : first + 10], "next": more}

    upstream = Upstream(answers)
    upstream.most = 200
    options = {"order": "asc", "window": timedelta(days=2), "start": iso(-90001)}
    player = Player(one(**options), upstream)
    assert player.sync().error == ""
    assert sorted(player.alive()) == list(range(100))
