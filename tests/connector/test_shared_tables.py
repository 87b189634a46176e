"""Entities that fill one table: the order in which they are declared, also when one fails."""

from typing import Any

import pytest
from connector import Fetch, Page, Source
from connector.testing import Reply

from .play import Player
from .scripted import Asked, Upstream, iso, reading, source

pytestmark = pytest.mark.usefixtures("clock")

BROKEN = Reply(json="broken", status=403)
EVENTS = [{"event": 9, "item": 1, "at": iso(-30)}]


def feeds(workers: int = 1, **options: Any) -> Source:
    """Records, and a feed that tells which of them were deleted."""
    made = source(workers=workers)
    reading(made, "item", primary_key=["id"], cursor="at")

    @made.entity("item_deletion", cursor="at", tables={"item": ["id"]}, **options)
    def item_deletion(fetch: Fetch) -> Page:
        params = {"since": fetch.since, "token": fetch.token}
        events = fetch.get("/item_deletion", params=params)
        rows = events.rows("data")
        removed = [{"id": event["item"]} for event in events.json()["data"]]
        return Page(rows, events.value("next", default=None), deleted={"item": removed})

    reading(made, "other", primary_key=["id"])
    return made


class Feeds(Upstream):
    """The records, of which the first is deleted; the first `failing` of their requests are
    refused."""

    def __init__(self, failing: int = 0) -> None:
        super().__init__(self._answer)
        self.failing = failing
        self.events: dict[str | None, Any] = {None: {"data": EVENTS}}

    def _answer(self, asked: Asked) -> Any:
        if asked.path == "/item_deletion":
            return self.events[asked.params.get("token")]
        if asked.path == "/item" and self.failing:
            self.failing -= 1
            return BROKEN
        page = int(asked.params.get("token", 1))
        return {"data": [{"id": page, "at": iso(-60)}], "next": 2 if page == 1 else None}

    @property
    def order(self) -> list[str]:
        """The entities in the order in which they were asked, the other one left out. The
        deletion may be asked twice: where a reply ends before it, it is read again."""
        order = [ask.path[1:] for ask in self.asked if ask.path != "/other"]
        return order[:-1] if order[-2:] == ["item_deletion"] * 2 else order


@pytest.mark.parametrize("workers", [1, 4])
def test_they_are_read_one_after_the_other_as_declared(workers: int, packed: None) -> None:
    """A deleted record must not be inserted after it was deleted."""
    upstream = Feeds()
    player = Player(feeds(workers), upstream)
    sync = player.sync()
    assert (sync.error, upstream.order) == ("", ["item", "item", "item_deletion"])
    assert (sync.ids("item"), sync.deleted("item")) == ([1, 2], [{"id": 1}])
    assert sorted(player.alive("item")) == [2]
    assert player.state["item_deletion"]["cursor"] == iso(-30)


@pytest.mark.parametrize("workers", [1, 4])
def test_those_behind_a_failed_one_wait_for_its_second_try(workers: int) -> None:
    """The deletion is read after the records have come."""
    upstream = Feeds(failing=1)
    player = Player(feeds(workers), upstream)
    sync = player.sync()
    assert (sync.error, sorted(player.alive("item"))) == ("", [2])
    assert upstream.order == ["item", "item", "item", "item_deletion"]
    assert sync.ids("other") == [1, 2]


@pytest.mark.parametrize("workers", [1, 4])
def test_after_the_second_try_has_failed_they_are_read(workers: int) -> None:
    """A table that cannot be read keeps no other from being read."""
    upstream = Feeds(failing=10)
    player = Player(feeds(workers), upstream)
    sync = player.sync()
    assert "entity item," in sync.error and "item_deletion" not in sync.error
    assert upstream.order == ["item", "item", "item_deletion"]
    assert (sync.deleted("item"), len(sync.inserted("item_deletion"))) == ([{"id": 1}], 1)


def test_an_unfinished_walk_goes_on_before_a_new_one_begins(page_by_page: None) -> None:
    """Else the records of a new sync would come before the older deletions."""
    upstream = Feeds()
    upstream.events = {
        None: {"data": EVENTS, "next": "b"},
        "b": {"data": [{"event": 10, "item": 3, "at": iso(-20)}]},
    }
    player = Player(feeds(), upstream)
    while "item_deletion" not in upstream.order:
        player.sync(calls=1) if not player.sync_id else player.go_on(calls=1)
    asked = len(upstream.order)
    assert player.sync().error == ""
    assert upstream.order[asked:] == ["item_deletion", "item", "item"]
    assert upstream.each("token", "/item_deletion") == [None, "b"]
