"""Positions of the upstream's own: committed as returned, handed back, and begun anew."""

from typing import Any

import pytest
from connector import Fetch, Page, Source, StartOver

from .play import Player
from .scripted import Asked, Upstream, script, source

pytestmark = pytest.mark.usefixtures("clock")


def feed() -> Source:
    """An entity that returns the upstream's own position with each page."""
    made = source()

    @made.entity("event", primary_key=["id"])
    def event(fetch: Fetch) -> Page:
        response = fetch.get("/events", params={"after": fetch.since, "token": fetch.token})
        if response.value("gone", default=False):
            raise StartOver("the position is too old")
        next_token = response.value("next", default=None)
        return Page(response.rows("data"), next_token, cursor=response.value("position"))

    return made


def test_a_position_is_committed_when_the_walk_ends(page_by_page: None) -> None:
    def answers(asked: Asked) -> Any:
        if asked.params.get("token"):
            return {"data": [{"id": 2}], "position": {"delta": [12345678901234567890, "b"]}}
        return {"data": [{"id": 1}], "position": "a", "next": "2"}

    player = Player(feed(), Upstream(answers))
    sync = player.sync()
    assert ["event" in reply["state"] for reply in sync.replies] == [False, True]
    assert player.state == {"event": {"delta": [12345678901234567890, "b"]}}


def test_a_position_is_handed_back_as_since() -> None:
    upstream = Upstream(lambda asked: {"data": [], "position": "p7"})
    player = Player(feed(), upstream)
    player.sync()
    player.sync()
    assert upstream.each("after") == [None, "p7"]


@pytest.mark.parametrize("again", [False, True])
def test_start_over_reads_the_entity_from_the_beginning_once(again: bool) -> None:
    """Raised at the beginning too, it is an error."""

    def answers(asked: Asked) -> Any:
        if asked.params.get("after") or again:
            return {"gone": True}
        return {"data": [{"id": 1}], "position": "new"}

    upstream = Upstream(answers)
    player = Player(feed(), upstream, state={"event": "old"})
    sync = player.sync()
    assert upstream.each("after") == ["old", None]
    if again:
        assert "the position is too old" in sync.error and player.state["event"] == "old"
    else:
        assert (sync.ids("event"), player.state) == ([1], {"event": "new"})


@pytest.mark.parametrize(
    ("options", "text"),
    [({"cursor": "at"}, "Page(cursor=)"), ({"soft_delete": True}, "soft_delete")],
)
def test_a_position_does_not_go_together_with_a_cursor_or_soft_delete(
    options: dict[str, Any], text: str
) -> None:
    made = source()

    @made.entity("thing", primary_key=["id"], **options)
    def thing(fetch: Fetch) -> Page:
        return Page([{"id": 1}], cursor="p1")

    assert text in Player(made, script({})).sync().error
