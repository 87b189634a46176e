"""Positions of the upstream's own: committed as given, handed back, and begun anew."""

from typing import Any

import pytest
from connector import Fetch, Page, Source, StartOver

from .play import Player
from .scripted import Asked, Upstream, script, source

pytestmark = pytest.mark.usefixtures("clock")


def feed() -> Source:
    """An entity that hands back the position of the upstream's own with each page."""
    made = source()

    @made.entity("event", primary_key=["id"])
    def event(fetch: Fetch) -> Page:
        response = fetch.get("/events", params={"after": fetch.since, "token": fetch.token})
        if response.value("gone", default=False):
            raise StartOver("the position is too old")
        return Page(
            response.rows("data"),
            response.value("next", default=None),
            cursor=response.value("position"),
        )

    return made


def test_a_position_of_the_upstreams_own_is_committed_when_the_walk_ends(
    page_by_page: None,
) -> None:
    def answers(asked: Asked) -> Any:
        if asked.params.get("token"):
            return {"data": [{"id": 2}], "position": {"delta": [12345678901234567890, "b"]}}
        return {"data": [{"id": 1}], "position": "a", "next": "2"}

    upstream = Upstream(answers)
    player = Player(feed(), upstream)
    sync = player.sync()
    assert ["event" in reply["state"] for reply in sync.replies] == [False, True]
    assert player.state == {"event": {"delta": [12345678901234567890, "b"]}}


def test_a_position_of_the_upstreams_own_is_handed_back_as_since() -> None:
    upstream = Upstream(lambda asked: {"data": [], "position": "p7"})
    player = Player(feed(), upstream)
    player.sync()
    player.sync()
    assert upstream.each("after") == [None, "p7"]


def test_start_over_reads_the_entity_from_the_beginning() -> None:
    def answers(asked: Asked) -> Any:
        if asked.params.get("after"):
            return {"gone": True}
        return {"data": [{"id": 1}], "position": "new"}

    upstream = Upstream(answers)
    player = Player(feed(), upstream, state={"event": "old"})
    assert player.sync().ids("event") == [1]
    assert upstream.each("after") == ["old", None]
    assert player.state == {"event": "new"}


def test_start_over_on_the_very_first_page_of_everything_is_an_error() -> None:
    upstream = Upstream(lambda asked: {"gone": True})
    sync = Player(feed(), upstream, state={"event": "old"}).sync()
    assert "the position is too old" in sync.error
    assert upstream.each("after") == ["old", None]


def test_a_position_does_not_go_together_with_a_cursor() -> None:
    made = source()

    @made.entity("thing", primary_key=["id"], cursor="at")
    def thing(fetch: Fetch) -> Page:
        return Page([], cursor="p")

    assert "Page(cursor=)" in Player(made, script({})).sync().error


def test_a_position_does_not_go_together_with_soft_delete() -> None:
    made = source()

    @made.entity("thing", primary_key=["id"], soft_delete=True)
    def thing(fetch: Fetch) -> Page:
        return Page([{"id": 1}], cursor="p1")

    assert "soft_delete" in Player(made, script({})).sync().error
