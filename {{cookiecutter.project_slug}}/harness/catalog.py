# Owned by fivetran-azfn-template: updates replace this file.
"""What the warehouse knows of its tables, kept in the same file as they; it moves no rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import duckdb
import msgspec

from harness.columns import TEXT, Shape
from harness.errors import UsageError
from harness.naming import quoted
from harness.values import number_text, widened

HOME = "_harness"
INSTANT = "TIMESTAMP WITH TIME ZONE"
_WIDER = "_harness_wider"


@dataclass
class StoredTable:
    """A table of the destination.

    Attributes:
        name: The name in the destination.
        primary_key: Columns of the primary key; empty when rows are appended.
        columns: Shape of each source column, in the order seen.
        deletable: Whether it has `_fivetran_deleted`.
    """

    name: str
    primary_key: tuple[str, ...]
    columns: dict[str, Shape] = field(default_factory=dict)
    deletable: bool = False

    @property
    def types(self) -> dict[str, str]:
        """The DuckDB type of every column, the source's first."""
        return {name: shape.sql for name, shape in self.columns.items()} | self.system

    @property
    def system(self) -> dict[str, str]:
        """The columns of Fivetran's own and their DuckDB types."""
        order = (
            {} if self.primary_key else {"_fivetran_batch": "BIGINT", "_fivetran_index": "BIGINT"}
        )
        mark = {"_fivetran_deleted": "BOOLEAN"} if self.deletable else {}
        return {**order, **mark, "_fivetran_synced": INSTANT}


@dataclass(frozen=True)
class Change:
    """A column that came or whose type was widened.

    Attributes:
        table: The table.
        column: The column.
        before: Its DuckDB type before, None for a new column.
        after: Its DuckDB type now.
    """

    table: str
    column: str
    before: str | None
    after: str


class Catalog:
    """Tables and settings of one connection, as they stand in the open transaction.

    Attributes:
        tables: By name.
        changes: Columns that came or widened since the catalog was read.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, schema: str) -> None:
        self._connection = connection
        # A schema may be named like the file, so every name says which of the two it means.
        database = quoted(self._rows("SELECT current_database()")[0][0])
        self._schema = f"{database}.{quoted(schema)}"
        self._home = f"{database}.{HOME}"
        self.tables: dict[str, StoredTable] = {}
        self.changes: list[Change] = []
        self._settings: dict[str, str] = {}

    def prepare(self) -> None:
        """Makes the schemas and the catalog's own tables where they are not there yet."""
        self._connection.execute(
            f"""
            CREATE SCHEMA IF NOT EXISTS {self._schema};
            CREATE SCHEMA IF NOT EXISTS {self._home};
            CREATE TABLE IF NOT EXISTS {self._home}.settings (name VARCHAR, value VARCHAR);
            CREATE TABLE IF NOT EXISTS {self._home}.tables
                (name VARCHAR, primary_key VARCHAR[], deletable BOOLEAN);
            CREATE TABLE IF NOT EXISTS {self._home}.columns
                (table_name VARCHAR, name VARCHAR, position INTEGER, shape VARCHAR);
            CREATE TABLE IF NOT EXISTS {self._home}.runs (began VARCHAR, record VARCHAR);
            """
        )

    def load(self) -> None:
        """Reads the tables and the settings."""
        self._settings = dict(self._rows(f"SELECT name, value FROM {self._home}.settings"))
        for name, key, deletable in self._rows(f"SELECT * FROM {self._home}.tables ORDER BY name"):
            self.tables[name] = StoredTable(name, tuple(key), deletable=deletable)
        columns = f"SELECT table_name, name, shape FROM {self._home}.columns ORDER BY position"
        for table, name, shape in self._rows(columns):
            self.tables[table].columns[name] = msgspec.json.decode(shape, type=Shape)

    def get(self, setting: str) -> str | None:
        """The value of a setting, None where it has none."""
        return self._settings.get(setting)

    def put(self, setting: str, value: str | None) -> None:
        """Sets a setting; None removes it."""
        held = self._settings.pop(setting, None)
        if held is not None and held != value:
            self._connection.execute(f"DELETE FROM {self._home}.settings WHERE name = ?", [setting])
        if value is not None:
            self._settings[setting] = value
            if held != value:
                self._connection.execute(
                    f"INSERT INTO {self._home}.settings VALUES (?, ?)", [setting, value]
                )

    def keep_run(self, began: str, record: str, most: int) -> None:
        """Keeps a run's record instead of what was kept of it, and the newest `most` runs alone."""
        runs = f"{self._home}.runs"
        self._connection.execute(f"DELETE FROM {runs} WHERE began = ?", [began])
        self._connection.execute(f"INSERT INTO {runs} VALUES (?, ?)", [began, record])
        newest = f"SELECT began FROM {runs} ORDER BY began DESC LIMIT {most}"
        self._connection.execute(f"DELETE FROM {runs} WHERE began NOT IN ({newest})")

    def runs(self) -> list[str]:
        """The records of runs, the newest first."""
        found = self._rows(f"SELECT record FROM {self._home}.runs ORDER BY began DESC")
        return [record for (record,) in found]

    def path(self, table: str) -> str:
        """The table's qualified SQL name."""
        return f"{self._schema}.{quoted(table)}"

    def create(self, name: str, primary_key: tuple[str, ...]) -> StoredTable:
        """A new table, without source columns yet.

        Raises:
            UsageError: The file has one of that name that the harness knows nothing of.
        """
        table = self.tables[name] = StoredTable(name, primary_key)
        columns = ", ".join(f"{quoted(column)} {kind}" for column, kind in table.system.items())
        try:
            self._connection.execute(f"CREATE TABLE {self.path(name)} ({columns})")
        except duckdb.CatalogException as error:
            raise UsageError(
                f"{self.path(name)} is there already, and the harness did not make it: {error}",
                todo="Name another file with --warehouse.",
            ) from error
        self._connection.execute(
            f"INSERT INTO {self._home}.tables VALUES (?, ?::VARCHAR[], false)",
            [name, list(primary_key)],
        )
        return table

    def widen(self, table: StoredTable, shapes: Mapping[str, Shape]) -> None:
        """Makes room for values of these shapes; a column without any value is not created."""
        for name, seen in shapes.items():
            old = table.columns.get(name)
            new = old.join(seen) if old else seen
            if new == old or new.kind == "null":
                continue
            table.columns[name] = new
            self._record(table, name, new)
            if old is None or old.sql != new.sql:
                self._alter(table.name, name, old, new)

    def hash(self, table: str, column: str, salt: str) -> None:
        """Turns what a column holds, if there is one, into hashes, as `Privacy.hash` makes them."""
        stored = self.tables.get(table)
        if stored and column in stored.columns:
            self.widen(stored, {column: TEXT})
            name = quoted(column)
            self._connection.execute(
                f"UPDATE {self.path(table)} SET {name} = sha256(? || {name})", [salt]
            )

    def make_deletable(self, table: StoredTable) -> None:
        """Gives `table` its `_fivetran_deleted`, false in every row."""
        if not table.deletable:
            table.deletable = True
            column = "_fivetran_deleted BOOLEAN DEFAULT false"
            self._connection.execute(f"ALTER TABLE {self.path(table.name)} ADD COLUMN {column}")
            self._connection.execute(
                f"UPDATE {self._home}.tables SET deletable = true WHERE name = ?", [table.name]
            )

    def drop(self) -> None:
        """Drops every table and the records of runs."""
        for name in self.tables:
            self._connection.execute(f"DROP TABLE {self.path(name)}")
        self._connection.execute(
            f"DELETE FROM {self._home}.columns; DELETE FROM {self._home}.tables;"
            f"DELETE FROM {self._home}.runs"
        )
        self.tables.clear()

    def _alter(self, table: str, name: str, old: Shape | None, new: Shape) -> None:
        path, column = self.path(table), quoted(name)
        if old is None:
            self._connection.execute(f"ALTER TABLE {path} ADD COLUMN {column} {new.sql}")
        else:
            # ALTER … TYPE … USING would put the expression into DuckDB's log, and after a kill
            # the log is replayed before there are functions.
            self._connection.execute(
                f"""
                ALTER TABLE {path} ADD COLUMN {_WIDER} {new.sql};
                UPDATE {path} SET {_WIDER} = {widened(column, old, new)};
                ALTER TABLE {path} DROP COLUMN {column};
                ALTER TABLE {path} RENAME COLUMN {_WIDER} TO {column};
                """
            )
            if (old.sql, new.sql) == ("DOUBLE", "VARCHAR"):
                self._spell_out(path, column)
        self.changes.append(Change(table, name, old.sql if old else None, new.sql))

    def _spell_out(self, path: str, column: str) -> None:
        """Numbers that DuckDB wrote with an exponent, as every other number in a VARCHAR column."""
        found = [text for (text,) in self._rows(f"SELECT DISTINCT {column} FROM {path}")]
        short = [text for text in found if text and "e" in text]
        self._connection.execute(
            f"UPDATE {path} SET {column} = long FROM "
            f"(SELECT unnest(?::VARCHAR[]) AS short, unnest(?::VARCHAR[]) AS long) "
            f"WHERE {column} = short",
            [short, [number_text(Decimal(text)) for text in short]],
        )

    def _record(self, table: StoredTable, name: str, shape: Shape) -> None:
        position = list(table.columns).index(name)
        text = msgspec.json.encode(shape).decode()
        self._connection.execute(
            f"DELETE FROM {self._home}.columns WHERE table_name = ? AND name = ?",
            [table.name, name],
        )
        self._connection.execute(
            f"INSERT INTO {self._home}.columns VALUES (?, ?, ?, ?)",
            [table.name, name, position, text],
        )

    def _rows(self, sql: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, values).fetchall()
