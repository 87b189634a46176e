"""Deleted records: what goes to `delete`, and never beside an insert of the same key."""

import threading
from typing import Any

import pytest
from connector import Fetch, Page, Source

from .play import Player
from .scripted import Asked, Upstream, iso, reading, script, source

pytestmark = pytest.mark.usefixtures("clock")


def feed(**options: Any) -> Source:
    """An entity whose pages tell which records were deleted."""
    made = source()

    @made.entity("thing", **{"primary_key": ["id"], "cursor": "at", **options})
    def thing(fetch: Fetch) -> Page:
        response = fetch.get("/thing", params={"since": fetch.since, "token": fetch.token})
        return Page(
            response.rows("data"),
            response.value("next", default=None),
            deleted=response.rows("gone"),
        )

    return made


def pages(*pages: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> Upstream:
    """Pages of (records, deleted records)."""

    def answers(asked: Asked) -> Any:
        page = int(asked.params.get("token", 0))
        rows, gone = pages[page]
        return {"data": rows, "gone": gone, "next": page + 1 if page + 1 < len(pages) else None}

    return Upstream(answers)


def at(key: Any, seconds: float = -60) -> dict[str, Any]:
    return {"id": key, "at": iso(seconds)}


def test_deleted_records_go_to_delete_beside_the_schema() -> None:
    sync = Player(feed(), pages(([at(1)], [at(2), {"id": 3}]))).sync()
    (reply,) = sync.replies
    assert reply["insert"] == {"thing": [at(1)]}
    assert reply["delete"] == {"thing": [at(2), {"id": 3}]}
    assert reply["schema"] == {"thing": {"primary_key": ["id"]}}


def test_a_reply_without_deleted_records_has_no_delete() -> None:
    (reply,) = Player(feed(), pages(([at(1)], []))).sync().replies
    assert "delete" not in reply


def test_a_page_of_deleted_records_alone_is_not_empty() -> None:
    (reply,) = Player(feed(), pages(([], [at(1)]))).sync().replies
    assert reply["delete"] == {"thing": [at(1)]}


def test_an_event_feed_whose_page_updates_and_deletes_one_key_deletes_it() -> None:
    player = Player(feed(), pages(([at(1), at(2), at(1)], [{"id": 1}])))
    sync = player.sync()
    assert sync.ids() == [2]
    assert sync.deleted() == [{"id": 1}]
    assert sorted(player.alive()) == [2]


def test_a_key_updated_on_one_page_and_deleted_on_the_next_never_meets_itself() -> None:
    """The player refuses a reply with one key in both; the order inside one is not documented."""
    player = Player(feed(), pages(([at(1), at(2)], []), ([], [{"id": 1}]), ([at(3)], [])))
    sync = player.sync()
    assert (sync.error, len(sync.replies)) == ("", 2)
    assert sorted(player.alive()) == [2, 3]


def test_a_key_deleted_on_one_page_and_inserted_on_the_next_comes_back() -> None:
    player = Player(feed(), pages(([], [{"id": 1}]), ([at(1)], [])))
    sync = player.sync()
    assert (sync.error, len(sync.replies)) == ("", 2)
    assert sorted(player.alive()) == [1]


@pytest.mark.parametrize("other", [1.0, "1", True, None])
def test_a_key_is_the_same_however_it_is_written(other: Any) -> None:
    """A column that holds 1 and "1" becomes text at the destination; they are one key there."""
    gone = {"id": other} if other is not None else {"id": 1}
    player = Player(feed(), pages(([at(1)], []), ([], [gone])))
    sync = player.sync()
    assert sync.error == ""
    assert len(sync.replies) == (1 if other is True else 2)


def test_keys_of_several_columns_meet_only_when_all_columns_do() -> None:
    rows = [{"a": 1, "b": 1, "at": iso(-60)}, {"a": 1, "b": 2, "at": iso(-60)}]
    player = Player(feed(primary_key=["a", "b"]), pages((rows, []), ([], [{"a": 2, "b": 1}])))
    assert len(player.sync().replies) == 1


def test_later_pages_wait_for_their_turn_when_a_reply_ends_early() -> None:
    """A feed that updates and deletes the same key again and again, page by page."""
    feeds = [([at(1, -90 + i)], []) if i % 2 == 0 else ([], [at(1, -90 + i)]) for i in range(7)]
    player = Player(feed(), pages(*feeds))
    sync = player.sync()
    assert (sync.error, len(sync.replies)) == ("", 7)
    assert player.alive() == {1: at(1, -84)}


def test_deleted_without_a_primary_key_is_an_error() -> None:
    sync = Player(feed(primary_key=[]), pages(([], [{"id": 1}]))).sync()
    assert "'thing' has no primary_key" in sync.error


def test_a_deleted_record_without_its_key_is_an_error() -> None:
    sync = Player(feed(), pages(([], [{"id": 1}, {"key": 2}]))).sync()
    for said in ("primary key 'id'", "entity thing", "page 1", "record 1"):
        assert said in sync.error


# ---- several tables


def orders(**options: Any) -> Source:
    """Orders with their lines; a page may delete from both tables."""
    made = source()

    @made.entity(
        "order", primary_key=["id"], tables={"order_line": ["order_id", "line"]}, **options
    )
    def order(fetch: Fetch) -> Page:
        body = fetch.get("/orders", params={"token": fetch.token}).json()
        return Page(
            body.get("rows", []),
            body.get("next"),
            deleted=body.get("deleted", ()),
            tables=body.get("tables"),
        )

    return made


def line(order: int, number: int) -> dict[str, int]:
    return {"order_id": order, "line": number}


def test_further_tables_are_filled_and_stand_in_the_schema() -> None:
    said = {"rows": [{"id": 1}], "tables": {"order_line": [line(1, 1), line(1, 2)]}}
    (reply,) = Player(orders(), Upstream(lambda asked: said)).sync().replies
    assert reply["insert"] == {"order": [{"id": 1}], "order_line": [line(1, 1), line(1, 2)]}
    assert reply["schema"] == {
        "order": {"primary_key": ["id"]},
        "order_line": {"primary_key": ["order_id", "line"]},
    }


def test_deleted_may_name_several_declared_tables() -> None:
    said = {"deleted": {"order": [{"id": 1}], "order_line": [line(1, 1)]}}
    (reply,) = Player(orders(), Upstream(lambda asked: said)).sync().replies
    assert reply["delete"] == {"order": [{"id": 1}], "order_line": [line(1, 1)]}
    assert reply["insert"] == {}


def test_deleted_wins_over_rows_of_further_tables_too() -> None:
    said = {
        "tables": {"order_line": [line(1, 1), line(1, 2)]},
        "deleted": {"order_line": [line(1, 1)]},
    }
    (reply,) = Player(orders(), Upstream(lambda asked: said)).sync().replies
    assert reply["insert"] == {"order_line": [line(1, 2)]}
    assert reply["delete"] == {"order_line": [line(1, 1)]}


@pytest.mark.parametrize(
    "said",
    [
        {"tables": {"invoice": [{"id": 1}]}},
        {"deleted": {"invoice": [{"id": 1}]}},
        {"tables": {"order": [{"id": 1}]}},
    ],
)
def test_a_table_that_was_not_declared_is_an_error_that_says_how_to_declare_it(
    said: dict[str, Any],
) -> None:
    sync = Player(orders(), Upstream(lambda asked: said)).sync()
    table = next(iter(next(iter(said.values()))))
    assert f"'{table}'" in sync.error and "tables=" in sync.error and "entity order" in sync.error
    assert sync.replies == []


def test_a_delete_feed_and_a_record_feed_for_one_table() -> None:
    """Read one after the other, as declared: a deleted record must not be inserted after it."""
    made = source(workers=4)
    reading(made, "order", primary_key=["id"], cursor="at")

    @made.entity("order_deletion", primary_key=["event"], cursor="at", tables={"order": ["id"]})
    def order_deletion(fetch: Fetch) -> Page:
        events = fetch.get("/deletions", params={"since": fetch.since}).json()["data"]
        return Page(events, deleted={"order": [{"id": event["order"]} for event in events]})

    begun = threading.Event()

    def answers(asked: Asked) -> Any:
        if asked.path == "/deletions":
            begun.set()
            return {"data": [{"event": 9, "order": 1, "at": iso(-30)}]}
        begun.wait(0.2)
        token = asked.params.get("token")
        return {"data": [at(2)]} if token else {"data": [at(1)], "next": "b"}

    upstream = Upstream(answers)
    player = Player(made, upstream)
    sync = player.sync()
    assert [ask.path for ask in upstream.asked][:3] == ["/order", "/order", "/deletions"]
    assert (sync.error, sync.ids("order"), sync.deleted("order")) == ("", [1, 2], [{"id": 1}])
    assert sorted(player.alive("order")) == [2]
    assert player.state == {"order": iso(-60), "order_deletion": iso(-30)}


def test_feeds_of_one_table_in_one_call_end_the_reply_where_a_key_meets_itself() -> None:
    made = source(workers=4)
    reading(made, "order", primary_key=["id"], cursor="at")

    @made.entity("order_deletion", cursor="at", tables={"order": ["id"]})
    def order_deletion(fetch: Fetch) -> Page:
        events = fetch.get("/deletions").json()["data"]
        return Page([], deleted={"order": [{"id": event["order"]} for event in events]})

    def answers(asked: Asked) -> Any:
        return {"data": [{"order": 1, "at": iso(-30)}] if asked.path == "/deletions" else [at(1)]}

    player = Player(made, Upstream(answers))
    sync = player.sync()
    assert (sync.error, len(sync.replies)) == ("", 2)
    assert player.alive("order") == {}


def test_the_last_version_of_a_key_within_one_reply_wins() -> None:
    rows = {None: ([at(1, -90)], "b"), "b": [at(1, -60), {**at(1, -50), "last": True}]}
    made = source()
    reading(made, primary_key=["id"], cursor="at")
    player = Player(made, script(rows))
    player.sync()
    assert player.alive()[1]["last"]
