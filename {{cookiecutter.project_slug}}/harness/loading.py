# Owned by fivetran-azfn-template: updates replace this file.
"""One reply's rows into the tables: upsert, append, delete, mark; it begins no transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import duckdb

from harness.catalog import Catalog, Change, StoredTable
from harness.columns import TEXT, observe
from harness.errors import ProtocolBroken, UsageError
from harness.naming import quoted, to_name
from harness.records import Columns, Privacy, Records, check_key, to_columns
from harness.values import decoded, encode

_STAGE = "_harness_rows"
_INDEX = "_fivetran_index"


@dataclass
class Counts:
    """What a reply did to one table, in rows.

    Attributes:
        inserted: Written by `insert`; of rows with one key only the last is.
        replaced: How many of these took the place of an older row.
        deleted: Marked deleted by `delete`.
        marked: Marked deleted by `softDelete`.
    """

    inserted: int = 0
    replaced: int = 0
    deleted: int = 0
    marked: int = 0


@dataclass
class Applied:
    """What a reply did.

    Attributes:
        tables: Counts of each table that the reply names and that is not blocked.
        changes: Columns that came or widened.
    """

    tables: dict[str, Counts] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)


class Loading:
    """Applies replies.

    Args:
        connection: In an open transaction.
        catalog: The tables as they stand in it.
        privacy: What is blocked and hashed.
        batch: Number of the reply, for `_fivetran_batch`.
        stamp: Microseconds since the epoch, for `_fivetran_synced`.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        catalog: Catalog,
        privacy: Privacy,
        *,
        batch: int,
        stamp: int,
    ) -> None:
        self._connection = connection
        self._catalog = catalog
        self._privacy = privacy
        self._batch = batch
        self._synced = instant_sql(stamp)

    def run(self, reply: Mapping[str, Any], *, marks_last: bool) -> Applied:
        """Applies all of `reply` but its state; see `Warehouse.apply`."""
        schema = reply.get("schema", {})
        marks = {to_name(entity) for entity in reply.get("softDelete", [])}
        steps: list[tuple[str, Callable[[Counts], None]]] = []
        for table in sorted(marks):
            steps.append((table, partial(self._soft_delete, table)))
        for entity, records in sorted(reply.get("delete", {}).items()):
            if to_name(entity) not in marks:
                steps.append((to_name(entity), partial(self._delete, entity, records, schema)))
        for entity, records in sorted(reply.get("insert", {}).items()):
            steps.append((to_name(entity), partial(self._insert, entity, records, schema)))
        applied = Applied(changes=self._catalog.changes)
        for table, step in reversed(steps) if marks_last else steps:
            if not self._privacy.blocks(table):
                step(applied.tables.setdefault(table, Counts()))
        return applied

    def mark(self, table: str, where: str = "true") -> int:
        """Marks the live rows of a table that meet an SQL condition deleted; how many."""
        stored = self._catalog.tables.get(table)
        if stored is None:
            return 0
        path = self._catalog.path(table)
        alive = f"({where}) AND NOT _fivetran_deleted" if stored.deletable else where
        found = self._count(f"SELECT count(*) FROM {path} WHERE {alive}")
        if found:
            self._catalog.make_deletable(stored)
            change = f"_fivetran_deleted = true, _fivetran_synced = {self._synced}"
            self._connection.execute(f"UPDATE {path} SET {change} WHERE {alive}")
        return found

    def _soft_delete(self, table: str, counts: Counts) -> None:
        counts.marked += self.mark(table)

    def _delete(
        self, entity: str, records: Records, schema: Mapping[str, Any], counts: Counts
    ) -> None:
        place = f'delete["{entity}"]'
        key = self._key(entity, schema)
        if records and not key:
            raise ProtocolBroken(
                f'{place} has records, but schema names no primary key for "{entity}".',
                rule="delete-without-schema",
            )
        columns = self._columns(place, entity, records, key)
        if records and to_name(entity) in self._catalog.tables:
            table = self._table(entity, key)
            self._stage(table, {name: columns[name] for name in key}, len(records))
            counts.deleted += self.mark(table.name, _matches(key))

    def _insert(
        self, entity: str, records: Records, schema: Mapping[str, Any], counts: Counts
    ) -> None:
        key = self._key(entity, schema)
        columns = self._columns(f'insert["{entity}"]', entity, records, key)
        if not records:
            return
        table = self._table(entity, key)
        path = self._catalog.path(table.name)
        self._stage(table, columns, len(records))
        system = {"_fivetran_synced": self._synced}
        if table.deletable:
            system["_fivetran_deleted"] = "false"
        if key:
            counts.replaced += self._count(f"DELETE FROM {path} WHERE {_matches(key)}")
        else:
            system |= {"_fivetran_batch": str(self._batch), "_fivetran_index": _INDEX}
        added = ", ".join(f"{value} AS {name}" for name, value in system.items())
        counts.inserted += self._count(
            f"INSERT INTO {path} BY NAME SELECT * EXCLUDE ({_INDEX}), {added} FROM {_STAGE}"
        )

    def _columns(self, place: str, entity: str, records: Records, key: tuple[str, ...]) -> Columns:
        columns = to_columns(place, records, to_name(entity), self._privacy)
        check_key(place, columns, len(records), key)
        return columns

    def _key(self, entity: str, schema: Mapping[str, Any]) -> tuple[str, ...]:
        """The columns of the entity's primary key; none when its rows are appended."""
        names = schema[entity]["primary_key"] if entity in schema else ()
        key = tuple(dict.fromkeys(map(to_name, names)))
        for name in key:
            if self._privacy.blocks(table := to_name(entity), name):
                raise UsageError(
                    f"{table}.{name} is blocked, but it is part of the table's primary key.",
                    todo="Take it out of blocked in connection.json; hashed hides it too.",
                )
        return key

    def _table(self, entity: str, key: tuple[str, ...]) -> StoredTable:
        name = to_name(entity)
        table = self._catalog.tables.get(name) or self._catalog.create(name, key)
        if table.primary_key != key:
            raise ProtocolBroken(
                f'The primary key of "{entity}" is {_listed(key)} in this reply and was '
                f"{_listed(table.primary_key)} when table {name} was made.",
                rule="schema-varies",
            )
        return table

    def _stage(self, table: StoredTable, columns: Columns, count: int) -> None:
        """Makes room in the table and puts the rows, the last of each key, into a staging table."""
        seen = {
            name: observe(values)
            for name, values in columns.items()
            if table.columns.get(name) != TEXT
        }
        self._catalog.widen(table, seen)
        shapes = {name: table.columns[name] for name in columns if name in table.columns}
        values = [f"{decoded(shape)} AS {quoted(name)}" for name, shape in shapes.items()]
        rows = ", ".join([*values, f"unnest(range({count})) AS {_INDEX}"])
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {_STAGE} AS SELECT {rows}",
            [encode(columns[name], shape) for name, shape in shapes.items()],
        )
        if table.primary_key:
            key = ", ".join(map(quoted, table.primary_key))
            last = f"SELECT max({_INDEX}) FROM {_STAGE} GROUP BY {key}"
            self._connection.execute(f"DELETE FROM {_STAGE} WHERE {_INDEX} NOT IN ({last})")

    def _count(self, sql: str) -> int:
        found = self._connection.execute(sql).fetchall()[0][0]
        return int(found)


def instant_sql(stamp: int) -> str:
    """The SQL of an instant, from microseconds since the epoch."""
    return f"make_timestamptz({stamp}::BIGINT)"


def _matches(key: Sequence[str]) -> str:
    names = ", ".join(map(quoted, key))
    return f"({names}) IN (SELECT {names} FROM {_STAGE})"


def _listed(key: Sequence[str]) -> str:
    return f"({', '.join(key)})" if key else "absent"
