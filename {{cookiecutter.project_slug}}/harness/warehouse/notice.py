"""What is wrong with the rows of one reply, beside each other and beside those in the table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness import codec
from harness.protocol.messages import Fault
from harness.warehouse.names import quoted
from harness.warehouse.store import Store, Table
from harness.warehouse.types import NULL, TIMES, WORDS, Shape, flip, kind_of, observe

STAGE, DELETED = "_harness_rows", "_harness_deleted"
INDEX = "_fivetran_index"
_LONGEST = 200  # characters of one value; a longer one is left out whole, so no secret is cut
_EPOCH_DIGITS = 10  # a smaller number is not taken for a time (September 2001)
_CHANGED = re.compile(r"(^|_)(updated?|modified|modification|changed|edited|modstamp)(_|$)")
_PERSON = re.compile(r"_(by|id)(_|$)")  # changed_by: a number, and not a time

Columns = dict[str, list[Any]]


@dataclass
class Memory:
    """What is remembered between the replies of one command."""

    reported: set[tuple[str, ...]] = field(default_factory=set)  # places that had their fault
    missing: dict[str, Fault] = field(default_factory=dict)  # of tables that may still come

    def copy(self) -> Memory:
        """A copy, for a reply that may be undone."""
        return Memory(set(self.reported), dict(self.missing))

    def first(self, *place: str) -> bool:
        """Whether this is the first fault of this place."""
        fresh = place not in self.reported
        self.reported.add(place)
        return fresh


@dataclass(frozen=True)
class Rows:
    """The records of one entity in `insert`, as columns of the destination."""

    entity: str
    columns: Columns  # without blocked ones; hashed ones are hashes
    key: tuple[str, ...]
    shapes: dict[str, Shape]  # of the columns of the key, these rows among their values

    def fault(self, rule: str, what: str, index: int, *names: str) -> Fault:
        """A fault of one record; shows its key and the columns `names`."""
        record = {name: self.columns[name][index] for name in (*self.key, *names)}
        return Fault(rule, what, "insert", self.entity, index, record_text(record))

    def typed_key(self, index: int) -> tuple[Any, ...]:
        """A record's key with the types of its values: 1, "1", 1.0 and true differ."""
        values = [self.columns[name][index] for name in self.key]
        return tuple((type(value), str(value)) for value in values)

    def key_text(self, index: int) -> str:
        """A record's key in a sentence: `id 17`."""
        return ", ".join(f"{name} {value_text(self.columns[name][index])}" for name in self.key)


def record_text(record: Mapping[str, Any]) -> str:
    """A record as JSON text; long values are left out."""
    return codec.encode({name: _short(value) for name, value in record.items()}).decode()


def value_text(value: Any) -> str:
    """A value as JSON text; a long one is left out."""
    return codec.encode(_short(value)).decode()


def names_meet(sources: Mapping[str, list[Any]], before: Iterable[str]) -> tuple[int, str, str]:
    """The record where several source names of one column have different values, and the names.

    `sources` has the values by source name, `before` the names that came before; -1: nowhere.
    """
    alone: dict[str, int] = dict.fromkeys(before, -1)
    for index, values in enumerate(zip(*sources.values(), strict=True)):
        filled = [pair for pair in zip(sources, values, strict=True) if pair[1] is not None]
        for name, value in filled[1:]:
            if value != filled[0][1]:
                return index, filled[0][0], name
        if len(filled) == 1:
            alone.setdefault(filled[0][0], index)
            if len(alone) > 1:
                first, *_, last = alone
                return index, first, last
    return -1, "", ""


def types(
    table: Table, rows: Rows, before: Mapping[str, Shape], seen: Mapping[str, Shape], memory: Memory
) -> Iterator[Fault]:
    """Columns whose values are of another type than those before them."""
    for name, shape in seen.items():
        old, values = before.get(name, NULL), rows.columns[name]
        index = flip(values, old, shape)
        if index is None or not memory.first("type-flips", table.name, name):
            continue
        earlier = old.join(observe(values[:index]))
        now = table.columns[name].sql
        change = f"{earlier.sql} → {now}" if earlier.sql != now else f"it stays {now}"
        here, there = WORDS[kind_of(values[index])], WORDS[earlier.kind]
        what = f"{name} is {here} here and was {there} before: {change}"
        yield rows.fault("type-flips", what, index, name)


def repeated(store: Store, rows: Rows) -> tuple[list[list[int]], list[Fault]]:
    """Indexes of records with one key, and the faults: keys that are alike, keys that are not."""
    query = f"SELECT list({INDEX} ORDER BY {INDEX}) AS found FROM {STAGE}"
    query += f" GROUP BY {identity(rows.shapes)} HAVING count(*) > 1 ORDER BY found[1]"
    groups: list[list[int]] = [found for (found,) in store.query(query)]
    unlike = [group for group in groups if len(set(map(rows.typed_key, group))) > 1]
    alike = [group for group in groups if len(set(map(rows.typed_key, group))) == 1]
    faults = []
    for found in filter(None, (alike, unlike)):
        first, *others = found[0]
        unlike_first = (i for i in others if rows.typed_key(i) != rows.typed_key(first))
        other = next(unlike_first, others[-1])
        keys = dict.fromkeys((rows.key_text(first), rows.key_text(other)))
        more = f"; so it is with {len(found) - 1:,} more keys" if len(found) > 1 else ""
        what = f"records {first} and {other} become one row: {' and '.join(keys)}{more}"
        faults.append(rows.fault("records-become-one", what, other))
    return groups, faults


def both(store: Store, rows: Rows, deleted: Mapping[str, Shape]) -> Iterator[Fault]:
    """Rows that the reply deletes, too."""
    shapes = {name: rows.shapes[name].join(deleted[name]) for name in rows.key}
    query = f"SELECT min({INDEX}) FROM {STAGE} WHERE {among(shapes, DELETED)}"
    ((index,),) = store.query(query)
    if index is not None:
        what = f"{rows.key_text(index)} stands in insert and in delete"
        yield rows.fault("key-in-insert-and-delete", what, index)


def one_row(
    store: Store,
    table: Table,
    rows: Rows,
    before: Mapping[str, Shape],
    seen: Mapping[str, Shape],
    memory: Memory,
) -> Iterator[Fault]:
    """Keys that take the place of a row whose key was of another type: 1 and "1"."""
    for name in rows.key:
        old = before.get(name, NULL).seen
        if not old or not old.isdisjoint(seen[name].seen):
            continue
        texts = f"SELECT {identity(rows.shapes)} FROM {table.texts}"
        query = f"SELECT min({INDEX}) FROM {STAGE} WHERE ({identity(rows.shapes)}) IN ({texts})"
        ((index,),) = store.query(query)
        if index is not None and memory.first("records-become-one", table.name):
            there = WORDS[before[name].kind] if before[name].kind != "number" else " or ".join(old)
            what = f"{rows.key_text(index)} takes the place of a row whose {name} was {there}"
            yield rows.fault("records-become-one", what, index)


def older(store: Store, table: Table, rows: Rows, state: Any, is_repeated: bool) -> Iterator[Fault]:
    """Rows that take the place of a newer version of themselves."""
    stamp = _stamp(table, rows, state)
    if not stamp:
        return
    cast = table.columns[stamp].cast
    text = quoted(stamp)
    same = " AND ".join(
        f"{shape.identity(f'old.{quoted(name)}')} = {shape.identity(f'new.{quoted(name)}')}"
        for name, shape in rows.shapes.items()
    )
    tables = f"{STAGE} AS new JOIN {table.texts} AS old ON {same}"
    is_older = f"{cast(f'new.{text}')} < {cast(f'old.{text}')}"
    queries = [f"SELECT new.{INDEX}, old.{text} FROM {tables} WHERE {is_older}"]
    if is_repeated:
        previous = (
            f"lag({text}) OVER (PARTITION BY {identity(rows.shapes)} ORDER BY {INDEX}) AS previous"
        )
        queries.append(
            f"SELECT {INDEX}, previous FROM (SELECT {INDEX}, {text}, {previous} FROM {STAGE}) "
            f"WHERE {cast(text)} < {cast('previous')}"
        )
    for query in queries:
        found = store.query(f"SELECT *, count(*) OVER () FROM ({query}) ORDER BY 1 LIMIT 1")
        for index, before, count in found:
            more = f"; so it is with {count - 1:,} more rows" if count > 1 else ""
            now = value_text(rows.columns[stamp][index])
            what = f"{stamp} {now} takes the place of {value_text(before)}{more}"
            yield rows.fault("row-goes-back", what, index, stamp)


def identity(shapes: Mapping[str, Shape]) -> str:
    """The SQL of what tells a row: the columns of its key, as values that can be compared."""
    return ", ".join(shape.identity(quoted(name)) for name, shape in shapes.items())


def among(shapes: Mapping[str, Shape], stage: str) -> str:
    """The SQL condition that a row's key is one of those in a stage."""
    return f"({identity(shapes)}) IN (SELECT {identity(shapes)} FROM {stage})"


def _stamp(table: Table, rows: Rows, state: Any) -> str | None:
    """The column with the time of the last change: by its name, else one that the state holds."""
    times = [
        name for name in rows.columns if name not in rows.key and _is_time(table.columns[name])
    ]
    named = [name for name in times if _CHANGED.search(name) and not _PERSON.search(name)]
    if named:
        return min(named, key=len)
    held = set(_scalars(state)) if times else set()
    return next((name for name in times if not held.isdisjoint(rows.columns[name])), None)


def _is_time(shape: Shape) -> bool:
    return shape.kind in TIMES or (shape.kind == "number" and shape.whole >= _EPOCH_DIGITS)


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
