"""What inserts, deletes, marks, blocking and hashing do to rows, beside what the model holds."""

import re
from datetime import UTC, datetime

import pytest
from harness.errors import ProtocolBroken, UsageError
from harness.warehouse import Privacy
from harness.warehouse.load import Widened
from harness.warehouse.names import to_name
from hypothesis import given, settings
from hypothesis import strategies as st

NAMES = {
    "id": "id", "userName": "user_name", "UserName": "user_name", "userID": "user_id",
    "HTTPServer": "http_server", "address2Line": "address2_line", "user name": "user_name",
    "user.name-of/all": "user_name_of_all", "user__name": "user_name", "_id": "_id",
    "total_": "total_", "2fa": "_2fa", "Größe": "grosse", "Øre": "ore", "naïve café": "naive_cafe",
    "名前": "ming_qian", "住所": "zhu_suo", "имя": "imya", "": "_", "a\0b": "a_b", "\ud800": "_",
    'say "hi"; DROP': "say_hi_drop",
}  # fmt: skip
TABLES = {"_orders": "orders", "__Sales": "sales", "_1": "_1", "注文": "zhu_wen", "_": "_"}


def test_names_are_fivetrans_and_a_table_loses_leading_underscores_before_a_letter():
    assert {source: to_name(source) for source in NAMES} == NAMES
    assert {source: to_name(source, table=True) for source in TABLES} == TABLES


@settings(max_examples=30)
@given(st.text(), st.booleans())
def test_a_name_stays_what_it_is_when_named_again(source, table):
    name = to_name(source, table)
    assert to_name(name, table) == name
    assert re.fullmatch("[a-z0-9_]+", name)


@pytest.mark.parametrize("schema", [{}, {"item": {}}, {"item": {"primary_key": []}}, None])
def test_without_a_primary_key_rows_are_appended_in_order(desk, schema):
    desk.insert({"a": "x"}, {"a": "y"}, schema=schema)
    desk.insert({"a": "x"}, schema=schema)
    places = [(r["_fivetran_batch"], r["_fivetran_index"]) for r in desk.warehouse.rows("item")]
    assert places == [(1, 0), (1, 1), (2, 0)]


def test_each_row_says_when_it_was_synced_even_when_the_clock_goes_back(desk, monkeypatch):
    desk.insert({"id": 1}, {"id": 2})
    monkeypatch.setattr("time.time_ns", lambda: 5)
    desk.insert({"id": 1})
    new, old = (row["_fivetran_synced"] for row in desk.warehouse.rows("item"))
    assert new > old >= datetime(2026, 1, 1, tzinfo=UTC)


def test_of_two_source_names_of_a_column_the_last_one_in_order_with_a_value_wins(desk):
    names = {"id": 1, "userName": "camel", "user_name": "snake"}
    desk.insert(names, {"user_name": None, "userName": "camel", "id": 2}, {"id": 3, "UserName": 1})
    desk.insert(dict(reversed({**names, "id": 4}.items())))
    assert [row["user_name"] for row in desk.rows()] == ["snake", "camel", "1", "snake"]


def test_columns_may_come_later_and_one_that_widens_is_named_with_both_types(desk):
    assert desk.insert({"id": 1, "a": 1}).widened == []
    many = {f"c{number}": number for number in range(300)}
    noticed = desk.insert({"id": 2, "a": "x", **many})
    assert noticed.widened == [Widened("item", "a", "SMALLINT", "VARCHAR")]
    first, second = desk.rows()
    assert first == {"id": 1, "a": "1", **dict.fromkeys(many)}
    assert second == {"id": 2, "a": "x", **many}


def test_rows_deleted_since_a_moment_are_those_that_did_not_come_again(desk):
    """Of softDelete too; one that was deleted earlier and comes again does not make up for one."""
    desk.insert({"id": 1}, {"id": 2}, {"id": 3}, {"id": 4})
    desk.delete({"id": 4})
    before = desk.warehouse.memory.stamp
    assert desk.warehouse.deleted_since("item", before) == 0
    desk.send(softDelete=["item"])
    desk.insert({"id": 3}, {"id": 4})
    assert desk.warehouse.deleted_since("item", before) == 2
    assert desk.warehouse.deleted_since("item", desk.warehouse.memory.stamp) == 0


BROKEN = [
    ({"key": ()}, "schema-varies", r"is absent in this reply and was \(id\)"),
    ({"key": ("id", "b")}, "schema-varies", r"is \(id, b\) .* and was \(id\)"),
    *(
        ({part: {"item": [{"id": 2}, bad]}}, "record-without-key", rf"{part}\.item\[1\]: id of the")
        for part in ("insert", "delete")
        for bad in ({"a": 1}, {"id": None}, {"id": [1]}, {"id": {}})
    ),
]


@pytest.mark.parametrize(("parts", "rule", "says"), BROKEN)
def test_what_cannot_be_applied_is_named(desk, parts, rule, says):
    desk.insert({"id": 1})
    with pytest.raises(ProtocolBroken, match=says) as caught:
        desk.insert({"id": 1}, **parts)
    assert caught.value.rule == rule


def test_blocked_columns_and_tables_are_not_written(desk):
    desk.hide("item.userName", "_other")
    desk.insert({"id": 1, "user_name": "Ann", "a": 1})
    assert desk.rows() == [{"id": 1, "a": 1}]
    noticed = desk.send(insert={"other": [{"id": 1}]}, softDelete=["other"])
    assert (noticed.counts, noticed.faults) == ({}, [])
    assert [table.name for table in desk.warehouse.tables()] == ["item"]


def test_a_blocked_key_and_a_hashed_table_are_errors(desk):
    with pytest.raises(UsageError, match='"item", which is not a column'):
        Privacy(hashed=["item"])
    desk.hide("item.id")
    with pytest.raises(UsageError, match=r"item\.id is blocked"):
        desk.insert({"id": 1})


def test_a_hashed_column_is_a_string_that_says_nothing_of_its_values(fresh):
    fresh.hide(hashed=["item.pin", "item.id"])
    fresh.insert({"id": 1, "pin": 1234}, {"id": 2, "pin": 1234}, {"id": 3, "pin": None})
    noticed = fresh.insert({"id": 1, "pin": "in-the-clear"})
    assert noticed.counts["item"].updated == 1
    assert sorted(len(row["pin"] or "") for row in fresh.rows()) == [0, 64, 64]
    assert fresh.types() == {"id": "VARCHAR", "pin": "VARCHAR"}
    fresh.warehouse.close()
    assert b"in-the-clear" not in fresh.path.read_bytes()


def test_equal_values_have_equal_hashes_in_one_warehouse_alone(desk, fresh):
    found = []
    for each in (desk, desk, fresh):
        each.open()
        each.hide(hashed=["item.pin"])
        each.insert({"id": 1, "pin": "x"})
        found.append(each.rows()[0]["pin"])
    assert found[0] == found[1] != found[2]


def test_entries_that_hide_nothing_can_be_asked_for(desk):
    desk.hide("item.note", "item.nope", "secrets", "no", hashed=["item.pin", "item.pim"])
    desk.insert({"id": 1, "note": None, "pin": 1})
    desk.send(insert={"secrets": [{"a": 1}]})
    unmatched = [("blocked", "item.nope"), ("blocked", "no"), ("hashed", "item.pim")]
    assert desk.warehouse.unmatched() == unmatched
    desk.open()
    assert desk.warehouse.unmatched() == unmatched  # columns are remembered
