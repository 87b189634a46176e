"""Walks cut into slices by a window: what each is asked for and commits."""

from datetime import timedelta
from itertools import pairwise

import pytest

from .play import Player
from .scripted import Listing, Upstream, days, iso, one, script

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
