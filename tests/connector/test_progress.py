"""A walk that stands still is an error; one that only looks as if it did is healthy."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from connector import Fetch, Page, Source
from connector.testing import Reply

from .play import Player
from .scripted import Asked, Upstream, iso, one, script, stepping

pytestmark = pytest.mark.usefixtures("clock")

ADVICE = "does the step send fetch.token?"


def numbered(sends: bool, **options: Any) -> Source:
    """A step that counts pages; whether it sends the number of the page."""

    def step(fetch: Fetch) -> Page:
        page = fetch.token or 1
        rows = fetch.get("/thing", params={"p": page if sends else None}).rows("data")
        further = {"line": [{"of": 1}]} if options.get("tables") else None
        return Page(rows, page + 1, tables=further)

    return stepping(step, **{"cursor": "at", **options})


@pytest.mark.parametrize(
    ("sends", "options", "pages"),
    [
        (False, {}, 2),
        (False, {"cursor": None}, 2),
        (True, {}, 20),
        (True, {"cursor": None}, 20),
        (True, {"order": "asc"}, 20),
    ],
    ids=str,
)
def test_a_page_parameter_that_is_not_sent_or_ignored_is_found(
    sends: bool, options: dict[str, Any], pages: int, packed: None
) -> None:
    """At once where the request is the same, else after twenty pages; it shows the request."""
    times = count()

    def answers(asked: Asked) -> Any:
        now = {"now": next(times), "url": f"https://files.example.com?signature={next(times)}"}
        return {"data": [{"id": i, "at": iso(-60), **now} for i in (1, 2)]}

    sync = Player(numbered(sends, **options), Upstream(answers)).sync()
    url = f"GET https://api.example.com/thing?p={pages}" if sends else "GET https://api.example.com"
    for text in (url, ADVICE, f"entity thing, page {pages}"):
        assert text in sync.error
    assert len(sync.ids()) == 2 * (pages - 1)


@pytest.mark.parametrize("sends", [True, False])
@pytest.mark.parametrize("options", [{"primary_key": []}, {"tables": {"line": []}}], ids=str)
def test_without_a_key_two_pages_in_a_row_with_the_same_records_are_enough(
    sends: bool, options: dict[str, Any], packed: None
) -> None:
    upstream = Upstream(lambda asked: {"data": [{"id": 1}, {"id": 2}]})
    sync = Player(numbered(sends, cursor=None, **options), upstream).sync()
    assert ADVICE in sync.error and "page 2" in sync.error
    assert sync.ids() == [1, 2]


@pytest.mark.parametrize("length", [2, 3, 7, 40])
@pytest.mark.parametrize("lead", [0, 5])
def test_a_token_that_comes_back_with_the_same_page_is_found_across_calls(
    page_by_page: None, length: int, lead: int
) -> None:
    """Each call sees one page; the search for a cycle goes on in the state, at constant size."""

    def answers(asked: Asked) -> Any:
        page = int(asked.params.get("token", 0))
        return {
            "data": [{"id": page}],
            "next": lead + (page - lead + 1) % length if page >= lead else page + 1,
        }

    upstream = Upstream(answers)
    upstream.most = 500
    player = Player(one(cursor=None), upstream)
    sync = player.sync()
    assert "the same token gave the same page as before" in sync.error and ADVICE in sync.error
    sizes = [len(str(reply["state"])) for reply in sync.replies]
    assert max(sizes) - min(sizes) < 100


def healthy() -> Iterator[tuple[str, dict[str, Any], Upstream, list[int]]]:
    """Walks that only look as if they stood still: options, upstream, the ids that they read."""
    page = [{"id": 1, "at": iso(-60)}]
    yield "empty pages", {}, script({None: ([], "b"), "b": ([], "c"), "c": page}), [1]
    yield "two parents with the same child", {}, script({None: (page, "b"), "b": page}), [1, 1]
    numbers = count()

    def scroll(asked: Asked) -> Any:
        number = next(numbers)
        return {"data": [{"id": number, "at": iso(-60)}], "next": "s" if number < 29 else None}

    yield "a scroll id that stays", {}, Upstream(scroll), list(range(30))

    def long(asked: Asked) -> Any:
        number = int(asked.params.get("token", 0))
        return {"data": [{"id": number}], "next": number + 1 if number < 299 else None}

    yield "300 pages", {"cursor": None}, Upstream(long), list(range(300))

    def twins(asked: Asked) -> Any:
        """Labels of parents, two at a time: each has the same two pages."""
        number = int(asked.params.get("token", 0))
        return {"data": [{"id": number % 2}], "next": number + 1 if number < 99 else None}

    yield "50 parents with two pages each", {"cursor": None}, Upstream(twins), [0, 1] * 50
    sliced = {"window": timedelta(seconds=60), "start": iso(-3000)}
    ids = [1] * 51
    yield "slices that all hold one record", sliced, script({None: page}), ids


@pytest.mark.parametrize("index", range(6), ids=[name for name, *_ in healthy()])
def test_a_walk_that_moves_on_is_healthy(index: int, packed: None) -> None:
    _, options, upstream, ids = list(healthy())[index]
    sync = Player(one(**options), upstream).sync()
    assert (sync.error, sync.ids()) == ("", ids)


def test_the_same_children_without_a_cursor_field_differ_by_request() -> None:
    """Two projects, by path, list the same two labels; the next project's page follows at once."""

    def step(fetch: Fetch) -> Page:
        project = fetch.token or 1
        rows = fetch.get(f"/projects/{project}/labels").rows("data")
        return Page(rows, 2 if project == 1 else None)

    labels = [{"id": "bug"}, {"id": "feature"}]
    sync = Player(stepping(step), Upstream(lambda asked: {"data": labels})).sync()
    assert (sync.error, len(sync.inserted())) == ("", 4)


def test_empty_pages_between_the_same_records_do_not_make_it_progress() -> None:
    """Every second page is empty, and the others are the same."""

    def answers(asked: Asked) -> Any:
        page = int(asked.params.get("token", 0))
        return {"data": [{"id": 1, "at": iso(-60)}] if page % 2 == 0 else [], "next": page + 1}

    upstream = Upstream(answers)
    sync = Player(one(), upstream).sync()
    assert ADVICE in sync.error and "page 39" in sync.error


def test_what_was_seen_is_forgotten_when_a_walk_starts_over(page_by_page: None) -> None:
    """The new first page is the page before the refused one, by the same request."""
    refusals = [Reply(json={}, status=410)]
    pages = {None: ([{"id": 1, "at": iso(-60)}], "b"), "b": [{"id": 2, "at": iso(-50)}]}
    listing = script(pages)

    def answers(asked: Asked) -> Any:
        return refusals.pop() if asked.params.get("token") and refusals else listing.answers(asked)

    sync = Player(one(), Upstream(answers)).sync()
    assert (sync.error, sync.ids()) == ("", [1, 1, 2])


def test_a_post_whose_body_moves_on_is_another_request() -> None:
    def step(fetch: Fetch) -> Page:
        page = fetch.token or 1
        response = fetch.post("/search", json={"page": page})
        return Page(response.rows("data"), page + 1 if page < 3 else None)

    sync = Player(stepping(step), Upstream(lambda asked: {"data": [{"id": 1}]})).sync()
    assert (sync.error, sync.ids()) == ("", [1, 1, 1])
