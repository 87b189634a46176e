"""A warehouse on a real file, with short ways to send it replies about one entity, `item`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from harness import codec
from harness.protocol.messages import Answer, read
from harness.redact import Redactor
from harness.warehouse import Noticed, Privacy, Warehouse

Record = dict[str, Any]
Key = Sequence[str] | None


class Desk:
    """The warehouse of a test."""

    warehouse: Warehouse

    def __init__(self, path: Path) -> None:
        self.path = path
        self._replies = count(1)
        self.open()

    def open(
        self, blocked: Sequence[str] = (), hashed: Sequence[str] = (), schema: str = "acme"
    ) -> None:
        """Opens the file, again if it is open."""
        if hasattr(self, "warehouse"):
            self.warehouse.close()
        self.warehouse = Warehouse(self.path, schema=schema, privacy=Privacy(blocked, hashed))

    def send(self, *, key: Key = ("id",), **parts: Any) -> Noticed:
        """Applies a reply as a function would send it; `item` has the primary key `key`."""
        schema = {} if key is None else {"schema": {"item": {"primary_key": list(key)}}}
        reply = {"state": {"reply": next(self._replies)}, "hasMore": False} | schema | parts
        answer = Answer(200, "application/json", codec.encode(reply), 0.0)
        return self.warehouse.apply(read(answer, Redactor()))

    def insert(self, *records: Record, **parts: Any) -> Noticed:
        """Applies a reply that inserts into `item`."""
        return self.send(insert={"item": list(records)}, **parts)

    def delete(self, *records: Record, **parts: Any) -> Noticed:
        """Applies a reply that deletes from `item`."""
        return self.send(delete={"item": list(records)}, **parts)

    def rows(self, table: str = "item") -> list[Record]:
        """The rows without Fivetran's columns, but with `_fivetran_deleted`."""
        return [
            {
                name: value
                for name, value in row.items()
                if name == "_fivetran_deleted" or not name.startswith("_fivetran")
            }
            for row in self.warehouse.rows(table)
        ]

    def types(self, table: str = "item") -> dict[str, str]:
        """The DuckDB type of each column of the source."""
        (found,) = [each for each in self.warehouse.tables() if each.name == table]
        return {c.name: c.type for c in found.columns if not c.name.startswith("_fivetran")}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk with an empty warehouse."""
    desk = Desk(tmp_path / "warehouse.duckdb")
    yield desk
    desk.warehouse.close()
