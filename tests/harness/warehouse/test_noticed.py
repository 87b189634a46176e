"""What the warehouse notices, with the right record and both sides of it."""

import json
import re
from decimal import Decimal

import pytest
from harness.errors import ProtocolBroken

Z, NAIVE, DAY = "2026-01-05T08:30:00Z", "2026-01-05T08:30:00", "2026-01-05"
EPOCH = 1_767_225_600
KEYED = {"primary_key": ["a"]}


def v(*values):
    return [{"id": number, "v": value} for number, value in enumerate(values)]


def k(*values):
    return [{"id": value} for value in values]


def changed(*days):
    return [{"id": 1, "created": "2030-01-01", "updatedAt": f"2026-01-0{day}"} for day in days]


def named(start, name):
    rows = [{"id": start + number, "name": f"{name}{number}"} for number in range(6)]
    return [{"insert": {"item": rows[:3]}, "hasMore": True}, rows[3:]]


def flip(here, before, change):
    return f"v is {here} here and was {before} before: {change}"


def met(first, second, column):
    return f'"{first}" and "{second}" both become column {column}'


ZONED = "TIMESTAMP WITH TIME ZONE → VARCHAR"
TO_TEXT = flip("text", "a number", "SMALLINT → VARCHAR")
KANJI, PRIVATE = [{"名前": "a"}, {"住所": "b"}], [{"\ue000": "a"}, {"\ue001": "b"}]
CAMEL = [{"userName": "a"}, {"user_name": "b"}]
ORDERS = [{"insert": {"_orders": [{"a": 1}]}}, {"insert": {"orders": [{"a": 1}]}}]
SYNC = named(0, "a")
NEW = {"id": 1, "changed_by": 2**40, "at": EPOCH + 5, "n": 9}
OLD = {"id": 1, "changed_by": 2**39, "at": EPOCH}
BY_STATE = [  # the column whose values the state holds
    {"insert": {"item": [NEW]}, "state": {"cursor": {"item": EPOCH + 5}}},
    {"insert": {"item": [OLD]}, "state": {"cursor": [EPOCH]}},
]
FLAGS = [{"id": number, "open": number % 2 == 0} for number in range(8)]
SNAPSHOTS = [
    {
        "insert": {"daily": [{"day": day, "id": n, "name": f"n{n}"} for n in range(4)]},
        "schema": {"daily": {"primary_key": ["day", "id"]}},
    }
    for day in (1, 2)
]
NEVER = {"delete": {"itme": k(1), "x": []}, "schema": {"itme": {"primary_key": ["id"]}}}

# Replies (records of `item`, or parts), and all that is found: reply, record, and what begins so.
# What was found is found again by another run, if one reply has both.
CASES = {
    "type-flips": [
        ([v(1, None, "x", 2)] * 2, [(0, 2, TO_TEXT), (1, 2, "v is text here")]),
        ([v(1, None), v("x")], [(1, 0, TO_TEXT)]),
        ([v("x", "y", 7)], [(0, 2, flip("a number", "text", "it stays VARCHAR"))]),
        ([v(1, True)], [(0, 1, flip("a boolean", "a number", "SMALLINT → VARCHAR"))]),
        ([v({}, "x")], [(0, 1, flip("text", "an object or a list", "JSON → VARCHAR"))]),
        ([v(Z, Z, NAIVE)], [(0, 2, flip("a time without offset", "a time with offset", ZONED))]),
        ([v(DAY), v(Z)], [(1, 0, flip("a time with offset", "a date", "DATE → VARCHAR"))]),
        ([v(1, 70_000, Decimal("1.5"), 2**70), v(2**70, 1)], []),
        ([v(Z, "n/a", NAIVE), v(NAIVE, "n/a", Z)], []),
        ([v("x", DAY), v(DAY, "x")], []),
        ([v(DAY, NAIVE), v(NAIVE, DAY)], []),
        ([v(None, 1, None), v(None, 1, None)], []),
    ],
    "names-collide": [
        ([[{"ID": 1, "id": 2}]] * 2, [(n, 0, met("ID", "id", "id")) for n in (0, 1)]),
        ([CAMEL], [(0, 1, met("userName", "user_name", "user_name"))]),
        ([CAMEL[:1], CAMEL[1:]], [(1, 0, met("userName", "user_name", "user_name"))]),
        ([[{"userName": "a"}, {"user-name": None, "userName": "b"}]], []),
        ([[{"a": 1, "A": 1}, {"a": 2, "A": 2}]], []),
        ([KANJI, KANJI[:1], KANJI[1:]], []),
        ([PRIVATE[:1], PRIVATE[1:]], [(1, 0, met("\ue000", "\ue001", "_"))]),
        (ORDERS, [(1, None, '"_orders" and "orders" both become table orders')]),
    ],
    "records-become-one": [
        ([k(1, 2, 1)], [(0, 2, "records 0 and 2 become one row: id 1")]),
        ([k(7, 1, "1")], [(0, 2, 'records 1 and 2 become one row: id 1 and id "1"')]),
        ([k(1, Decimal("1.0"))], [(0, 1, "records 0 and 1 become one row: id 1 and id 1.0")]),
        ([k(True, "true")], [(0, 1, 'records 0 and 1 become one row: id true and id "true"')]),
        ([k(Z, "2026-01-05T08:30:00+00:00")], [(0, 1, "records 0 and 1 become one row: ")]),
        ([k(1, 1, 2, 2)], [(0, 1, "records 0 and 1 become one row: id 1; the same for 1 more")]),
        ([k(1, 5), k("1"), k(9)], [(1, 0, 'id "1" replaces a row whose id was')]),
        ([k("1", "5"), k(1), k(9)], [(1, 0, "id 1 replaces a row whose id was")]),
        ([k(1, 5), k(Decimal("1.0")), k(9)], [(1, 0, "id 1.0 replaces a row whose id was")]),
    ],
    "key-in-insert-and-delete": [
        ([{"insert": {"item": k(1, 2)}, "delete": {"item": k(3)}}], []),
        ([{"insert": {"item": k(1, 2)}, "delete": {"item": k("1")}}], [(0, 0, "")]),
        ([{"insert": {"item": k(1, 2)}, "delete": {"item": k(Decimal("2.0"))}}], [(0, 1, "")]),
    ],
    "row-goes-back": [
        ([changed(2), changed(2), changed(4)], []),
        ([changed(4), changed(3)], [(1, 0, 'updated_at "2026-01-03" replaces "2026-01-04"')]),
        ([changed(5, 4)], [(0, 1, "updated_at")]),
        (BY_STATE, [(1, 0, "at ")]),
    ],
    "new-keys": [  # when the third sync of other keys ends
        (
            [*SYNC, *SYNC, *named(10, "b"), *named(20, "a")],
            [(7, None, "all 6 records came before")],
        ),
        ([FLAGS, [{"id": n, "open": True} for n in range(8, 12)], FLAGS[:2]], []),
        (SNAPSHOTS, []),
    ],
    "delete-of-nothing": [
        ([{"delete": {"item": k(1)}, "hasMore": True}, k(1)], []),
        ([NEVER], [(0, None, "itme never had a row")]),
    ],
}


@pytest.mark.parametrize(
    ("rule", "replies", "expected"),
    [(rule, *case) for rule, cases in CASES.items() for case in cases],
)
def test_what_is_noticed(desk, rule, replies, expected):
    schema = {} if rule == "names-collide" else {"schema": {"item": {"primary_key": ["id"]}}}
    found = []
    for number, reply in enumerate(replies):
        parts = reply if isinstance(reply, dict) else {"insert": {"item": reply}}
        faults = [each for each in desk.send(**schema | parts).faults if each.rule == rule]
        found += [(number, fault.record, fault.what) for fault in faults]
        if rule == "type-flips":
            rows = [json.loads(fault.row, parse_float=Decimal) for fault in faults]
            assert rows == [reply[fault.record] for fault in faults]
    assert [place[:2] for place in found] == [place[:2] for place in expected]
    for (*_, what), (*_, begins) in zip(found, expected, strict=True):
        assert what.startswith(begins), what


def test_entities_of_one_table_with_other_keys_are_noticed_as_such(desk):
    desk.send(insert={"_orders": [{"a": 1}]}, schema={"_orders": KEYED})
    what = '"_orders" and "orders" both become table orders, with the primary keys (a) and (a, b)'
    schema = {"orders": {"primary_key": ["a", "b"]}}
    with pytest.raises(ProtocolBroken, match=re.escape(what)) as broken:
        desk.send(insert={"orders": [{"a": 1, "b": 2}]}, schema=schema)
    assert broken.value.rule == "names-collide"


def test_blocked_names_may_meet_and_hashed_ones_are_not_shown(desk):
    desk.hide("item.a", hashed=["item.b"])
    (fault,) = desk.insert({"id": 1, "a": 1, "A": 2, "b": "hidden", "B": "too"}).faults
    assert "column b" in fault.what and "hidden" not in str(fault)
