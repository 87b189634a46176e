"""Deleted records: what goes to `delete`, and what soft_delete reads, marks and delivers."""

import pytest
from connector import Page, RetryLater
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


# ---- soft_delete


DOWN = Reply(json={"error": "maintenance"}, status=403)
BUSY = Reply(json={}, status=429, headers={"Retry-After": "900"})
OFTEN = "may_be_empty"


class Table(Upstream):
    """Pages of two records by offset; `fails(request number, token)` gives what goes wrong."""

    def __init__(self, *ids):
        super().__init__(self._answers)
        self.ids = list(ids)
        self.fails = lambda number, token: None

    def _answers(self, asked):
        first = int(asked.params.get("token", 0))
        rows = [{"id": i} for i in self.ids[first : first + 2]]
        page = {"data": rows, "next": first + 2 if first + 2 < len(self.ids) else None}
        return self.fails(len(self.asked), first) or page


def played(table, had, *names, how=True):
    """A player of entities that are read whole; the last reading had so many rows."""
    made = source()
    for name in names or ("thing",):
        reading(made, name, primary_key=["id"], soft_delete=how)
    player = Player(made, table, state={"thing": {"rows": had}})
    player.tables["thing"] = {(i,): {"id": i} for i in range(1, 9)}
    return player


def marks(sync):
    """The tables that each reply marks."""
    return [sorted(reply.get("softDelete", [])) for reply in sync.replies]


def test_the_mark_comes_first_and_the_rows_in_the_replies_after_it():
    """Everything is read each time; the state at rest says how many rows that was."""
    table = Table(1, 2, 3)
    player = played(table, 8)
    for _ in range(2):
        sync = player.sync()
        assert (marks(sync), sync.ids()) == ([["thing"], []], [1, 2, 3])
        assert sync.replies[0]["insert"] == {}
        assert player.state == {"thing": {"rows": 3}}
        assert sorted(player.alive()) == [1, 2, 3]
    assert set(table.each("since")) == {None}


def test_several_entities_are_marked_together_and_others_deliver_beside_them():
    player = played(Table(1), 0, "a", "b")
    reading(player.source, "c", primary_key=["id"])
    sync = player.sync()
    assert (sync.error, marks(sync)) == ("", [["a", "b"], []])
    assert [sync.ids(name) for name in "abc"] == [[1], [1], [1]]


@pytest.mark.parametrize("at", [0, 2, 6])
def test_a_broken_upstream_is_found_before_anything_is_marked(at):
    table = Table(*range(1, 9))
    player = played(table, 8)
    table.fails = lambda number, token: DOWN if token == at else None
    sync = player.sync()
    assert "maintenance" in sync.error and "marked" not in sync.error
    assert (any(marks(sync)), len(player.alive())) == (False, 8)


# ---- how much is read before the mark


def timed(clock, pages, seconds, asked):
    """An entity whose pages hold these ids and take so many seconds each."""

    def step(fetch):
        clock.advance(seconds)
        page = fetch.token or 0
        asked.append(page)
        more = page + 1 if page + 1 < len(pages) else None
        return Page([{"id": i} for i in pages[page]], more)

    return stepping(step, soft_delete=True)


@pytest.mark.parametrize("budget", [1, 2**20])
@pytest.mark.parametrize(
    ("pages", "seconds", "rehearsed"),
    [
        ([[i] for i in range(10)], 40, 3),
        ([*[[]] * 19, [7]], 20, 20),
        ([*[[]] * 3, [7], *[[]] * 16], 20, 7),
    ],
    ids=["one call", "quiet parents first", "quiet parents last"],
)
def test_as_much_as_a_call_takes_and_on_until_a_record_has_come_is_read_before_the_mark(
    clock, monkeypatch, pages, seconds, rehearsed, budget
):
    """A longer reading could never be rehearsed whole; bytes that are not delivered cost none."""
    monkeypatch.setenv("CONNECTOR_CALL_BYTES", str(budget))
    asked = []
    player = Player(timed(clock, pages, seconds, asked), script({}), state={"thing": {"rows": 1}})
    sync = player.sync()
    assert (sync.error, sum(map(len, marks(sync)))) == ("", 1)
    assert asked == [*range(rehearsed), *range(len(pages))]
    assert sorted(player.alive()) == [each for page in pages for each in page]


def test_an_export_job_whose_first_page_never_has_records_marks_and_delivers():
    polls = [0]

    def step(fetch):
        if fetch.token is None:
            polls[0] = 0
            return Page([], "job-1")
        polls[0] += 1
        if polls[0] < 3:
            raise RetryLater(60, "the export is running")
        return Page([{"id": 1}, {"id": 2}])

    player = Player(stepping(step, soft_delete=True), script({}))
    for _ in range(2):
        sync = player.sync()
        assert (sync.error, sync.ids(), marks(sync)[-2:]) == ("", [1, 2], [["thing"], []])


# ---- an upstream that has nothing


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize(
    ("had", "how", "fails"),
    [(0, True, False), (3, True, True), (0, OFTEN, False), (3, OFTEN, False)],
)
def test_an_empty_list_marks_nothing_unless_it_may_be_empty(had, how, fails, quiet, clock):
    """Where there were some, the count stays and it is an error. Quiet parents take longer than a
    call, and then there is nothing at all."""
    player = played(Table(), had, how=how)
    if quiet:

        def answers(asked):
            clock.advance(20)
            page = int(asked.params.get("token", 0))
            return {"data": [], "next": page + 1 if page < 19 else None}

        player.upstream = Upstream(answers)
    for _ in range(2):
        sync = player.sync()
        texts = ("entity thing", "no records", "had 3", 'soft_delete="may_be_empty"')
        assert [text in sync.error for text in texts] == [fails] * 4
        assert (player.alive() == {}) == (how == OFTEN)
        assert player.state["thing"] == {"rows": had if fails else 0}
    player.upstream = Table(1, 2, 3)
    assert (player.sync().error, sorted(player.alive())) == ("", [1, 2, 3])


# ---- what stops a walk after its mark


@pytest.mark.parametrize("had", [0, 3])
def test_an_empty_list_between_the_rehearsal_and_the_reading_is_an_error_too(had):
    """Everything is marked by then, and the error says so."""
    table = Table(1, 2, 3)
    player = played(table, had)
    table.fails = lambda number, token: {"data": []} if number > 2 else None
    sync = player.sync()
    assert "no records" in sync.error and "marked as deleted" in sync.error
    table.fails = lambda number, token: None
    assert player.sync().error == ""
    assert sorted(player.alive()) == [1, 2, 3]


def test_a_wait_after_the_mark_must_not_look_complete(clock, page_by_page):
    """The table is marked and has two of its six rows: a sync that ends so has to say it."""
    table = Table(1, 2, 3, 4, 5, 6)
    table.fails = lambda number, token: BUSY if number > 4 and token == 2 else None
    player = played(table, 6)
    sync = player.sync()
    assert len(player.alive()) == 2
    assert "thing is not complete yet: the upstream asked to wait" in sync.error
    clock.advance(901)
    table.fails = lambda number, token: None
    assert player.sync().error == ""
    assert sorted(player.alive()) == [1, 2, 3, 4, 5, 6]
