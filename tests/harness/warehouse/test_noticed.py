"""What the warehouse notices, with the right record and both sides of it."""

import json
import re
from decimal import Decimal

import pytest
from harness.errors import ProtocolBroken

Place = tuple[int | None, str]
Z, NAIVE = "2026-01-05T08:30:00Z", "2026-01-05T08:30:00"


def found(noticed, rule):
    """Record and sentence of the faults of one rule."""
    return [(fault.record, fault.what) for fault in noticed.faults if fault.rule == rule]


def numbered(values):
    return [{"id": number, "v": value} for number, value in enumerate(values)]


NUMBER, TEXT, AT, ZONED = "a number", "text", "a time without offset", "a time with offset"


@pytest.mark.parametrize(
    ("values", "index", "here", "before", "change"),
    [
        ([1, None, "x", 2], 2, TEXT, NUMBER, "SMALLINT → VARCHAR"),
        (["x", "y", 70_000], 2, NUMBER, TEXT, "it stays VARCHAR"),
        ([Decimal("1.5"), True], 1, "a boolean", NUMBER, "DECIMAL(18,1) → VARCHAR"),
        ([{"a": 1}, "x"], 1, TEXT, "an object or a list", "JSON → VARCHAR"),
        ([Z, Z, NAIVE], 2, AT, ZONED, "TIMESTAMP WITH TIME ZONE → VARCHAR"),
        (["2026-01-05", Z], 1, ZONED, "a date", "DATE → VARCHAR"),
    ],
)
@pytest.mark.parametrize("split", [False, True])
def test_a_type_that_flips_is_noticed_within_a_reply_and_across(
    desk, split, values, index, here, before, change
):
    rows = numbered(values)
    if split:
        assert found(desk.insert(*rows[:index]), "type-flips") == []
        rows, index = rows[index:], 0
    noticed = desk.insert(*rows)
    what = f"v is {here} here and was {before} before: {change}"
    assert found(noticed, "type-flips") == [(index, what)]
    assert json.loads(noticed.faults[0].row, parse_float=Decimal) == rows[index]
    # Found again by another run, if one reply has both.
    assert split or "it stays VARCHAR" in str(found(desk.insert(*rows), "type-flips"))


ONE_TYPE = [[1, 70_000, Decimal("1.5"), 2**70], [Z, "n/a", NAIVE], ["x", "2026-01-05"],
            ["2026-01-05", NAIVE], [None, 1, None]]  # fmt: skip


@pytest.mark.parametrize("values", ONE_TYPE)
def test_a_column_that_is_of_one_type_does_not_flip(desk, values):
    for rows in (numbered(values), numbered(values[::-1])):
        assert found(desk.insert(*rows), "type-flips") == []


@pytest.mark.parametrize(
    ("records", "meet"),
    [
        ([{"ID": 1, "id": 2}], True),
        ([{"userName": "a"}, {"user_name": "b"}], True),
        ([{"userName": "a"}, {"user-name": None, "userName": "b"}], False),
        ([{"a": 1, "A": 1}, {"a": 2, "A": 2}], False),
        ([{"名前": "a"}, {"住所": "b"}], False),
        ([{"\ue000": "a"}, {"\ue001": "b"}], True),
    ],
)
@pytest.mark.parametrize("replies", ["one", "several"])
def test_names_of_one_column_are_found_wherever_they_meet(desk, records, meet, replies):
    batches = [records] if replies == "one" else [[record] for record in records]
    faults = []
    for batch in batches:
        faults += found(desk.insert(*batch, key=()), "names-collide")
    assert len(faults) == meet
    for _, what in faults:
        assert "both become column" in what
        assert all(f'"{name}"' in what for record in records for name in record)
        # In the next run too.
        assert len(found(desk.insert(*records, key=()), "names-collide")) == 1


def test_entities_of_one_table_are_noticed(desk):
    assert found(desk.send(insert={"_orders": [{"a": 1}]}), "names-collide") == []
    what = '"_orders" and "orders" both become table orders'
    assert found(desk.send(insert={"orders": [{"a": 1}]}), "names-collide") == [(None, what)]


def test_entities_of_one_table_with_other_keys_are_noticed_as_such(desk):
    desk.send(insert={"_orders": [{"a": 1}]}, schema={"_orders": {"primary_key": ["a"]}})
    what = '"_orders" and "orders" both become table orders, with the primary keys (a) and (a, b)'
    with pytest.raises(ProtocolBroken, match=re.escape(what)) as broken:
        desk.send(
            insert={"orders": [{"a": 1, "b": 2}]}, schema={"orders": {"primary_key": ["a", "b"]}}
        )
    assert broken.value.rule == "names-collide"


def test_blocked_names_may_meet_and_hashed_ones_are_not_shown(desk):
    desk.hide("item.a", hashed=["item.b"])
    (fault,) = desk.insert({"id": 1, "a": 1, "A": 2, "b": "hidden", "B": "too"}).faults
    assert "column b" in fault.what and "hidden" not in str(fault)


@pytest.mark.parametrize(
    ("keys", "index", "says"),
    [
        ([1, 2, 1], 2, "records 0 and 2 become one row: id 1"),
        ([7, 1, "1"], 2, 'records 1 and 2 become one row: id 1 and id "1"'),
        ([1, Decimal("1.0")], 1, "records 0 and 1 become one row: id 1 and id 1.0"),
        ([True, "true"], 1, 'records 0 and 1 become one row: id true and id "true"'),
        ([Z, "2026-01-05T08:30:00+00:00"], 1, "records 0 and 1 become one row: "),
        ([1, 1, 2, 2, 3], 1, "records 0 and 1 become one row: id 1; the same for 1 more"),
    ],
)
def test_records_of_one_reply_that_become_one_row_are_noticed(desk, keys, index, says):
    noticed = desk.insert(*({"id": key} for key in keys))
    ((record, what),) = found(noticed, "records-become-one")
    assert record == index and what.startswith(says)


@pytest.mark.parametrize(("first", "second"), [(1, "1"), ("1", 1), (1, Decimal("1.0"))])
def test_keys_of_several_replies_that_become_one_row_are_noticed(desk, first, second):
    desk.insert({"id": first}, {"id": 5 if first == 1 else "5"})
    ((record, what),) = found(desk.insert({"id": second}), "records-become-one")
    assert record == 0 and "replaces a row whose id was" in what
    assert found(desk.insert({"id": 9}), "records-become-one") == []


@pytest.mark.parametrize(("deleted", "records"), [(3, []), ("1", [0]), (Decimal("2.0"), [1])])
def test_a_key_in_insert_and_delete_is_noticed(desk, deleted, records):
    noticed = desk.insert({"id": 1}, {"id": 2}, delete={"item": [{"id": deleted}]})
    assert [record for record, _ in found(noticed, "key-in-insert-and-delete")] == records


def test_an_older_version_is_noticed_by_the_column_that_says_when_it_changed(desk):
    def send(*days):
        rows = ({"id": 1, "created": "2030-01-01", "updatedAt": f"2026-01-0{d}"} for d in days)
        return found(desk.insert(*rows), "row-goes-back")

    assert send(2) == send(2) == send(4) == []
    assert send(3) == [(0, 'updated_at "2026-01-03" replaces "2026-01-04"')]
    assert [record for record, _ in send(5, 4)] == [1]


def test_an_older_version_is_noticed_by_the_column_that_the_state_holds(desk):
    epoch = 1_767_225_600
    by = {"id": 1, "changed_by": 2**40}
    desk.insert(by | {"at": epoch + 5, "n": 9}, state={"cursor": {"item": epoch + 5}})
    noticed = desk.insert(by | {"at": epoch, "changed_by": 2**39}, state={"cursor": [epoch]})
    assert [what.split()[0] for _, what in found(noticed, "row-goes-back")] == ["at"]


def test_keys_that_are_new_in_every_sync_are_noticed_at_its_end(desk):
    def sync(start, name):
        rows = [{"id": start + number, "name": f"{name}{number}"} for number in range(6)]
        assert found(desk.insert(*rows[:3], hasMore=True), "new-keys") == []
        return found(desk.insert(*rows[3:]), "new-keys")

    assert sync(0, "a") == sync(0, "a") == sync(10, "b") == []
    assert [what.split(",")[0] for _, what in sync(20, "a")] == ["all 6 records came before"]


def test_new_rows_that_look_like_others_are_not_new_keys(desk):
    desk.insert(*({"id": number, "open": number % 2 == 0} for number in range(8)))
    assert desk.insert(*({"id": number, "open": True} for number in range(8, 12))).faults == []
    assert desk.insert({"id": 20, "open": True}, {"id": 21, "open": False}).faults == []
    for day in (1, 2):  # snapshots
        rows = [{"day": day, "id": number, "name": f"n{number}"} for number in range(4)]
        schema = {"daily": {"primary_key": ["day", "id"]}}
        assert desk.send(insert={"daily": rows}, schema=schema).faults == []


def test_a_delete_of_a_table_that_never_comes_is_noticed_when_the_sync_ends(desk):
    desk.delete({"id": 1}, hasMore=True)
    assert desk.insert({"id": 1}).faults == []
    schema = {"itme": {"primary_key": ["id"]}}
    noticed = desk.send(delete={"itme": [{"id": 1}], "x": []}, schema=schema)
    assert found(noticed, "delete-of-nothing") == [(None, "itme never had a row")]
