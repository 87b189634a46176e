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
        record = ", ".join(f"{name}={_quoted(value)}" for name, value in self.key.items())
        text = f"{self.table}: the record {record} is {self.what}"
        if self.column is not None:
            text = (
                f"{self.table}: the record {record} has {self.column}={_quoted(self.found)}, "
                f"and should have {self.column}={_quoted(self.expected)}"
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
        compared = (
            _compare(
                ours,
                theirs,
                name,
                may_have_more=exact is not None and name not in exact,
                repeats=name in repeating,
            )
            for name in sorted(made)
        )
        return [differs for differs in compared if differs]


def _compare(
    ours: Store, theirs: Store, name: str, *, may_have_more: bool, repeats: bool
) -> Difference | None:
    """Copies both tables to temporary ones of canonical texts, and compares those."""
    there, due = (store.tables.get(name) or Table(name) for store in (ours, theirs))
    key = due.primary_key if due.made else there.primary_key
    columns = list(dict.fromkeys((*due.filled, *there.filled)))
    for stage, source, table in ((_EXPECTED, theirs, due), (_FOUND, ours, there)):
        texts = {
            quoted(column): _canonical(
                quoted(column), due.columns.get(column, NULL), there.columns.get(column, NULL)
            )
            if column in table.filled
            else "NULL"
            for column in columns
        }
        identity = f"to_json([{', '.join(map(quoted, key or columns))}])::VARCHAR"
        if not key and not repeats:  # the second of two rows that are alike is a row, too
            identity += f" || row_number() OVER (PARTITION BY {identity} ORDER BY {_INDEX})"
        _copy(source, table, texts, ours, stage, identity)
    names = [quoted(column) for column in columns]
    of_e, of_f = ("".join(f", {side}.{name}" for name in names) for side in "ef")
    differs = " OR ".join(f"e.{name} IS DISTINCT FROM f.{name}" for name in names) or "false"
    e, f = f"{_EXPECTED} AS e", f"{_FOUND} AS f"
    missing, lost = _first(
        ours, f"SELECT e.{_INDEX}{of_e} FROM {e} ANTI JOIN {f} USING (_fivetran_key)"
    )
    surplus, extra = _first(
        ours, f"SELECT f.{_INDEX}{of_f} FROM {f} ANTI JOIN {e} USING (_fivetran_key)"
    )
    changed, pair = _first(
        ours,
        f"SELECT e.{_INDEX}{of_e}{of_f} FROM {e} JOIN {f} USING (_fivetran_key) WHERE {differs}",
    )
    if may_have_more:
        surplus = 0
    if not (missing or changed or surplus):
        return None
    should = dict(zip(columns, lost or pair or extra, strict=False))
    first = Difference(
        name,
        {column: should[column] for column in key or columns if key or should[column] is not None},
        what="missing" if missing else "one too many",
        missing=missing,
        surplus=surplus,
        changed=changed,
    )
    if missing or not changed:
        return first
    is_there = dict(zip(columns, pair[len(columns) :], strict=True))
    column = next(column for column in columns if should[column] != is_there[column])
    return replace(
        first, column=column, found=is_there[column], expected=should[column], what="differs"
    )


def _copy(
    source: Store, table: Table, texts: dict[str, str], target: Store, stage: str, identity: str
) -> None:
    """Copies live rows between two files, a JSON list a column: neither may open the other."""
    lists = [f"to_json(list({text} ORDER BY _fivetran_batch, {_INDEX}))" for text in texts.values()]
    count, values = 0, [None for _ in texts]
    if table.made:
        query = f"SELECT {', '.join(['count(*)', *lists])} FROM {table.texts}"
        ((count, *values),) = source.query(f"{query} WHERE NOT _fivetran_deleted")
    rows = [f"unnest(from_json_strict(?, '[\"VARCHAR\"]')) AS {name}" for name in texts]
    rows.append(f"unnest(range({count})) AS {_INDEX}")
    target.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {stage} AS "
        f"SELECT *, {identity} AS _fivetran_key FROM (SELECT {', '.join(rows)})",
        [value or "[]" for value in values],
    )


def _first(store: Store, query: str) -> tuple[int, tuple[Any, ...]]:
    """How many rows a query has, and the first of them without its index."""
    found = store.query(f"SELECT count(*) OVER (), * FROM ({query}) ORDER BY {_INDEX} LIMIT 1")
    return (int(found[0][0]), found[0][2:]) if found else (0, ())


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


def _quoted(value: str | None) -> str:
    return "null" if value is None else repr(value)
