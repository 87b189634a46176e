"""What inserts, deletes and marks do to rows."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from harness.errors import ProtocolBroken
from harness.warehouse.load import Counts, Widened


def marks(desk: Any) -> dict[Any, bool]:
    return {row["id"]: row["_fivetran_deleted"] for row in desk.rows()}


def test_a_key_match_replaces_the_whole_row(desk: Any) -> None:
    desk.insert({"id": 1, "a": "x", "b": "y"}, {"id": 2, "a": "z"})
    noticed = desk.insert({"id": 1, "a": "new"}, {"id": 3})
    assert desk.rows() == [
        {"id": 1, "a": "new", "b": None},
        {"id": 2, "a": "z", "b": None},
        {"id": 3, "a": None, "b": None},
    ]
    assert noticed.counts == {"item": Counts(inserted=1, updated=1)}


def test_of_rows_with_one_key_in_a_reply_the_last_wins(desk: Any) -> None:
    noticed = desk.insert({"id": 1, "a": "old"}, {"id": 2}, {"id": 1, "a": "new"})
    assert desk.rows() == [{"id": 1, "a": "new"}, {"id": 2, "a": None}]
    assert noticed.counts["item"] == Counts(inserted=2)


KEYS = [
    True, 2**70, Decimal("1.10"), Decimal("1E+300"), "2026-01-05", "2026-01-05T08:30:00Z",
    "2026-01-05T08:30:00", "", "a\0b", "\ud800", "é",
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_a_key_may_be_any_scalar(desk: Any, key: Any) -> None:
    desk.insert({"id": key, "a": 1}, {"id": key, "a": 2})
    desk.insert({"id": key, "a": 3})
    desk.delete({"id": key})
    assert [(row["a"], row["_fivetran_deleted"]) for row in desk.rows()] == [(3, True)]


def test_keys_are_one_row_as_the_columns_type_has_them(desk: Any) -> None:
    desk.insert({"id": 1, "a": "number"}, {"id": 2}, {"id": Decimal("1.0")})
    desk.insert({"id": "2", "a": "text"})
    desk.insert({"id": 2, "a": "number again"})
    assert [(row["id"], row["a"]) for row in desk.rows()] == [("1.0", None), ("2", "number again")]


def test_keys_that_are_one_instant_are_one_row(desk: Any) -> None:
    desk.insert({"id": "2026-01-05T08:30:00Z"}, {"id": "2026-01-05T09:30:00+01:00"})
    desk.insert({"id": "2026-01-05T03:30:00-05:00"})
    assert desk.rows() == [{"id": datetime(2026, 1, 5, 8, 30, tzinfo=UTC)}]


@pytest.mark.parametrize("schema", [{}, {"item": {}}, {"item": {"primary_key": []}}, None])
def test_without_a_primary_key_rows_are_appended_in_order(desk: Any, schema: Any) -> None:
    desk.insert({"a": "x"}, {"a": "y"}, key=None, schema=schema)
    noticed = desk.insert({"a": "x"}, key=None, schema=schema)
    assert desk.rows() == [{"a": "x"}, {"a": "y"}, {"a": "x"}]
    places = [(r["_fivetran_batch"], r["_fivetran_index"]) for r in desk.warehouse.rows("item")]
    assert places == [(1, 0), (1, 1), (2, 0)]
    assert noticed.counts == {"item": Counts(inserted=1)}


def test_a_column_that_is_null_in_every_row_is_not_created(desk: Any) -> None:
    desk.insert({"id": 1, "a": None, "b": 1})
    assert list(desk.types()) == ["id", "b"]
    assert desk.warehouse.tables()[0].empty == ["a"]
    desk.insert({"id": 2, "a": "x"})
    assert desk.rows() == [{"id": 1, "b": 1, "a": None}, {"id": 2, "b": None, "a": "x"}]


def test_records_without_any_value_are_rows_nevertheless(desk: Any) -> None:
    desk.insert({}, {"a": None}, key=None)
    assert desk.rows() == [{}, {}]


def test_each_row_says_when_it_was_synced_even_when_the_clock_goes_back(desk: Any) -> None:
    desk.insert({"id": 1}, {"id": 2})
    desk.open(clock=lambda: 5)
    desk.insert({"id": 1})
    new, old = (row["_fivetran_synced"] for row in desk.warehouse.rows("item"))
    assert new > old >= datetime(2026, 1, 1, tzinfo=UTC)


def test_source_names_become_fivetran_names(desk: Any) -> None:
    desk.send(
        insert={"_salesOrder": [{"orderID": 1, "2nd": 2}]},
        schema={"_salesOrder": {"primary_key": ["order_id"]}},
    )
    assert desk.rows("sales_order") == [{"order_id": 1, "_2nd": 2}]
    assert desk.warehouse.tables()[0].primary_key == ("order_id",)


def test_a_name_may_have_half_a_surrogate_pair(desk: Any) -> None:
    for _ in range(2):
        assert desk.send(key=None, insert={"a\ud800": [{"b\ud800": 1}]}).faults == []
    assert desk.rows("a") == [{"b": 1}, {"b": 1}]


def test_of_two_source_names_of_a_column_the_last_one_in_order_with_a_value_wins(desk: Any) -> None:
    names = {"id": 1, "userName": "camel", "user_name": "snake"}
    desk.insert(names, {"user_name": None, "userName": "camel", "id": 2}, {"id": 3, "UserName": 1})
    desk.insert(dict(reversed({**names, "id": 4}.items())))
    assert [row["user_name"] for row in desk.rows()] == ["snake", "camel", "1", "snake"]


def test_two_entities_of_one_name_are_one_table(desk: Any) -> None:
    schema = {name: {"primary_key": ["id"]} for name in ("salesOrder", "sales_order")}
    rows = {"sales_order": [{"id": 1, "a": 1}], "salesOrder": [{"id": 1, "b": 2}, {"id": 2}]}
    noticed = desk.send(insert=rows, schema=schema)
    assert [(row["a"], row["b"]) for row in desk.rows("sales_order")] == [(1, None), (None, None)]
    assert noticed.counts == {"sales_order": Counts(inserted=2, updated=1)}


def test_a_column_that_widened_is_named_with_both_types(desk: Any) -> None:
    assert desk.insert({"id": 1, "a": 1}).widened == []
    assert desk.insert({"id": 2, "a": 70_000}).widened == [
        Widened("item", "a", "SMALLINT", "INTEGER")
    ]
    assert desk.insert({"id": 3, "a": "x", "b": 1}).widened == [
        Widened("item", "a", "INTEGER", "VARCHAR")
    ]


def test_tables_have_their_columns_rows_and_nulls(desk: Any) -> None:
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
    assert len(desk.warehouse.rows("item", limit=1)) == 1
    with pytest.raises(KeyError):
        desk.warehouse.rows("other")


@pytest.mark.parametrize("more", [3, 300])
def test_many_columns_may_come_later(desk: Any, more: int) -> None:
    """A few are added one by one; for more the table is made anew, or 3,000 would take minutes."""
    desk.insert({"id": 1, "a": "x"})
    desk.insert({"id": 2} | {f"c{number}": number for number in range(more)})
    first, second = desk.rows()
    assert (first["a"], first["c2"], second["a"], second["c2"]) == ("x", None, None, 2)
    assert len(desk.types()) == more + 2


def test_delete_marks_the_row_and_leaves_its_values(desk: Any) -> None:
    desk.insert({"id": 1, "a": "x"}, {"id": 2, "a": "y"})
    noticed = desk.delete({"id": 1}, {"id": 1}, {"id": 9, "b": "ignored"})
    assert desk.rows() == [
        {"id": 1, "a": "x", "_fivetran_deleted": True},
        {"id": 2, "a": "y", "_fivetran_deleted": False},
    ]
    assert noticed.counts == {"item": Counts(deleted=1)}
    assert desk.delete({"id": 1}).counts["item"] == Counts()
    deleted, alive = (row["_fivetran_synced"] for row in desk.warehouse.rows("item"))
    assert deleted > alive


@pytest.mark.parametrize("records", [[], [{"id": 9}], [{"id": "x"}]])
def test_the_delete_field_alone_makes_the_column(desk: Any, records: Any) -> None:
    desk.insert({"id": 1})
    assert desk.rows() == [{"id": 1}]
    desk.delete(*records)
    assert desk.rows() == [{"id": 1, "_fivetran_deleted": False}]
    assert desk.types() == {"id": "SMALLINT"}


def test_a_table_that_comes_after_its_deletes_has_the_column(desk: Any) -> None:
    desk.delete({"id": 1})
    assert desk.warehouse.tables() == []
    desk.insert({"id": 1})
    assert marks(desk) == {1: False}


def test_soft_delete_marks_what_is_there_and_not_what_comes_beside_it(desk: Any) -> None:
    desk.insert({"id": 1}, {"id": 2})
    desk.delete({"id": 1})
    noticed = desk.insert({"id": 2}, {"id": 3}, softDelete=["item", "item", "other"])
    assert marks(desk) == {1: True, 2: False, 3: False}
    assert noticed.counts == {
        "item": Counts(inserted=1, updated=1, marked=1), "other": Counts()
    }  # fmt: skip


def test_beside_a_soft_delete_an_entitys_delete_has_no_effect(desk: Any) -> None:
    desk.insert({"id": 1})
    noticed = desk.delete({"no": "key"}, key=None, softDelete=["item"])
    assert (noticed.counts, noticed.faults) == ({"item": Counts(marked=1)}, [])


def test_a_delete_without_schema_is_an_error(desk: Any) -> None:
    desk.insert({"id": 1})
    with pytest.raises(ProtocolBroken, match=r"delete\.item has records, but schema") as caught:
        desk.delete({"id": 1}, key=None)
    assert caught.value.rule == "delete-without-schema"
    desk.delete(key=None)


@pytest.mark.parametrize("part", ["insert", "delete"])
@pytest.mark.parametrize("record", [{"a": 1}, {"id": None}, {"id": [1]}, {"id": {}}])
def test_a_record_without_its_key_is_an_error_that_shows_it(
    desk: Any, part: str, record: Any
) -> None:
    with pytest.raises(ProtocolBroken, match=rf"{part}\.item\[1\]: id of the primary key"):
        desk.send(**{part: {"item": [{"id": 1}, record]}})
    assert desk.warehouse.tables() == []


@pytest.mark.parametrize("key", [None, ("id", "region"), ("region",)])
def test_a_primary_key_that_varies_is_an_error(desk: Any, key: Any) -> None:
    desk.insert({"id": 1})
    with pytest.raises(ProtocolBroken, match=r'primary key of "item" is .* and was \(id\)'):
        desk.insert({"id": 1, "region": "eu"}, key=key)


def test_a_column_named_like_one_of_fivetrans_is_an_error(desk: Any) -> None:
    with pytest.raises(ProtocolBroken, match=r"insert\.item: column _fivetran_synced"):
        desk.insert({"id": 1, "_fivetranSynced": "x"})
