"""What inserts do to tables, columns and rows."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from harness.catalog import Change
from harness.errors import ProtocolBroken
from harness.loading import Counts


def test_a_key_match_replaces_the_whole_row(desk: Any) -> None:
    desk.insert({"id": 1, "a": "x", "b": "y"}, {"id": 2, "a": "z"})
    applied = desk.insert({"id": 1, "a": "new"})
    assert desk.rows() == [{"id": 1, "a": "new", "b": None}, {"id": 2, "a": "z", "b": None}]
    assert applied.tables == {"item": Counts(inserted=1, replaced=1)}


def test_of_rows_with_one_key_in_a_reply_the_last_wins(desk: Any) -> None:
    applied = desk.insert({"id": 1, "a": "old"}, {"id": 2}, {"id": 1, "a": "new"})
    assert desk.rows() == [{"id": 1, "a": "new"}, {"id": 2, "a": None}]
    assert applied.tables["item"].inserted == 2


def test_rows_match_on_all_columns_of_a_composite_key(desk: Any) -> None:
    key = ("region", "id")
    desk.insert({"region": "eu", "id": 1, "a": 1}, {"region": "us", "id": 1, "a": 2}, key=key)
    desk.insert({"region": "us", "id": 1, "a": 3}, key=key)
    assert [(row["region"], row["a"]) for row in desk.rows()] == [("eu", 1), ("us", 3)]


@pytest.mark.parametrize(
    "key",
    [
        True,
        2**70,
        Decimal("1.10"),
        Decimal("1E+300"),
        "2026-01-05",
        "2026-01-05T08:30:00Z",
        "2026-01-05T08:30:00",
        "",
        "a\0b",
        "\ud800",
        "é",
    ],
)
def test_a_key_may_be_any_scalar(desk: Any, key: Any) -> None:
    desk.insert({"id": key, "a": 1}, {"id": key, "a": 2})
    desk.insert({"id": key, "a": 3})
    desk.delete({"id": key})
    assert [(row["a"], row["_fivetran_deleted"]) for row in desk.rows()] == [(3, True)]


def test_a_key_matches_across_types_once_its_column_has_widened(desk: Any) -> None:
    desk.insert({"id": 1, "a": "number"}, {"id": 2, "a": "number"})
    desk.insert({"id": "1", "a": "text"})
    desk.insert({"id": 2, "a": "number again"})
    assert desk.rows() == [{"id": "1", "a": "text"}, {"id": "2", "a": "number again"}]


def test_keys_that_are_one_instant_are_one_row(desk: Any) -> None:
    desk.insert({"id": "2026-01-05T08:30:00Z"}, {"id": "2026-01-05T09:30:00+01:00"})
    desk.insert({"id": "2026-01-05T03:30:00-05:00"})
    assert desk.rows() == [{"id": datetime(2026, 1, 5, 8, 30, tzinfo=UTC)}]


def test_keys_that_are_one_number_are_one_row(desk: Any) -> None:
    desk.insert({"id": 1}, {"id": Decimal("1.00")})
    desk.insert({"id": Decimal("1E+0")})
    assert desk.rows() == [{"id": Decimal(1)}]


def test_without_a_primary_key_rows_are_appended_in_order(desk: Any) -> None:
    desk.insert({"a": "x"}, {"a": "y"}, key=None)
    applied = desk.insert({"a": "x"}, key=None)
    assert desk.rows() == [{"a": "x"}, {"a": "y"}, {"a": "x"}]
    places = [(r["_fivetran_batch"], r["_fivetran_index"]) for r in desk.warehouse.rows("item")]
    assert places == [(1, 0), (1, 1), (2, 0)]
    assert applied.tables == {"item": Counts(inserted=1)}


def test_a_column_that_is_null_in_every_row_is_not_created(desk: Any) -> None:
    desk.insert({"id": 1, "a": None, "b": 1})
    assert list(desk.types()) == ["id", "b"]
    desk.insert({"id": 2, "a": "x"})
    assert desk.rows() == [{"id": 1, "b": 1, "a": None}, {"id": 2, "b": None, "a": "x"}]


def test_records_without_any_value_are_rows_nevertheless(desk: Any) -> None:
    desk.insert({}, {"a": None}, key=None)
    assert desk.rows() == [{}, {}]


def test_each_row_says_when_it_was_synced(desk: Any) -> None:
    desk.insert({"id": 1}, {"id": 2})
    desk.insert({"id": 1})
    new, old = (row["_fivetran_synced"] for row in desk.warehouse.rows("item"))
    assert new > old >= datetime(2026, 1, 1, tzinfo=UTC)


def test_stamps_go_forward_even_when_the_clock_goes_back(desk: Any) -> None:
    desk.insert({"id": 1})
    desk.open(clock=lambda: 5)
    desk.insert({"id": 2})
    old, new = (row["_fivetran_synced"] for row in desk.warehouse.rows("item"))
    assert new > old


def test_source_names_become_fivetran_names(desk: Any) -> None:
    desk.send(
        insert={"salesOrder": [{"orderID": 1, "2nd": 2}]},
        schema={"salesOrder": {"primary_key": ["orderID"]}},
    )
    assert desk.rows("sales_order") == [{"order_id": 1, "_2nd": 2}]
    assert desk.warehouse.tables()[0].primary_key == ("order_id",)


def test_of_two_source_names_that_meet_the_last_one_in_order_with_a_value_wins(desk: Any) -> None:
    names = {"id": 1, "userName": "camel", "user_name": "snake"}
    desk.insert(names, {"user_name": None, "userName": "camel", "id": 2}, {"id": 3, "UserName": 1})
    desk.insert(dict(reversed({**names, "id": 4}.items())))
    assert [row["user_name"] for row in desk.rows()] == ["snake", "camel", "1", "snake"]


def test_two_entities_that_meet_are_one_table(desk: Any) -> None:
    schema = {name: {"primary_key": ["id"]} for name in ("salesOrder", "sales_order")}
    rows = {"sales_order": [{"id": 1, "a": 1}], "salesOrder": [{"id": 1, "b": 2}, {"id": 2}]}
    applied = desk.send(insert=rows, schema=schema)
    assert desk.rows("sales_order") == [
        {"id": 1, "b": None, "a": 1},
        {"id": 2, "b": None, "a": None},
    ]
    assert applied.tables == {"sales_order": Counts(inserted=3, replaced=1)}


def test_a_reply_tells_which_columns_came_and_widened(desk: Any) -> None:
    assert desk.insert({"id": 1}).changes == [Change("item", "id", None, "SMALLINT")]
    assert desk.insert({"id": "a"}).changes == [Change("item", "id", "SMALLINT", "VARCHAR")]
    assert desk.insert({"id": "b"}).changes == []


def test_tables_tell_their_columns_rows_and_nulls(desk: Any) -> None:
    desk.insert({"id": 1, "a": 5}, {"id": 2, "a": None})
    desk.delete({"id": 2})
    (table,) = desk.warehouse.tables()
    assert (table.name, table.rows, table.deleted, table.primary_key) == ("item", 2, 1, ("id",))
    assert [(column.name, column.type, column.nulls) for column in table.columns] == [
        ("id", "SMALLINT", 0),
        ("a", "SMALLINT", 1),
        ("_fivetran_deleted", "BOOLEAN", 0),
        ("_fivetran_synced", "TIMESTAMP WITH TIME ZONE", 0),
    ]


def test_rows_can_be_limited(desk: Any) -> None:
    desk.insert(*({"id": index} for index in range(5)))
    assert [row["id"] for row in desk.warehouse.rows("item", limit=2)] == [0, 1]


def test_ten_thousand_records_arrive(desk: Any) -> None:
    desk.insert(*({"id": index, "text": f"é{index}"} for index in range(10_000)))
    assert [row["text"] for row in desk.rows()] == [f"é{index}" for index in range(10_000)]


@pytest.mark.parametrize("record", [{"a": 1}, {"id": None}, {"id": [1]}, {"id": {}}])
def test_a_record_without_its_primary_key_is_an_error_that_names_it(desk: Any, record: Any) -> None:
    with pytest.raises(ProtocolBroken, match=r'insert\["item"\], record 1: primary key column id'):
        desk.insert({"id": 1}, record)
    assert desk.warehouse.tables() == []


@pytest.mark.parametrize("key", [None, ("id", "region"), ("region",)])
def test_a_primary_key_that_varies_is_an_error(desk: Any, key: Any) -> None:
    desk.insert({"id": 1})
    with pytest.raises(ProtocolBroken, match=r'The primary key of "item" is .* and was \(id\)'):
        desk.insert({"id": 1, "region": "eu"}, key=key)


def test_a_column_named_like_fivetrans_own_is_an_error(desk: Any) -> None:
    with pytest.raises(ProtocolBroken, match="_fivetran_synced"):
        desk.insert({"id": 1, "_fivetranSynced": "x"})
