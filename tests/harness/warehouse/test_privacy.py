"""Blocked data is not written; hashed data is written as hashes."""

from pathlib import Path
from typing import Any

import pytest
from harness.errors import UsageError
from harness.warehouse import Warehouse


def test_a_blocked_column_is_not_written(desk: Any) -> None:
    desk.open(blocked={"item.userName"})
    desk.insert({"id": 1, "user_name": "Ann", "a": 1})
    assert desk.rows() == [{"id": 1, "a": 1}]


def test_a_blocked_table_is_not_written(desk: Any) -> None:
    desk.open(blocked={"item"})
    applied = desk.insert({"id": 1}, delete={"item": [{"id": 1}]}, softDelete=["item"])
    assert (applied.tables, desk.warehouse.tables()) == ({}, [])


def test_a_blocked_column_of_the_primary_key_is_an_error(desk: Any) -> None:
    desk.open(blocked={"item.id"})
    with pytest.raises(UsageError, match=r"item\.id is blocked"):
        desk.insert({"id": 1})


def test_a_hashed_column_is_a_string_and_says_nothing_of_its_values(desk: Any) -> None:
    desk.open(hashed={"item.pin"})
    desk.insert({"id": 1, "pin": 1234}, {"id": 2, "pin": 1234}, {"id": 3, "pin": None})
    one, two, none = (row["pin"] for row in desk.rows())
    assert one == two != "1234"
    assert (len(one), none, desk.types()["pin"]) == (64, None, "VARCHAR")


def test_tables_tell_which_columns_are_hashed(desk: Any) -> None:
    desk.open(hashed={"item.pin"})
    desk.insert({"id": 1, "pin": 1234})
    (table,) = desk.warehouse.tables()
    assert [column.name for column in table.columns if column.hashed] == ["pin"]


def test_a_hash_stays_the_same_when_the_file_is_opened_again_or_reset(desk: Any) -> None:
    def pin() -> str:
        desk.open(hashed={"item.pin"})
        desk.insert({"id": 1, "pin": "x"})
        return desk.rows()[0]["pin"]

    first = pin()
    assert pin() == first
    desk.warehouse.reset()
    assert pin() == first


def test_two_connections_hash_differently(desk: Any, tmp_path: Path) -> None:
    desk.open(hashed={"item.pin"})
    desk.insert({"id": 1, "pin": "x"})
    with Warehouse(tmp_path / "other.duckdb", schema="acme", hashed={"item.pin"}) as other:
        other.apply({"state": {}, "insert": {"item": [{"pin": "x"}]}}, {})
        assert other.rows("item")[0]["pin"] != desk.rows()[0]["pin"]


def test_a_hashed_primary_key_still_matches(desk: Any) -> None:
    desk.open(hashed={"item.id"})
    desk.insert({"id": 1, "a": "old"}, {"id": 2, "a": "old"})
    desk.insert({"id": 1, "a": "new"})
    desk.delete({"id": 2})
    assert sorted((row["a"], row["_fivetran_deleted"]) for row in desk.rows()) == [
        ("new", False),
        ("old", True),
    ]


@pytest.mark.parametrize("value", [1234, "x", True, {"a": 1}, "2026-01-05T08:30:00.120Z"])
def test_a_column_that_is_hashed_later_is_hashed_in_place_and_alike(desk: Any, value: Any) -> None:
    desk.insert({"id": 1, "pin": value}, {"id": 2, "pin": None})
    desk.open(hashed={"item.pin"})
    desk.insert({"id": 3, "pin": value})
    one, two, three = (row["pin"] for row in desk.rows())
    assert (one, two) == (three, None)
    desk.open(hashed={"item.pin"})
    assert desk.rows()[0]["pin"] == three


def test_no_hashed_value_is_left_in_the_file(desk: Any) -> None:
    desk.open(hashed={"item.pin"})
    desk.insert({"id": 1, "pin": "in-the-clear"})
    desk.warehouse.close()
    assert b"in-the-clear" not in desk.path.read_bytes()
