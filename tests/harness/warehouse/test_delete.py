"""Deleted rows stay, marked."""

from typing import Any

import pytest
from harness.errors import ProtocolBroken
from harness.loading import Counts


def marks(desk: Any) -> dict[Any, bool]:
    return {row["id"]: row["_fivetran_deleted"] for row in desk.rows()}


def test_delete_marks_the_row_and_leaves_its_values(desk: Any) -> None:
    desk.insert({"id": 1, "a": "x"}, {"id": 2, "a": "y"})
    applied = desk.delete({"id": 1})
    assert desk.rows() == [
        {"id": 1, "a": "x", "_fivetran_deleted": True},
        {"id": 2, "a": "y", "_fivetran_deleted": False},
    ]
    assert applied.tables == {"item": Counts(deleted=1)}


def test_delete_stamps_the_row(desk: Any) -> None:
    desk.insert({"id": 1}, {"id": 2})
    desk.delete({"id": 1})
    deleted, alive = (row["_fivetran_synced"] for row in desk.warehouse.rows("item"))
    assert deleted > alive


def test_nothing_is_marked_before_something_was_deleted(desk: Any) -> None:
    desk.insert({"id": 1})
    desk.delete({"id": 2})
    assert desk.rows() == [{"id": 1}]


def test_a_delete_for_a_table_that_is_not_there_is_harmless(desk: Any) -> None:
    assert desk.delete({"id": 1}).tables == {"item": Counts()}
    assert desk.warehouse.tables() == []


def test_a_delete_counts_a_row_once(desk: Any) -> None:
    desk.insert({"id": 1})
    assert desk.delete({"id": 1}, {"id": 1}).tables["item"].deleted == 1
    assert desk.delete({"id": 1}).tables["item"].deleted == 0


def test_a_delete_needs_nothing_but_the_key_and_ignores_the_rest(desk: Any) -> None:
    desk.insert({"id": 1, "a": 1})
    desk.delete({"id": 1, "a": "other", "b": "new"})
    assert desk.types() == {"id": "SMALLINT", "a": "SMALLINT"}


def test_a_delete_finds_a_composite_key(desk: Any) -> None:
    key = ("region", "id")
    desk.insert({"id": 1, "region": "eu"}, {"id": 2, "region": "eu"}, key=key)
    desk.delete({"region": "eu", "id": 2}, key=key)
    assert marks(desk) == {1: False, 2: True}


def test_a_deleted_row_that_comes_back_is_alive(desk: Any) -> None:
    desk.insert({"id": 1})
    desk.delete({"id": 1})
    desk.insert({"id": 1})
    assert marks(desk) == {1: False}


def test_soft_delete_marks_all_rows(desk: Any) -> None:
    desk.insert({"id": 1}, {"id": 2})
    desk.delete({"id": 1})
    applied = desk.send(softDelete=["item"])
    assert marks(desk) == {1: True, 2: True}
    assert applied.tables == {"item": Counts(marked=1)}


def test_soft_delete_of_a_table_that_is_not_there_is_harmless(desk: Any) -> None:
    desk.send(softDelete=["item"])
    assert desk.warehouse.tables() == []


def test_rows_beside_a_soft_delete_are_alive_afterwards(desk: Any) -> None:
    desk.insert({"id": 1}, {"id": 2})
    desk.insert({"id": 2}, {"id": 3}, softDelete=["item"])
    assert marks(desk) == {1: True, 2: False, 3: False}


def test_marks_can_be_made_after_the_rows_of_the_same_reply(desk: Any) -> None:
    desk.insert({"id": 1})
    desk.insert({"id": 2}, softDelete=["item"], marks_last=True)
    assert marks(desk) == {1: True, 2: True}


def test_a_key_in_insert_and_delete_is_alive_unless_marks_come_last(desk: Any) -> None:
    both = {"insert": {"item": [{"id": 1}]}, "delete": {"item": [{"id": 1}]}}
    desk.insert({"id": 1})
    desk.send(**both)
    assert marks(desk) == {1: False}
    desk.send(**both, marks_last=True)
    assert marks(desk) == {1: True}


def test_beside_a_soft_delete_an_entitys_delete_has_no_effect(desk: Any) -> None:
    desk.insert({"id": 1})
    applied = desk.delete({"no": "key"}, softDelete=["item"])
    assert applied.tables == {"item": Counts(marked=1)}


def test_appended_rows_can_be_marked(desk: Any) -> None:
    desk.insert({"a": 1}, {"a": 1}, key=None)
    assert desk.send(key=None, softDelete=["item"]).tables["item"].marked == 2


def test_a_delete_without_schema_is_an_error(desk: Any) -> None:
    with pytest.raises(ProtocolBroken, match=r'delete\["item"\] has records, but schema names no'):
        desk.delete({"id": 1}, key=None)


def test_a_delete_without_records_needs_no_schema(desk: Any) -> None:
    desk.delete(key=None)


@pytest.mark.parametrize("record", [{"a": 1}, {"id": None}])
def test_a_delete_without_its_key_is_an_error_that_names_the_record(desk: Any, record: Any) -> None:
    with pytest.raises(ProtocolBroken, match=r'delete\["item"\], record 1: primary key column id'):
        desk.delete({"id": 1}, record)
