"""Loads one reply's rows into the tables: upsert, append, delete, mark; and what it noticed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain
from typing import Any

from harness.errors import ProtocolBroken, UsageError
from harness.protocol.messages import Fault, Reply
from harness.warehouse import notice
from harness.warehouse.names import Privacy, listed, to_name
from harness.warehouse.notice import DELETED, STAGE, Rows, among, identity, instant
from harness.warehouse.store import INDEX, Store, Table
from harness.warehouse.types import NULL, Shape, as_text, observe

Records = list[dict[str, Any]]
Columns = dict[str, list[Any]]


@dataclass
class Counts:
    """What a reply did to one table, in rows."""

    inserted: int = 0  # of rows with one key only the last counts
    updated: int = 0  # took the place of an older one
    deleted: int = 0  # marked by `delete`
    marked: int = 0  # marked by `softDelete`


@dataclass(frozen=True)
class Widened:
    """A column whose DuckDB type had to change."""

    table: str
    column: str
    before: str
    after: str


@dataclass
class Noticed:
    """What one reply did, by table that is not blocked, and what broke a rule in it."""

    faults: list[Fault] = field(default_factory=list)
    counts: dict[str, Counts] = field(default_factory=dict)
    widened: list[Widened] = field(default_factory=list)


class Load:
    """Applies one reply, without its state, in the open transaction of a store."""

    def __init__(self, store: Store, privacy: Privacy, reply: Reply) -> None:
        self._store, self._privacy, self._reply = store, privacy, reply
        self._synced = instant(store.stamp())
        self._noticed = Noticed()
        self._faults = self._noticed.faults

    def run(self) -> Noticed:
        """Applies the reply; see `Warehouse.apply`."""
        reply, memory = self._reply, self._store.memory
        memory.batch += 1
        began = memory.sync_began = memory.sync_began or memory.stamp
        tables: defaultdict[str, list[str]] = defaultdict(list)
        for entity in sorted({*reply.soft_delete, *reply.delete, *reply.insert, *reply.schema}):
            tables[to_name(entity, table=True)].append(entity)
        for name, entities in sorted(tables.items()):
            table = memory.tables.setdefault(name, Table(name))
            table.entities += [entity for entity in entities if entity not in table.entities]
            if not self._privacy.blocks(name):
                self._apply(table, entities)
        if not reply.has_more:
            made = self._store.made
            for table in made.values():
                if table.primary_key:
                    self._faults += notice.new_keys(self._store, table, began)
            for entity in memory.early:
                if to_name(entity, table=True) not in made:
                    what = f"{entity} never had a row"
                    self._faults.append(Fault("delete-of-nothing", what, "delete", entity))
            memory.sync_began, memory.early = None, []
        return self._noticed

    def _apply(self, table: Table, entities: Sequence[str]) -> None:
        """Marks, then deletes, then inserts: the order in which Fivetran's samples expect it."""
        reply = self._reply
        marked = not set(reply.soft_delete).isdisjoint(entities)
        # Beside softDelete, delete has no effect.
        deleted = [name for name in entities if name in reply.delete and not marked]
        inserted = [name for name in entities if name in reply.insert]
        if not (marked or deleted or inserted):
            return
        if len(table.entities) > 1:
            self._faults.append(Fault("names-collide", _met(table), entity=entities[0]))
        counts = self._noticed.counts.setdefault(table.name, Counts())
        if marked:
            counts.marked = mark(self._store, table, self._synced)
        keys: dict[str, Shape] = {}
        for entity in deleted:
            if reply.delete[entity]:
                keys = self._delete(table, entity, counts)
        for entity in inserted:
            if reply.insert[entity]:
                self._insert(table, entity, counts, keys)
        table.deletable |= marked or bool(deleted)

    def _delete(self, table: Table, entity: str, counts: Counts) -> dict[str, Shape]:
        """Marks the rows of `delete`; the shapes of their keys, which are staged from now on."""
        records = self._reply.delete[entity]
        if not self._reply.schema.get(entity):
            raise ProtocolBroken(
                f'delete.{entity} has records, but schema has no primary key for "{entity}".',
                rule="delete-without-schema",
            )
        key = self._key(table, entity)
        columns = self._columns(table, "delete", entity, records, key)
        shapes = {name: table.columns.get(name, NULL).join(observe(columns[name])) for name in key}
        self._store.stage(DELETED, columns, len(records))
        if table.made:
            counts.deleted += mark(self._store, table, self._synced, among(shapes, DELETED))
        elif entity not in self._store.memory.early:
            self._store.memory.early.append(entity)
        return shapes

    def _insert(
        self, table: Table, entity: str, counts: Counts, deleted: Mapping[str, Shape]
    ) -> None:
        store, records = self._store, self._reply.insert[entity]
        key = self._key(table, entity)
        columns = self._columns(table, "insert", entity, records, key)
        before, here = dict(table.columns), {}
        for name, values in columns.items():
            old = before.get(name, NULL)
            here[name] = observe(values, old)
            new = table.columns[name] = old.join(here[name])
            if old.kinds and old.sql != new.sql:
                self._noticed.widened.append(Widened(table.name, name, old.sql, new.sql))
        rows = Rows(entity, columns, {name: table.columns[name] for name in key}, before, here)
        self._faults += notice.flips(table, rows)
        added = [name for name in table.filled if not before.get(name, NULL).kinds]
        if added or not table.made:
            table.primary_key = key
            store.grow(table, added)
        filled = {name: values for name, values in columns.items() if table.columns[name].kinds}
        store.stage(STAGE, filled, len(records))
        lost = updated = 0
        if key:
            lost, faults = notice.replaced(store, table, rows, self._reply.state)
            self._faults += faults
            if deleted:
                self._faults += notice.both(store, rows, deleted)
            updated = store.count(f"DELETE FROM {table.texts} WHERE {among(rows.key, STAGE)}")
        counts.updated += updated
        counts.inserted += len(records) - lost - updated
        last = f"SELECT max({INDEX}) FROM {STAGE} GROUP BY {identity(rows.key)}"
        store.query(
            f"INSERT INTO {table.texts} BY NAME SELECT *, {store.memory.batch} AS _fivetran_batch, "
            f"false AS _fivetran_deleted, {self._synced} AS _fivetran_synced FROM {STAGE} "
            + (f"WHERE {INDEX} IN ({last})" if lost else "")
        )

    def _key(self, table: Table, entity: str) -> tuple[str, ...]:
        """Columns of the entity's primary key; none when its rows are appended."""
        key = tuple(dict.fromkeys(map(to_name, self._reply.schema.get(entity, ()))))
        for name in key:
            if self._privacy.blocks(table.name, name):
                raise UsageError(
                    f"{table.name}.{name} is blocked, but it is part of the table's primary key.",
                    "Move it from blocked to hashed in connection.json.",
                )
        if not table.made or table.primary_key == key:
            return key
        here, before = listed(key), listed(table.primary_key)
        if len(table.entities) > 1:
            what = f"{_met(table)}, with the primary keys {before} and {here}."
            raise ProtocolBroken(what, rule="names-collide")
        raise ProtocolBroken(
            f'The primary key of "{entity}" is {here} in this reply and was {before} when table '
            f"{table.name} was created.",
            rule="schema-varies",
        )

    def _columns(
        self, table: Table, part: str, entity: str, records: Records, key: tuple[str, ...]
    ) -> Columns:
        """The values by column, None if a record lacks one; blocked left out, hashed hashed.

        Of `delete` the columns of the key alone. Where several source names become one column, the
        one that sorts last wins in each record that has a value for it: `Id` before `ID`,
        `user_name` before `userName`.
        """
        names: defaultdict[str, list[str]] = defaultdict(list)
        alike = dict.fromkeys(map(tuple, records))  # few: most records have the same names
        for source in dict.fromkeys(chain.from_iterable(alike)):
            names[to_name(source)].append(source)
        columns: Columns = {}
        for name, sources in names.items():
            if part == "delete" and name not in key:
                continue
            values = {source: [record.get(source) for record in records] for source in sources}
            if part == "insert":
                self._sources(table, entity, name, values)
            if self._privacy.blocks(table.name, name):
                continue
            if name.startswith("_fivetran_"):
                what = f"{part}.{entity}: Fivetran reserves the column name {name}."
                raise ProtocolBroken(what, rule="reserved-name")
            column = values[max(sources)]
            for source in sorted(sources, reverse=True)[1:]:
                pairs = zip(column, values[source], strict=True)
                column = [other if value is None else value for value, other in pairs]
            hashed = (table.name, name) in self._privacy.hashed
            columns[name] = list(map(self._hash, column)) if hashed else column
        for name in key:
            for index, value in enumerate(columns.get(name) or [None]):
                if value is None or isinstance(value, dict | list):
                    problem = "is missing or null" if value is None else "is not a scalar"
                    record = notice.text({name: items[index] for name, items in columns.items()})
                    what = f"{part}.{entity}[{index}]: {name} of the primary key {problem}"
                    raise ProtocolBroken(f"{what}: {record}", rule="record-without-key")
        return columns

    def _sources(self, table: Table, entity: str, name: str, values: Columns) -> None:
        """Remembers what the source calls a column."""
        known = table.sources.setdefault(name, [])
        if len(values) == 1 and known == list(values):
            return
        filled = [source for source, items in values.items() if items.count(None) < len(items)]
        table.sources[name] = sorted({*known, *filled})
        if len(table.sources[name]) < 2 or self._privacy.blocks(table.name, name):
            return
        index = notice.meet(values, known)
        if index is not None:
            names = " and ".join(f'"{source}"' for source in table.sources[name])
            record = notice.text({source: items[index] for source, items in values.items()})
            row = "" if (table.name, name) in self._privacy.hashed else record
            what = f"{names} both become column {name}"
            self._faults.append(Fault("names-collide", what, "insert", entity, index, row))

    def _hash(self, value: Any) -> str | None:
        if value is None:
            return None
        return sha256((self._store.memory.salt + as_text(value)).encode()).hexdigest()


def mark(store: Store, table: Table, synced: str, where: str = "true") -> int:
    """Marks the live rows of a table that meet an SQL condition deleted; how many."""
    if not table.made:
        return 0
    change = f"_fivetran_deleted = true, _fivetran_synced = {synced}"
    return store.count(
        f"UPDATE {table.texts} SET {change} WHERE NOT _fivetran_deleted AND ({where})"
    )


def _met(table: Table) -> str:
    names = " and ".join(f'"{name}"' for name in table.entities)
    return f"{names} both become table {table.name}"
