"""Deleted records: what goes to `delete`, and never beside an insert of the same key."""

from typing import Any

import pytest
from connector import Fetch, Page, Source
from connector.testing import Reply

from .play import Player
from .scripted import Asked, Upstream, iso, reading, script, source, stepping

pytestmark = pytest.mark.usefixtures("clock")


def feed(**options: Any) -> Source:
    """An entity whose pages say which records were deleted."""

    def step(fetch: Fetch) -> Page:
        response = fetch.get("/thing", params={"since": fetch.since, "token": fetch.token})
        following = response.value("next")
        return Page(response.rows("data"), following, deleted=response.rows("removed"))

    return stepping(step, **{"cursor": "at", **options})


def pages(*pages: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> Upstream:
    """Pages of (records, deleted records)."""

    def answers(asked: Any) -> Any:
        page = int(asked.params.get("token", 0))
        rows, removed = pages[page]
        return {
            "data": rows,
            "removed": removed,
            "next": page + 1 if page + 1 < len(pages) else None,
        }

    return Upstream(answers)


def at(key: Any, seconds: float = -60) -> dict[str, Any]:
    return {"id": key, "at": iso(seconds)}


@pytest.mark.parametrize(
    ("rows", "removed"),
    [
        ([at(1)], [at(2), {"id": 3}]),
        ([at(1)], []),
        ([], [at(1)]),
        ([at(1), at(2), at(1)], [{"id": 1}]),
        ([at(1), {"id": "1", "at": iso(-50)}, at(2)], [{"id": 1.0}]),
    ],
    ids=["both", "no deleted ones", "deleted ones alone", "one key", "one key, two types"],
)
def test_deleted_records_go_to_delete_and_win_over_rows_of_their_page(
    rows: list[dict[str, Any]], removed: list[dict[str, Any]]
) -> None:
    (reply,) = Player(feed(), pages((rows, removed))).sync().replies
    keys = {str(float(row["id"])) for row in removed}
    left = [row for row in rows if str(float(row["id"])) not in keys]
    assert reply["insert"] == ({"thing": left} if left else {})
    assert reply.get("delete") == ({"thing": removed} if removed else None)
    assert reply["schema"] == {"thing": {"primary_key": ["id"]}}


@pytest.mark.parametrize(
    ("second", "third", "replies", "alive"),
    [
        (([], [{"id": 1}]), ([at(3)], []), 2, [2, 3]),
        (([], [{"id": 9}]), ([at(9)], []), 2, [1, 2, 9]),
        (([], [{"id": 1.0}]), ([], []), 2, [2]),
        (([], [{"id": "1"}]), ([], []), 2, None),
        (([], [{"id": True}]), ([], []), 1, None),
        (([], [{"id": 1}]), ([at(1)], []), 3, [1, 2]),
        (([], [{"id": 1}, {"id": 2}]), ([at(2)], []), 3, [2]),
        (([at(2)], []), ([], [{"id": 3}]), 1, [1, 2]),
    ],
    ids=str,
)
def test_a_key_never_stands_in_insert_and_delete_of_one_reply(
    second: Any, third: Any, replies: int, alive: list[int] | None
) -> None:
    """The order in which Fivetran applies them is documented nowhere. A column that holds 1 and
    "1" becomes text at the destination: they are one key there."""
    player = Player(feed(), pages(([at(1), at(2)], []), second, third))
    sync = player.sync()
    assert (sync.error, len(sync.replies)) == ("", replies)
    assert alive is None or sorted(player.alive()) == alive


def test_keys_of_several_columns_meet_only_when_all_columns_do() -> None:
    rows = [{"a": 1, "b": 1, "at": iso(-60)}, {"a": 1, "b": 2, "at": iso(-60)}]
    player = Player(feed(primary_key=["a", "b"]), pages((rows, []), ([], [{"a": 2, "b": 1}])))
    assert len(player.sync().replies) == 1


# ---- several tables


def line(order: int, number: int) -> dict[str, int]:
    return {"order_id": order, "line": number}


def orders(page: dict[str, Any]) -> Player:
    """Orders with their lines; a page may fill and delete from both tables."""
    tables = {"order_line": ["order_id", "line"]}
    made = stepping(lambda fetch: Page(**{"rows": [], **page}), "order", tables=tables)
    return Player(made, script({}))


@pytest.mark.parametrize(
    ("page", "insert", "delete"),
    [
        (
            {"rows": [{"id": 1}], "tables": {"order_line": [line(1, 1), line(1, 2)]}},
            {"order": [{"id": 1}], "order_line": [line(1, 1), line(1, 2)]},
            None,
        ),
        (
            {"deleted": {"order": [{"id": 1}], "order_line": [line(1, 1)]}},
            {},
            {"order": [{"id": 1}], "order_line": [line(1, 1)]},
        ),
        (
            {"tables": {"order_line": [line(1, 1)]}, "deleted": {"order_line": [line(1, 1)]}},
            {},
            {"order_line": [line(1, 1)]},
        ),
    ],
)
def test_further_tables_are_filled_and_deleted_from(page: Any, insert: Any, delete: Any) -> None:
    (reply,) = orders(page).sync().replies
    assert (reply["insert"], reply.get("delete")) == (insert, delete)
    assert reply["schema"] == {
        "order": {"primary_key": ["id"]},
        "order_line": {"primary_key": ["order_id", "line"]},
    }


@pytest.mark.parametrize("options", [{"primary_key": []}, {"tables": {"part": []}}])
def test_deleted_without_a_primary_key_is_an_error(options: dict[str, Any]) -> None:
    table = "part" if "tables" in options else "thing"
    made = stepping(lambda fetch: Page([], deleted={table: [{"id": 1}]}), **options)
    error = Player(made, script({})).sync().error
    assert f"'{table}'" in error and "primary_key" in error


# ---- entities that fill one table


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
