"""Times with and without an offset: in a start that a user types, and among a list's cursors."""

from datetime import UTC, date, datetime, timedelta

import pytest
from connector import Payload

from .play import Player, committed
from .scripted import Upstream, dated, iso, one, script

DAY = 86400
AWARE = [iso(-3 * DAY), iso(-2 * DAY)]
NAIVE = [each.rstrip("Z") for each in AWARE]
# Cursors, and a start that is written otherwise.
STARTS = [
    (AWARE, "2025-12-01"),
    (AWARE, "2025-12-01T08:30:00"),
    (AWARE, date(2025, 12, 1)),
    (AWARE, Payload("from")),
    (NAIVE, "2025-12-01T00:00:00Z"),
    (NAIVE, "2025-12-01T00:00:00+09:00"),
    (NAIVE, datetime(2025, 12, 1, tzinfo=UTC)),
]
OPTIONS = [{}, {"window": timedelta(days=10)}, {"order": "asc"}, {"order": "desc"}]
OPTIONS += [{"primary_key": []}, {"lookback": timedelta(hours=1)}]

pytestmark = pytest.mark.usefixtures("clock")


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(("cursors", "start"), STARTS)
def test_a_start_may_be_written_otherwise_than_the_cursors(cursors, start, options):
    rows = dated(*cursors)[:: -1 if options.get("order") == "desc" else 1]

    def answers(asked):
        since, until = (asked.params.get(name, "")[:10] for name in ("since", "until"))
        return {"data": [row for row in rows if since <= row["at"][:10] < (until or "9")]}

    made = one(start=start, **options)
    player = Player(made, Upstream(answers), customPayload={"from": "2025-12-01"})
    for _ in range(2):
        assert player.sync().error == ""
    assert sorted(row["at"] for row in player.alive().values()) == cursors


@pytest.mark.parametrize(("hours", "asks"), [(-15, 1), (-13, 2)])
def test_newest_first_all_that_may_be_after_a_start_without_an_offset_is_read(hours, asks):
    """The start may be meant in a zone that is up to 14 hours ahead of UTC."""
    upstream = script({None: (dated(iso(hours * 3600)), "b"), "b": dated(iso(-DAY))})
    player = Player(one(order="desc", start="2026-01-01T00:00:00"), upstream)
    assert (player.sync().error, len(upstream.asked)) == ("", asks)


def test_the_majority_of_each_page_counts():
    """A page of the other form, or one record of it, decides nothing for the pages after it."""
    assert committed(NAIVE[0], NAIVE[1], iso(-60)) == NAIVE[1]
    good = [{"id": i, "at": iso(-DAY + i)} for i in range(10, 108)]
    pages = {None: ([{"id": i, "at": at} for i, at in enumerate(NAIVE)], "b"), "b": good}
    player = Player(one(), script(pages))
    assert (player.sync().error, player.state) == ("", {"thing": good[-1]["at"]})
    player.upstream = script({None: [{"id": 200, "at": NAIVE[1]}]})
    assert (player.sync().error, player.state) == ("", {"thing": good[-1]["at"]})
    player.upstream = script({None: [{"id": 201, "at": iso(-60)}]})
    assert (player.sync().error, player.state) == ("", {"thing": iso(-60)})
    assert len(player.alive()) == 102


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_of_both_forms_are_not_held_against_an_order(order):
    """06:00 in New York is later than 10:00 in UTC."""
    first, second = dated("2025-12-30T10:00:00Z"), [{"id": 7, "at": "2025-12-30T06:00:00"}]
    if order == "desc":
        first, second = second, first
    player = Player(one(order=order), script({None: (first, "b"), "b": second}))
    assert (player.sync().error, sorted(player.alive())) == ("", [0, 7])


@pytest.mark.parametrize(("before", "now"), [(AWARE[0], NAIVE[1]), (NAIVE[0], AWARE[1])])
def test_without_a_key_another_form_is_an_error(before, now):
    """Records that come again are recognized by it; a minority of a page does not count."""
    state = {"thing": {"cursor": before, "seen": []}}
    made = one(primary_key=[])
    player = Player(made, script({None: [{"id": 1, "at": now}]}), state=state)
    error = player.sync().error
    assert f"'{now}' cannot be compared with '{before}'" in error and "timezone=" in error
    assert player.state["thing"]["cursor"] == before
    rows = [{"id": 1, "at": now}, {"id": 2, "at": now}, {"id": 3, "at": before}]
    player = Player(made, script({None: rows}), state=state)
    for _ in range(2):
        assert player.sync().error == ""
    assert sorted(row["id"] for row in player.alive().values()) == [1, 2, 3]
