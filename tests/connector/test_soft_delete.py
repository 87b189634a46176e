"""soft_delete: read before anything is marked, marks in a reply of their own, then the rows."""

from typing import Any

import pytest
from connector import Fetch, Page, Source
from connector.testing import HeldClock, Reply

from .play import Player
from .scripted import Asked, Upstream, reading, source

pytestmark = pytest.mark.usefixtures("clock")

DOWN = Reply(json={"error": "maintenance"}, status=403)


def soft(*names: str, how: bool | str = True, **options: Any) -> Source:
    """Entities that are read whole each time."""
    made = source(**options)
    for name in names:
        reading(made, name, primary_key=["id"], soft_delete=how)
    return made


class Table(Upstream):
    """Pages of two records by offset; `fails(request number, token)` gives what goes wrong."""

    def __init__(self, *ids: int) -> None:
        super().__init__(self._answers)
        self.ids = list(ids)
        self.fails: Any = lambda number, token: None

    def _answers(self, asked: Asked) -> Any:
        first = int(asked.params.get("token", 0))
        failure = self.fails(len(self.asked), first)
        if failure is not None:
            return failure
        rows = [{"id": i} for i in sorted(self.ids)[first : first + 2]]
        return {"data": rows, "next": first + 2 if first + 2 < len(self.ids) else None}


def marks(replies: list[dict[str, Any]]) -> list[list[str]]:
    return [reply.get("softDelete", []) for reply in replies]


def test_the_mark_comes_first_and_the_rows_in_the_replies_after_it() -> None:
    sync = Player(soft("thing"), Table(1, 2, 3)).sync()
    assert marks(sync.replies) == [["thing"], []]
    assert sync.replies[0]["insert"] == {}
    assert sync.ids() == [1, 2, 3]


def test_what_the_upstream_no_longer_has_is_deleted_at_the_destination() -> None:
    table = Table(1, 2, 3)
    player = Player(soft("thing"), table)
    player.sync()
    table.ids = [1, 3, 4]
    player.sync()
    assert sorted(player.alive()) == [1, 3, 4]


def test_the_state_at_rest_says_how_many_rows_the_last_reading_had() -> None:
    player = Player(soft("thing"), Table(1, 2, 3))
    player.sync()
    assert player.state == {"thing": {"rows": 3}}


def test_everything_is_read_each_time() -> None:
    table = Table(1, 2, 3)
    player = Player(soft("thing"), table)
    assert [player.sync().ids() for _ in range(3)] == [[1, 2, 3]] * 3
    assert set(table.each("since")) == {None}


def test_several_entities_are_marked_together() -> None:
    sync = Player(soft("a", "b"), Table(1)).sync()
    assert sorted(marks(sync.replies)[0]) == ["a", "b"]
    assert (sync.ids("a"), sync.ids("b")) == ([1], [1])


def test_other_entities_may_deliver_beside_a_mark() -> None:
    made = soft("a")
    reading(made, "b", primary_key=["id"])
    sync = Player(made, Table(1)).sync()
    assert (sync.error, sync.ids("a"), sync.ids("b")) == ("", [1], [1])


def test_a_broken_upstream_is_found_before_anything_is_marked() -> None:
    table = Table(*range(9))
    player = Player(soft("thing"), table)
    player.sync()
    table.fails = lambda number, token: DOWN if token == 6 else None
    sync = player.sync()
    assert "maintenance" in sync.error and sync.replies == []
    assert "marked" not in sync.error
    assert len(player.alive()) == 9


def test_an_upstream_that_answers_an_empty_list_once_marks_nothing() -> None:
    table = Table(1, 2, 3)
    player = Player(soft("thing"), table)
    player.sync()
    ids, table.ids = table.ids, []
    sync = player.sync()
    for said in ("first page is empty", "3 records", 'soft_delete="may_be_empty"', "entity thing"):
        assert said in sync.error
    assert sync.replies == []
    assert sorted(player.alive()) == [1, 2, 3]
    table.ids = ids
    assert player.sync().error == ""
    assert sorted(player.alive()) == [1, 2, 3]


def test_an_empty_list_between_the_first_reading_and_the_second_is_an_error_too() -> None:
    """Everything is marked by then, and says so."""
    table = Table(1, 2, 3)
    player = Player(soft("thing"), table)
    player.sync()
    before = len(table.asked)
    table.fails = lambda number, token: {"data": []} if number == before + 3 else None
    sync = player.sync(calls=2)
    assert "first page is empty" in sync.error and "marked as deleted" in sync.error
    assert player.go_on().error == ""
    assert sorted(player.alive()) == [1, 2, 3]


def test_an_upstream_that_has_none_and_had_none_is_no_error() -> None:
    player = Player(soft("thing"), Table())
    assert [player.sync().error for _ in range(2)] == ["", ""]


def test_may_be_empty_marks_everything_when_the_upstream_has_none() -> None:
    table = Table(1, 2, 3)
    player = Player(soft("thing", how="may_be_empty"), table)
    player.sync()
    table.ids = []
    assert player.sync().error == ""
    assert player.alive() == {}
    assert player.state == {"thing": {"rows": 0}}


def test_an_upstream_that_breaks_half_way_for_two_days(
    clock: HeldClock, page_by_page: None
) -> None:
    """The table is marked once; each sync says that it is; when the upstream is back, the walk
    goes on from its token and nothing is missing."""
    table = Table(*range(10))
    player = Player(soft("thing"), table)
    player.sync()
    healthy = len(table.asked)
    table.fails = lambda number, token: DOWN if token == 4 and number > healthy + 5 else None
    marked = 0
    for _ in range(8):
        sync = player.sync()
        marked += sum(map(len, marks(sync.replies)))
        assert "maintenance" in sync.error
        assert "the table thing is marked as deleted until this walk is through" in sync.error
        clock.advance(6 * 3600)
    assert marked == 1
    assert sorted(player.alive()) == [0, 1, 2, 3]
    table.fails = lambda number, token: None
    assert player.sync().ids() == [4, 5, 6, 7, 8, 9]
    assert sorted(player.alive()) == list(range(10))
    assert player.state == {"thing": {"rows": 10}}


def test_an_exception_of_the_step_after_the_mark_says_that_the_table_is_marked(
    page_by_page: None,
) -> None:
    made, broken = source(), [False]

    @made.entity("thing", primary_key=["id"], soft_delete=True)
    def thing(fetch: Fetch) -> Page:
        if fetch.token and broken[0]:
            raise KeyError("colour")
        return Page([{"id": fetch.token or 1}], None if fetch.token else 2)

    player = Player(made, Table())
    player.sync(calls=2)
    broken[0] = True
    sync = player.go_on()
    assert "KeyError" in sync.error
    assert "marked as deleted" in sync.error


def test_a_reading_longer_than_one_call_is_marked_after_one_calls_worth(
    clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as the budget goes: a longer reading could never be tried whole."""
    table = Table(*range(20))
    answers = table.answers

    def slow(asked: Asked) -> Any:
        clock.advance(40)
        return answers(asked)

    table.answers = slow
    player = Player(soft("thing"), table)
    sync = player.sync()
    assert (sync.error, marks(sync.replies)[0]) == ("", ["thing"])
    assert len(table.asked) == 3 + 10
    assert sorted(player.alive()) == list(range(20))


def test_an_expired_token_after_the_mark_does_not_mark_again(page_by_page: None) -> None:
    table = Table(*range(6))
    player = Player(soft("thing"), table)
    player.sync()
    expired = [Reply(json={}, status=410)]
    start = len(table.asked)
    table.fails = lambda number, token: (
        expired.pop() if token and number > start + 4 and expired else None
    )
    sync = player.sync()
    assert (sync.error, sum(map(len, marks(sync.replies)))) == ("", 1)
    assert sorted(player.alive()) == list(range(6))


@pytest.mark.parametrize("options", [{"primary_key": []}, {"cursor": "at"}])
def test_soft_delete_needs_a_primary_key_and_goes_without_a_cursor(
    options: dict[str, Any],
) -> None:
    with pytest.raises(ValueError, match="soft_delete"):
        reading(source(), **{"primary_key": ["id"], "soft_delete": True, **options})


def paused(table: Table, clock: HeldClock, *seconds: float) -> Player:
    """A player whose table is marked and has its first page when the upstream asks to wait."""
    table.fails = lambda number, token: (
        Reply(json={}, status=429, headers={"Retry-After": str(seconds[0])})
        if number > 4 and token == 2
        else None
    )
    return Player(soft("thing"), table, state={"thing": {"rows": 6}})


def test_a_wait_after_the_mark_must_not_look_complete(clock: HeldClock, page_by_page: None) -> None:
    """The table is marked and has two of its six rows: a sync that ends so has to say it."""
    player = paused(Table(1, 2, 3, 4, 5, 6), clock, 900)
    sync = player.sync()
    assert len(player.alive()) == 2
    assert "the reading of thing is not through: the upstream asked to wait" in sync.error
    clock.advance(901)
    player.upstream.fails = lambda number, token: None
    assert player.sync().error == ""
    assert sorted(player.alive()) == [1, 2, 3, 4, 5, 6]


def test_quiet_pages_after_the_mark_must_not_look_complete(
    clock: HeldClock, page_by_page: None
) -> None:
    """Nine replies in a row without a row, and a table that is marked."""
    made, rows = source(), [[1], *[[]] * 120, [2]]

    @made.entity("thing", primary_key=["id"], soft_delete=True)
    def thing(fetch: Fetch) -> Page:
        clock.advance(20)  # so that a call is over after some pages
        page = fetch.token or 0
        more = page + 1 if page + 1 < len(rows) else None
        return Page([{"id": i} for i in rows[page]], more)

    player = Player(made, Table())
    sync = player.sync()
    assert "thing is not through" in sync.error and "incomplete" in sync.error
    for _ in range(20):
        if not player.sync().error:
            break
    assert sorted(player.alive()) == [1, 2]
