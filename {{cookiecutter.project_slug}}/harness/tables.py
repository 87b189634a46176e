# Owned by fivetran-azfn-template: updates replace this file.
"""The warehouse's tables for people and tests to look at; it changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from harness.catalog import INSTANT, Catalog, StoredTable
from harness.naming import quoted
from harness.records import Privacy

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Column:
    """A column: its name and DuckDB type, how many rows are null, whether it is hashed."""

    name: str
    type: str
    nulls: int
    hashed: bool


@dataclass(frozen=True)
class Table:
    """A table as it stands.

    Attributes:
        name: The name in the destination.
        columns: The source's in the order seen, then Fivetran's own.
        rows: How many there are, deleted ones too.
        deleted: How many are marked deleted.
        primary_key: Columns of the primary key; empty when rows are appended.
    """

    name: str
    columns: tuple[Column, ...]
    rows: int
    deleted: int
    primary_key: tuple[str, ...]


def describe(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, table: StoredTable, privacy: Privacy
) -> Table:
    """The table with its counts."""
    counts = ", ".join(f"count({quoted(name)})" for name in table.types)
    deleted = "count_if(_fivetran_deleted)" if table.deletable else "0"
    query = f"SELECT count(*), {deleted}, {counts} FROM {catalog.path(table.name)}"
    rows, gone, *filled = connection.execute(query).fetchall()[0]
    columns = tuple(
        Column(name, kind, rows - count, privacy.hashes(table.name, name))
        for (name, kind), count in zip(table.types.items(), filled, strict=True)
    )
    return Table(table.name, columns, rows, gone, table.primary_key)


def read(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, table: StoredTable, limit: int | None
) -> list[dict[str, Any]]:
    """Rows by primary key or in the order appended; instants in UTC, JSON as text."""
    # DuckDB's own conversion of instants needs pytz.
    types = table.types
    zoned = {name for name, kind in types.items() if kind == INSTANT}
    wanted = ", ".join(
        f"epoch_us({quoted(name)})" if name in zoned else quoted(name) for name in types
    )
    order = ", ".join(map(quoted, table.primary_key or ("_fivetran_batch", "_fivetran_index")))
    query = f"SELECT {wanted} FROM {catalog.path(table.name)} ORDER BY {order} LIMIT ?"
    return [
        {
            name: _instant(value) if name in zoned else value
            for name, value in zip(types, row, strict=True)
        }
        for row in connection.execute(query, [limit]).fetchall()
    ]


def _instant(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)
