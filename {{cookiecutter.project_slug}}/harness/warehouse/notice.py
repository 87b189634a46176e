"""What is wrong with the rows of one reply, compared with each other and with the table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness import codec
from harness.protocol.messages import Fault
from harness.warehouse.names import quoted
from harness.warehouse.store import INDEX, Store, Table
from harness.warehouse.types import NULL, TIMES, Shape, observe

STAGE, DELETED = "_harness_rows", "_harness_deleted"  # temporary tables: rows of insert, of delete
_LONGEST = 200  # characters of one value; a longer one is left out whole, so no secret is cut
_EPOCH_DIGITS = 10  # a smaller number is not taken for a time (September 2001)
# A column with the time of the last change; not `changed_by` or `modified_id`.
_CHANGED = re.compile(
    r"(^|_)(updated?|modified|modification|changed|edited|modstamp)(?!.*_(by|id)(_|$))(_|$)"
)


@dataclass(frozen=True)
class Rows:
    """The records of one entity in `insert`, as columns of the destination."""

    entity: str
    columns: dict[str, list[Any]]  # without blocked ones; hashed ones are hashes
    key: dict[str, Shape]  # of the columns of the key, with these rows
    before: dict[str, Shape]  # of all columns before these rows
    here: dict[str, Shape]  # of these rows alone

    def fault(self, rule: str, what: str, index: int, *names: str) -> Fault:
        """A fault of one record; shows its key and the columns `names`."""
        record = {name: self.columns[name][index] for name in (*self.key, *names)}
        return Fault(rule, what, "insert", self.entity, index, text(record))

    def id(self, index: int) -> str:
        """A record's key in a sentence: `id 17`."""
        return ", ".join(f"{name} {text(self.columns[name][index])}" for name in self.key)


def text(value: Any) -> str:
    """A record or a value as JSON text; long values are left out."""
    record = isinstance(value, dict)
    short = {name: _short(item) for name, item in value.items()} if record else _short(value)
    return codec.encode(short).decode()


def meet(sources: Mapping[str, list[Any]], before: Iterable[str]) -> int | None:
    """The first record in which several source names of one column have different values.

    Also one that has a value under another name than the records before it; `before` are the names
    that had a value in earlier replies.
    """
    seen = set(before)
    for index, values in enumerate(zip(*sources.values(), strict=True)):
        filled = {name: v for name, v in zip(sources, values, strict=True) if v is not None}
        first, *others = filled.values() or (None,)
        if len(filled) == 1:
            seen |= set(filled)
        if any(other != first for other in others) or (len(filled) == 1 and len(seen) > 1):
            return index
    return None


def flips(table: Table, rows: Rows) -> Iterator[Fault]:
    """Columns of which a value is of another kind than those before it."""
    for name, values in rows.columns.items():
        old, here, new = rows.before.get(name, NULL), rows.here[name], table.columns[name].sql
        mixed = len(old.kinds) > 1  # is it so in this reply, too?
        shape = NULL if mixed else old
        if len(shape.join(here).kinds) < 2:
            continue
        for index, value in enumerate(values):
            found = observe([value])
            if len(shape.join(found).kinds) > 1:
                change = f"it stays {new}" if mixed or shape.sql == new else f"{shape.sql} → {new}"
                what = f"{name} is {found.words} here and was {shape.words} before: {change}"
                yield rows.fault("type-flips", what, index, name)
                break
            shape = shape.join(found)


def both(store: Store, rows: Rows, deleted: Mapping[str, Shape]) -> Iterator[Fault]:
    """Rows that the reply deletes, too."""
    shapes = {name: shape.join(deleted[name]) for name, shape in rows.key.items()}
    ((index,),) = store.query(f"SELECT min({INDEX}) FROM {STAGE} WHERE {among(shapes, DELETED)}")
    if index is not None:
        what = f"{rows.id(index)} is in insert and in delete"
        yield rows.fault("key-in-insert-and-delete", what, index)


def replaced(store: Store, table: Table, rows: Rows, state: Any) -> tuple[int, list[Fault]]:
    """How many records another one of this reply replaces; faults of what replaces what."""
    stamp = _stamp(table, rows, state)
    at, cast = quoted(stamp) if stamp else "NULL", table.columns.get(stamp, NULL).cast
    columns = "".join(f"{quoted(name)}, " for name in rows.key)
    retyped = [name for name in rows.key if _is_retyped(rows, name)]
    pairs = store.query(
        f"""
        WITH versions AS (
            SELECT {columns} {INDEX}, {at} AS _fivetran_time FROM {STAGE}
            UNION ALL
            SELECT {columns} -1, {at} FROM {table.texts} WHERE {among(rows.key, STAGE)}
        ), pairs AS (
            SELECT {INDEX}, lag({INDEX}) OVER same_key AS previous,
                _fivetran_time AS now, lag(_fivetran_time) OVER same_key AS before
            FROM versions WINDOW same_key AS (PARTITION BY {identity(rows.key)} ORDER BY {INDEX})
        )
        SELECT {INDEX}, previous, before, {cast("now")} < {cast("before")} AS older FROM pairs
        WHERE previous >= 0 OR older OR (previous < 0 AND {bool(retyped)}) ORDER BY {INDEX}
        """
    )
    faults = []
    twice = [(index, before) for index, before, *_ in pairs if before >= 0]
    if twice:
        unlike = (pair for pair in twice if rows.id(pair[0]) != rows.id(pair[1]))
        index, before = next(unlike, twice[0])
        ids = " and ".join(dict.fromkeys((rows.id(before), rows.id(index))))
        what = f"records {before} and {index} become one row: {ids}{_more(twice)}"
        faults.append(rows.fault("records-become-one", what, index))
    older = [(index, was) for index, _, was, is_older in pairs if is_older]
    if older:
        index, was = older[0]
        now = text(rows.columns[stamp][index])
        what = f"{stamp} {now} replaces {text(was)}{_more(older)}"
        faults.append(rows.fault("row-goes-back", what, index, stamp))
    taken = [index for index, before, *_ in pairs if before < 0]
    if taken and retyped:
        name, *_ = retyped
        old, new = rows.before[name], rows.here[name]
        was = "an integer" if new.kinds == old.kinds else old.words
        what = f"{rows.id(taken[0])} replaces a row whose {name} was {was}"
        faults.append(rows.fault("records-become-one", what, taken[0]))
    return len(twice), faults


def new_keys(store: Store, table: Table, began: int) -> Iterator[Fault]:
    """At the end of a sync: whether the rows of a table all came again, under other keys."""
    columns = ", ".join(quoted(name) for name in table.filled if name not in table.primary_key)
    came = f"_fivetran_synced >= {instant(began)} AND NOT _fivetran_deleted"
    new, old = f"FROM {table.texts} WHERE {came}", f"FROM {table.texts} WHERE NOT ({came})"

    def count(query: str) -> int:
        return store.count(f"SELECT count(*) FROM ({query})")

    rows, before = count(f"SELECT 1 {new}"), count(f"SELECT 1 {old}")
    if rows < 2 or not before or 2 * rows < before or not columns:
        return
    # Rows that look alike in all but the key are common; all of them, and no two alike, are not.
    others = f"SELECT {columns} {new} EXCEPT SELECT {columns} {old}"
    if count(f"SELECT DISTINCT {columns} {new}") < rows or count(others):
        return
    for key in map(quoted, table.primary_key):
        if count(f"SELECT {key} {new} INTERSECT SELECT {key} {old}"):
            return  # such as snapshots, whose key is a day and an id
    what = f"all {rows:,} records came before, each with another {', '.join(table.primary_key)}"
    yield Fault("new-keys", what, "insert", table.entities[0])


def instant(stamp: int) -> str:
    """The SQL of an instant, from microseconds since the epoch."""
    return f"make_timestamptz({stamp}::BIGINT)"


def identity(key: Mapping[str, Shape]) -> str:
    """The SQL of the columns of a key, as values that can be compared."""
    return ", ".join(shape.cast(quoted(name)) for name, shape in key.items())


def among(key: Mapping[str, Shape], rows: str) -> str:
    """The SQL condition that a row's key is one of those in another table."""
    return f"({identity(key)}) IN (SELECT {identity(key)} FROM {rows})"


def _stamp(table: Table, rows: Rows, state: Any) -> str:
    """The column with the time of the last change: by its name, else one that is in the state."""
    times = [name for name in rows.columns if name not in rows.key and _is_time(table, name)]
    named = [name for name in times if _CHANGED.search(name)]
    if named:
        return min(named, key=len)
    held = set(codec.scalars(state)) if times else set()
    return next((name for name in times if not held.isdisjoint(rows.columns[name])), "")


def _is_time(table: Table, name: str) -> bool:
    shape = table.columns[name]
    epoch = shape.kinds == {"a number"} and shape.whole >= _EPOCH_DIGITS
    return epoch or (len(shape.kinds) == 1 and shape.kinds <= TIMES)


def _is_retyped(rows: Rows, name: str) -> bool:
    """Whether a column of the key has values of another type: 1, "1" and 1.0 are one key."""
    old, new = rows.before.get(name, NULL), rows.here[name]
    other = old.kinds.isdisjoint(new.kinds) or (new.fractional and not old.fractional)
    return bool(old.kinds) and other


def _more(found: list[Any]) -> str:
    return f"; the same for {len(found) - 1:,} more" if len(found) > 1 else ""


def _short(value: Any) -> Any:
    size = len(value) if isinstance(value, str) else len(codec.encode(value))
    return value if size <= _LONGEST else f"({size:,} characters)"
