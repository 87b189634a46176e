# Owned by fivetran-azfn-template: updates replace this file.
"""What the report tells, gathered from the warehouse without secrets; it makes no HTML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harness import runs
from harness.connection import Connection
from harness.naming import to_name
from harness.redact import Redactor
from harness.runs import Run
from harness.tables import Table
from harness.warehouse import Warehouse

SAMPLE = 6  # rows of each table
_LONGEST = 120  # characters of a value


@dataclass(frozen=True)
class Shown:
    """A table and some of its rows.

    Attributes:
        table: The table.
        rows: The first rows, each value as text, None for null.
        deleted: Which of them are marked as deleted.
        blocked: Columns that are not written.
    """

    table: Table
    rows: list[list[str | None]]
    deleted: list[bool]
    blocked: frozenset[str]


@dataclass(frozen=True)
class Facts:
    """Everything on the page.

    Attributes:
        schema: The destination schema.
        place: The warehouse's file.
        made: When the report was made.
        runs: The last ones, the newest first.
        unread: How many records of runs another version of the harness wrote.
        tables: By name.
        blocked: Tables that are not written.
    """

    schema: str
    place: str
    made: datetime
    runs: list[Run]
    unread: int
    tables: list[Shown]
    blocked: frozenset[str]


def gather(warehouse: Warehouse, connection: Connection, redactor: Redactor, place: str) -> Facts:
    """Look at everything that the report tells."""
    blocked = _blocked(connection.blocked)
    tables = [
        _shown(warehouse, table, frozenset(blocked.get(table.name, ())), redactor)
        for table in warehouse.tables()
    ]
    records = warehouse.runs()
    read = list(_read(records))
    return Facts(
        schema=connection.schema,
        place=place,
        made=datetime.now(UTC),
        runs=read,
        unread=len(records) - len(read),
        tables=tables,
        blocked=frozenset(name for name, columns in blocked.items() if "" in columns),
    )


def _read(records: Iterable[str]) -> Iterator[Run]:
    for record in records:
        try:
            yield runs.read(record)
        except ValueError:
            continue


def _blocked(places: Iterable[str]) -> dict[str, set[str]]:
    """Blocked columns by table, as the destination spells them; "" is the whole table."""
    found: dict[str, set[str]] = {}
    for place in places:
        table, _, column = place.partition(".")
        found.setdefault(to_name(table), set()).add(to_name(column) if column else "")
    return found


def _shown(
    warehouse: Warehouse, table: Table, blocked: frozenset[str], redactor: Redactor
) -> Shown:
    rows = warehouse.rows(table.name, SAMPLE)
    return Shown(
        table,
        [[_cell(value, redactor) for value in row.values()] for row in rows],
        [bool(row.get("_fivetran_deleted")) for row in rows],
        blocked,
    )


def _cell(value: Any, redactor: Redactor) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    written = value.isoformat(" ") if isinstance(value, datetime) else str(value)
    written = redactor.text(written)
    return written[:_LONGEST] + "…" if len(written) > _LONGEST else written
