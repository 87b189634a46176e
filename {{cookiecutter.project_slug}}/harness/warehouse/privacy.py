"""What is blocked and hashed: parsed once, asked by everything that writes or shows rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from hashlib import sha256

from harness.errors import UsageError
from harness.warehouse.names import to_name


class Privacy:
    """Which tables and columns are not written, and which columns are written as hashes.

    Args:
        blocked: `"table"` or `"table.column"`, as the source or the destination spells it.
        hashed: `"table.column"`, likewise.

    Attributes:
        hashed: Table and column of each hashed column, as the destination spells them.

    Raises:
        UsageError: An entry of `hashed` names no column.
    """

    def __init__(self, blocked: Iterable[str] = (), hashed: Iterable[str] = ()) -> None:
        self._blocked = {_place(entry): entry for entry in blocked}
        self._hashed = {_place(entry): entry for entry in hashed}
        for (table, column), entry in self._hashed.items():
            if not column:
                raise UsageError(
                    f'hashed has the entry "{entry}", which names no column.',
                    f'Write "{table}.column" for each column of it in connection.json.',
                )
        self.hashed = frozenset(self._hashed)

    def blocks(self, table: str, column: str = "") -> bool:
        """Whether the table, or the column of a table, is not written."""
        return (table, column) in self._blocked or (table, "") in self._blocked

    def hashes(self, table: str, column: str) -> bool:
        """Whether the column is written as hashes."""
        return (table, column) in self._hashed

    def unmatched(self, columns: Mapping[str, Collection[str]]) -> Iterator[tuple[str, str]]:
        """`blocked` or `hashed` and the entry, for each that hides none of the columns by table."""
        for kind, places in (("blocked", self._blocked), ("hashed", self._hashed)):
            for (table, column), entry in places.items():
                seen = columns.get(table)
                if seen is None or (column and seen and column not in seen):
                    yield kind, entry


def hashed_text(text: str, salt: str) -> str:
    """What stands in a hashed column for a value's text."""
    return sha256((salt + text).encode()).hexdigest()


def _place(text: str) -> tuple[str, str]:
    table, _, column = text.partition(".")
    return to_name(table, table=True), to_name(column) if column else ""
