# Owned by fivetran-azfn-template: updates replace this file.
"""Secrets: where their values come from, and how they are kept out of every text that leaves."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from connector.errors import MissingSetting

SHORTEST = 6  # characters; shorter values would black out ordinary words
MASK = "[secret]"
KEY_VAULT = "@Microsoft.KeyVault("


def forms(value: str) -> Iterator[str]:
    """Every spelling under which `value` may stand in a text."""
    raw = value.encode("utf-8", "replace")
    yield value
    for text in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield text
        yield re.sub("%..", lambda code: code[0].lower(), text)
    yield base64.b64encode(raw).decode().rstrip("=")
    yield base64.urlsafe_b64encode(raw).decode().rstrip("=")
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        yield text[1:-1]
        yield text[1:-1].replace("/", "\\/")
        yield re.sub("[&<>']", lambda char: f"\\u{ord(char[0]):04x}", text[1:-1])
    yield repr(value)[1:-1]
    yield repr(raw)[2:-1]
    yield html.escape(value)
    yield html.escape(value).replace("&#x27;", "&#39;")


class Redactor:
    """Replaces the values it was given, in all their forms, longest first."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.add(*values)

    def __repr__(self) -> str:
        return "<Redactor>"

    def add(self, *values: str) -> None:
        """Count these texts as secrets from now on; those under six characters are left alone."""
        found = {form for value in values if len(value) >= SHORTEST for form in forms(value)}
        with self._lock:
            if found <= self._forms:
                return
            self._forms |= found
            longest_first = sorted(self._forms, key=len, reverse=True)
            self._pattern = re.compile("|".join(re.escape(form) for form in longest_first))

    def redact(self, text: str) -> str:
        """The text with every secret replaced by `[secret]`."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def finds(self, text: str) -> bool:
        """Whether a secret stands in the text."""
        return bool(self._pattern and self._pattern.search(text))


class Settings(Mapping[str, Any]):
    """A read-only mapping of what was typed in Fivetran's form; its `repr` shows names alone."""

    def __init__(self, kind: str, values: Mapping[str, Any]) -> None:
        self._kind = kind
        self._values = values

    def __getitem__(self, name: str) -> Any:
        """The value of a key that is there and not blank.

        Raises:
            MissingSetting: The key is missing, blank, or an unresolved Key Vault reference.
        """
        value = self._values.get(name)
        if isinstance(value, str) and value.startswith(KEY_VAULT):
            raise MissingSetting(
                f"the {self._kind} {name!r} is a Key Vault reference that Azure could not resolve: "
                "check the reference's vault and name, and that the app's identity may read it"
            )
        if value is None or (isinstance(value, str) and not value.strip()):
            raise MissingSetting(f"the {self._kind} {name!r} is missing or blank: {self._places()}")
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<{self._kind}: {', '.join(self._values) or 'none'}>"

    def _places(self) -> str:
        if self._kind == "payload key":
            return (
                "type it in Fivetran's setup form under custom payload, "
                "or in connection.json under customPayload"
            )
        return (
            "type it in Fivetran's setup form under secrets, set it as an app setting of the same "
            "name, or write it in connection.json under secrets"
        )


def secrets_of(names: Iterable[str], sent: Mapping[str, Any], *, settings: bool) -> Settings:
    """The secrets of one call: those of the request, else app settings of the same name.

    Args:
        names: The declared names, the only ones that are looked up in the app settings.
        sent: `secrets` of the request.
        settings: Whether app settings count (not where the caller chooses the host).
    """
    values = {name: value for name, value in sent.items() if value not in (None, "")}
    if settings:
        for name in names:
            if name not in values and name in os.environ:
                values[name] = os.environ[name]
    return Settings("secret", values)
