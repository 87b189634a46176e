"""A warehouse on a real file, with short ways to send it replies about one entity, `item`."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from harness.columns import observe
from harness.loading import Applied
from harness.values import as_text
from harness.warehouse import Warehouse

Record = dict[str, Any]
Key = Sequence[str] | None


class Desk:
    """The warehouse of a test and what one mostly does with it; its clock goes on by a second.

    Attributes:
        warehouse: The open warehouse.
    """

    warehouse: Warehouse

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seconds = count(1_767_225_600)
        self._replies = count(1)
        self.open()

    def open(self, **options: Any) -> Warehouse:
        """Opens the file, again if it is open."""
        if hasattr(self, "warehouse"):
            self.warehouse.close()
        given = {"schema": "acme", "clock": lambda: next(self._seconds) * 1_000_000} | options
        self.warehouse = Warehouse(self.path, **given)
        return self.warehouse

    def send(
        self, *, key: Sequence[str] | None = ("id",), marks_last: bool = False, **parts: Any
    ) -> Applied:
        """Applies a reply with these parts; `item` has the primary key `key`."""
        schema = {} if key is None else {"schema": {"item": {"primary_key": list(key)}}}
        reply = {"state": {"reply": next(self._replies)}, "hasMore": False} | schema | parts
        return self.warehouse.apply(reply, self.warehouse.state(), marks_last=marks_last)

    def insert(self, *records: Record, key: Key = ("id",), **parts: Any) -> Applied:
        """Applies a reply that inserts into `item`."""
        return self.send(key=key, insert={"item": list(records)}, **parts)

    def delete(self, *records: Record, key: Key = ("id",), **parts: Any) -> Applied:
        """Applies a reply that deletes from `item`."""
        return self.send(key=key, delete={"item": list(records)}, **parts)

    def rows(self, table: str = "item") -> list[Record]:
        """The rows without Fivetran's own columns, but with `_fivetran_deleted`."""
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

    def kept(self, *values: Any) -> tuple[str, list[Any]]:
        """Sends values one reply each as column `v`; its type, and what stands in it, by reply."""
        for index, value in enumerate(values):
            self.insert({"id": index, "v": value})
        return self.types()["v"], [row["v"] for row in self.rows()]

    @staticmethod
    def meaning(value: Any) -> Any:
        """What a value says, however it is written: one instant, one number, one text."""
        if value is None:
            return None
        if isinstance(value, float):
            value = Decimal(repr(value))
        text = value.isoformat() if isinstance(value, date) else as_text(value)
        kind = observe([text]).kind
        is_time = kind in ("instant", "timestamp", "date")  # a date is its midnight
        return datetime.fromisoformat(text.upper()) if is_time else text


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk with an empty warehouse."""
    desk = Desk(tmp_path / "warehouse.duckdb")
    yield desk
    desk.warehouse.close()


@pytest.fixture
def desks(tmp_path: Path) -> Iterator[Callable[[], Desk]]:
    """Makes desks with an empty warehouse each, for tests that want many."""
    made: list[Desk] = []

    def make() -> Desk:
        for desk in made:
            desk.warehouse.close()
        made.append(Desk(tmp_path / f"{len(made)}.duckdb"))
        return made[-1]

    yield make
    for desk in made:
        desk.warehouse.close()
