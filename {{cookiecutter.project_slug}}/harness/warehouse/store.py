"""The DuckDB file: settings, the texts of every table, and the views that people query.

A table's texts lie in a schema of the harness's, one VARCHAR a column, as the reply had them. The
view in the connection's schema casts them, so widening a column is another view.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from harness import codec
from harness.errors import UsageError
from harness.warehouse.names import quoted
from harness.warehouse.types import TEXT, Shape

HOME = "_harness"
TEXTS = "_harness_texts"
INDEX = "_fivetran_index"
INSTANT = "TIMESTAMP WITH TIME ZONE"
_FEW = 20  # columns that are added one by one; more are added by making the table anew
_SYSTEM = {
    "_fivetran_batch": "BIGINT",
    INDEX: "BIGINT",
    "_fivetran_deleted": "BOOLEAN",
    "_fivetran_synced": INSTANT,
}
_ANEW = "Name another file with --warehouse, or delete this one to start from nothing."


class Table(msgspec.Struct, omit_defaults=True):
    """What is known of a table of the destination.

    Attributes:
        name: The name in the destination.
        primary_key: Columns of the primary key; empty when rows are appended.
        made: Whether it exists: a row came.
        deletable: Whether it has `_fivetran_deleted`.
        entities: What the source calls it.
        columns: Shape of each column that came and is not blocked, in the order seen.
        sources: What the source calls each column, blocked ones too.
    """

    name: str
    primary_key: tuple[str, ...] = ()
    made: bool = False
    deletable: bool = False
    entities: list[str] = []
    columns: dict[str, Shape] = {}
    sources: dict[str, list[str]] = {}

    @property
    def filled(self) -> dict[str, Shape]:
        """The columns that have had a value; others are not created."""
        return {name: shape for name, shape in self.columns.items() if shape.kinds}

    @property
    def system(self) -> dict[str, str]:
        """The columns of Fivetran's that people see, and their DuckDB types."""
        hidden = {"_fivetran_batch", INDEX} if self.primary_key else set()
        if not self.deletable:
            hidden.add("_fivetran_deleted")
        return {name: kind for name, kind in _SYSTEM.items() if name not in hidden}

    @property
    def types(self) -> dict[str, str]:
        """The DuckDB type of every column that people see, the source's first."""
        return {name: shape.sql for name, shape in self.filled.items()} | self.system

    @property
    def texts(self) -> str:
        """The SQL name of the table of texts."""
        return f"{TEXTS}.{quoted(self.name)}"

    @property
    def view(self) -> str:
        """The query that people see as the table; "" before it is made."""
        casts = [
            f"{shape.cast(quoted(name))} AS {quoted(name)}" for name, shape in self.filled.items()
        ]
        return f"SELECT {', '.join([*casts, *self.system])} FROM {self.texts}" if self.made else ""


class Store:
    """The open file, with its tables and settings in memory too: no other process can change them.

    Attributes:
        path: The file.
        connection: DuckDB's.
        tables: By name.

    Raises:
        UsageError: The file is in use, or not a warehouse.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        try:
            # Without access to any other file.
            self.connection = duckdb.connect(str(path), config={"enable_external_access": False})
        except duckdb.Error as error:
            raise UsageError(
                f"{path} cannot be opened: {error}",
                "Close what else has it open (another harness command, a DuckDB shell), or name "
                "another file with --warehouse.",
            ) from error
        # A schema may be named like the file: then a name with a dot alone would mean the file.
        self._schema = f"{quoted(self.query('SELECT current_database()')[0][0])}.{quoted(schema)}"
        self.tables: dict[str, Table] = {}
        try:
            with self.transaction():
                self._prepare()
                self._load()
        except BaseException:
            self.connection.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[Store]:
        """A transaction; an exception undoes everything.

        Raises:
            UsageError: DuckDB refused something.
            KeyboardInterrupt: It was interrupted, which DuckDB reports as an error like others.
        """
        try:
            self.connection.execute("BEGIN")
            try:
                yield self
                self._flush()
                self.connection.execute("COMMIT")
            except BaseException:
                with suppress(duckdb.Error):  # after a fatal error there is nothing to be undone
                    self.connection.execute("ROLLBACK")
                    self._load()
                raise
        except duckdb.InterruptException as error:
            raise KeyboardInterrupt from error
        except duckdb.Error as error:
            # Other errors (a full disk) are not about the tables.
            foreign = isinstance(error, duckdb.ProgrammingError)
            raise UsageError(f"{self.path}: {error}", _ANEW if foreign else "") from error
        except RuntimeError as error:
            if str(error) == "Query interrupted":
                raise KeyboardInterrupt from error
            raise

    def get(self, setting: str) -> str | None:
        """The value of a setting, None where it has none."""
        return self._settings.get(setting)

    def put(self, setting: str, value: str | None) -> None:
        """Sets a setting; None removes it."""
        if self._settings.get(setting) != value:
            self._settings[setting] = self._changed[setting] = value

    def table(self, name: str) -> Table:
        """What is known of a table, from now on if nothing was."""
        return self.tables.setdefault(name, Table(name))

    @property
    def made(self) -> list[Table]:
        """The tables that exist, by name."""
        return [table for _, table in sorted(self.tables.items()) if table.made]

    def grow(self, table: Table, columns: list[str]) -> None:
        """Makes the table of texts, or gives it columns that it does not have yet."""
        new = [f"{quoted(column)} VARCHAR" for column in columns]
        if not table.made:
            table.made = True
            system = [f"{name} {kind}" for name, kind in _SYSTEM.items()]
            self.connection.execute(f"CREATE TABLE {table.texts} ({', '.join([*new, *system])})")
        elif len(new) <= _FEW:
            for column in new:
                self.connection.execute(f"ALTER TABLE {table.texts} ADD COLUMN {column}")
        else:
            # Each ALTER takes as long as the table is wide: 3,000 of them took eight seconds.
            nulls = ", ".join(f"NULL::VARCHAR AS {quoted(column)}" for column in columns)
            self.connection.execute(
                f"""
                CREATE TABLE {TEXTS}."+" AS SELECT *, {nulls} FROM {table.texts};
                DROP TABLE {table.texts};
                ALTER TABLE {TEXTS}."+" RENAME TO {quoted(table.name)};
                """
            )

    def save(self, table: Table) -> None:
        """Writes what is known of a table, and its view, if something has changed."""
        text = codec.encode(msgspec.to_builtins(table)).decode()
        before, old_view = self._saved.get(table.name, ("", ""))
        if text == before:
            return
        self._saved[table.name] = text, table.view
        self.connection.execute(f"DELETE FROM {HOME}.tables WHERE name = ?", [table.name])
        self.connection.execute(f"INSERT INTO {HOME}.tables VALUES (?, ?)", [table.name, text])
        if table.view != old_view:
            # The first time it must not replace what somebody else has made.
            create = "CREATE OR REPLACE VIEW" if old_view else "CREATE VIEW"
            self.connection.execute(f"{create} {self.name(table)} AS {table.view}")

    def hash(self, table: Table, column: str, salt: str) -> None:
        """Replaces the texts of a column by hashes, as `privacy.hashed_text` makes them."""
        if column in table.filled:
            name = quoted(column)
            self.connection.execute(
                f"UPDATE {table.texts} SET {name} = sha256(? || {name})", [salt]
            )
            table.columns[column] = TEXT
            self.save(table)

    def stage(self, name: str, columns: Mapping[str, str], count: int) -> None:
        """Puts texts into a temporary table.

        One JSON list of `count` texts a column is twice as fast as lists of Python values.
        """
        rows = [f"unnest(from_json_strict(?, '[\"VARCHAR\"]')) AS {quoted(c)}" for c in columns]
        rows.append(f"unnest(range({count})) AS {INDEX}")
        query = f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {', '.join(rows)}"
        self.connection.execute(query, list(columns.values()))

    def drop(self) -> None:
        """Drops every table and the records of runs."""
        for table in self.made:
            self.connection.execute(f"DROP VIEW {self.name(table)}; DROP TABLE {table.texts}")
        for name in ("tables", "runs", "calls", "findings"):
            self.connection.execute(f"DELETE FROM {HOME}.{name}")
        self.tables.clear()
        self._saved.clear()

    def name(self, table: Table) -> str:
        """The SQL name of the view that people query."""
        return f"{self._schema}.{quoted(table.name)}"

    def query(self, sql: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self.connection.execute(sql, values).fetchall()

    def count(self, sql: str, values: list[Any] | None = None) -> int:
        """The number that a query gives: a count, or the rows that a statement changed."""
        return int(self.query(sql, values)[0][0])

    def _prepare(self) -> None:
        self.connection.execute(
            f"""
            CREATE SCHEMA IF NOT EXISTS {self._schema};
            CREATE SCHEMA IF NOT EXISTS {HOME};
            CREATE SCHEMA IF NOT EXISTS {TEXTS};
            CREATE TABLE IF NOT EXISTS {HOME}.settings (name VARCHAR, value VARCHAR);
            CREATE TABLE IF NOT EXISTS {HOME}.tables (name VARCHAR, definition VARCHAR);
            CREATE TABLE IF NOT EXISTS {HOME}.runs
                (id BIGINT, command VARCHAR, target VARCHAR, began {INSTANT}, seconds DOUBLE,
                 ended VARCHAR, error VARCHAR, unseen VARCHAR);
            CREATE TABLE IF NOT EXISTS {HOME}.calls
                (run BIGINT, number INTEGER, sent DOUBLE, seconds DOUBLE, status INTEGER,
                 request_bytes BIGINT, reply_bytes BIGINT, rows BIGINT, deleted BIGINT,
                 marked BIGINT, has_more BOOLEAN, error VARCHAR, waited DOUBLE);
            CREATE TABLE IF NOT EXISTS {HOME}.findings
                (run BIGINT, rule VARCHAR, severity VARCHAR, count BIGINT, calls INTEGER[],
                 text VARCHAR);
            """
        )

    def _load(self) -> None:
        """Reads tables and settings: at the beginning, and after something was undone."""
        self._changed: dict[str, str | None] = {}
        self._settings: dict[str, str | None] = dict(
            self.query(f"SELECT name, value FROM {HOME}.settings")
        )
        self._saved: dict[str, tuple[str, str]] = {}
        self.tables.clear()
        for name, text in self.query(f"SELECT name, definition FROM {HOME}.tables"):
            table = self.tables[name] = msgspec.convert(codec.decode(text), Table)
            self._saved[name] = text, table.view

    def _flush(self) -> None:
        """Writes the settings that have changed."""
        names, values = list(self._changed), list(self._changed.values())
        if names:
            self.connection.execute(
                f"DELETE FROM {HOME}.settings WHERE list_contains(?::VARCHAR[], name)", [names]
            )
            self.connection.execute(
                f"INSERT INTO {HOME}.settings SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[])",
                [names, values],
            )
        self._changed = {}
