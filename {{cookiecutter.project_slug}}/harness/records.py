# Owned by fivetran-azfn-template: updates replace this file.
"""Records of a reply as named columns, blocked and hashed where asked; it writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from hashlib import sha256
from itertools import chain
from typing import Any

from harness.errors import ProtocolBroken
from harness.naming import to_name
from harness.values import as_text

RESERVED = "_fivetran_"

Records = list[dict[str, Any]]
Columns = dict[str, list[Any]]


class Privacy:
    """Which tables and columns are not written, and which are written as hashes.

    Args:
        blocked: `"table"` or `"table.column"`, as the source or the destination spells it.
        hashed: `"table.column"`, likewise.
        salt: Goes into each hash, so that equal values of two connections do not show as equal.

    Attributes:
        hashed: Table and column of each hashed column, as the destination spells them.
        salt: As given.
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


def to_columns(where: str, records: Records, table: str, privacy: Privacy) -> Columns:
    """The values of `records` by column, None where a record lacks one; blocked columns left out.

    Where several source names meet in one column, the one that sorts last wins in each record that
    has a value for it: `Id` beats `ID`, `user_name` beats `userName`.

    Args:
        where: The place in the reply, for errors: `insert["transaction"]`.

    Raises:
        ProtocolBroken: A column is named like Fivetran's own.
    """
    names = {source: to_name(source) for source in dict.fromkeys(chain.from_iterable(records))}
    columns: Columns = {name: [] for name in names.values() if not privacy.blocks(table, name)}
    for name in columns:
        if name.startswith(RESERVED):
            raise ProtocolBroken(
                f"{where}: column {name} is named like Fivetran's own ({RESERVED}…).",
                rule="reserved-name",
            )
    for source in sorted(names):
        if (name := names[source]) in columns:
            columns[name] = _over(columns[name], [record.get(source) for record in records])
    for name, values in columns.items():
        if privacy.hashes(table, name):
            columns[name] = [privacy.hash(value) for value in values]
    return columns


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
                    rule="record-without-key",
                )


def _over(under: list[Any], values: list[Any]) -> list[Any]:
    """`values`, where they are null those `under` them; nothing may be under them yet."""
    if not under:
        return values
    return [old if new is None else new for old, new in zip(under, values, strict=True)]


def _place(text: str) -> tuple[str, str]:
    table, _, column = text.partition(".")
    return to_name(table), to_name(column) if column else ""
