"""Entities that fill one table: the order in which they are declared, also when one fails."""

from typing import Any

import pytest
from connector import Fetch, Page, Source
from connector.testing import HeldClock, Reply

from .play import Player
from .scripted import Asked, Upstream, iso, reading, source

pytestmark = pytest.mark.usefixtures("clock")

BROKEN = Reply(json="broken", status=403)
EVENTS = [{"event": 9, "item": 1, "at": iso(-30)}]


def feeds(**options: Any) -> Source:
    """Records, and a feed that tells which of them were deleted."""
    made = source()
    reading(made, "item", primary_key=["id"], cursor="at")

    @made.entity("item_deletion", cursor="at", tables={"item": ["id"]}, **options)
    def item_deletion(fetch: Fetch) -> Page:
        params = {"since": fetch.since, "token": fetch.token}
        events = fetch.get("/deletions", params=params)
        gone = [{"id": event["item"]} for event in events.json()["data"]]
        rows = events.rows("data")
        return Page(rows, events.value("next", default=None), deleted={"item": gone})

    return made


class Feeds(Upstream):
    """The records, of which the first is deleted; `failing` of their requests are refused."""

    def __init__(self, failing: int) -> None:
        super().__init__(self._answer)
        self.failing = failing
        self.events: dict[str | None, Any] = {None: {"data": EVENTS}}

    def _answer(self, asked: Asked) -> Any:
        if asked.path == "/deletions":
            return self.events[asked.params.get("token")]
        if self.failing:
            self.failing -= 1
            return BROKEN
        return {"data": [{"id": i, "at": iso(-60)} for i in (1, 2)]}


def test_what_is_read_after_a_failure_counts_only_in_its_turn() -> None:
    """The deletion was read before the records came: it is read again, or they would stay."""
    player = Player(feeds(), Feeds(failing=1))
    sync = player.sync()
    assert sync.error == ""
    assert sorted(player.alive("item")) == [2]
    assert player.state["item_deletion"]["cursor"] == iso(-30)


def test_it_is_delivered_all_the_same_and_waits_for_the_next_sync_to_count(
    clock: HeldClock,
) -> None:
    """The failing one keeps nobody from being read, and what was read is read again."""
    upstream = Feeds(failing=3)
    player = Player(feeds(), upstream)
    sync = player.sync()
    assert "entity item," in sync.error
    assert sync.deleted("item") == [{"id": 1}]
    assert "item_deletion" not in player.state
    clock.advance(3600)
    assert player.sync().error == ""
    assert sorted(player.alive("item")) == [2]
    assert player.state["item"] == iso(-60)


def test_records_without_a_key_are_appended_in_their_turn_alone() -> None:
    """The events have none: read twice, they come once."""
    player = Player(feeds(), Feeds(failing=1))
    assert len(player.sync().inserted("item_deletion")) == 1


def test_a_long_reading_that_began_too_early_begins_again(page_by_page: None) -> None:
    """Its first page was delivered before the records; the deletion on it is not lost."""
    upstream = Feeds(failing=1)
    upstream.events = {None: {"data": EVENTS, "next": "b"}, "b": {"data": []}}
    player = Player(feeds(), upstream)
    sync = player.sync()
    assert (sync.error, sorted(player.alive("item"))) == ("", [2])


def test_an_unfinished_reading_goes_on_where_nothing_failed(page_by_page: None) -> None:
    """The next sync reads the records first, and does not take that for a failure."""
    upstream = Feeds(failing=0)
    upstream.events = {
        None: {"data": EVENTS, "next": "b"},
        "b": {"data": [{"event": 10, "item": 3, "at": iso(-20)}]},
    }
    player = Player(feeds(), upstream)
    player.sync(calls=2)
    assert player.sync().error == ""
    assert upstream.each("token", "/deletions") == [None, "b"]


def test_an_ascending_feed_commits_nothing_out_of_turn(page_by_page: None) -> None:
    """Nor after a page of its own."""
    upstream = Feeds(failing=3)
    upstream.events = {None: {"data": EVENTS, "next": "b"}, "b": {"data": []}}
    player = Player(feeds(order="asc"), upstream)
    assert player.sync().error
    assert "item_deletion" not in player.state
