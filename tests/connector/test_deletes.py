"""Deleted records: what goes to `delete`, and never beside an insert of the same key."""

import pytest
from connector import Page
from connector.sync.handler import handle
from connector.testing import Reply

from .play import Player, encoded
from .scripted import SECRETS, Upstream, feeding, iso, reading, script, source, stepping

pytestmark = pytest.mark.usefixtures("clock")


def pages(*pages):
    """Pages of (records, deleted records)."""

    def answers(asked):
        page = int(asked.params.get("token", 0))
        rows, gone = pages[page]
        return {"data": rows, "gone": gone, "next": page + 1 if page + 1 < len(pages) else None}

    return Upstream(answers)


def at(key, seconds=-60):
    return {"id": key, "at": iso(seconds)}


@pytest.mark.parametrize(
    ("rows", "gone", "left"),
    [
        ([at(1)], [at(2), {"id": 3}], [at(1)]),
        ([at(1)], [], [at(1)]),
        ([], [at(1)], []),
        ([at(1), at(2), at(1)], [{"id": 1}], [at(2)]),
        ([at(1), at("1", -50), at(2)], [{"id": 1.0}], [at(2)]),
    ],
    ids=["both", "no deleted ones", "deleted ones alone", "one key", "one key, two types"],
)
def test_deleted_records_go_to_delete_and_win_over_rows_of_their_page(rows, gone, left):
    (reply,) = Player(feeding(), pages((rows, gone))).sync().replies
    assert reply["insert"] == ({"thing": left} if left else {})
    assert reply.get("delete") == ({"thing": gone} if gone else None)
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
def test_a_key_never_stands_in_insert_and_delete_of_one_reply(second, third, replies, alive):
    player = Player(feeding(), pages(([at(1), at(2)], []), second, third))
    sync = player.sync()
    assert (sync.error, len(sync.replies)) == ("", replies)
    assert alive is None or sorted(player.alive()) == alive


def test_keys_of_several_columns_meet_only_when_all_columns_do():
    rows = [{"a": 1, "b": 1, "at": iso(-60)}, {"a": 1, "b": 2, "at": iso(-60)}]
    upstream = pages((rows, []), ([], [{"a": 2, "b": 1}]))
    assert len(Player(feeding(primary_key=["a", "b"]), upstream).sync().replies) == 1


@pytest.mark.parametrize(
    ("same", "others"),
    [
        (["1", "1.0", "1.000", '"1"', "1e0", "10E-1", "0.1e1"], ["true", '"1.0"', "-1"]),
        (["0", "-0", "0.0", "-0.0", "0e5", '"0"'], ["7"]),
        (["true", '"true"'], ["1"]),
        (['"a"', '"\\u0061"'], ['"A"']),
        (["1.5", "15e-1", '"1.5"', "1.50"], ["1.6"]),
        (["1" + "0" * 1000, "1e1000", "0.1e1001", "1" + "0" * 1000 + ".0"], ["2" + "0" * 1000]),
        (["9" * 5000, "9" * 5000 + ".0"], ["9" * 5001]),
        (["1e1000000", "10e999999", "1E+1000000"], ["1e1000001"]),
        (["-1e-1000000", "-10e-1000001"], ["1e-1000000"]),
        (["123456789012345678901234567890.1"], ["123456789012345678901234567890.2"]),
        (["1e9999999999999999999", "2e9999999999999999999"], []),  # no Decimal can hold them
    ],
    ids=lambda value: "",
)
def test_a_key_is_the_same_however_it_is_written(same, others):
    """A column that holds 1 and "1" becomes text at the destination: they are one key there."""
    for key in same + others:
        page = f'{{"data": [{{"id": {same[0]}}}], "gone": [{{"id": {key}}}]}}'.encode()
        request = encoded({"state": {}, "secrets": SECRETS})
        _, body = handle(feeding(cursor=None), request, Upstream(lambda asked, page=page: page))
        assert (b'"insert":{}' in body) == (key in same), body[:100]


# ---- several tables

ORDER, LINE = {"id": 1}, {"order_id": 1, "line": 1}


@pytest.mark.parametrize(
    ("page", "insert", "delete"),
    [
        ({"rows": [ORDER], "tables": {"line": [LINE]}}, {"order": [ORDER], "line": [LINE]}, None),
        ({"deleted": {"order": [ORDER], "line": [LINE]}}, {}, {"order": [ORDER], "line": [LINE]}),
        ({"tables": {"line": [LINE]}, "deleted": {"line": [LINE]}}, {}, {"line": [LINE]}),
    ],
)
def test_further_tables_are_filled_and_deleted_from(page, insert, delete):
    tables = {"line": ["order_id", "line"]}
    made = stepping(lambda fetch: Page(**{"rows": [], **page}), "order", tables=tables)
    (reply,) = Player(made, script({})).sync().replies
    assert (reply["insert"], reply.get("delete")) == (insert, delete)
    keys = {"order": {"primary_key": ["id"]}, "line": {"primary_key": ["order_id", "line"]}}
    assert reply["schema"] == keys


@pytest.mark.parametrize(
    ("table", "options"), [("thing", {"primary_key": []}), ("part", {"tables": {"part": []}})]
)
def test_deleted_without_a_primary_key_is_an_error(table, options):
    made = stepping(lambda fetch: Page([], deleted={table: [{"id": 1}]}), **options)
    error = Player(made, script({})).sync().error
    assert f"'{table}'" in error and "primary_key" in error


# ---- entities that fill one table


def feeds(workers=1):
    """Records, a feed that tells which of them were deleted, and something else."""
    made = source(workers=workers)
    reading(made, "item", primary_key=["id"], cursor="at")

    @made.entity("item_deletion", cursor="at", tables={"item": ["id"]})
    def item_deletion(fetch):
        events = fetch.get("/item_deletion", params={"token": fetch.token}).json()
        gone = [{"id": event["item"]} for event in events["data"]]
        return Page(events["data"], events["next"], deleted={"item": gone})

    reading(made, "other", primary_key=["id"])
    return made


class Feeds(Upstream):
    """Two records, the first of which is deleted; the first `failing` requests are refused."""

    def __init__(self, failing=0):
        super().__init__(self.answer)
        self.failing = failing
        self.events = {None: ([{"event": 9, "item": 1, "at": iso(-30)}], None)}

    def answer(self, asked):
        token = asked.params.get("token")
        if asked.path == "/item_deletion":
            return dict(zip(("data", "next"), self.events[token], strict=True))
        if asked.path == "/item" and self.failing:
            self.failing -= 1
            return Reply(json="broken", status=403)
        return {"data": [at(1 if token is None else 2)], "next": "2" if token is None else None}

    def order(self):
        """The entities of the shared table in the order in which they were asked. The deletion
        may be asked twice: where a reply ends before it, it is read again."""
        order = [ask.path[1:] for ask in self.asked if ask.path != "/other"]
        return order[:-1] if order[-2:] == ["item_deletion"] * 2 else order


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("failing", [0, 1, 10])
def test_they_are_read_one_after_the_other_as_declared(failing, workers, packed):
    """A deleted record must not be inserted after it was deleted. Those behind a failed one wait
    for its second try of the sync, and are read when that has failed too."""
    upstream = Feeds(failing)
    player = Player(feeds(workers), upstream)
    sync = player.sync()
    tries = ["item"] * (min(failing, 2) + 2 * (failing < 2))
    assert upstream.order() == [*tries, "item_deletion"]
    assert ("entity item," in sync.error) == (failing > 1) and "item_deletion" not in sync.error
    assert sorted(player.alive("item")) == ([2] if failing < 2 else [])
    assert (sync.deleted("item"), sync.ids("other")) == ([{"id": 1}], [1, 2])
    assert player.state["item_deletion"]["cursor"] == iso(-30)


def test_an_unfinished_walk_goes_on_before_a_new_one_begins(page_by_page):
    """Else the records of a new sync would come before the older deletions."""
    upstream = Feeds()
    upstream.events[None] = (upstream.events[None][0], "b")
    upstream.events["b"] = ([{"event": 10, "item": 3, "at": iso(-20)}], None)
    player = Player(feeds(), upstream)
    player.sync(calls=1)
    while "item_deletion" not in upstream.order():
        player.go_on(calls=1)
    asked = len(upstream.order())
    assert player.sync().error == ""
    assert upstream.order()[asked:] == ["item_deletion", "item", "item"]
    assert upstream.each("token", "/item_deletion") == [None, "b"]
