"""What is wrong with the rows of one reply, beside each other and beside those in the table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness import codec
from harness.protocol.messages import Fault, Reply
from harness.warehouse.names import quoted
from harness.warehouse.store import INDEX, Store, Table
from harness.warehouse.types import NULL, TIMES, Shape, observe

STAGE, DELETED = "_harness_rows", "_harness_deleted"  # temporary tables: rows of insert, of delete
_LONGEST = 200  # characters of one value; a longer one is left out whole, so no secret is cut
_EPOCH_DIGITS = 10  # a smaller number is not taken for a time (September 2001)
_CHANGED = re.compile(r"(^|_)(updated?|modified|modification|changed|edited|modstamp)(_|$)")
_PERSON = re.compile(r"_(by|id)(_|$)")  # changed_by: a number, and not a time

Columns = dict[str, list[Any]]


@dataclass(frozen=True)
class Rows:
    """The records of one entity in `insert`, as columns of the destination."""

    entity: str
    columns: Columns  # without blocked ones; hashed ones are hashes
    shapes: dict[str, Shape]  # of the columns of the key, these rows among their values

    def fault(self, rule: str, what: str, index: int, *names: str) -> Fault:
        """A fault of one record; shows its key and the columns `names`."""
        record = {name: self.columns[name][index] for name in (*self.shapes, *names)}
        return Fault(rule, what, "insert", self.entity, index, text(record))

    def key(self, index: int) -> str:
        """A record's key in a sentence: `id 17`."""
        return ", ".join(f"{name} {text(self.columns[name][index])}" for name in self.shapes)


def text(value: Any) -> str:
    """A record or a value as JSON text; long values are left out."""
    if isinstance(value, dict):
        return codec.encode({name: _short(item) for name, item in value.items()}).decode()
    return codec.encode(_short(value)).decode()


def meet(sources: Mapping[str, list[Any]], before: Iterable[str]) -> int | None:
    """The first record in which several source names of one column have different values.

    Also one that has a value under another name than the records before it.

    Args:
        sources: The values by source name.
        before: The names that had a value in earlier replies.
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


def flips(table: Table, rows: Rows, before: Mapping[str, Shape]) -> Iterator[Fault]:
    """Columns of which a value is of another kind than those before it.

    Texts beside texts that look like dates are texts; times of several kinds are not, because the
    column would be of a type of time without the others.
    """
    for name, values in rows.columns.items():
        shape, joined = before.get(name, NULL), table.columns[name]
        was_mixed = len(joined.kinds) > 1 and joined.kinds == shape.kinds
        if was_mixed:  # is it so in this reply, too?
            shape = NULL
        if len(joined.kinds if not was_mixed else observe(values).kinds) < 2:
            continue
        for index, value in enumerate(values):
            here = observe([value])
            after = shape.join(here)
            if len(after.kinds) > 1 and after.kinds != shape.kinds:
                stays = f"it stays {joined.sql}"
                change = (
                    stays if was_mixed or shape.sql == joined.sql else f"{shape.sql} → {joined.sql}"
                )
                what = f"{name} is {here.words} here and was {shape.words} before: {change}"
                yield rows.fault("type-flips", what, index, name)
                break
            shape = after


def repeated(store: Store, rows: Rows) -> tuple[int, list[Fault]]:
    """How many records another one of the same key replaces, and the fault of it."""
    query = f"SELECT list({INDEX} ORDER BY {INDEX}) AS found FROM {STAGE}"
    query += f" GROUP BY {identity(rows.shapes)} HAVING count(*) > 1 ORDER BY found[1]"
    groups: list[list[int]] = [found for (found,) in store.query(query)]
    if not groups:
        return 0, []
    unlike = (group for group in groups if len(set(map(rows.key, group))) > 1)
    first, *others = next(unlike, groups[0])
    other = next((i for i in others if rows.key(i) != rows.key(first)), others[-1])
    keys = dict.fromkeys((rows.key(first), rows.key(other)))
    more = f"; so it is with {len(groups) - 1:,} more keys" if len(groups) > 1 else ""
    what = f"records {first} and {other} become one row: {' and '.join(keys)}{more}"
    lost = sum(len(group) - 1 for group in groups)
    return lost, [rows.fault("records-become-one", what, other)]


def both(store: Store, rows: Rows, deleted: Mapping[str, Shape]) -> Iterator[Fault]:
    """Rows that the reply deletes, too."""
    shapes = {name: shape.join(deleted[name]) for name, shape in rows.shapes.items()}
    ((index,),) = store.query(f"SELECT min({INDEX}) FROM {STAGE} WHERE {among(shapes, DELETED)}")
    if index is not None:
        what = f"{rows.key(index)} stands in insert and in delete"
        yield rows.fault("key-in-insert-and-delete", what, index)


def one_row(store: Store, table: Table, rows: Rows, before: Mapping[str, Shape]) -> Iterator[Fault]:
    """Keys that take the place of a row whose key was of another type: 1, "1" and 1.0."""
    for name in rows.shapes:
        old, new = before.get(name, NULL), observe(rows.columns[name])
        other = old.kinds.isdisjoint(new.kinds) or (new.fractional and not old.fractional)
        if old.kinds and other:
            where = among(rows.shapes, table.texts)
            ((index,),) = store.query(f"SELECT min({INDEX}) FROM {STAGE} WHERE {where}")
            if index is not None:
                was = "an integer" if new.kinds == old.kinds else old.words
                what = f"{rows.key(index)} takes the place of a row whose {name} was {was}"
                yield rows.fault("records-become-one", what, index)


def older(store: Store, table: Table, rows: Rows, state: Any) -> Iterator[Fault]:
    """Rows that take the place of a newer version of themselves."""
    stamp = _stamp(table, rows, state)
    if not stamp:
        return
    at, cast = quoted(stamp), table.columns[stamp].cast
    columns = ", ".join(map(quoted, (*rows.shapes, stamp)))
    query = f"""
        WITH versions AS (
            SELECT {INDEX}, {columns} FROM {STAGE}
            UNION ALL
            SELECT -1, {columns} FROM {table.texts} WHERE {among(rows.shapes, STAGE)}
        ), pairs AS (
            SELECT {INDEX}, {at} AS now, lag({at}) OVER (
                PARTITION BY {identity(rows.shapes)} ORDER BY {INDEX}
            ) AS before FROM versions
        )
        SELECT {INDEX}, before, count(*) OVER () FROM pairs
        WHERE {cast("now")} < {cast("before")} ORDER BY 1 LIMIT 1
    """
    for index, before, count in store.query(query):
        more = f"; so it is with {count - 1:,} more rows" if count > 1 else ""
        now = text(rows.columns[stamp][index])
        what = f"{stamp} {now} takes the place of {text(before)}{more}"
        yield rows.fault("row-goes-back", what, index, stamp)


def new_keys(store: Store, reply: Reply, replaced: Sequence[str], stamp: int) -> Iterator[Fault]:
    """At the end of a sync: tables whose rows all came again, each under another key.

    `replaced` are the tables of which this reply replaced rows, `stamp` is when.
    """
    sync = json.loads(store.get("sync") or "{}") or {"began": stamp, "replaced": []}
    sync["replaced"] = sorted({*sync["replaced"], *replaced})
    store.put("sync", json.dumps(sync) if reply.has_more else None)
    for table in store.made if not reply.has_more else ():
        if table.primary_key and table.name not in sync["replaced"]:
            yield from _doubled(store, table, sync["began"])


def _doubled(store: Store, table: Table, began: int) -> Iterator[Fault]:
    columns = ", ".join(quoted(name) for name in table.filled if name not in table.primary_key)
    synced = f"_fivetran_synced >= {instant(began)}"
    new = f"FROM {table.texts} WHERE {synced} AND NOT _fivetran_deleted"
    old = f"FROM {table.texts} WHERE NOT ({synced}) OR _fivetran_deleted"
    rows, before = (store.count(f"SELECT count(*) {part}") for part in (new, old))
    if rows < 2 or not before or 2 * rows < before or not columns:
        return
    # Rows that look alike in all but the key are common; all of them, and no two alike, are not.
    unlike = f"SELECT count(*) FROM (SELECT DISTINCT {columns} {new})"
    others = f"SELECT count(*) FROM (SELECT {columns} {new} EXCEPT SELECT {columns} {old})"
    if store.count(unlike) < rows or store.count(others):
        return
    for key in map(quoted, table.primary_key):
        if store.count(f"SELECT count(*) FROM (SELECT {key} {new} INTERSECT SELECT {key} {old})"):
            return  # such as snapshots, whose key is a day and an id
    what = f"all {rows:,} records came before, each under another {', '.join(table.primary_key)}"
    yield Fault("new-keys", what, "insert", table.entities[0])


def instant(stamp: int) -> str:
    """The SQL of an instant, from microseconds since the epoch."""
    return f"make_timestamptz({stamp}::BIGINT)"


def identity(shapes: Mapping[str, Shape]) -> str:
    """The SQL of what tells a row: the columns of its key, as values that can be compared."""
    return ", ".join(shape.cast(quoted(name)) for name, shape in shapes.items())


def among(shapes: Mapping[str, Shape], rows: str) -> str:
    """The SQL condition that a row's key is one of those in another table."""
    return f"({identity(shapes)}) IN (SELECT {identity(shapes)} FROM {rows})"


def _stamp(table: Table, rows: Rows, state: Any) -> str | None:
    """The column with the time of the last change: by its name, else one that the state holds."""
    times = [
        name for name in rows.columns if name not in rows.shapes and _is_time(table.columns[name])
    ]
    named = [name for name in times if _CHANGED.search(name) and not _PERSON.search(name)]
    if named:
        return min(named, key=len)
    held = set(_scalars(state)) if times else set()
    return next((name for name in times if not held.isdisjoint(rows.columns[name])), None)


def _is_time(shape: Shape) -> bool:
    number = shape.kinds == {"number"} and shape.whole >= _EPOCH_DIGITS
    return number or (len(shape.kinds) == 1 and shape.kinds <= TIMES)


def _scalars(value: Any) -> Iterator[Any]:
    """Texts and numbers that stand anywhere in a state."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _scalars(item)
    elif value is not None and not isinstance(value, bool):
        yield value


def _short(value: Any) -> Any:
    size = len(value) if isinstance(value, str) else len(codec.encode(value))
    return value if size <= _LONGEST else f"({size:,} characters)"
