# Owned by fivetran-azfn-template: updates replace this file.
"""The destination: replies become tables in a DuckDB file, as at Fivetran; it calls no function."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb

from harness import jsontext, tables
from harness.catalog import HOME, Catalog
from harness.database import connected, spoken
from harness.errors import UsageError
from harness.loading import Applied, Loading, instant_sql
from harness.naming import to_name
from harness.records import Privacy
from harness.tables import Table

MOST_RUNS = 20  # whose records are kept


class Warehouse:
    """One connection's tables and the state that belongs to them, in one DuckDB file.

    Every method that changes something is one transaction: killed anywhere, it has happened or not.

    Args:
        path: The file; made where there is none.
        schema: The connection's schema name.
        blocked: `"table"` or `"table.column"`: not written.
        hashed: `"table.column"`: written as a salted hash, as a string.
        clock: Microseconds since the epoch, for `_fivetran_synced`.

    Raises:
        UsageError: The file is in use, no warehouse, or another schema's.
    """

    def __init__(
        self,
        path: Path,
        *,
        schema: str,
        blocked: Iterable[str] = (),
        hashed: Iterable[str] = (),
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._schema = to_name(schema)
        if self._schema == HOME:
            raise UsageError(
                f"The schema name {schema} is the harness's own.", todo="Choose another one."
            )
        self._clock = clock
        self._path = Path(path)
        self._connection = connected(self._path)
        try:
            with spoken(self._path):
                Catalog(self._connection, self._schema).prepare()
            with self._catalog() as catalog:
                self._privacy = self._settle(path, catalog, blocked, hashed)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def state(self) -> dict[str, Any]:
        """The state that the last reply carried, `{}` at first; fractions are Decimal."""
        with self._catalog() as catalog:
            return _state(catalog, "state") or {}

    def previous_state(self) -> dict[str, Any] | None:
        """The state before the present one: what the last reply was called with; None at first."""
        with self._catalog() as catalog:
            return _state(catalog, "previous_state")

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Replaces the state; the tables stay."""
        with self._catalog() as catalog:
            _set_state(catalog, state)

    def reset(self) -> None:
        """Drops tables, state and the records of runs; the salt of hashed columns stays."""
        with self._catalog() as catalog:
            catalog.drop()
            _set_state(catalog, {})
            catalog.put("resync", None)

    def apply(
        self, reply: Mapping[str, Any], before: Mapping[str, Any], *, marks_last: bool = False
    ) -> Applied:
        """Writes a reply's rows and its state, in one transaction.

        Args:
            reply: The decoded reply, of the protocol's shape: integers exact, other numbers as
                Decimal.
            before: The state that it was called with.
            marks_last: The order inside one reply is documented nowhere. True applies `insert`,
                `delete`, `softDelete`; else the reverse, as Fivetran's samples expect.

        Raises:
            ProtocolBroken: A record without its primary key, a delete without schema, a primary
                key that is not the table's, a name of Fivetran's own.
            UsageError: A column of the primary key is blocked, or the file has a table of that
                name that is not the harness's.
        """
        with self._catalog() as catalog:
            applied = self._loading(catalog).run(reply, marks_last=marks_last)
            _set_state(catalog, reply["state"], jsontext.dump(before))
            return applied

    @property
    def resyncing(self) -> bool:
        """Whether a re-sync has begun and not finished."""
        with self._catalog() as catalog:
            return catalog.get("resync") is not None

    def begin_resync(self) -> None:
        """Starts a re-sync: the state is `{}`, the tables stay."""
        with self._catalog() as catalog:
            catalog.put("resync", str(self._stamp(catalog)))
            _set_state(catalog, {})

    def finish_resync(self) -> dict[str, int]:
        """Ends a re-sync: rows not seen since it began are marked deleted; how many, by table.

        Raises:
            UsageError: None was begun.
        """
        with self._catalog() as catalog:
            began = catalog.get("resync")
            if began is None:
                raise UsageError("No re-sync was begun.")
            catalog.put("resync", None)
            loading = self._loading(catalog)
            return {
                name: loading.mark(name, f"_fivetran_synced < {instant_sql(int(began))}")
                for name in catalog.tables
                if not self._privacy.blocks(name)
            }

    def tables(self) -> list[Table]:
        """All tables, by name."""
        with self._catalog() as catalog:
            return [
                tables.describe(self._connection, catalog, table, self._privacy)
                for table in catalog.tables.values()
            ]

    def rows(self, table: str, limit: int | None = None) -> list[dict[str, Any]]:
        """Rows of a table by primary key, or in the order appended; instants in UTC, JSON as text.

        Raises:
            KeyError: There is no such table.
        """
        with self._catalog() as catalog:
            return tables.read(self._connection, catalog, catalog.tables[table], limit)

    def keep_run(self, began: str, record: str) -> None:
        """Keeps a run's record instead of what was kept of it, and those of the last runs.

        Args:
            began: The instant at which the run began, which tells it from all others.
            record: Text without secrets.
        """
        with self._catalog() as catalog:
            catalog.keep_run(began, record, MOST_RUNS)

    def runs(self) -> list[str]:
        """The records of the last runs, the newest first."""
        with self._catalog() as catalog:
            return catalog.runs()

    def _settle(
        self, path: Path, catalog: Catalog, blocked: Iterable[str], hashed: Iterable[str]
    ) -> Privacy:
        """Checks whose warehouse this is, and hashes what is to be hashed from now on."""
        if (held := catalog.get("schema") or self._schema) != self._schema:
            raise UsageError(
                f"{path} holds the schema {held}, not {self._schema}.",
                todo="Name another file with --warehouse; or delete this one and the state file, "
                "to start anew.",
            )
        catalog.put("schema", self._schema)
        salt = catalog.get("salt") or secrets.token_hex(16)
        catalog.put("salt", salt)
        privacy = Privacy(blocked, hashed, salt)
        before = {tuple(place) for place in json.loads(catalog.get("hashed") or "[]")}
        for table, column in privacy.hashed - before:
            catalog.hash(table, column, salt)
        catalog.put("hashed", json.dumps(sorted(privacy.hashed)))
        return privacy

    def _loading(self, catalog: Catalog) -> Loading:
        batch = int(catalog.get("batch") or 0) + 1
        catalog.put("batch", str(batch))
        return Loading(
            self._connection, catalog, self._privacy, batch=batch, stamp=self._stamp(catalog)
        )

    def _stamp(self, catalog: Catalog) -> int:
        """The time now, but later than every stamp before: order must not hang on clocks."""
        stamp = max(self._clock(), int(catalog.get("stamp") or 0) + 1)
        catalog.put("stamp", str(stamp))
        return stamp

    @contextmanager
    def _catalog(self) -> Iterator[Catalog]:
        """A transaction, and the tables as they stand in it."""
        with spoken(self._path):
            self._connection.execute("BEGIN")
            try:
                catalog = Catalog(self._connection, self._schema)
                catalog.load()
                yield catalog
            except BaseException:
                # After an error that is fatal to DuckDB there is nothing left to be undone.
                with suppress(duckdb.Error):
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def _state(catalog: Catalog, name: str) -> dict[str, Any] | None:
    text = catalog.get(name)
    return None if text is None else jsontext.load(text)


def _set_state(catalog: Catalog, state: Mapping[str, Any], before: str | None = None) -> None:
    catalog.put("previous_state", before or catalog.get("state"))
    catalog.put("state", jsontext.dump(state))
