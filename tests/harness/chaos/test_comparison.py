"""The first record that differs is named: table, key, column and both values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.comparison import Difference, difference, surplus
from harness.warehouse import Warehouse

Rows = list[dict[str, Any]]
Compare = Callable[..., Difference | None]


@pytest.fixture
def compare(tmp_path: Path) -> Iterator[Compare]:
    """Compares two warehouses, each filled by replies."""
    paths = (tmp_path / "found.duckdb", tmp_path / "expected.duckdb")
    with Warehouse(paths[0], schema="a") as one, Warehouse(paths[1], schema="a") as other:

        def run(found: Any, expected: Any, **options: Any) -> Difference | None:
            for tables, replies in ((one, found), (other, expected)):
                for reply in replies:
                    tables.apply({"state": {}, "hasMore": False, **reply}, {})
            run.surplus = surplus(one, other, options.get("entities") or ())  # type: ignore[attr-defined]
            return difference(one, other, **options)

        yield run


def keyed(rows: Rows, **parts: Any) -> dict[str, Any]:
    return {"insert": {"t": rows}, "schema": {"t": {"primary_key": ["id"]}}, **parts}


def plain(rows: Rows) -> dict[str, Any]:
    return {"insert": {"t": rows}}


A, B = {"id": 1, "name": "a"}, {"id": 2, "name": "b"}


def test_the_same_rows_in_other_replies_are_the_same(compare: Compare) -> None:
    assert compare([keyed([B]), keyed([A])], [keyed([A, B])]) is None


def test_a_missing_record_is_named_by_its_key(compare: Compare) -> None:
    found = compare([keyed([A])], [keyed([A, B])])
    assert found == Difference("t", {"id": 2}, what="missing")
    assert str(found) == "t: the record id=2 is missing"


def test_a_record_that_should_not_be_there_is_named(compare: Compare) -> None:
    found = compare([keyed([A, B])], [keyed([A])])
    assert str(found) == "t: the record id=2 is too many"


def test_a_value_that_differs_is_shown_with_the_other(compare: Compare) -> None:
    found = compare([keyed([A, {**B, "name": "old"}])], [keyed([A, B])])
    assert found == Difference("t", {"id": 2}, "name", "old", "b")
    assert str(found) == "t: the record id=2 has name='old', and should have name='b'"


def test_a_table_that_is_missing_is_named_by_its_first_record(compare: Compare) -> None:
    assert str(compare([], [keyed([A])])) == "t: the record id=1 is missing"


def test_deleted_rows_are_left_aside(compare: Compare) -> None:
    gone = keyed([], delete={"t": [{"id": 2}]})
    assert compare([keyed([A, B]), gone], [keyed([A])]) is None


def test_a_row_that_is_alive_by_mistake_is_too_many(compare: Compare) -> None:
    gone = keyed([], delete={"t": [{"id": 2}]})
    assert str(compare([keyed([A, B])], [keyed([A, B]), gone])) == "t: the record id=2 is too many"


def test_a_column_of_nulls_may_be_missing(compare: Compare) -> None:
    assert compare([keyed([{**A, "x": 5}]), keyed([{**A, "x": None}])], [keyed([A])]) is None


def test_types_are_left_aside(compare: Compare) -> None:
    wide = [keyed([{"id": 1, "x": 2**40}]), keyed([{"id": 1, "x": 3}])]
    assert compare(wide, [keyed([{"id": 1, "x": 3}])]) is None


def test_without_a_key_a_row_is_counted(compare: Compare) -> None:
    found = compare([plain([A, B]), plain([B])], [plain([A, B])])
    assert str(found) == "t: the record id=2, name='b' is there 2 times instead of 1"


def test_without_a_key_a_row_that_is_missing_is_shown_whole(compare: Compare) -> None:
    assert str(compare([plain([B])], [plain([A, B])])) == "t: the record id=1, name='a' is missing"


@pytest.mark.parametrize("repeating", [["t"], None])
def test_rows_of_a_table_that_repeats_may_be_there_again(
    compare: Compare, repeating: list[str] | None
) -> None:
    assert compare([plain([A]), plain([A])], [plain([A])], repeating=repeating) is None


def test_a_table_that_repeats_holds_no_other_rows(compare: Compare) -> None:
    found = compare([plain([A, B])], [plain([A])], repeating=["t"])
    assert str(found) == "t: the record id=2, name='b' is too many"


@pytest.mark.parametrize("reply", [keyed, plain])
def test_a_table_that_is_no_entity_may_hold_more_and_must_hold_all(
    compare: Compare, reply: Callable[[Rows], Any]
) -> None:
    beside: Any = {"entities": ["parent"]}
    assert compare([reply([A, B]), reply([])], [reply([A])], **beside) is None
    assert compare.surplus == {"t": 1}  # type: ignore[attr-defined]
    assert str(compare([], [reply([{"id": 3}])], **beside)) == "t: the record id=3 is missing"


def test_a_table_that_is_no_entity_has_the_same_values(compare: Compare) -> None:
    found = compare([keyed([B])], [keyed([{**B, "name": "c"}])], entities=["parent"])
    assert str(found) == "t: the record id=2 has name='b', and should have name='c'"


def test_a_table_without_a_key_beside_an_entity_may_hold_rows_again(compare: Compare) -> None:
    assert compare([plain([A]), plain([A, A])], [plain([A])], entities=["parent"]) is None
    assert compare.surplus == {"t": 2}  # type: ignore[attr-defined]


def test_a_table_that_is_an_entity_holds_no_more(compare: Compare) -> None:
    found = compare([keyed([A, B])], [keyed([A])], entities=["t"])
    assert str(found) == "t: the record id=2 is too many"
    assert compare.surplus == {}  # type: ignore[attr-defined]
