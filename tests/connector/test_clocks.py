"""Clocks that differ: what is committed when the upstream's is not ours."""

from datetime import timedelta
from typing import Any

import pytest
from connector.testing import HeldClock, Reply

from .play import Player, committed
from .scripted import START, Asked, Listing, Upstream, http_date, iso, one

pytestmark = pytest.mark.usefixtures("clock")


def test_an_upstream_clock_an_hour_behind_bounds_what_is_committed(clock: HeldClock) -> None:
    """Its rows are stamped by its own clock: one that changed during the walk looks old to us."""
    headers = {"Date": http_date(-3600)}
    assert committed(iso(-3700), iso(-3590), headers=headers) == iso(-3700)


def test_an_upstream_clock_an_hour_ahead_does_not_move_the_bound() -> None:
    headers = {"Date": http_date(3600)}
    assert committed(iso(-60), iso(1800), headers=headers) == iso(-60)


@pytest.mark.parametrize("off", [-3600, 3600])
def test_an_upstream_clock_an_hour_off_loses_nothing(clock: HeldClock, off: int) -> None:
    """The upstream stamps changes with its own clock; one page of two is already read by then."""
    listing = Listing([{"id": i, "at": iso(off - 500 - i)} for i in range(4)], size=2)

    def answers(asked: Asked) -> Any:
        said = Reply(json=listing(asked), headers={"Date": http_date(clock.time - START + off)})
        clock.advance(3)
        if asked.params.get("token"):
            return said
        listing.records[0]["at"] = iso(clock.time - START + off)
        listing.records.append({"id": 9, "at": iso(clock.time - START + off + 1)})
        return said

    player = Player(one(lookback=timedelta()), Upstream(answers))
    assert player.sync().ids() == [0, 1, 2, 3, 9]
    clock.advance(7200)
    player.sync()
    assert player.alive()[0] == listing.records[0]


@pytest.mark.parametrize(
    "headers",
    [
        {"Date": http_date(-7200), "Age": "7200"},
        {"Date": http_date(-86401)},
        {"Date": http_date(86401)},
        {"Date": "yesterday"},
    ],
)
def test_a_date_from_a_cache_or_a_day_off_is_ignored(headers: dict[str, str]) -> None:
    assert committed(iso(-60), iso(60), headers=headers) == iso(-60)


def test_an_old_date_of_a_cdn_does_not_hold_the_cursor_back_for_ever(clock: HeldClock) -> None:
    """The CDN answers every day with the Date of the day it filled its cache."""
    listing = Listing([{"id": 1, "at": iso(-60)}])
    headers = {"Date": http_date(-90000)}
    player = Player(one(), Upstream(lambda asked: Reply(json=listing(asked), headers=headers)))
    player.sync()
    assert player.state == {"thing": iso(-60)}


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
