"""What skips records silently is logged: counted pages of a list by change, a bound in vain."""

from datetime import timedelta

import pytest
from connector import Page

from .play import Player
from .scripted import Upstream, iso, one, stepping

SIZE = 20


def rows(changed=range(SIZE), ids=range(SIZE), **columns):
    records = [{"id": i, "at": iso(at - 9000)} for i, at in zip(ids, changed, strict=True)]
    return [
        {**row, **{name: make(i) for name, make in columns.items()}}
        for i, row in enumerate(records)
    ]


def mixed(i):
    return i * 7 % SIZE


def warnings(caplog, records, token=2, **options):
    def answers(asked):
        return {"data": records if "token" not in asked.params else []}

    def step(fetch):
        found = fetch.get("/things", params={"token": fetch.token and "next"}).rows("data")
        return Page(found, next_token=token if found else None)

    sync = Player(stepping(step, **{"cursor": "at", **options}), Upstream(answers)).sync()
    assert not sync.error
    return [line for line in caplog.messages if "event=counted_pages" in line]


def with_created(odd) -> list:
    """Records by change whose times of creation go back, with an odd one among them."""
    made = [{**row, "created_at": iso(mixed(i))} for i, row in enumerate(TEXTS)]
    return [*made[:7], {**made[7], "created_at": odd}, *made[8:]]


CHANGED = rows(ids=map(mixed, range(SIZE)))
TEXTS = rows(ids=(f"r{mixed(i)}" for i in range(SIZE)))
LINK = "https://api.example.com/things?since=7&"


@pytest.mark.parametrize("token", [1, 2, SIZE, "2", str(SIZE), f"{LINK}page=2", f"{LINK}skip=20&a"])
def test_a_list_sorted_by_change_whose_pages_are_counted_is_logged(caplog, token):
    (line,) = warnings(caplog, CHANGED, token)
    assert "entity=thing" in line
    assert "the records are sorted by 'at' and the next page is requested by counting" in line


@pytest.mark.parametrize("token", ["a2", 7, [2], f"{LINK}after=2", f"{LINK}page_size=20", None])
def test_a_token_that_does_not_count_is_not_logged(caplog, token):
    assert not warnings(caplog, CHANGED, token)


@pytest.mark.parametrize(
    ("records", "options", "logged"),
    [
        (rows(), {}, False),  # it may be sorted by id
        (rows(), {"order": "asc"}, True),
        (TEXTS, {}, False),  # it may be sorted by a time of creation that is not in the records
        (rows(map(mixed, range(SIZE))), {}, False),
        (CHANGED[:9], {}, False),
        (rows([0] * 11 + [*range(1, 10)], map(mixed, range(SIZE))), {}, True),
        (rows([0] * 12 + [*range(1, 9)], map(mixed, range(SIZE))), {}, False),
        ([{**row, "created_at": iso(mixed(i))} for i, row in enumerate(TEXTS)], {}, True),
        ([{**row, "created_at": iso(i)} for i, row in enumerate(TEXTS)], {}, False),
        ([{**row, "created_at": f"{mixed(i)} May"} for i, row in enumerate(TEXTS)], {}, False),
        (CHANGED, {"cursor": None}, False),
        *((with_created(odd), {}, True) for odd in (None, iso(0))),
        *((with_created(odd), {}, False) for odd in (7, True, "", [], {}, "Never")),
        ([{**row, "created": row["at"]} for row in CHANGED], {"cursor": "created"}, False),
        (rows(), {"cursor": "id", "cursor_type": "sequence", "order": "asc"}, False),
        (CHANGED[::-1], {"order": "desc"}, False),
    ],
)
def test_only_a_list_that_is_surely_sorted_by_change_is_logged(caplog, records, options, logged):
    assert len(warnings(caplog, records, **options)) == logged


def test_a_token_that_is_the_last_sequence_is_not_logged(caplog):
    """It happens to be the number of records, but the API goes on after that record."""
    records = [{"id": mixed(i), "seq": i + 1} for i in range(SIZE)]
    assert not warnings(caplog, records, SIZE, cursor="seq", cursor_type="sequence")
    assert warnings(caplog, records, 2, cursor="seq", cursor_type="sequence")


CAME, AT = [{"id": 1, "at": iso(-60)}], iso(-60)
SAME, LATER = {"lookback": timedelta(0)}, {"start": iso(0)}


@pytest.mark.parametrize(
    ("records", "state", "options", "logged"),
    [
        ([], AT, {}, True),
        ([], AT, {"order": "desc"}, True),
        (CAME, AT, {}, False),
        ([{"id": 1, "at": None}], AT, {}, False),
        ([], None, {}, False),
        ([], AT, SAME, False),  # an API may leave out the bound itself
        ([], AT, LATER, False),
        ([], AT, {"window": timedelta(days=1), "start": iso(-86400)}, False),
        ([], {"cursor": AT, "seen": []}, {"primary_key": []}, False),
    ],
)
def test_a_walk_to_which_nothing_came_again_is_logged(
    clock, caplog, records, state, options, logged
):
    upstream = Upstream(lambda asked: {"data": records})
    player = Player(one(**options), upstream, state={"thing": state} if state else {})
    assert player.sync().error == ""
    lines = [line for line in caplog.messages if "event=nothing_since" in line]
    assert len(lines) == logged
    for line in lines:
        assert "no record came since '2025-12-31T23:54:00Z', not even" in line and AT in line
