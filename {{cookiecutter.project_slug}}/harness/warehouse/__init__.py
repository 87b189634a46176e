"""The destination: writes replies into tables of a DuckDB file, as Fivetran would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from harness.protocol.messages import Reply
from harness.warehouse.load import Load, Noticed, mark
from harness.warehouse.names import Privacy, quoted, to_name
from harness.warehouse.notice import instant
from harness.warehouse.store import Store
from harness.warehouse.types import INSTANT

__all__ = ["ColumnInfo", "Noticed", "Privacy", "TableInfo", "Warehouse"]


@dataclass(frozen=True)
class ColumnInfo:
    """A column: its name and DuckDB type, how many rows are null, whether it is hashed."""

    name: str
    type: str
    nulls: int
    hashed: bool


@dataclass(frozen=True)
class TableInfo:
    """The current content of a table."""

    name: str
    primary_key: tuple[str, ...]  # empty if rows are appended
    columns: list[ColumnInfo]  # the source's in the order seen, then Fivetran's
    rows: int  # how many, deleted ones too
    deleted: int  # how many are marked deleted
    empty: list[str]  # columns that came and were always null: they are not created


class Warehouse(Store):
    """One connection's tables and the state that belongs to them, in one DuckDB file.

    Every method that changes something is one transaction: after a kill it is done or not begun.

    Args:
        path: The file; made if it is missing.
        schema: The connection's schema name.
        privacy: What is blocked and hashed.

    Raises:
        UsageError: The file is in use, is not a warehouse of this version, or has another schema.
    """

    def __init__(self, path: Path, *, schema: str, privacy: Privacy | None = None) -> None:
        super().__init__(path, to_name(schema))
        self.privacy = privacy or Privacy()

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def state(self) -> dict[str, Any]:
        """The state that the last reply carried, `{}` at first; fractions are Decimal."""
        return self.memory.state

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Replaces the state; the tables stay."""
        with self.transaction():
            self.memory.state = dict(state)

    def reset(self) -> None:
        """Drops tables, state and the records of runs."""
        with self.transaction():
            self.empty()

    @property
    def upstream(self) -> str | None:
        """The upstream that `use_for` named last."""
        return self.memory.upstream

    def use_for(self, upstream: str) -> str | None:
        """Ties tables and state to an upstream; those of another one are dropped, as by `reset`.

        Args:
            upstream: What identifies the upstream: its name, or a digest of what describes it.

        Returns:
            The upstream whose tables and state were dropped, None if nothing was.
        """
        before = self.upstream
        other = before not in (None, upstream) and bool(self.memory.tables or self.state())
        with self.transaction():
            if other:
                self.empty()
            self.memory.upstream = upstream
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
        with self.transaction():
            noticed = Load(self, self.privacy, reply).run()
            if reply.state is not None:
                self.memory.state = reply.state
        return noticed

    @property
    def resyncing(self) -> bool:
        """Whether a re-sync has begun and not finished."""
        return self.memory.resync_began is not None

    def begin_resync(self) -> None:
        """Starts a re-sync: the state is `{}`, the tables stay."""
        with self.transaction():
            self.memory.resync_began, self.memory.state = self.stamp(), {}

    def finish_resync(self) -> dict[str, int]:
        """Ends a re-sync: rows not seen since it began are marked deleted; how many, by table."""
        found = {}
        with self.transaction():
            began, self.memory.resync_began = self.memory.resync_began, None
            synced = instant(self.stamp())
            for name, table in self.made.items():
                if began is not None and not self.privacy.blocks(name):
                    unseen = f"_fivetran_synced < {instant(began)}"
                    found[name] = mark(self, table, synced, unseen)
                    table.deletable |= found[name] > 0
        return found

    def tables(self) -> list[TableInfo]:
        """All tables, by name."""
        found = []
        for name, table in self.made.items():
            counts = "".join(f", count({quoted(column)})" for column in table.types)
            query = f"SELECT count(*), count_if(_fivetran_deleted){counts} FROM {table.texts}"
            ((rows, deleted, *filled),) = self.query(query)
            columns = [
                ColumnInfo(column, kind, rows - count, (name, column) in self.privacy.hashed)
                for (column, kind), count in zip(table.types.items(), filled, strict=True)
            ]
            empty = [column for column, shape in table.columns.items() if not shape.kinds]
            found.append(TableInfo(name, table.primary_key, columns, rows, deleted, empty))
        return found

    def deleted_since(self, table: str, stamp: int) -> int:
        """How many rows of a table were marked deleted after a stamp, and did not come again."""
        later = f"_fivetran_deleted AND _fivetran_synced > {instant(stamp)}"
        return self.count(f"SELECT count(*) FROM {self.made[table].texts} WHERE {later}")

    def rows(self, table: str, limit: int | None = None) -> list[dict[str, Any]]:
        """Rows of a table by primary key, or in the order appended; instants in UTC, JSON as text.

        Raises:
            KeyError: There is no such table.
        """
        found = self.made[table]
        # DuckDB's conversion of instants to Python needs pytz.
        zoned = {name for name, kind in found.types.items() if kind == INSTANT}
        wanted = ", ".join(
            f"make_timestamp(epoch_us({quoted(name)}))" if name in zoned else quoted(name)
            for name in found.types
        )
        order = ", ".join(map(quoted, found.primary_key)) or "_fivetran_batch, _fivetran_index"
        query = f"SELECT {wanted} FROM {self.name(found)} ORDER BY {order} LIMIT ?"
        return [
            {
                name: value.replace(tzinfo=UTC) if value and name in zoned else value
                for name, value in zip(found.types, row, strict=True)
            }
            for row in self.query(query, [limit])
        ]

    def unmatched(self) -> list[tuple[str, str]]:
        """`blocked` or `hashed` and the entry, for each that has hidden nothing so far."""
        found = []
        for kind, places in (("blocked", self.privacy.blocked), ("hashed", self.privacy.hashed)):
            for (name, column), entry in places.items():
                table = self.memory.tables.get(name)
                if table is None or (column and table.sources and column not in table.sources):
                    found.append((kind, entry))
        return found
