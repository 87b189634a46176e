"""Source names to the destination's, by Fivetran's naming rules."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from anyascii import anyascii

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
