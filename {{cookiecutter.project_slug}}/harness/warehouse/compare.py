"""Compares the rows of two warehouses that are not deleted.

Types, deleted rows and Fivetran's columns are ignored; a missing column counts as null. Numbers
with a point are compared as doubles, times as instants, all other values as text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sized
from dataclasses import dataclass

from harness.warehouse import Warehouse
from harness.warehouse.names import quoted, to_name
from harness.warehouse.store import INDEX, Table
from harness.warehouse.types import INSTANT, NULL, Shape

Row = dict[str, str | None]


@dataclass(frozen=True)
class Difference:
    """Where a table differs."""

    what: str  # its first record in words
    missing: int  # how many records

    def __str__(self) -> str:
        return self.what


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
    names = sorted({*found.made, *expected.made})
    exact = names if entities is None else [to_name(name, table=True) for name in entities]
    repeating = [to_name(name, table=True) for name in appended]
    compared = (
        _compare(found, expected, name, more=name not in exact, repeats=name in repeating)
        for name in names
    )
    return [differs for differs in compared if differs]


def _compare(
    found: Warehouse, expected: Warehouse, name: str, *, more: bool, repeats: bool
) -> Difference | None:
    there, due = (store.made.get(name, Table(name)) for store in (found, expected))
    key = due.primary_key or there.primary_key
    texts = {
        c: _canonical(quoted(c), due.columns.get(c, NULL), there.columns.get(c, NULL))
        for c in {**due.filled, **there.filled}
    }
    has = _rows(found, there, texts, key, repeats)
    should = _rows(expected, due, texts, key, repeats)
    missing = [row for identity, row in should.items() if identity not in has]
    surplus = [] if more else [row for identity, row in has.items() if identity not in should]
    changed = [(row, has[i]) for i, row in should.items() if i in has and row != has[i]]
    if missing:
        what = f"{_record(missing[0], key)} is missing"
    elif changed:
        row, other = changed[0]
        column = next(c for c in texts if row[c] != other[c])
        what = (
            f"{_record(row, key)} has {column}={_quoted(other[column])}, "
            f"but should have {column}={_quoted(row[column])}"
        )
    elif surplus:
        what = f"{_record(surplus[0], key)} is one too many"
    else:
        return None
    counts: dict[str, Sized] = {
        "missing": missing,
        "too many": surplus,
        "with other values": changed,
    }
    if len(missing) + len(surplus) + len(changed) > 1:
        numbers = (f"{len(rows):,} {words}" for words, rows in counts.items() if rows)
        what += f" (in all: {', '.join(numbers)})"
    return Difference(f"{name}: {what}", len(missing))


def _rows(
    store: Warehouse, table: Table, texts: dict[str, str], key: tuple[str, ...], repeats: bool
) -> dict[object, Row]:
    """The live rows in the order written, by what identifies them."""
    if not table.made:
        return {}
    wanted = ", ".join(text if c in table.filled else "NULL" for c, text in texts.items())
    query = f"SELECT {wanted} FROM {table.texts} WHERE NOT _fivetran_deleted"
    rows: dict[object, Row] = {}
    seen: Counter[object] = Counter()
    for values in store.query(f"{query} ORDER BY _fivetran_batch, {INDEX}"):
        row = dict(zip(texts, values, strict=True))
        identity: object = tuple(row[c] for c in key) if key else values
        if not key and not repeats:  # the second of two rows that are alike is a row, too
            seen[identity] += 1
            identity = (identity, seen[identity])
        rows[identity] = row
    return rows


def _canonical(column: str, one: Shape, other: Shape) -> str:
    """The SQL of a text that is the same for the same value, however it is written."""
    both = one.join(other)
    if both.sql == "JSON":
        return f"json_extract({column}, '$')::VARCHAR"
    if both.sql == INSTANT:
        return f"strftime(make_timestamp(epoch_us({both.cast(column)})), '%Y-%m-%dT%H:%M:%S.%fZ')"
    if both.sql in ("DATE", "TIMESTAMP"):
        return f"{both.cast(column)}::VARCHAR"
    if not both.fractional:
        return column
    # Integers compare exactly, whatever their size; what has a point or an exponent as a double.
    integer = f"regexp_full_match({column}, '-?[0-9]+')"
    double = f"regexp_replace(TRY_CAST({column} AS DOUBLE)::VARCHAR, '[.]0$', '')"
    return f"CASE WHEN {integer} THEN {column} ELSE coalesce({double}, {column}) END"


def _record(row: Row, key: tuple[str, ...]) -> str:
    shown = {c: row[c] for c in key} or {c: v for c, v in row.items() if v is not None}
    return f"the record {', '.join(f'{c}={_quoted(value)}' for c, value in shown.items())}"


def _quoted(value: str | None) -> str:
    return "null" if value is None else repr(value)
