"""Names follow Fivetran's rules; what is blocked or hashed is found by either spelling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from harness.errors import UsageError
from harness.warehouse import Privacy
from harness.warehouse.names import to_name
from hypothesis import given
from hypothesis import strategies as st

NAMES = {
    "id": "id", "userName": "user_name", "UserName": "user_name", "userID": "user_id",
    "HTTPServer": "http_server", "address2Line": "address2_line", "user name": "user_name",
    "user.name-of/all": "user_name_of_all", "user__name": "user_name", "_id": "_id",
    "total_": "total_", "2fa": "_2fa", "Größe": "grosse", "Øre": "ore", "naïve café": "naive_cafe",
    "名前": "ming_qian", "住所": "zhu_suo", "имя": "imya", "": "_", "a\0b": "a_b", "\ud800": "_",
    'say "hi"; DROP': "say_hi_drop",
}  # fmt: skip


@pytest.mark.parametrize("source", NAMES)
def test_a_column_is_named(source: str) -> None:
    assert to_name(source) == NAMES[source]


@pytest.mark.parametrize(
    ("source", "name"),
    [("_orders", "orders"), ("__Sales", "sales"), ("_1", "_1"), ("注文", "zhu_wen"), ("_", "_")],
)
def test_a_table_loses_leading_underscores_before_a_letter(source: str, name: str) -> None:
    assert to_name(source, table=True) == name


@given(st.text(), st.booleans())
def test_a_name_stays_what_it_is_when_named_again(source: str, table: bool) -> None:
    name = to_name(source, table)
    assert to_name(name, table) == name
    assert name.isascii() and name == name.lower() and name.replace("_", "a").isalnum()


def test_blocked_columns_and_tables_are_not_written(desk: Any) -> None:
    desk.open(blocked=["item.userName", "_other"])
    noticed = desk.insert({"id": 1, "user_name": "Ann", "a": 1})
    assert desk.rows() == [{"id": 1, "a": 1}]
    noticed = desk.send(insert={"other": [{"id": 1}]}, softDelete=["other"])
    assert (noticed.counts, noticed.faults) == ({}, [])
    assert [table.name for table in desk.warehouse.tables()] == ["item"]


def test_a_blocked_key_and_a_hashed_table_are_errors(desk: Any) -> None:
    with pytest.raises(UsageError, match='"item", which is not a column'):
        Privacy(hashed=["item"])
    desk.open(blocked=["item.id"])
    with pytest.raises(UsageError, match=r"item\.id is blocked"):
        desk.insert({"id": 1})


def test_a_hashed_column_is_a_string_that_says_nothing_of_its_values(desk: Any) -> None:
    desk.open(hashed=["item.pin", "item.id"])
    desk.insert({"id": 1, "pin": 1234}, {"id": 2, "pin": 1234}, {"id": 3, "pin": None})
    noticed = desk.insert({"id": 1, "pin": "in-the-clear"})
    assert noticed.counts["item"].updated == 1
    assert sorted(len(row["pin"] or "") for row in desk.rows()) == [0, 64, 64]
    assert desk.types() == {"id": "VARCHAR", "pin": "VARCHAR"}
    (table,) = desk.warehouse.tables()
    assert [column.name for column in table.columns if column.hashed] == ["id", "pin"]
    desk.warehouse.close()
    assert b"in-the-clear" not in desk.path.read_bytes()


def test_equal_values_have_equal_hashes_in_one_warehouse_alone(desk: Any, tmp_path: Path) -> None:
    found = []
    for path in (desk.path, desk.path, tmp_path / "other.duckdb"):
        desk.warehouse.close()
        desk.path = path
        desk.open(hashed=["item.pin"])
        desk.insert({"id": 1, "pin": "x"})
        found.append(desk.rows()[0]["pin"])
    assert found[0] == found[1] != found[2]


def test_entries_that_hide_nothing_can_be_asked_for(desk: Any) -> None:
    desk.open(
        blocked=["item.note", "item.nope", "secrets", "nothing"], hashed=["item.pin", "item.pim"]
    )
    desk.insert({"id": 1, "note": None, "pin": 1})
    desk.send(key=None, insert={"secrets": [{"a": 1}]})
    unmatched = [("blocked", "item.nope"), ("blocked", "nothing"), ("hashed", "item.pim")]
    assert desk.warehouse.unmatched() == unmatched
    desk.open(blocked=["item.note"])
    assert desk.warehouse.unmatched() == []  # remembered from the sync before
