"""Finds secrets by value, escaped or not, and masks them in what is shown or written."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from functools import cache

MASK = "[secret]"
_SHORTEST = 6  # characters; shorter values would black out ordinary words
_NAMED = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}
_BASE64 = "[A-Za-z0-9+/_-]?"
_PLAIN = re.compile("[A-Za-z0-9]+")


class Redactor:
    """Knows secrets raw, percent-encoded, JSON-escaped and inside base64.

    Args:
        values: The secrets; those shorter than six characters are not masked.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        patterns: list[str] = []
        self._plain: list[str] = []  # letters and digits are never escaped: a fast first search
        found = {value for value in values if len(value) >= _SHORTEST}
        for value in sorted(found, key=lambda value: (-len(value), value)):
            raw = (value, "".join(map(_letter, value)))
            for text, pattern in (raw, *_base64_of(value)):
                patterns.append(pattern)
                self._plain.append(max(_PLAIN.findall(text), key=len, default=""))
        self._secrets = re.compile("|".join(patterns)) if patterns else None

    def __repr__(self) -> str:
        return "<Redactor>"

    def text(self, text: str) -> str:
        """The text with `[secret]` in place of each secret, the longest first."""
        return self._secrets.sub(MASK, text) if self._secrets else text

    def finds(self, data: bytes | str) -> bool:
        """Whether a secret is in the text, or in its UTF-8 bytes."""
        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
        if self._secrets is None or not any(part in text for part in self._plain):
            return False
        return self._secrets.search(text) is not None


def _base64_of(value: str) -> Iterator[tuple[str, str]]:
    """The letters that base64 makes of the value at each of three offsets, and their pattern.

    The pattern takes the letters on both sides too, which hold some bits of the value.
    """
    raw = value.encode("utf-8", "replace")
    for offset in range(3):
        padded = bytes(offset) + raw
        encoded = base64.b64encode(padded).decode("ascii")
        letters = encoded[-(-offset * 8 // 6) : len(padded) * 8 // 6]
        before = _BASE64 if offset else ""
        after = _BASE64 if len(padded) % 3 else ""
        yield letters, before + "".join(map(_either, letters)) + after


def _either(letter: str) -> str:
    """A letter of base64 in both alphabets; JSON and URLs may escape it."""
    other = {"+": "-", "/": "_"}.get(letter)
    return f"(?:{_letter(letter)}|{other})" if other else letter


@cache
def _letter(letter: str) -> str:
    """The pattern of one character: raw, percent-encoded or JSON-escaped, also several times."""
    if letter.isascii() and letter.isalnum():
        return letter
    units = letter.encode("utf-16-be", "replace")
    forms = [
        "".join(rf"\\+u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)),
        "".join(f"%(?:25)*{byte:02x}" for byte in letter.encode("utf-8", "replace")),
        r"\\+" if letter == "\\" else rf"\\*{re.escape(letter)}",
    ]
    if letter in _NAMED:
        forms.append(rf"\\+{_NAMED[letter]}")
    if letter == " ":
        forms.append(r"\+")
    return f"(?i:{'|'.join(forms)})"
