# Owned by fivetran-azfn-template: updates replace this file.
"""Source names to the destination's, by Fivetran's naming rules; it knows no types or rows."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Latin letters that Unicode does not take apart into a base letter and a mark.
_LETTERS = str.maketrans(
    {
        "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O",
        "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "ł": "l", "Ł": "L", "þ": "th", "Þ": "Th",
        "ħ": "h", "Ħ": "H", "ı": "i",
    }
)  # fmt: skip
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OTHER = re.compile(r"[^A-Za-z0-9]+")


@lru_cache(maxsize=4096)
def to_name(source: str) -> str:
    """The table or column name that `source` gets in the destination: `[a-z0-9_]+`, never empty.

    Letters are transliterated to ASCII (Latin scripts), camelCase becomes snake_case, every other
    character `_`, runs of `_` one; all lower case, and a leading digit gets a `_`
    (the naming rules page of Fivetran's Connector SDK).
    """
    parts = unicodedata.normalize("NFKD", source.translate(_LETTERS))
    plain = "".join(letter for letter in parts if not unicodedata.combining(letter))
    name = _OTHER.sub("_", _HUMP.sub("_", plain)).lower()
    return f"_{name}" if not name or name[0].isdigit() else name


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
