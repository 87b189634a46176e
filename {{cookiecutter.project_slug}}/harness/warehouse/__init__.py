"""The destination: replies become tables in a DuckDB file, as they would at Fivetran."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from pathlib import Path
from types import TracebackType
from typing import Any

from harness import codec
from harness.errors import UsageError
from harness.protocol.messages import Fault, Reply
from harness.warehouse.load import ColumnInfo, Load, Noticed, TableInfo, mark
from harness.warehouse.names import quoted, to_name
from harness.warehouse.notice import instant
from harness.warehouse.privacy import Privacy
from harness.warehouse.store import HOME, INSTANT, TEXTS, Store, Table

__all__ = ["ColumnInfo", "Noticed", "Privacy", "TableInfo", "Warehouse"]


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
        transaction: Gives the tables within a transaction; an exception undoes everything.

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
        self._clock = clock
        self._early: dict[str, Fault] = {}
        self._store = Store(self.path, self.schema)
        self.transaction = self._store.transaction
        try:
            self._settle()
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
        self._store.connection.close()

    def state(self) -> dict[str, Any]:
        """The state that the last reply carried, `{}` at first; fractions are Decimal."""
        state: dict[str, Any] = codec.decode(self._store.get("state") or "{}")
        return state

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Replaces the state; the tables stay."""
        with self.transaction() as store:
            store.put("state", codec.encode(state).decode())

    def reset(self) -> None:
        """Drops tables, state and the records of runs; the salt of hashed columns stays."""
        with self.transaction() as store:
            _empty(store)

    @property
    def upstream(self) -> str | None:
        """The upstream that `use_for` named last."""
        return self._store.get("upstream")

    def use_for(self, upstream: str) -> str | None:
        """Ties tables and state to an upstream; those of another one are dropped, as by `reset`.

        Args:
            upstream: What identifies the upstream: its name, or a digest of what describes it.

        Returns:
            The upstream whose tables and state were dropped, None where nothing was.
        """
        before = self.upstream
        other = before not in (None, upstream) and bool(self._store.tables or self.state())
        with self.transaction() as store:
            if other:
                _empty(store)
            store.put("upstream", upstream)
        return before if other else None

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
        with self.transaction() as store:
            batch = int(store.get("batch") or 0) + 1
            store.put("batch", str(batch))
            load = Load(
                store,
                self._privacy,
                self._early,
                salt=self._salt,
                batch=batch,
                stamp=self._stamp(),
            )
            noticed = load.run(reply)
            if reply.state is not None:
                store.put("state", codec.encode(reply.state).decode())
        return noticed

    @property
    def resyncing(self) -> bool:
        """Whether a re-sync has begun and not finished."""
        return self._store.get("resync") is not None

    def begin_resync(self) -> None:
        """Starts a re-sync: the state is `{}`, the tables stay."""
        with self.transaction() as store:
            store.put("resync", str(self._stamp()))
            store.put("state", None)

    def finish_resync(self) -> dict[str, int]:
        """Ends a re-sync: rows not seen since it began are marked deleted; how many, by table.

        Raises:
            UsageError: None was begun.
        """
        with self.transaction() as store:
            began = store.get("resync")
            if began is None:
                raise UsageError("No re-sync was begun.")
            store.put("resync", None)
            synced, unseen = instant(self._stamp()), f"_fivetran_synced < {instant(int(began))}"
            found = {}
            for table in store.made:
                if not self._privacy.blocks(table.name):
                    found[table.name] = mark(store, table, synced, unseen)
                    table.deletable |= found[table.name] > 0
                    store.save(table)
            return found

    def tables(self) -> list[TableInfo]:
        """All tables, by name."""
        with self.transaction() as store:
            return [self._described(table) for table in store.made]

    def rows(self, table: str, limit: int | None = None) -> list[dict[str, Any]]:
        """Rows of a table by primary key, or in the order appended; instants in UTC, JSON as text.

        Raises:
            KeyError: There is no such table.
        """
        found = {each.name: each for each in self._store.made}[table]
        # DuckDB's conversion of instants to Python needs pytz.
        zoned = {name for name, kind in found.types.items() if kind == INSTANT}
        wanted = ", ".join(
            f"make_timestamp(epoch_us({quoted(name)}))" if name in zoned else quoted(name)
            for name in found.types
        )
        order = ", ".join(map(quoted, found.primary_key)) or "_fivetran_batch, _fivetran_index"
        with self.transaction() as store:
            query = f"SELECT {wanted} FROM {store.name(found)} ORDER BY {order} LIMIT ?"
            rows = store.query(query, [limit])
        return [
            {
                name: value.replace(tzinfo=UTC) if value and name in zoned else value
                for name, value in zip(found.types, row, strict=True)
            }
            for row in rows
        ]

    def unmatched(self) -> list[tuple[str, str]]:
        """`blocked` or `hashed` and the entry, for each that has hidden nothing so far."""
        known = {name: list(table.sources) for name, table in self._store.tables.items()}
        return list(self._privacy.unmatched(known))

    def _settle(self) -> None:
        """Checks whose warehouse this is, and hashes what is to be hashed from now on."""
        with self.transaction() as store:
            found = store.get("schema") or self.schema
            if found != self.schema:
                raise UsageError(
                    f"{self.path} has the tables of the schema {found}, not of {self.schema}.",
                    "Name another file with --warehouse, or delete this one to start from nothing.",
                )
            store.put("schema", self.schema)
            self._salt = store.get("salt") or secrets.token_hex(16)
            store.put("salt", self._salt)
            before = {tuple(place) for place in json.loads(store.get("hashed") or "[]")}
            for name, column in self._privacy.hashed - before:
                store.hash(store.table(name), column, self._salt)
            store.put("hashed", json.dumps(sorted(self._privacy.hashed)))

    def _stamp(self) -> int:
        """The time now, but later than every stamp before: order must not depend on clocks."""
        stamp = max(self._clock(), int(self._store.get("stamp") or 0) + 1)
        self._store.put("stamp", str(stamp))
        return stamp

    def _described(self, table: Table) -> TableInfo:
        counts = "".join(f", count({quoted(name)})" for name in table.types)
        query = f"SELECT count(*), count_if(_fivetran_deleted){counts} FROM {table.texts}"
        ((rows, deleted, *filled),) = self._store.query(query)
        columns = [
            ColumnInfo(name, kind, rows - count, self._privacy.hashes(table.name, name))
            for (name, kind), count in zip(table.types.items(), filled, strict=True)
        ]
        empty = [name for name, shape in table.columns.items() if not shape.kinds]
        return TableInfo(table.name, table.primary_key, columns, rows, deleted, empty)


def _empty(store: Store) -> None:
    store.drop()
    for name in ("state", "resync", "sync"):
        store.put(name, None)
