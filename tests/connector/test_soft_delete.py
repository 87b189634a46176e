"""soft_delete: read before anything is marked, marks in a reply of their own, then the rows."""

import pytest
from connector import Page, RetryLater
from connector.testing import Reply

from .play import Player
from .scripted import Upstream, reading, script, source, stepping

pytestmark = pytest.mark.usefixtures("clock")

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
def test_an_empty_list_where_the_last_reading_had_records_marks_nothing(
    had, how, fails, quiet, clock
):
    """It leaves the count, too, and is an error, unless the declaration allows it. Quiet parents
    take longer than a call, and then there is nothing at all."""
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
        assert (player.alive() == {}) == (not fails)
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
