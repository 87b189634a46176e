"""Names in the destination, and what is blocked or hashed there."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from anyascii import anyascii

from harness.errors import UsageError

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OTHER = re.compile(r"[^A-Za-z0-9]+")
_LEADING = re.compile(r"^_+(?=[a-z])")


@lru_cache(maxsize=8192)
def to_name(source: str, table: bool = False) -> str:
    """The column name that `source` gets in the destination: `[a-z0-9_]+`, never empty.

    Letters are transliterated to ASCII, camelCase becomes snake_case, every other character `_`,
    runs of `_` one; all lower case, and a leading digit gets a `_` (the naming rules page of
    Fivetran's Connector SDK).

    Args:
        source: The name in the reply.
        table: Whether it is a table's: leading underscores before a letter are removed.
    """
    ascii_name = anyascii(unicodedata.normalize("NFC", source))
    name = _OTHER.sub("_", _HUMP.sub("_", ascii_name)).lower()
    if table:
        name = _LEADING.sub("", name)
    return f"_{name}" if not name or name[0].isdigit() else name


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def listed(key: Iterable[str]) -> str:
    """The columns of a primary key in a sentence."""
    return f"({', '.join(key)})" if key else "absent"


class Privacy:
    """Which tables and columns are not written, and which columns are written as hashes.

    Args:
        blocked: `"table"` or `"table.column"`, as the source or the destination spells it.
        hashed: `"table.column"`, likewise.

    Raises:
        UsageError: An entry of `hashed` names no column.
    """

    def __init__(self, blocked: Iterable[str] = (), hashed: Iterable[str] = ()) -> None:
        # By table and column as the destination spells them; a whole table has the column "".
        self.blocked = {_place(entry): entry for entry in blocked}
        self.hashed = {_place(entry): entry for entry in hashed}
        for (table, column), entry in self.hashed.items():
            if not column:
                raise UsageError(
                    f'hashed has the entry "{entry}", which is not a column.',
                    f'Write "{table}.column" for each of its columns in connection.json.',
                )

    def blocks(self, table: str, column: str = "") -> bool:
        """Whether the table, or the column of a table, is not written."""
        return (table, column) in self.blocked or (table, "") in self.blocked


def _place(entry: str) -> tuple[str, str]:
    table, _, column = entry.partition(".")
    return to_name(table, table=True), to_name(column) if column else ""
