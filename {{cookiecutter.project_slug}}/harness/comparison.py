# Owned by fivetran-azfn-template: updates replace this file.
"""Where two warehouses first differ in the rows that are not deleted; it changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from harness.warehouse import Warehouse

Row = dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """The first record that differs.

    Attributes:
        table: Where it stands.
        key: Its primary key, or the whole row in a table without one.
        column: The column that differs, None where the record is in one of the two alone.
        found: The value that is there, None for none.
        expected: The value that should be there, None for none.
        what: What differs where no column does: `missing`, `too many`.
    """

    table: str
    key: Mapping[str, Any]
    column: str | None = None
    found: Any = None
    expected: Any = None
    what: str = "differs"

    def __str__(self) -> str:
        record = ", ".join(f"{name}={_shown(value)}" for name, value in self.key.items())
        if self.column is None:
            return f"{self.table}: the record {record} is {self.what}"
        return (
            f"{self.table}: the record {record} has {self.column}={_shown(self.found)}, "
            f"and should have {self.column}={_shown(self.expected)}"
        )


def difference(
    found: Warehouse,
    expected: Warehouse,
    *,
    repeating: Collection[str] | None = (),
    entities: Collection[str] | None = None,
) -> Difference | None:
    """The first record, by table and key, in which two warehouses differ; None where they do not.

    Types, deleted rows and Fivetran's own columns are left aside, and a column that is missing is
    null throughout, as Fivetran's tables have it.

    Args:
        found: What is looked at.
        expected: What should be there.
        repeating: Tables without a primary key whose rows may be there several times; None: all.
        entities: Tables that must hold nothing else. Others are filled beside an entity and only
            ever add: `surplus` counts what they have too much. None: all must.
    """
    tables = {table.name: table.primary_key for table in expected.tables()}
    there = {table.name: table.primary_key for table in found.tables()}
    for name in sorted({*tables, *there}):
        ours = _alive(found, name) if name in there else []
        theirs = _alive(expected, name) if name in tables else []
        key = tables.get(name) or there.get(name) or ()
        more = entities is not None and name not in entities
        if key:
            differs = _by_key(name, key, ours, theirs, more)
        else:
            differs = _by_row(name, ours, theirs, repeating is None or name in repeating, more)
        if differs:
            return differs
    return None


def surplus(found: Warehouse, expected: Warehouse, entities: Collection[str]) -> dict[str, int]:
    """How many rows tables that hold no entity have more than they should, by table."""
    due = {table.name for table in expected.tables()}
    others = [table.name for table in found.tables() if table.name not in entities]
    more = {
        name: len(_alive(found, name)) - (len(_alive(expected, name)) if name in due else 0)
        for name in others
    }
    return {name: count for name, count in more.items() if count > 0}


def _alive(tables: Warehouse, name: str) -> list[Row]:
    return [
        {column: value for column, value in row.items() if not column.startswith("_fivetran_")}
        for row in tables.rows(name)
        if not row.get("_fivetran_deleted")
    ]


def _by_key(
    table: str, key: tuple[str, ...], found: list[Row], expected: list[Row], more: bool
) -> Difference | None:
    ours = {tuple(row[name] for name in key): row for row in found}
    theirs = {tuple(row[name] for name in key): row for row in expected}
    for values in dict.fromkeys((*theirs, *ours)):
        named = dict(zip(key, values, strict=True))
        if values not in ours:
            return Difference(table, named, what="missing")
        if values not in theirs:
            if more:
                continue
            return Difference(table, named, what="too many")
        row, other = ours[values], theirs[values]
        for column in dict.fromkeys((*other, *row)):
            if row.get(column) != other.get(column):
                return Difference(table, named, column, row.get(column), other.get(column))
    return None


def _by_row(
    table: str, found: list[Row], expected: list[Row], repeating: bool, more: bool
) -> Difference | None:
    ours, theirs = (
        Counter(tuple(sorted(_filled(row), key=str)) for row in rows) for rows in (found, expected)
    )
    for row in dict.fromkeys((*theirs, *ours)):
        if ours[row] < theirs[row]:
            return Difference(table, dict(row), what="missing")
        if ours[row] > theirs[row] and not more and not (repeating and theirs[row]):
            times = f"there {ours[row]} times instead of {theirs[row]}"
            return Difference(table, dict(row), what=times if theirs[row] else "too many")
    return None


def _filled(row: Row) -> list[tuple[str, Any]]:
    return [(column, value) for column, value in row.items() if value is not None]


def _shown(value: Any) -> str:
    return "null" if value is None else repr(value) if isinstance(value, str) else str(value)
