"""One reply's rows into the tables: upsert, append, delete, mark; and what it noticed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from harness.errors import ProtocolBroken, UsageError
from harness.protocol.messages import Fault, Reply
from harness.warehouse import notice
from harness.warehouse.names import quoted, to_name
from harness.warehouse.notice import DELETED, INDEX, STAGE, Columns, Memory, Rows, among, identity
from harness.warehouse.privacy import Privacy, hashed_text
from harness.warehouse.store import Store, Table
from harness.warehouse.types import NULL, Shape, as_text, json_of_texts, observe

_RESERVED = "_fivetran_"

Records = list[dict[str, Any]]


@dataclass
class Counts:
    """What a reply did to one table, in rows.

    Attributes:
        inserted: New rows; of rows with one key only the last counts.
        updated: Rows that took the place of an older one.
        deleted: Marked deleted by `delete`.
        marked: Marked deleted by `softDelete`.
    """

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    marked: int = 0


@dataclass(frozen=True)
class Widened:
    """A column whose DuckDB type had to change."""

    table: str
    column: str
    before: str
    after: str


@dataclass
class Noticed:
    """What one reply did, and what was wrong with it.

    Attributes:
        faults: What breaks a rule.
        counts: By table that the reply names and that is not blocked.
        widened: Columns whose type had to change; new ones are not among them.
    """

    faults: list[Fault] = field(default_factory=list)
    counts: dict[str, Counts] = field(default_factory=dict)
    widened: list[Widened] = field(default_factory=list)


@dataclass(frozen=True)
class ColumnInfo:
    """A column: its name and DuckDB type, how many rows are null, whether it is hashed."""

    name: str
    type: str
    nulls: int
    hashed: bool = False


@dataclass(frozen=True)
class TableInfo:
    """A table as it stands.

    Attributes:
        name: The name in the destination.
        primary_key: Columns of the primary key; empty when rows are appended.
        columns: The source's in the order seen, then Fivetran's.
        rows: How many there are, deleted ones too.
        deleted: How many are marked deleted.
        empty: Columns that came and were always null: they are not created.
    """

    name: str
    primary_key: tuple[str, ...]
    columns: list[ColumnInfo]
    rows: int
    deleted: int
    empty: list[str] = field(default_factory=list)


class Load:
    """Applies one reply in the open transaction of a store."""

    def __init__(
        self, store: Store, privacy: Privacy, memory: Memory, *, salt: str, batch: int, stamp: int
    ) -> None:
        self._store = store
        self._privacy = privacy
        self._memory = memory
        self._salt = salt
        self._batch = batch
        self._synced = instant(stamp)
        self.noticed = Noticed()

    def run(self, reply: Reply) -> Noticed:
        """Applies all of the reply but its state; see `Warehouse.apply`."""
        tables: dict[str, list[str]] = {}
        for entity in sorted({*reply.soft_delete, *reply.delete, *reply.insert, *reply.schema}):
            tables.setdefault(to_name(entity, table=True), []).append(entity)
        for name, entities in sorted(tables.items()):
            table = self._store.table(name)
            self._name(table, entities)
            if not self._privacy.blocks(name):
                self._apply(table, entities, reply)
            self._store.save(table)
        if not reply.has_more:
            missing = self._memory.missing
            self._add(fault for name, fault in missing.items() if not self._store.table(name).made)
            missing.clear()
        return self.noticed

    def _apply(self, table: Table, entities: Sequence[str], reply: Reply) -> None:
        """Marks, then deletes, then inserts: the order in which Fivetran's samples expect it."""
        deleted = [entity for entity in entities if entity in reply.delete]
        if marked := not set(reply.soft_delete).isdisjoint(entities):
            deleted = []  # beside softDelete it has no effect
        if not (marked or deleted or any(entity in reply.insert for entity in entities)):
            return
        counts = self.noticed.counts.setdefault(table.name, Counts())
        if marked:
            counts.marked += mark(self._store, table, self._synced)
        keys: dict[str, Shape] = {}
        for entity in deleted:
            keys = self._delete(table, entity, reply, counts) or keys
        for entity in entities:
            if reply.insert.get(entity):
                self._insert(table, entity, reply, counts, keys)
        table.deletable |= marked or bool(deleted)

    def _delete(
        self, table: Table, entity: str, reply: Reply, counts: Counts
    ) -> dict[str, Shape] | None:
        """Marks the rows of `delete`; the shapes of their keys, which stand in a stage now."""
        records = reply.delete[entity]
        if not records:
            return None
        where = f"delete.{entity}"
        if not reply.schema.get(entity):
            raise ProtocolBroken(
                f'{where} has records, but schema names no primary key for "{entity}".',
                rule="delete-without-schema",
            )
        key = self._key(table, entity, reply)
        columns = self._columns(where, table, records, key, only_key=True)
        shapes = {name: table.columns.get(name, NULL).join(observe(columns[name])) for name in key}
        self._stage(DELETED, columns, len(records))
        if table.made:
            counts.deleted += mark(self._store, table, self._synced, among(shapes, DELETED))
        else:
            fault = Fault("delete-of-nothing", f"no row ever came for {entity}", "delete", entity)
            self._memory.missing.setdefault(table.name, fault)
        return shapes

    def _insert(
        self,
        table: Table,
        entity: str,
        reply: Reply,
        counts: Counts,
        deleted: Mapping[str, Shape],
    ) -> None:
        records = reply.insert[entity]
        key = self._key(table, entity, reply)
        columns = self._columns(f"insert.{entity}", table, records, key)
        before, seen = self._widen(table, columns)
        rows = Rows(entity, columns, key, {name: table.columns[name] for name in key})
        self._add(notice.types(table, rows, before, seen, self._memory))
        new = [name for name in table.filled if name not in before or before[name].kind == "null"]
        if new or not table.made:
            table.primary_key = key
            self._store.grow(table, new)
        filled = [name for name in columns if table.columns[name].kind != "null"]
        self._stage(STAGE, {name: columns[name] for name in filled}, len(records))
        count, last = len(records), ""
        if key:
            groups, faults = notice.repeated(self._store, rows)
            self._add(faults)
            if groups:
                count -= sum(len(group) - 1 for group in groups)
                keys = identity(rows.shapes)
                last = f"WHERE {INDEX} IN (SELECT max({INDEX}) FROM {STAGE} GROUP BY {keys})"
            if deleted:
                self._add(notice.both(self._store, rows, deleted))
            self._add(notice.older(self._store, table, rows, reply.state, bool(groups)))
            self._add(notice.one_row(self._store, table, rows, before, seen, self._memory))
            replaced = f"DELETE FROM {table.texts} WHERE {among(rows.shapes, STAGE)}"
            updated = self._store.count(replaced)
            counts.updated += updated
            count -= updated
        counts.inserted += count
        names = ", ".join(map(quoted, filled)) + ", " if filled else ""
        self._store.connection.execute(
            f"INSERT INTO {table.texts} "
            f"({names}{INDEX}, _fivetran_batch, _fivetran_deleted, _fivetran_synced) "
            f"SELECT {names}{INDEX}, {self._batch}, false, {self._synced} FROM {STAGE} {last}"
        )

    def _widen(self, table: Table, columns: Columns) -> tuple[dict[str, Shape], dict[str, Shape]]:
        """Makes the types hold these values; the shapes before, and those of the values."""
        before = dict(table.columns)
        seen = {}
        for name, values in columns.items():
            old = before.get(name, NULL)
            seen[name] = observe(values, old)
            new = table.columns[name] = old.join(seen[name])
            if old.kind != "null" and old.sql != new.sql:
                self.noticed.widened.append(Widened(table.name, name, old.sql, new.sql))
        return before, seen

    def _name(self, table: Table, entities: Sequence[str]) -> None:
        """Remembers what the source calls a table."""
        for entity in map(as_text, entities):
            if entity not in table.entities:
                table.entities.append(entity)
            other = table.entities[0]
            if other != entity and self._memory.first("names-collide", table.name, entity):
                what = f'"{other}" and "{entity}" both become table {table.name}'
                self._add([Fault("names-collide", what, entity=entity)])

    def _key(self, table: Table, entity: str, reply: Reply) -> tuple[str, ...]:
        """Columns of the entity's primary key; none when its rows are appended."""
        key = tuple(dict.fromkeys(map(to_name, reply.schema.get(entity, ()))))
        for name in key:
            if self._privacy.blocks(table.name, name):
                raise UsageError(
                    f"{table.name}.{name} is blocked, but it is part of the table's primary key.",
                    "Take it out of blocked in connection.json; hashed hides it too.",
                )
        if table.made and table.primary_key != key:
            raise ProtocolBroken(
                f'The primary key of "{entity}" is {_listed(key)} in this reply and was '
                f"{_listed(table.primary_key)} when table {table.name} was made.",
                rule="schema-varies",
            )
        return key

    def _columns(
        self,
        where: str,
        table: Table,
        records: Records,
        key: tuple[str, ...],
        *,
        only_key: bool = False,
    ) -> Columns:
        """The values by column, None where a record lacks one; blocked left out, hashed hashed.

        Where several source names become one column, the one that sorts last wins in each record
        that has a value for it: `Id` before `ID`, `user_name` before `userName`.
        """
        names: dict[str, list[str]] = {}
        alike = dict.fromkeys(map(tuple, records))  # few: most records have the same names
        for source in dict.fromkeys(chain.from_iterable(alike)):
            name = to_name(source)
            if not only_key or name in key:
                names.setdefault(name, []).append(source)
        columns: Columns = {}
        for name, sources in names.items():
            values = {as_text(name): [record.get(name) for record in records] for name in sources}
            if not only_key:
                self._sources(where, table, name, values)
            if self._privacy.blocks(table.name, name):
                continue
            if name.startswith(_RESERVED):
                raise ProtocolBroken(
                    f"{where}: column {name} is named like one of Fivetran's ({_RESERVED}…).",
                    rule="reserved-name",
                )
            columns[name] = _merged(values)
            if self._privacy.hashes(table.name, name):
                columns[name] = [
                    None if value is None else hashed_text(as_text(value), self._salt)
                    for value in columns[name]
                ]
        _check_key(where, columns, records, key)
        return columns

    def _sources(self, where: str, table: Table, name: str, values: Columns) -> None:
        """Remembers what the source calls a column."""
        known = table.sources.setdefault(name, [])
        if len(values) == 1 and known == list(values):
            return
        filled = [source for source, items in values.items() if items.count(None) < len(items)]
        table.sources[name] = sorted({*known, *filled})
        if len(table.sources[name]) < 2:
            return
        index, first, second = notice.names_meet(values, known)
        hidden = self._privacy.blocks(table.name, name)
        if index < 0 or hidden or not self._memory.first("names-collide", table.name, name):
            return
        part, entity = where.split(".", 1)
        what = f'"{first}" and "{second}" both become column {name}'
        record = {source: items[index] for source, items in values.items()}
        row = "" if self._privacy.hashes(table.name, name) else notice.record_text(record)
        self._add([Fault("names-collide", what, part, entity, index, row)])

    def _stage(self, stage: str, columns: Columns, count: int) -> None:
        """Puts texts into a temporary table.

        One JSON text a column is twice as fast as lists of Python values, without any library.
        """
        texts = [
            f"unnest(from_json_strict(?, '[\"VARCHAR\"]')) AS {quoted(name)}" for name in columns
        ]
        rows = ", ".join([*texts, f"unnest(range({count})) AS {INDEX}"])
        self._store.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {stage} AS SELECT {rows}",
            [json_of_texts(values) for values in columns.values()],
        )

    def _add(self, faults: Iterable[Fault]) -> None:
        self.noticed.faults.extend(faults)


def mark(store: Store, table: Table, synced: str, where: str = "true") -> int:
    """Marks the live rows of a table that meet an SQL condition deleted; how many."""
    if not table.made:
        return 0
    change = f"_fivetran_deleted = true, _fivetran_synced = {synced}"
    return store.count(
        f"UPDATE {table.texts} SET {change} WHERE NOT _fivetran_deleted AND ({where})"
    )


def instant(stamp: int) -> str:
    """The SQL of an instant, from microseconds since the epoch."""
    return f"make_timestamptz({stamp}::BIGINT)"


def _merged(values: Columns) -> list[Any]:
    """The values of several source names; the name that sorts last wins where it has one."""
    lists = [values[source] for source in sorted(values, reverse=True)]
    if len(lists) == 1:
        return lists[0]
    return [
        next((item for item in items if item is not None), None)
        for items in zip(*lists, strict=True)
    ]


def _check_key(where: str, columns: Columns, records: Records, key: Sequence[str]) -> None:
    for name in key:
        for index, value in enumerate(columns.get(name, [None] * len(records))):
            if value is None or isinstance(value, dict | list):
                problem = "is missing or null" if value is None else "is not a scalar"
                record = {column: items[index] for column, items in columns.items()}
                raise ProtocolBroken(
                    f"{where}[{index}]: {name} of the primary key {problem}: "
                    f"{notice.record_text(record)}",
                    rule="record-without-key",
                )


def _listed(key: Sequence[str]) -> str:
    return f"({', '.join(key)})" if key else "absent"
