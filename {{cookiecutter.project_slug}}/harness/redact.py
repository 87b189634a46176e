# Owned by fivetran-azfn-template: updates replace this file.
"""Finds secrets by value, in every spelling they may have, in what is about to be shown."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

SHORTEST = 6  # characters; shorter values would black out ordinary words
MASK = "[secret]"


class Redactor:
    """Replaces the values it was given, longest first, in texts and in JSON values."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        found = {form for value in values if len(value) >= SHORTEST for form in _forms(value)}
        longest_first = sorted(found, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if found else None
        self._encoded = [form.encode("utf-8", "replace") for form in found]

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
        return any(form in data for form in self._encoded)

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


def _forms(value: str) -> Iterator[str]:
    raw = value.encode("utf-8", "replace")
    yield value
    for text in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield text
        yield re.sub("%..", lambda code: code[0].lower(), text)
    yield base64.b64encode(raw).decode("ascii").rstrip("=")
    yield base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        yield text[1:-1]
        yield text[1:-1].replace("/", "\\/")
    yield repr(value)[1:-1]
    yield repr(raw)[2:-1]
    yield html.escape(value)
    yield html.escape(value).replace("&#x27;", "&#39;")
