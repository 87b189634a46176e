"""The DuckDB file: settings, the texts of every table, and the views that people query.

A table's texts lie in a schema of the harness's, one VARCHAR a column, as the reply had them. The
view in the connection's schema casts them, so widening a column is another view.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from harness.errors import UsageError
from harness.warehouse.names import quoted
from harness.warehouse.types import TEXT, Shape

HOME = "_harness"
TEXTS = "_harness_texts"
INSTANT = "TIMESTAMP WITH TIME ZONE"
_LAYOUT = "2"  # of the file
_FEW = 20  # columns that are added one by one; more are added by making the table anew
_SYSTEM = {
    "_fivetran_batch": "BIGINT",
    "_fivetran_index": "BIGINT",
    "_fivetran_deleted": "BOOLEAN",
    "_fivetran_synced": INSTANT,
}
_ANEW = "Name another file with --warehouse, or delete this one to start from nothing."


class Table(msgspec.Struct):
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
        return {name: shape for name, shape in self.columns.items() if shape.kind != "null"}

    @property
    def system(self) -> dict[str, str]:
        """The columns of Fivetran's that people see, and their DuckDB types."""
        hidden = {"_fivetran_batch", "_fivetran_index"} if self.primary_key else set()
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
        """The query that people see as the table."""
        casts = [
            f"{shape.cast(quoted(name))} AS {quoted(name)}" for name, shape in self.filled.items()
        ]
        return f"SELECT {', '.join([*casts, *self.system])} FROM {self.texts}"


class Store:
    """Tables and settings as they stand in the open transaction.

    Attributes:
        connection: The open file.
        tables: By name.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, schema: str) -> None:
        self.connection = connection
        # A schema may be named like the file: then a name with a dot alone would mean the file.
        database = quoted(self.query("SELECT current_database()")[0][0])
        self._schema = f"{database}.{quoted(schema)}"
        self.tables: dict[str, Table] = {}
        self._stored: dict[str, bytes] = {}
        self._settings: dict[str, str] = {}
        self._changed: dict[str, str | None] = {}

    def prepare(self, path: Path) -> None:
        """Makes the schemas and the harness's tables where they are missing.

        Raises:
            UsageError: An earlier version of the harness made the file.
        """
        found = "SELECT table_name FROM duckdb_tables() WHERE schema_name = ?"
        there = {name for (name,) in self.query(found, [HOME])}
        if there and "layout" not in there:
            raise UsageError(
                f"{path} was made by an earlier version of the harness.",
                "Delete the folder .fivetran (or the file that --warehouse names) and sync again.",
            )
        self.connection.execute(
            f"""
            CREATE SCHEMA IF NOT EXISTS {self._schema};
            CREATE SCHEMA IF NOT EXISTS {HOME};
            CREATE SCHEMA IF NOT EXISTS {TEXTS};
            CREATE TABLE IF NOT EXISTS {HOME}.layout AS SELECT '{_LAYOUT}' AS version;
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

    def load(self) -> None:
        """Reads tables and settings."""
        self._settings = dict(self.query(f"SELECT name, value FROM {HOME}.settings"))
        for name, text in self.query(f"SELECT name, definition FROM {HOME}.tables ORDER BY name"):
            self._stored[name] = text.encode()
            self.tables[name] = msgspec.json.decode(text, type=Table)

    def get(self, setting: str) -> str | None:
        """The value of a setting, None where it has none."""
        return self._settings.get(setting)

    def put(self, setting: str, value: str | None) -> None:
        """Sets a setting; None removes it."""
        if self._settings.get(setting) != value:
            self._changed[setting] = value
        self._settings.pop(setting, None)
        if value is not None:
            self._settings[setting] = value

    def flush(self) -> None:
        """Writes the settings that have changed."""
        if self._changed:
            names, values = list(self._changed), list(self._changed.values())
            pairs = "SELECT unnest(?::VARCHAR[]) AS name, unnest(?::VARCHAR[]) AS value"
            self.connection.execute(
                f"DELETE FROM {HOME}.settings WHERE list_contains(?::VARCHAR[], name)", [names]
            )
            self.connection.execute(
                f"INSERT INTO {HOME}.settings FROM ({pairs}) WHERE value IS NOT NULL",
                [names, values],
            )

    def table(self, name: str) -> Table:
        """What is known of a table, from now on if nothing was."""
        return self.tables.setdefault(name, Table(name))

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
        """Writes what is known of a table, and its view, if something has changed.

        Raises:
            UsageError: The file has something of that name that the harness did not make.
        """
        text = msgspec.json.encode(table)
        before = self._stored.get(table.name)
        if text == before:
            return
        self._stored[table.name] = text
        self.connection.execute(f"DELETE FROM {HOME}.tables WHERE name = ?", [table.name])
        self.connection.execute(
            f"INSERT INTO {HOME}.tables VALUES (?, ?)", [table.name, text.decode()]
        )
        known = msgspec.json.decode(before, type=Table) if before else Table(table.name)
        if table.made and (not known.made or known.view != table.view):
            self._create(table, "CREATE OR REPLACE VIEW" if known.made else "CREATE VIEW")

    def hash(self, table: Table, column: str, salt: str) -> None:
        """Turns what a column has, if there is one, into hashes, as `hashed_text` makes them."""
        if column in table.filled:
            name = quoted(column)
            self.connection.execute(
                f"UPDATE {table.texts} SET {name} = sha256(? || {name})", [salt]
            )
            table.columns[column] = TEXT
            self.save(table)

    def drop(self) -> None:
        """Drops every table and the records of runs."""
        for table in self.tables.values():
            if table.made:
                self.connection.execute(
                    f"DROP VIEW {self.path(table.name)}; DROP TABLE {table.texts}"
                )
        for name in ("tables", "runs", "calls", "findings"):
            self.connection.execute(f"DELETE FROM {HOME}.{name}")
        self.tables.clear()
        self._stored.clear()

    def path(self, table: str) -> str:
        """The SQL name of the view that people query."""
        return f"{self._schema}.{quoted(table)}"

    def query(self, sql: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self.connection.execute(sql, values).fetchall()

    def count(self, sql: str, values: list[Any] | None = None) -> int:
        """The number that a query gives: a count, or the rows that a statement changed."""
        return int(self.query(sql, values)[0][0])

    def _create(self, table: Table, create: str) -> None:
        try:
            self.connection.execute(f"{create} {self.path(table.name)} AS {table.view}")
        except duckdb.CatalogException as error:
            raise UsageError(
                f"{self.path(table.name)} exists already, and the harness did not make it: {error}",
                "Name another file with --warehouse.",
            ) from error


def opened(path: Path) -> duckdb.DuckDBPyConnection:
    """Opens the file, made where it is missing, without access to any other.

    Raises:
        UsageError: It is in use, is not a DuckDB file, or cannot be made.
    """
    try:
        return duckdb.connect(str(path), config={"enable_external_access": "false"})
    except duckdb.Error as error:
        if path.is_dir() or _is_other(path):
            what = "a folder" if path.is_dir() else "not a DuckDB file"
            raise UsageError(f"{path} cannot be opened: it is {what}.", _ANEW) from error
        todo = "Name a place that can be written with --warehouse."
        if path.exists():
            todo = "Close what else has it open: another harness command, a DuckDB shell."
        raise UsageError(f"{path} cannot be opened: {error}", todo) from error


@contextmanager
def plain_errors(path: Path) -> Iterator[None]:
    """Turns DuckDB's errors in the block into the harness's.

    Raises:
        UsageError: DuckDB refused something.
        KeyboardInterrupt: It was interrupted, which DuckDB reports as an error like others.
    """
    try:
        yield
    except duckdb.InterruptException as error:
        raise KeyboardInterrupt from error
    except duckdb.Error as error:
        # Other errors (a full disk) are not about the tables.
        foreign = isinstance(error, duckdb.ProgrammingError)
        raise UsageError(f"{path}: {error}", _ANEW if foreign else "") from error
    except RuntimeError as error:
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from error
        raise


def _is_other(path: Path) -> bool:
    """Whether there is a file that is not DuckDB's: these have DUCK at byte 8."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return False
    return bool(head) and head[8:] != b"DUCK"
