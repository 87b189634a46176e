"""What inserts, deletes and marks do to rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from harness.errors import ProtocolBroken
from harness.warehouse.load import Counts, Widened


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


def test_each_row_says_when_it_was_synced_even_when_the_clock_goes_back(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.insert({"id": 1}, {"id": 2})
    monkeypatch.setattr("time.time_ns", lambda: 5)
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


def test_of_two_source_names_of_a_column_the_last_one_in_order_with_a_value_wins(desk: Any) -> None:
    names = {"id": 1, "userName": "camel", "user_name": "snake"}
    desk.insert(names, {"user_name": None, "userName": "camel", "id": 2}, {"id": 3, "UserName": 1})
    desk.insert(dict(reversed({**names, "id": 4}.items())))
    assert [row["user_name"] for row in desk.rows()] == ["snake", "camel", "1", "snake"]


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


def test_columns_may_come_later(desk: Any) -> None:
    desk.insert({"id": 1, "a": "x"})
    desk.insert({"id": 2} | {f"c{number}": number for number in range(300)})
    first, second = desk.rows()
    assert (first["a"], first["c2"], second["a"], second["c2"]) == ("x", None, None, 2)
    assert len(desk.types()) == 302


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


def test_rows_deleted_since_a_moment_are_those_that_did_not_come_again(desk: Any) -> None:
    """Of soft_delete too; one that was deleted earlier and comes again does not make up for one."""
    desk.insert({"id": 1}, {"id": 2}, {"id": 3}, {"id": 4})
    desk.delete({"id": 4})
    before = desk.warehouse.memory.stamp
    assert desk.warehouse.deleted_since("item", before) == 0
    desk.send(softDelete=["item"])
    desk.insert({"id": 3}, {"id": 4})
    assert desk.warehouse.deleted_since("item", before) == 2
    assert desk.warehouse.deleted_since("item", desk.warehouse.memory.stamp) == 0


def test_soft_delete_marks_what_is_there_and_not_what_comes_beside_it(desk: Any) -> None:
    desk.insert({"id": 1}, {"id": 2})
    desk.delete({"id": 1})
    noticed = desk.insert({"id": 2}, {"id": 3}, softDelete=["item", "item", "other"])
    assert {row["id"]: row["_fivetran_deleted"] for row in desk.rows()} == {
        1: True,
        2: False,
        3: False,
    }
    assert noticed.counts == {
        "item": Counts(inserted=1, updated=1, marked=1), "other": Counts()
    }  # fmt: skip


ONE = {"item": [{"id": 1}]}
BROKEN = [
    (
        {"delete": ONE, "key": None},
        "delete-without-schema",
        r"delete\.item has records, but schema",
    ),
    ({"insert": ONE, "key": None}, "schema-varies", r"is absent in this reply and was \(id\)"),
    ({"insert": ONE, "key": ("id", "b")}, "schema-varies", r"is \(id, b\) .* and was \(id\)"),
    (
        {"insert": {"item": [{"id": 1, "_fivetranSynced": "x"}]}},
        "reserved-name",
        "_fivetran_synced",
    ),
    *(
        ({part: {"item": [{"id": 2}, bad]}}, "record-without-key", rf"{part}\.item\[1\]: id of the")
        for part in ("insert", "delete")
        for bad in ({"a": 1}, {"id": None}, {"id": [1]}, {"id": {}})
    ),
]


@pytest.mark.parametrize(("parts", "rule", "says"), BROKEN)
def test_what_cannot_be_applied_leaves_nothing(desk: Any, parts: Any, rule: str, says: str) -> None:
    desk.insert({"id": 1})
    before = desk.warehouse.state(), desk.warehouse.tables()
    with pytest.raises(ProtocolBroken, match=says) as caught:
        desk.send(**parts)
    assert caught.value.rule == rule
    assert (desk.warehouse.state(), desk.warehouse.tables()) == before
