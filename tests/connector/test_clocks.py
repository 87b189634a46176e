"""Clocks that differ, and what a page's requests show of the upstream's."""

from datetime import timedelta
from typing import Any

import pytest
from connector import Fetch, Page
from connector.testing import HeldClock, Reply

from .play import Player, committed
from .scripted import START, Asked, Listing, Upstream, http_date, iso, one, stepping

pytestmark = pytest.mark.usefixtures("clock")


BEHIND = {"Date": http_date(-3600)}
AHEAD, OLD, FAR = (http_date(seconds) for seconds in (3600, -86401, 86401))


@pytest.mark.parametrize(
    ("headers", "committed_at"),
    [
        (BEHIND, -3700),
        ({**BEHIND, "Age": "3600"}, -60),
        *(({"Date": date}, -60) for date in (AHEAD, OLD, FAR, "yesterday", "")),
    ],
)
def test_the_earlier_of_both_clocks_bounds_what_is_committed(
    headers: dict[str, str], committed_at: float
) -> None:
    """What changed during the walk looks old where the upstream's clock is behind. A date with an
    age, which is a cache's, and one that is a day off are ignored."""
    cursors = [iso(at) for at in (-3700, -3590, -60, 60, 1800)]
    assert committed(*cursors, headers=headers) == iso(committed_at)


@pytest.mark.parametrize("off", [-3600, 3600])
def test_an_upstream_clock_an_hour_off_loses_nothing(clock: HeldClock, off: int) -> None:
    """The upstream stamps changes with its own clock; one page of two is already read by then."""
    listing = Listing([{"id": i, "at": iso(off - 500 - i)} for i in range(4)], size=2)

    def answers(asked: Asked) -> Any:
        reply = Reply(json=listing(asked), headers={"Date": http_date(clock.time - START + off)})
        clock.advance(3)
        if asked.params.get("token"):
            return reply
        listing.records[0]["at"] = iso(clock.time - START + off)
        listing.records.append({"id": 9, "at": iso(clock.time - START + off + 1)})
        return reply

    player = Player(one(lookback=timedelta()), Upstream(answers))
    assert player.sync().ids() == [0, 1, 2, 3, 9]
    clock.advance(7200)
    player.sync()
    assert player.alive()[0] == listing.records[0]


def test_an_index_that_lags_twenty_seconds_behind_loses_no_record(clock: HeldClock) -> None:
    """A record is stamped at once and can be found twenty seconds later."""
    records = [{"id": 1, "at": iso(-30)}, {"id": 2, "at": iso(-10)}, {"id": 3, "at": iso(-15)}]
    found_at = {1: -10, 2: -5, 3: 5}

    def answers(asked: Asked) -> Any:
        now = clock.time - START
        since = asked.params.get("since", "")
        return {"data": [r for r in records if found_at[r["id"]] <= now and r["at"] >= since]}

    player = Player(one(), Upstream(answers))
    assert player.sync().ids() == [1, 2]
    clock.advance(600)
    player.sync()
    assert sorted(player.alive()) == [1, 2, 3]


def test_the_upstreams_clock_counts_from_the_first_request_of_a_page(clock: HeldClock) -> None:
    """A record that changes after that may be missing, even where only the last one has a Date."""
    rows = [{"id": 0, "at": iso(-3601)}, {"id": 1, "at": iso(-3590)}]

    def answers(asked: Asked) -> Any:
        clock.advance(30)
        if asked.path == "/first":
            return {}
        return Reply(json={"data": rows}, headers={"Date": http_date(-3600 + 60)})

    def step(fetch: Fetch) -> Page:
        fetch.get("/first")
        return Page(fetch.get("/thing").rows("data"))

    player = Player(stepping(step, cursor="at"), Upstream(answers))
    player.sync()
    assert player.state == {"thing": iso(-3601)}
