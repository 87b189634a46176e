"""The destination: replies become tables in a DuckDB file, as they would at Fivetran."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb

from harness import codec
from harness.errors import UsageError
from harness.protocol.messages import Reply
from harness.warehouse import new_keys
from harness.warehouse.load import ColumnInfo, Load, Noticed, TableInfo, instant, mark
from harness.warehouse.names import quoted, to_name
from harness.warehouse.notice import Memory
from harness.warehouse.privacy import Privacy
from harness.warehouse.store import HOME, INSTANT, TEXTS, Store, Table, opened, plain_errors

__all__ = ["ColumnInfo", "Noticed", "Privacy", "TableInfo", "Warehouse"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OWN = "harness."  # before the names of the harness's settings, so that no caller's name is one


class Warehouse:
    """One connection's tables and the state that belongs to them, in one DuckDB file.

    Every method that changes something is one transaction: killed anywhere, it has happened or not.

    Args:
        path: The file; made where it is missing.
        schema: The connection's schema name.
        privacy: What is blocked and hashed.
        clock: Microseconds since the epoch, for `_fivetran_synced`.

    Attributes:
        path: The file.
        schema: The name of the DuckDB schema that has the tables.

    Raises:
        UsageError: The file is in use, is not a warehouse of this version, or has another schema.
    """

    def __init__(
        self,
        path: Path,
        *,
        schema: str,
        privacy: Privacy | None = None,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.path = Path(path)
        self.schema = to_name(schema)
        if self.schema in (HOME, TEXTS):
            raise UsageError(f"The schema name {schema} is the harness's.", "Choose another one.")
        self._privacy = privacy or Privacy()
        self._memory = Memory()
        self._clock = clock
        self._connection = opened(self.path)
        try:
            with plain_errors(self.path):
                Store(self._connection, self.schema).prepare(self.path)
            with self.transaction() as store:
                self._settle(store)
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
        return _state(self.get(f"{_OWN}state"))

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Replaces the state; the tables stay."""
        with self.transaction() as store:
            _set_state(store, state)

    def reset(self) -> None:
        """Drops tables, state and the records of runs; the salt of hashed columns stays."""
        with self.transaction() as store:
            _empty(store)
        self._memory = Memory()

    def use_for(self, upstream: str) -> str | None:
        """Ties tables and state to an upstream; those of another one are dropped, as by `reset`.

        Args:
            upstream: What identifies the upstream: its name, or a digest of what describes it.

        Returns:
            The upstream whose tables and state were dropped, None where nothing was.
        """
        with self.transaction() as store:
            before = store.get(f"{_OWN}upstream")
            store.put(f"{_OWN}upstream", upstream)
            other = before is not None and before != upstream
            used = bool(store.tables or _state(store.get(f"{_OWN}state")))
            if other:
                _empty(store)
                self._memory = Memory()
            return before if other and used else None

    def get(self, name: str) -> str | None:
        """A small text that `put` stored, None where there is none."""
        with self.transaction() as store:
            return store.get(name)

    def put(self, name: str, text: str | None) -> None:
        """Stores a small text under a name; None removes it. `reset` leaves it."""
        with self.transaction() as store:
            store.put(name, text)

    def apply(self, reply: Reply) -> Noticed:
        """Writes a reply's rows and its state, in one transaction.

        The order inside one reply is documented nowhere: `softDelete` first, then `delete`, then
        `insert`, as Fivetran's samples expect it.

        Raises:
            ProtocolBroken: A record without its primary key, a delete without schema, a primary
                key that is not the table's, a column named like one of Fivetran's. Nothing of the
                reply is written.
            UsageError: A column of the primary key is blocked, or the file has a table of that
                name that is not the harness's.
        """
        memory = self._memory.copy()
        with self.transaction() as store:
            batch = int(store.get(f"{_OWN}batch") or 0) + 1
            store.put(f"{_OWN}batch", str(batch))
            stamp = self._stamp(store)
            load = Load(store, self._privacy, memory, salt=self._salt, batch=batch, stamp=stamp)
            noticed = load.run(reply)
            noticed.faults += new_keys.check(store, reply, noticed.counts, stamp)
            if reply.state is not None:
                _set_state(store, reply.state)
        self._memory = memory
        return noticed

    @property
    def resyncing(self) -> bool:
        """Whether a re-sync has begun and not finished."""
        return self.get(f"{_OWN}resync") is not None

    def begin_resync(self) -> None:
        """Starts a re-sync: the state is `{}`, the tables stay."""
        with self.transaction() as store:
            store.put(f"{_OWN}resync", str(self._stamp(store)))
            _set_state(store, {})

    def finish_resync(self) -> dict[str, int]:
        """Ends a re-sync: rows not seen since it began are marked deleted; how many, by table.

        Raises:
            UsageError: None was begun.
        """
        with self.transaction() as store:
            began = store.get(f"{_OWN}resync")
            if began is None:
                raise UsageError("No re-sync was begun.")
            store.put(f"{_OWN}resync", None)
            synced = instant(self._stamp(store))
            found = {}
            for name, table in store.tables.items():
                if table.made and not self._privacy.blocks(name):
                    unseen = f"_fivetran_synced < {instant(int(began))}"
                    found[name] = mark(store, table, synced, unseen)
                    table.deletable |= found[name] > 0
                    store.save(table)
            return found

    def tables(self) -> list[TableInfo]:
        """All tables, by name."""
        with self.transaction() as store:
            return [self._described(store, table) for table in store.tables.values() if table.made]

    def rows(self, table: str, limit: int | None = None) -> list[dict[str, Any]]:
        """Rows of a table by primary key, or in the order appended; instants in UTC, JSON as text.

        Raises:
            KeyError: There is no such table.
        """
        with self.transaction() as store:
            found = store.tables[table]
            if not found.made:
                raise KeyError(table)
            # DuckDB's conversion of instants to Python needs pytz.
            zoned = {name for name, kind in found.types.items() if kind == INSTANT}
            wanted = ", ".join(
                f"epoch_us({quoted(name)})" if name in zoned else quoted(name)
                for name in found.types
            )
            order = ", ".join(map(quoted, found.primary_key)) or "_fivetran_batch, _fivetran_index"
            query = f"SELECT {wanted} FROM {store.path(table)} ORDER BY {order} LIMIT ?"
            return [
                {
                    name: _instant(value) if name in zoned else value
                    for name, value in zip(found.types, row, strict=True)
                }
                for row in store.query(query, [limit])
            ]

    def unmatched(self) -> list[tuple[str, str]]:
        """`blocked` or `hashed` and the entry, for each that has hidden nothing so far."""
        with self.transaction() as store:
            known = {name: list(table.sources) for name, table in store.tables.items()}
            return list(self._privacy.unmatched(known))

    @contextmanager
    def transaction(self) -> Iterator[Store]:
        """A transaction, and the tables as they stand in it; an exception undoes everything."""
        with plain_errors(self.path):
            self._connection.execute("BEGIN")
            try:
                store = Store(self._connection, self.schema)
                store.load()
                yield store
                store.flush()
                self._connection.execute("COMMIT")
            except BaseException:
                # After an error that is fatal to DuckDB nothing is left to be undone.
                with suppress(duckdb.Error):
                    self._connection.execute("ROLLBACK")
                raise

    def _settle(self, store: Store) -> None:
        """Checks whose warehouse this is, and hashes what is to be hashed from now on."""
        found = store.get(f"{_OWN}schema") or self.schema
        if found != self.schema:
            raise UsageError(
                f"{self.path} has the tables of the schema {found}, not of {self.schema}.",
                "Name another file with --warehouse, or delete this one to start from nothing.",
            )
        store.put(f"{_OWN}schema", self.schema)
        self._salt = store.get(f"{_OWN}salt") or secrets.token_hex(16)
        store.put(f"{_OWN}salt", self._salt)
        before = {tuple(place) for place in json.loads(store.get(f"{_OWN}hashed") or "[]")}
        for name, column in self._privacy.hashed - before:
            if name in store.tables:
                store.hash(store.tables[name], column, self._salt)
        store.put(f"{_OWN}hashed", json.dumps(sorted(self._privacy.hashed)))

    def _stamp(self, store: Store) -> int:
        """The time now, but later than every stamp before: order must not depend on clocks."""
        stamp = max(self._clock(), int(store.get(f"{_OWN}stamp") or 0) + 1)
        store.put(f"{_OWN}stamp", str(stamp))
        return stamp

    def _described(self, store: Store, table: Table) -> TableInfo:
        counts = "".join(f", count({quoted(name)})" for name in table.types)
        query = f"SELECT count(*), count_if(_fivetran_deleted){counts} FROM {table.texts}"
        ((rows, deleted, *filled),) = store.query(query)
        columns = [
            ColumnInfo(name, kind, rows - count, self._privacy.hashes(table.name, name))
            for (name, kind), count in zip(table.types.items(), filled, strict=True)
        ]
        empty = [name for name, shape in table.columns.items() if shape.kind == "null"]
        return TableInfo(table.name, table.primary_key, columns, rows, deleted, empty)


def _state(text: str | None) -> dict[str, Any]:
    state: dict[str, Any] = codec.decode(text or "{}")
    return state


def _set_state(store: Store, state: Mapping[str, Any]) -> None:
    store.put(f"{_OWN}state", codec.encode(state).decode())


def _empty(store: Store) -> None:
    store.drop()
    for name in ("state", "resync", "sync"):
        store.put(f"{_OWN}{name}", None)


def _instant(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)
