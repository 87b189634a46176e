"""Entities without a primary key: the model holds that no row is lost or comes twice."""

import pytest
from connector import StartOver

from .play import Player
from .scripted import Upstream, dated, iso, one, script, stepping

pytestmark = pytest.mark.usefixtures("clock")


def test_rows_are_appended_and_the_schema_does_not_name_the_table():
    """Without a cursor, everything at each sync."""
    player = Player(one(primary_key=[], cursor=None), script({None: [{"id": 1}]}))
    for _ in range(2):
        (reply,) = player.sync().replies
        assert "schema" not in reply
    assert list(player.alive().values()) == [{"id": 1}, {"id": 1}]


def test_the_state_remembers_digests_of_the_rows_at_the_cursor_alone():
    """And of those that came in the last reading: a deleted row is forgotten."""
    rows = dated(None, *(iso(-90000 + 10 * (i // 3)) for i in range(1, 3000)))
    player = Player(one(primary_key=[]), Upstream(lambda asked: {"data": rows}))
    player.sync()
    assert player.state["thing"]["cursor"] == rows[-1]["at"]
    assert len(player.state["thing"]["seen"]) == 4
    del rows[0]
    player.sync()
    assert len(player.state["thing"]["seen"]) == 3


@pytest.mark.parametrize("at", [iso(-60), iso(60), None])
@pytest.mark.parametrize("count", [1000, 1001])
def test_a_thousand_rows_are_remembered_and_more_are_an_error(count, at):
    player = Player(one(primary_key=[]), script({None: dated(*[at] * count)}))
    sync = player.sync()
    if count == 1000:
        assert (sync.error, player.sync().ids()) == ("", [])
    else:
        assert "more than 1000 records" in sync.error and "declare primary_key" in sync.error


@pytest.mark.parametrize("state", [{"thing": "p1"}, {}], ids=str)
def test_start_over_of_a_position_without_a_key_is_an_error_once_it_ever_delivered(state):
    def step(fetch):
        raise StartOver("the position is too old")

    error = Player(stepping(step, primary_key=[]), script({}), state=state).sync().error
    assert "the position is too old" in error
    assert ("re-sync" in error) == bool(state)
