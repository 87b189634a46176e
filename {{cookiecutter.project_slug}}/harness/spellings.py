# Owned by fivetran-azfn-template: updates replace this file.
"""A secret in every spelling that it may have inside other text, as regular expressions.

Escapes may be mixed and nested: JSON's (a JSON text in a string of another one), those of HTML, of
URLs and of Python's repr. Letters and digits of ASCII stand for themselves in all of them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from functools import cache
from html.entities import codepoint2name

_NAMED = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}
_BASE64 = r"[A-Za-z0-9+/_-]?"


def spelt(value: str) -> str:
    """The pattern of a value, however its characters are escaped."""
    return "".join(map(_letter, value))


def base64_of(value: str) -> Iterator[tuple[str, str]]:
    """The patterns of base64 of a text that contains the value, in both alphabets.

    Where the value begins decides which letters it becomes: there are three ways.

    Yields:
        A pattern of the letters that follow from the value alone, and one that takes their
        neighbours too, which hold some bits of it.
    """
    raw = value.encode("utf-8", "replace")
    for before in range(3):
        padded = bytes(before) + raw
        letters = base64.b64encode(padded).decode("ascii")
        inner = letters[-(-before * 8 // 6) : len(padded) * 8 // 6]
        core = "".join(map(_either, inner))
        left = _BASE64 if before else ""
        yield core, left + core + (_BASE64 if len(padded) % 3 else "")


def _either(letter: str) -> str:
    other = {"+": "-", "/": "_"}.get(letter)
    return f"(?:{_letter(letter)}|{other})" if other else letter


@cache
def _letter(letter: str) -> str:
    if letter.isascii() and letter.isalnum():
        return letter
    code, raw = ord(letter), letter.encode("utf-8", "replace")
    units = letter.encode("utf-16-be", "replace")
    words = [units[at : at + 2].hex() for at in range(0, len(units), 2)]
    named = codepoint2name.get(code) or ("apos" if letter == "'" else None)
    entity = f"#0*{code}|#x0*{code:x}" + (f"|{named}" if named else "")
    spellings = [
        "".join(rf"\\+u{word}" for word in words),
        "".join(rf"\\+x{byte:02x}" for byte in raw),
        "".join(f"%(?:25)*{byte:02x}" for byte in raw),
        f"&(?:amp;)*(?:{entity});",
    ]
    if code < 256:
        spellings.append(rf"\\+x{code:02x}")
    if letter in _NAMED:
        spellings.append(rf"\\+{_NAMED[letter]}")
    # Each JSON text around another one doubles the backslashes.
    spellings.append(r"\\+" if letter == "\\" else rf"\\*{re.escape(letter)}")
    if letter == " ":
        spellings.append(r"\+")
    return f"(?i:{'|'.join(spellings)})"
