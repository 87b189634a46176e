"""Deleted records: what goes to `delete`, and what soft_delete reads, marks and delivers."""

import pytest
from connector import Page
from connector.sync.handler import handle
from connector.testing import Reply

from .play import Player, encoded
from .scripted import SECRETS, Upstream, feeding, iso, reading, script, source, stepping

pytestmark = pytest.mark.usefixtures("clock")


def at(key):
    return {"id": key, "at": iso(-60)}


def gone(*keys):
    return [{"id": key} for key in keys]


TWO = ([at(1), at(2)], [])
# Pages of (records, deleted records), and the keys in `insert` and `delete` of each reply.
PAGES = [
    ([([at(1)], [at(2), {"id": 3}])], [([1], [2, 3])]),
    ([([at(1)], [])], [([1], [])]),
    ([([], [at(1)])], [([], [1])]),
    # Deleted ones win over the rows of their page.
    ([([at(1), at(2), at(1)], gone(1))], [([2], [1])]),
    ([([at(1), at("1"), at(2)], gone(1.0))], [([2], [1])]),
    # A reply ends before the page that would put a key in both.
    ([TWO, ([], gone(1)), ([at(3)], [])], [([1, 2], []), ([3], [1])]),
    ([TWO, ([], gone(9)), ([at(9)], [])], [([1, 2], [9]), ([9], [])]),
    ([TWO, ([], gone("1"))], [([1, 2], []), ([], ["1"])]),
    ([TWO, ([], gone(True))], [([1, 2], [True])]),
    ([TWO, ([], gone(1)), ([at(1)], [])], [([1, 2], []), ([], [1]), ([1], [])]),
    ([TWO, ([at(2)], []), ([], gone(3))], [([1, 2, 2], [3])]),
]


@pytest.mark.parametrize(("pages", "replies"), PAGES, ids=str)
def test_deleted_records_go_to_delete_and_no_key_is_in_both_parts_of_a_reply(pages, replies):
    def answers(asked):
        page = int(asked.params.get("token", 0))
        more = page + 1 if page + 1 < len(pages) else None
        return {"data": pages[page][0], "gone": pages[page][1], "next": more}

    found = []
    for reply in Player(feeding(), Upstream(answers)).sync().replies:
        assert reply["schema"] == {"thing": {"primary_key": ["id"]}}
        parts = reply["insert"], reply.get("delete", {})
        found.append(tuple([row["id"] for row in part.get("thing", ())] for part in parts))
        assert all(part["thing"] for part in parts if part) and reply.get("delete") != {}
    assert found == replies


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

ORDER, LINE, OTHER = {"id": 1}, {"order_id": 1, "line": 1}, {"order_id": 2, "line": 1}


@pytest.mark.parametrize(
    ("page", "insert", "delete"),
    [
        ({"rows": [ORDER], "tables": {"line": [LINE]}}, {"order": [ORDER], "line": [LINE]}, None),
        ({"deleted": {"order": [ORDER], "line": [LINE]}}, {}, {"order": [ORDER], "line": [LINE]}),
        ({"tables": {"line": [LINE]}, "deleted": {"line": [LINE]}}, {}, {"line": [LINE]}),
        # Keys of several columns are one only when all of them are the same.
        (
            {"tables": {"line": [LINE]}, "deleted": {"line": [OTHER]}},
            {"line": [LINE]},
            {"line": [OTHER]},
        ),
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

EVENT = {"event": 9, "item": 1, "at": iso(-30)}
FEEDS = {
    ("/item", None): ([at(1)], "2"),
    ("/item", "2"): ([at(2)], None),
    ("/other", None): ([at(1)], None),
    ("/deletion", None): ([EVENT], None),
}


def feeds(workers=1, failing=0, feeds=FEEDS):
    """Records, a feed that names the deleted ones, and something else. The first requests for
    records are refused, as many as `failing`."""
    refusals = [Reply(json="broken", status=403)] * failing
    made = source(workers=workers)
    reading(made, "item", primary_key=["id"], cursor="at")

    @made.entity("deletion", cursor="at", tables={"item": ["id"]})
    def deletion(fetch):
        events = fetch.get("/deletion", params={"token": fetch.token}).json()
        ids = gone(*(event["item"] for event in events["data"]))
        return Page(events["data"], events["next"], deleted={"item": ids})

    reading(made, "other", primary_key=["id"])

    def answers(asked):
        if asked.path == "/item" and refusals:
            return refusals.pop()
        rows, token = feeds[asked.path, asked.params.get("token")]
        return {"data": rows, "next": token}

    return Player(made, Upstream(answers))


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("failing", [0, 1, 10])
def test_they_are_read_one_after_the_other_as_declared(failing, workers, packed):
    """A deleted record must not be inserted after it was deleted. Those behind a failed one wait
    for its second try of the sync, and are read when that has failed too."""
    player = feeds(workers, failing)
    sync = player.sync()
    order = [ask.path for ask in player.upstream.asked if ask.path != "/other"]
    if order[-2:] == ["/deletion"] * 2:  # where a reply ended before it, it is read again
        order.pop()
    tries = ["/item"] * (min(failing, 2) + 2 * (failing < 2))
    assert order == [*tries, "/deletion"]
    assert ("entity item," in sync.error) == (failing > 1) and "deletion" not in sync.error
    assert sorted(player.alive("item")) == ([2] if failing < 2 else [])
    assert (sync.deleted("item"), sync.ids("other")) == ([{"id": 1}], [1])
    assert player.state["deletion"]["cursor"] == iso(-30)


def test_an_unfinished_walk_goes_on_before_a_new_one_begins(page_by_page):
    """Else the records of a new sync would come before the older deletions."""
    later = {"event": 10, "item": 3, "at": iso(-20)}
    more = {("/deletion", None): ([EVENT], "b"), ("/deletion", "b"): ([later], None)}
    player = feeds(feeds=FEEDS | more)
    player.sync(calls=1)
    while not player.upstream.count("/deletion"):
        player.go_on(calls=1)
    asked = len(player.upstream.asked)
    assert player.sync().error == ""
    paths = [ask.path for ask in player.upstream.asked[asked:] if ask.path != "/other"]
    assert paths == ["/deletion", "/item", "/item"]
    assert player.upstream.each("token", "/deletion") == [None, "b"]


# ---- soft_delete


DOWN = Reply(json={"error": "maintenance"}, status=403)
BUSY = Reply(json={}, status=429, headers={"Retry-After": "900"})
OFTEN = "may_be_empty"


def listing(*ids, fails=lambda number, token: None):
    """Pages of two records by offset; `fails(request number, token)` gives what goes wrong."""

    def answers(asked):
        first = int(asked.params.get("token", 0))
        more = first + 2 if first + 2 < len(ids) else None
        wrong = fails(len(upstream.asked), first)
        return wrong or {"data": gone(*ids[first : first + 2]), "next": more}

    upstream = Upstream(answers)
    return upstream


def played(upstream, had, *names, how=True):
    """A player of entities that are read whole; the last reading had so many rows."""
    made = source()
    for name in names or ("thing",):
        reading(made, name, primary_key=["id"], soft_delete=how)
    player = Player(made, upstream, state={"thing": {"rows": had}})
    player.tables["thing"] = {(i,): {"id": i} for i in range(1, 9)}
    return player


def marks(sync):
    """The tables that each reply marks."""
    return [sorted(reply.get("softDelete", [])) for reply in sync.replies]


def test_the_mark_comes_first_and_the_rows_in_the_replies_after_it():
    """Everything is read each time; the state at rest says how many rows that was."""
    player = played(listing(1, 2, 3), 8)
    for _ in range(2):
        sync = player.sync()
        assert (marks(sync), sync.ids()) == ([["thing"], []], [1, 2, 3])
        assert player.state == {"thing": {"rows": 3}}
        assert sorted(player.alive()) == [1, 2, 3]
    assert set(player.upstream.each("since")) == {None}


def test_several_entities_are_marked_together_and_others_deliver_beside_them():
    player = played(listing(1), 0, "a", "b")
    reading(player.source, "c", primary_key=["id"])
    sync = player.sync()
    assert (sync.error, marks(sync)) == ("", [["a", "b"], []])
    assert [sync.ids(name) for name in "abc"] == [[1], [1], [1]]


@pytest.mark.parametrize("at", [0, 2, 6])
def test_a_broken_upstream_is_found_before_anything_is_marked(at):
    upstream = listing(*range(1, 9), fails=lambda _, token: DOWN if token == at else None)
    player = played(upstream, 8)
    sync = player.sync()
    assert "maintenance" in sync.error and "marked" not in sync.error
    assert (any(marks(sync)), len(player.alive())) == (False, 8)


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

    def step(fetch):
        clock.advance(seconds)
        page = fetch.token or 0
        asked.append(page)
        return Page(gone(*pages[page]), page + 1 if page + 1 < len(pages) else None)

    state = {"thing": {"rows": 1}}
    player = Player(stepping(step, soft_delete=True), script({}), state=state)
    sync = player.sync()
    assert (sync.error, sum(map(len, marks(sync)))) == ("", 1)
    assert asked == [*range(rehearsed), *range(len(pages))]
    assert sorted(player.alive()) == [each for page in pages for each in page]


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize(
    ("had", "how", "fails"),
    [(0, True, False), (3, True, True), (0, OFTEN, False), (3, OFTEN, False)],
)
def test_an_empty_list_marks_nothing_unless_it_may_be_empty(had, how, fails, quiet, clock):
    """Where there were some, the count stays and it is an error. Quiet parents take longer than a
    call, and then there is nothing at all."""

    def parents(asked):
        clock.advance(20)
        page = int(asked.params.get("token", 0))
        return {"data": [], "next": page + 1 if page < 19 else None}

    player = played(Upstream(parents) if quiet else listing(), had, how=how)
    for _ in range(2):
        sync = player.sync()
        texts = ("entity thing", "no records", "had 3", 'soft_delete="may_be_empty"')
        assert [text in sync.error for text in texts] == [fails] * 4
        assert (player.alive() == {}) == (how == OFTEN)
        assert player.state["thing"] == {"rows": had if fails else 0}
    player.upstream = listing(1, 2, 3)
    assert (player.sync().error, sorted(player.alive())) == ("", [1, 2, 3])


def test_an_empty_list_is_an_error_where_a_cursor_was_committed():
    """It was read without soft_delete before, so there were some records."""
    player = played(listing(), 0)
    player.state = {"thing": iso(-60)}
    for _ in range(2):
        assert "no records, but the last reading had some" in player.sync().error
        assert player.state["thing"] == iso(-60) and len(player.alive()) == 8
    player.upstream = listing(2)
    assert (player.sync().error, list(player.alive())) == ("", [2])


@pytest.mark.parametrize("had", [0, 6])
@pytest.mark.parametrize(
    ("fails", "left", "texts"),
    [
        (lambda number, _: {"data": []} if number > 3 else None, 0, ("no records", "marked as")),
        (
            lambda number, _: BUSY if number > 4 else None,
            2,
            ("thing is not complete yet: the upstream asked to wait",),
        ),
    ],
    ids=["empty", "wait"],
)
def test_a_walk_that_stops_after_its_mark_says_so(had, fails, left, texts, clock, page_by_page):
    """All is marked and only a part has come again: such a sync must not look complete."""
    player = played(listing(*range(1, 7), fails=fails), had)
    sync = player.sync()
    assert len(player.alive()) == left
    assert all(text in sync.error for text in texts), sync.error
    clock.advance(901)
    player.upstream = listing(*range(1, 7))
    assert (player.sync().error, sorted(player.alive())) == ("", [1, 2, 3, 4, 5, 6])
