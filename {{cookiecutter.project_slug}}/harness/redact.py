# Owned by fivetran-azfn-template: updates replace this file.
"""Finds secrets by value, in every spelling they may have, in what is about to be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from harness.spellings import base64_of, spelt

SHORTEST = 6  # characters; shorter values would black out ordinary words
MASK = "[secret]"


class Redactor:
    """Replaces the values it was given, longest first, in texts and in JSON values."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        found = {value for value in values if len(value) >= SHORTEST}
        patterns, inner = [], []
        for value in sorted(found, key=len, reverse=True):
            patterns.append(spelt(value))
            inner.append(patterns[-1])
            for core, whole in base64_of(value):
                patterns.append(whole)
                inner.append(core)
        self._pattern = re.compile("|".join(patterns)) if found else None
        # One by one: a pattern that begins with a letter is found many times faster.
        self._inner = [re.compile(pattern.encode("utf-8", "replace")) for pattern in inner]

    def __repr__(self) -> str:
        return "<Redactor>"

    def text(self, text: str) -> str:
        """The text with `[secret]` where a secret stood."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def finds(self, text: str) -> bool:
        """Whether a secret stands in the text."""
        return bool(self._pattern and self._pattern.search(text))

    def finds_in(self, data: bytes) -> bool:
        """Whether a secret stands in UTF-8 text; many times faster than `finds`."""
        return any(pattern.search(data) for pattern in self._inner)

    def value(self, value: Any) -> Any:
        """A copy of a JSON value with every text, key and number redacted; it stays JSON."""
        if self._pattern is None or value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        written = str(value)
        clean = self.text(written)
        return value if clean == written else clean
