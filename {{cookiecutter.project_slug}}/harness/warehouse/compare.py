"""Where two warehouses differ in the rows that are not deleted.

Types, deleted rows and Fivetran's columns are left aside; a column that is missing is null
throughout. Numbers with a point compare as doubles, times as instants, all else by its text.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from harness.warehouse import Warehouse
from harness.warehouse.names import quoted, to_name
from harness.warehouse.store import Store, Table
from harness.warehouse.types import NULL, Shape

_FOUND, _EXPECTED = "_harness_found", "_harness_expected"
_INDEX = "_fivetran_index"


@dataclass(frozen=True)
class Difference:
    """Where a table differs: its first record, and how many there are.

    Attributes:
        table: The table.
        key: Primary key of the first record that differs; all of the row where there is no key.
        column: The column that differs, None where the record is in one of the two alone.
        found: The value that is there, None for null.
        expected: The value that should be there, None for null.
        what: What the record is, where no column differs: `missing`, `one too many`.
        missing: How many records are missing.
        surplus: How many are there and should not be.
        changed: How many have another value.
    """

    table: str
    key: dict[str, str | None] = field(default_factory=dict)
    column: str | None = None
    found: str | None = None
    expected: str | None = None
    what: str = "differs"
    missing: int = 0
    surplus: int = 0
    changed: int = 0

    def __str__(self) -> str:
        record = ", ".join(f"{name}={_shown(value)}" for name, value in self.key.items())
        text = f"{self.table}: the record {record} is {self.what}"
        if self.column is not None:
            text = (
                f"{self.table}: the record {record} has {self.column}={_shown(self.found)}, "
                f"and should have {self.column}={_shown(self.expected)}"
            )
        numbers = (
            f"{count:,} {what}"
            for count, what in (
                (self.missing, "missing"),
                (self.surplus, "too many"),
                (self.changed, "with other values"),
            )
            if count
        )
        several = self.missing + self.surplus + self.changed > 1
        return f"{text} (in all: {', '.join(numbers)})" if several else text


def difference(
    found: Warehouse,
    expected: Warehouse,
    *,
    entities: Collection[str] | None = None,
    appended: Collection[str] = (),
) -> Difference | None:
    """The first table in which `found` is not as it should be; see `differences`."""
    return next(iter(differences(found, expected, entities=entities, appended=appended)), None)


def differences(
    found: Warehouse,
    expected: Warehouse,
    *,
    entities: Collection[str] | None = None,
    appended: Collection[str] = (),
) -> list[Difference]:
    """Every table in which `found` is not as it should be, by name.

    Args:
        found: What is looked at.
        expected: What should be there.
        entities: Tables that must have nothing else; others are filled beside an entity and only
            ever grow, so they may have more rows. None: all must.
        appended: Tables without a primary key whose rows may be there several times.
    """
    exact = None if entities is None else {to_name(name, table=True) for name in entities}
    repeating = {to_name(name, table=True) for name in appended}
    with ExitStack() as stack:
        ours = stack.enter_context(found.transaction())
        theirs = stack.enter_context(expected.transaction())
        made = {t.name for store in (ours, theirs) for t in store.tables.values() if t.made}
        pairs = (
            _Pair(ours, theirs, name, exact is not None and name not in exact, name in repeating)
            for name in sorted(made)
        )
        return [differs for pair in pairs if (differs := pair.difference())]


class _Pair:
    """A table in both warehouses, as canonical texts in two temporary tables."""

    def __init__(self, ours: Store, theirs: Store, name: str, more: bool, repeating: bool) -> None:
        self._store, self._name = ours, name
        self._more, self._repeating = more, repeating
        there, due = ours.tables.get(name), theirs.tables.get(name)
        there = there if there and there.made else Table(name)
        due = due if due and due.made else Table(name)
        self._key = due.primary_key if due.made else there.primary_key
        self._columns = list(dict.fromkeys((*due.filled, *there.filled)))
        shapes = {
            column: (due.columns.get(column, NULL), there.columns.get(column, NULL))
            for column in self._columns
        }
        self._fill(_EXPECTED, theirs, due, shapes)
        self._fill(_FOUND, ours, there, shapes)

    def _fill(
        self, stage: str, source: Store, table: Table, shapes: dict[str, tuple[Shape, Shape]]
    ) -> None:
        texts = [
            _canonical(quoted(name), *both) if name in table.filled else "NULL"
            for name, both in shapes.items()
        ]
        lists = [f"to_json(list({text} ORDER BY _fivetran_batch, {_INDEX}))" for text in texts]
        values: list[Any] = ["[]" for _ in texts]
        count = 0
        if table.made:
            ((count, *values),) = source.query(
                f"SELECT {', '.join(['count(*)', *lists])} FROM {table.texts} "
                "WHERE NOT _fivetran_deleted"
            )
        columns = [f"unnest(from_json_strict(?, '[\"VARCHAR\"]')) AS {quoted(c)}" for c in shapes]
        columns.append(f"unnest(range({count})) AS {_INDEX}")
        self._store.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {stage} AS SELECT {', '.join(columns)}",
            [value or "[]" for value in values],
        )

    def difference(self) -> Difference | None:
        return self._by_key() if self._key else self._by_row()

    def _by_key(self) -> Difference | None:
        same = " AND ".join(f"e.{quoted(name)} = f.{quoted(name)}" for name in self._key)
        others = [quoted(name) for name in self._columns if name not in self._key]
        differs = " OR ".join(f"e.{name} IS DISTINCT FROM f.{name}" for name in others) or "false"
        missing = self._first(f"FROM {_EXPECTED} AS e ANTI JOIN {_FOUND} AS f ON {same}", "e")
        surplus = self._first(f"FROM {_FOUND} AS f ANTI JOIN {_EXPECTED} AS e ON {same}", "f")
        both = f"FROM {_EXPECTED} AS e JOIN {_FOUND} AS f ON {same} WHERE {differs}"
        changed, due = self._first(both, "e")
        if self._more:
            surplus = 0, ()
        first = Difference(self._name, missing=missing[0], surplus=surplus[0], changed=changed)
        if missing[0]:
            return replace(first, key=self._named(missing[1]), what="missing")
        if changed:
            _, there = self._first(both, "f", "e")
            values = zip(self._columns, there, due, strict=True)
            column, is_there, should = next(value for value in values if value[1] != value[2])
            key = self._named(due)
            return replace(first, key=key, column=column, found=is_there, expected=should)
        if surplus[0]:
            return replace(first, key=self._named(surplus[1]), what="one too many")
        return None

    def _by_row(self) -> Difference | None:
        names = ", ".join(map(quoted, self._columns)) or "NULL AS none"
        ours, theirs = f"SELECT {names} FROM {_FOUND}", f"SELECT {names} FROM {_EXPECTED}"
        operator = "EXCEPT" if self._repeating else "EXCEPT ALL"
        missing = self._first(f"FROM ({theirs} {operator} {ours}) AS e", "e", "")
        surplus = self._first(f"FROM ({ours} {operator} {theirs}) AS f", "f", "")
        if self._more:
            surplus = 0, ()
        for (count, row), what in ((missing, "missing"), (surplus, "one too many")):
            if count:
                key = dict(zip(self._columns, row, strict=False))
                return Difference(
                    self._name, key, what=what, missing=missing[0], surplus=surplus[0]
                )
        return None

    def _first(self, what: str, side: str, order: str | None = None) -> tuple[int, tuple[Any, ...]]:
        """How many rows there are, and the first of them, from one side."""
        columns = "".join(f", {side}.{quoted(name)}" for name in self._columns)
        by = f"{side if order is None else order}.{_INDEX}" if order != "" else "ALL"
        query = f"SELECT count(*) OVER (){columns} {what} ORDER BY {by} LIMIT 1"
        found = self._store.query(query)
        return (int(found[0][0]), found[0][1:]) if found else (0, ())

    def _named(self, row: tuple[Any, ...]) -> dict[str, str | None]:
        values = dict(zip(self._columns, row, strict=True))
        return {name: values[name] for name in self._key}


def _canonical(column: str, one: Shape, other: Shape) -> str:
    """The SQL of a text that is the same for the same value, however it is written."""
    kinds = {one.kind, other.kind} - {"null"}
    if kinds == {"json"}:
        return f"json_extract({column}, '$')::VARCHAR"
    if kinds == {"instant"}:
        stamp = f"make_timestamp(epoch_us({one.join(other).cast(column)}))"
        return f"strftime({stamp}, '%Y-%m-%dT%H:%M:%S.%fZ')"
    if kinds and kinds <= {"timestamp", "date"}:
        return f"{one.join(other).cast(column)}::VARCHAR"
    if {"decimal"}.isdisjoint(one.seen | other.seen):
        return column
    # Integers compare exactly, whatever their size; what has a point or an exponent as a double.
    double = f"TRY_CAST({column} AS DOUBLE)"
    return (
        f"CASE WHEN regexp_full_match({column}, '-?[0-9]+') OR {double} IS NULL THEN {column} "
        f"WHEN {double} = trunc({double}) AND abs({double}) < 1e15 "
        f"THEN {double}::BIGINT::VARCHAR ELSE {double}::VARCHAR END"
    )


def _shown(value: str | None) -> str:
    return "null" if value is None else repr(value)
