# Owned by fivetran-azfn-template: updates replace this file.
"""Records of a reply as named columns, blocked and hashed where asked; it writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from hashlib import sha256
from typing import Any

from harness.errors import ProtocolBroken
from harness.naming import to_name
from harness.values import as_text

RESERVED = "_fivetran_"

Columns = dict[str, list[Any]]


class Privacy:
    """Which tables and columns are not written, and which are written as hashes.

    Args:
        blocked: `"table"` or `"table.column"`, as the source or the destination spells it.
        hashed: `"table.column"`, likewise.
        salt: Goes into each hash, so that equal values of two connections do not show as equal.
    """

    def __init__(self, blocked: Iterable[str], hashed: Iterable[str], salt: str) -> None:
        self._blocked = frozenset(map(_place, blocked))
        self.hashed = frozenset(map(_place, hashed))
        self.salt = salt

    def blocks(self, table: str, column: str = "") -> bool:
        """Whether the table (no column named) or the column is not written."""
        return (table, column) in self._blocked

    def hashes(self, table: str, column: str) -> bool:
        """Whether the column is written as hashes."""
        return (table, column) in self.hashed

    def hash(self, value: Any) -> str | None:
        """The hash of a value's text, None for None."""
        return None if value is None else sha256((self.salt + as_text(value)).encode()).hexdigest()


def to_columns(where: str, records: Any, table: str, privacy: Privacy) -> Columns:
    """The values of `records` by column, None where a record lacks one; blocked columns left out.

    Where several source names meet in one column, the one that sorts last wins in each record that
    has a value for it: `Id` beats `ID`, `user_name` beats `userName`.

    Args:
        where: The place in the reply, for errors: `insert["transaction"]`.

    Raises:
        ProtocolBroken: `records` is no list of objects, or uses a name of Fivetran's own.
    """
    if not isinstance(records, list):
        raise ProtocolBroken(f"{where} is not a list of records.")
    for index, record in enumerate(records):
        if type(record) is not dict:
            raise ProtocolBroken(
                f"{where}, record {index}: not an object but {type(record).__name__}."
            )
    sources = list({source: None for record in records for source in record})
    columns: Columns = {to_name(source): [] for source in sources}
    for source in sorted(sources):
        name = to_name(source)
        values = [record.get(source) for record in records]
        if columns[name]:
            values = [
                new if new is not None else old
                for old, new in zip(columns[name], values, strict=True)
            ]
        columns[name] = values
    for name in columns:
        if name.startswith(RESERVED):
            raise ProtocolBroken(
                f"{where}: column {name} is named like Fivetran's own ({RESERVED}…).",
                todo="Give the field another name in the fetch step.",
            )
    return {
        name: [privacy.hash(value) for value in values] if privacy.hashes(table, name) else values
        for name, values in columns.items()
        if not privacy.blocks(table, name)
    }


def check_key(where: str, columns: Columns, count: int, key: Collection[str]) -> None:
    """Every record has a scalar value in each column of the primary key.

    Raises:
        ProtocolBroken: One has not; names the record and the column.
    """
    for name in key:
        for index, value in enumerate(columns.get(name, [None] * count)):
            if value is None or isinstance(value, dict | list):
                problem = "is missing or null" if value is None else "is no scalar"
                raise ProtocolBroken(
                    f"{where}, record {index}: primary key column {name} {problem}.",
                    todo="Every record needs a value in each column that schema names as key.",
                )


def _place(text: str) -> tuple[str, str]:
    table, _, column = text.partition(".")
    return to_name(table), to_name(column) if column else ""
