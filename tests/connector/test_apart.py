"""What one entity does or once was never reaches another one, nor its own next walk."""

from typing import Any

import pytest
from connector import Fetch, Page, UpstreamError
from connector.testing import HeldClock

from .play import Player
from .scripted import SECRETS, Upstream, iso, reading, script, source


def given_pages(made: Any, name: str, pages: list[Any], **options: Any) -> list[Any]:
    """Declare an entity whose step returns or raises one after the other; what `since` was."""
    seen: list[Any] = []

    @made.entity(name, **options)
    def step(fetch: Fetch) -> Page:
        seen.append(fetch.since)
        page = pages[min(len(seen), len(pages)) - 1]
        if isinstance(page, Exception):
            raise page
        return page

    return seen


@pytest.mark.parametrize(
    "shape", [lambda text: {"rows": text}, lambda text: {"cursor": 1, "seen": [text]}]
)
def test_a_position_shaped_like_what_this_runtime_stores_is_looked_at_too(shape: Any) -> None:
    made = source()
    secret = "made-up-secret-of-a-step"
    given_pages(made, "thing", [Page([{"id": 1}], cursor=shape(secret))], primary_key=["id"])
    player = Player(made, script({}), secrets={**SECRETS, "other": secret})
    sync = player.sync()
    assert "entity thing" in sync.error and "holds a secret" in sync.error
    assert secret not in str(player.state)


def test_a_column_changed_in_the_middle_of_a_walk_without_a_key_stops_that_entity_alone() -> None:
    pages = [Page([{"id": 1, "u": iso(-60), "v": iso(-60)}], next_token="b")]
    made = source()
    given_pages(made, "thing", [*pages, UpstreamError("broken")], cursor="u")
    player = Player(made, script({None: [{"id": 1, "at": iso(-60)}]}))
    player.sync(calls=1)
    assert player.state["_sync"]["walks"]["thing"]["seen"]
    changed = source()
    given_pages(changed, "thing", pages, cursor="v")
    reading(changed, "other", primary_key=["id"], cursor="at")
    player.source = changed
    sync = player.sync()
    assert sync.ids("other") == [1]
    assert "entity thing" in sync.error and "re-sync" in sync.error


def test_a_page_that_never_fits_a_call_does_not_keep_the_others_from_being_read(
    clock: HeldClock,
) -> None:
    def answers(asked: Any) -> Any:
        if asked.path == "/slow":
            clock.advance(500)
        return {"data": [{"id": 1, "at": iso(-60)}], "next": None}

    made = source()
    for name in ("slow", "fast"):
        reading(made, name, primary_key=["id"], cursor="at")
    sync = Player(made, Upstream(answers)).sync()
    assert sync.ids("fast") == [1]
    assert "entity slow" in sync.error


@pytest.mark.parametrize("stored", [{"rows": 5}, {"cursor": iso(-60), "seen": ["0" * 16]}])
def test_what_was_stored_for_another_kind_of_reading_is_not_passed_on(stored: Any) -> None:
    made = source()
    seen = given_pages(made, "thing", [Page([{"id": 1}])], primary_key=["id"])
    assert Player(made, script({}), state={"thing": stored}).sync().error == ""
    assert seen == [None]
