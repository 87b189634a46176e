"""The first record that differs is named: table, key, column and both values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from harness.protocol.messages import Reply
from harness.warehouse import Warehouse
from harness.warehouse.compare import Difference, differences

Compare = Callable[..., Difference | None]
A, B = {"id": 1, "name": "a"}, {"id": 2, "name": "b"}


@pytest.fixture
def compare(tmp_path: Path) -> Iterator[Compare]:
    """Compares two warehouses, each filled by replies."""
    paths = (tmp_path / "found.duckdb", tmp_path / "expected.duckdb")
    with Warehouse(paths[0], schema="a") as one, Warehouse(paths[1], schema="b") as other:

        def run(found: list[Reply], expected: list[Reply], **options: Any) -> Difference | None:
            for tables, replies in ((one, found), (other, expected)):
                for reply in replies:
                    tables.apply(reply)
            return next(iter(differences(one, other, **options)), None)

        yield run


def keyed(*rows: Any, delete: Any = ()) -> Reply:
    deleted = {"t": list(delete)} if delete else {}
    return Reply(insert={"t": list(rows)}, schema={"t": ["id"]}, delete=deleted, state={})


def plain(*rows: Any) -> Reply:
    return Reply(insert={"t": list(rows)}, state={})


SAME = {
    "other replies": ([keyed(B), keyed(A)], [keyed(A, B)]),
    "rows that are deleted": ([keyed(A, B), keyed(delete=[{"id": 2}])], [keyed(A)]),
    "a column of nulls": ([keyed({**A, "x": 5}), keyed({**A, "x": None})], [keyed(A)]),
    "a wider type": ([keyed({"id": 2**40}), keyed(A)], [keyed({"id": 2**40}), keyed(A)]),
    "doubles": (
        [keyed({"id": 1, "x": Decimal("90.39646779001665"), "y": Decimal("5.0")})],
        [keyed({"id": 1, "x": Decimal("90.396467790016650001"), "y": 5})],
    ),
    "doubles in objects": (
        [keyed({"id": 1, "x": {"lat": [Decimal("36.3")]}})],
        [keyed({"id": 1, "x": {"lat": [Decimal("36.30")]}})],
    ),
    "doubles beside texts": (
        [keyed({"id": 1, "x": Decimal("0.1")}, {"id": 2, "x": "n/a"})],
        [keyed({"id": 1, "x": Decimal("0.10")}, {"id": 2, "x": "n/a"})],
    ),
    "instants": (
        [keyed({"id": 1, "x": "2026-01-05T08:30:00Z"})],
        [keyed({"id": 1, "x": "2026-01-05T09:30:00.000+01:00"})],
    ),
    "nothing": ([], []),
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
def test_it_is_the_same_in(compare: Compare, case: str) -> None:
    assert compare(*SAME[case]) is None


BIG = {"id": 1, "x": 2**53 + 1}
DIFFER = {
    "t: the record id='2' is missing": ([keyed(A)], [keyed(A, B)]),
    "t: the record id='1' is missing (in all: 2 missing)": ([], [keyed(A, B)]),
    "t: the record id='2' is one too many": ([keyed(A, B)], [keyed(A)]),
    "t: the record id='2' has name='old', but should have name='b'": (
        [keyed(A, {**B, "name": "old"})], [keyed(A, B)]
    ),
    "t: the record id='1' has name=null, but should have name='a' (in all: 1 too many, "
    "1 with other values)": ([keyed({"id": 1, "x": 1}, B)], [keyed({**A, "x": 1})]),
    "t: the record id='1' has x='9007199254740992', but should have x='9007199254740993'": (
        [keyed({"id": 1, "x": 2**53})], [keyed(BIG)]
    ),
    "t: the record id='2', name='b' is one too many": ([plain(A, B), plain(B)], [plain(A, B)]),
    "t: the record id='1', name='a' is missing": ([plain(B)], [plain(A, B)]),
}  # fmt: skip


@pytest.mark.parametrize("says", DIFFER)
def test_the_first_difference_is_named(compare: Compare, says: str) -> None:
    assert str(compare(*DIFFER[says])) == says


def test_rows_of_a_table_that_repeats_may_be_there_again_and_no_others(compare: Compare) -> None:
    assert compare([plain(A), plain(A)], [plain(A)], appended=["t"]) is None
    assert "one too many" in str(compare([plain(B)], [], appended=["t"]))


@pytest.mark.parametrize("reply", [keyed, plain])
def test_a_table_beside_the_entities_may_have_more_and_must_have_all(
    compare: Compare, reply: Callable[..., Reply]
) -> None:
    assert compare([reply(A, B)], [reply(A)], entities=["_parent"]) is None
    assert str(compare([], [], entities=["_T"])).startswith("t: the record id='2'")
    assert "is missing" in str(compare([], [reply({"id": 3})], entities=["parent"]))
