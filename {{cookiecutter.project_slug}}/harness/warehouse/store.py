"""The DuckDB file: what the harness remembers, the texts of every table, and the views on them.

A table's texts are in a schema of the harness, one VARCHAR per column, as the reply had them. The
view in the connection's schema casts them, so widening a column only changes the view.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from secrets import token_hex
from typing import Any

import duckdb
import msgspec

from harness import codec
from harness.errors import UsageError
from harness.warehouse.names import quoted
from harness.warehouse.types import INSTANT, Shape, json_of_texts

HOME = "_harness"
INDEX = "_fivetran_index"
_TEXTS = "_harness_texts"
_FEW = 20  # columns that ALTER TABLE adds faster than a new table
_SYSTEM = {
    "_fivetran_batch": "BIGINT",
    INDEX: "BIGINT",
    "_fivetran_deleted": "BOOLEAN",
    "_fivetran_synced": INSTANT,
}
_ANEW = "Choose another file with --warehouse, or delete this one to start again."


class Table(msgspec.Struct, omit_defaults=True):
    """What is known of a table of the destination."""

    name: str
    primary_key: tuple[str, ...] = ()  # empty if rows are appended
    made: bool = False  # whether it exists: a row came
    deletable: bool = False  # whether it has `_fivetran_deleted`
    entities: list[str] = []  # what the source calls it
    columns: dict[str, Shape] = {}  # those that came and are not blocked, in the order seen
    sources: dict[str, list[str]] = {}  # what the source calls each column, blocked ones too

    @property
    def filled(self) -> dict[str, Shape]:
        """The columns that have had a value; others are not created."""
        return {name: shape for name, shape in self.columns.items() if shape.kinds}

    @property
    def types(self) -> dict[str, str]:
        """The DuckDB type of every column that people see, the source's first."""
        hidden = {"_fivetran_batch", INDEX} if self.primary_key else set()
        if not self.deletable:
            hidden.add("_fivetran_deleted")
        system = {name: kind for name, kind in _SYSTEM.items() if name not in hidden}
        return {name: shape.sql for name, shape in self.filled.items()} | system

    @property
    def texts(self) -> str:
        """The SQL name of the table of texts."""
        return f"{_TEXTS}.{quoted(self.name)}"

    @property
    def view(self) -> str:
        """The query that people see as the table."""
        columns = (f"{quoted(name)}::{kind} AS {quoted(name)}" for name, kind in self.types.items())
        return f"SELECT {', '.join(columns)} FROM {self.texts}"


class Memory(msgspec.Struct):
    """What is remembered between replies and between commands, as JSON in the file."""

    schema: str
    state: dict[str, Any] = {}
    tables: dict[str, Table] = {}
    upstream: str | None = None  # what the tables and the state belong to
    salt: str = msgspec.field(default_factory=token_hex)  # of hashed columns
    batch: int = 0  # how many replies were applied
    stamp: int = 0  # the last `_fivetran_synced`, in microseconds since the epoch
    sync_began: int | None = None  # the first stamp of the current sync
    resync_began: int | None = None  # the stamp at which a re-sync began that has not finished
    early: list[str] = []  # entities that had deletes before rows in the current sync


class Store:
    """The open file; nobody else can change it meanwhile.

    What a transaction changes in `memory` is saved at its end.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self.path, self.schema = path, schema  # of DuckDB
        try:
            # Without access to any other file.
            self._connection = duckdb.connect(str(path), config={"enable_external_access": False})
        except duckdb.Error as error:
            raise UsageError(
                f"{path} cannot be opened: {error}",
                "Close what else has it open (another harness command, a DuckDB shell), or name "
                "another file with --warehouse.",
            ) from error
        # A schema may be named like the file: then a name with a dot alone would mean the file.
        self._schema = f"{quoted(self.query('SELECT current_database()')[0][0])}.{quoted(schema)}"
        self.query(
            f"""
            CREATE SCHEMA IF NOT EXISTS {self._schema};
            CREATE SCHEMA IF NOT EXISTS {HOME};
            CREATE SCHEMA IF NOT EXISTS {_TEXTS};
            CREATE TABLE IF NOT EXISTS {HOME}.memory (json VARCHAR);
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
        self._load()
        if self.memory.schema != schema:
            self.close()
            raise UsageError(
                f"{path} has the tables of the schema {self.memory.schema}, not of {schema}.", _ANEW
            )

    def close(self) -> None:
        self._connection.close()

    def query(self, sql: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, values).fetchall()

    def count(self, sql: str) -> int:
        """The number that a query gives: a count, or the rows that a statement changed."""
        return int(self.query(sql)[0][0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction; an exception undoes everything.

        Raises:
            UsageError: DuckDB refused something.
            KeyboardInterrupt: It was interrupted, which DuckDB reports as an error like others.
        """
        try:
            self.query("BEGIN")
            try:
                yield
                self._save()
                self.query("COMMIT")
            except BaseException:
                with suppress(duckdb.Error):  # after a fatal error there is nothing to be undone
                    self.query("ROLLBACK")
                    self._load()
                raise
        except (duckdb.Error, RuntimeError) as error:
            if isinstance(error, duckdb.InterruptException) or str(error) == "Query interrupted":
                raise KeyboardInterrupt from error
            if not isinstance(error, duckdb.Error):
                raise
            # Other errors (a full disk) are not about the tables.
            foreign = isinstance(error, duckdb.ProgrammingError)
            raise UsageError(f"{self.path}: {error}", _ANEW if foreign else "") from error

    def name(self, table: Table) -> str:
        """The SQL name of the view that people query."""
        return f"{self._schema}.{quoted(table.name)}"

    @property
    def made(self) -> dict[str, Table]:
        """The tables that exist, sorted by name."""
        return {name: table for name, table in sorted(self.memory.tables.items()) if table.made}

    def grow(self, table: Table, columns: list[str]) -> None:
        """Makes the table of texts, or gives it columns that it does not have yet."""
        if not table.made:
            table.made = True
            parts = [f"{quoted(column)} VARCHAR" for column in columns]
            parts += [f"{name} {kind}" for name, kind in _SYSTEM.items()]
            self.query(f"CREATE TABLE {table.texts} ({', '.join(parts)})")
        elif len(columns) <= _FEW:
            for column in columns:
                self.query(f"ALTER TABLE {table.texts} ADD COLUMN {quoted(column)} VARCHAR")
        else:  # each ALTER TABLE takes as long as the table is wide
            new = "".join(f", NULL::VARCHAR AS {quoted(column)}" for column in columns)
            self.query(f"CREATE OR REPLACE TABLE {table.texts} AS SELECT *{new} FROM {table.texts}")

    def stage(self, name: str, columns: Mapping[str, list[Any]], count: int) -> None:
        """Puts the texts of values into a temporary table of `count` rows."""
        # One JSON list of texts a column is twice as fast as lists of Python values.
        rows = [f"unnest(from_json_strict(?, '[\"VARCHAR\"]')) AS {quoted(c)}" for c in columns]
        rows.append(f"unnest(range({count})) AS {INDEX}")
        query = f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {', '.join(rows)}"
        self.query(query, list(map(json_of_texts, columns.values())))

    def stamp(self) -> int:
        """The time now, but later than every stamp before: order must not depend on clocks."""
        self.memory.stamp = max(time.time_ns() // 1000, self.memory.stamp + 1)
        return self.memory.stamp

    def empty(self) -> None:
        """Drops tables, state and the records of runs."""
        for table in self.made.values():
            self.query(f"DROP VIEW {self.name(table)}; DROP TABLE {table.texts}")
        for name in ("runs", "calls", "findings"):
            self.query(f"DELETE FROM {HOME}.{name}")
        self.memory = Memory(self.schema)
        self._views.clear()

    def _load(self) -> None:
        """Reads what is remembered: at the beginning, and after something was undone."""
        self._saved, self.memory = "", Memory(self.schema)
        for (text,) in self.query(f"SELECT json FROM {HOME}.memory"):
            self._saved, self.memory = text, msgspec.convert(codec.decode(text), Memory)
        self._views = {name: table.view for name, table in self.made.items()}

    def _save(self) -> None:
        """Writes what is remembered and the views, if something has changed."""
        text = codec.encode(msgspec.to_builtins(self.memory, builtin_types=(Decimal,))).decode()
        if text == self._saved:
            return
        self.query(f"DELETE FROM {HOME}.memory")
        self.query(f"INSERT INTO {HOME}.memory VALUES (?)", [text])
        self._saved = text
        for name, table in self.made.items():
            if table.view != self._views.get(name):
                # The first time it must not replace what somebody else has made.
                create = "CREATE OR REPLACE VIEW" if name in self._views else "CREATE VIEW"
                self.query(f"{create} {self.name(table)} AS {table.view}")
                self._views[name] = table.view
