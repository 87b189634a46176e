# Owned by fivetran-azfn-template: updates replace this file.
"""Secrets: where their values come from, and how they are kept out of every text that leaves."""

from __future__ import annotations

import json
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from connector import spellings
from connector.errors import MissingSetting

SHORTEST = 6  # characters; shorter values would black out ordinary words
MASK = "[secret]"
KEY_VAULT = "@Microsoft.KeyVault("
# Values that auth made anew for a request, as signatures: those of the latest requests are kept.
_PASSING = 40


class Redactor:
    """Replaces the values it was given, in all their spellings."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._lasting = _Quiet()
        self._passing = _Quiet()
        self._presigned = _Quiet()
        self._short = _Quiet()
        self._bytes = _Quiet()
        self._known = _Quiet()
        self._hidden = _Quiet()
        self._longest = 0
        self.add(*values)

    def __repr__(self) -> str:
        return "<Redactor>"

    @property
    def values(self) -> Iterable[str]:
        """What it hides, longest first."""
        return self._hidden.keys()

    def add(self, *values: str) -> None:
        """Count these texts as secrets from now on; those under six characters are left alone."""
        # What is sent is stripped, so a value counts with and without the space around it.
        for value in {text for given in values for text in (given, given.strip())}:
            with self._lock:
                if not value or value in self._lasting:
                    continue
                if len(value) < SHORTEST:
                    self._short[value] = None
                    continue
                self._lasting[value] = None
                for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
                    self._bytes[text[1:-1].encode("utf-8", "replace")] = None
                self._sort()

    def add_passing(self, *values: str) -> None:
        """Count what auth put on the wire as secrets too; of those that vary, the latest 40."""
        for value in values:
            with self._lock:
                if len(value) < SHORTEST or value in self._lasting:
                    continue
                self._keep_latest(self._passing, value)

    def add_presigned(self, *values: str) -> None:
        """Hide what opens a presigned URL; it may be sent and kept in the state all the same."""
        for value in values:
            with self._lock:
                if value not in self._lasting:
                    self._keep_latest(self._presigned, value)

    def redact(self, text: str) -> str:
        """The text with every secret replaced by `[secret]`."""
        return hidden(text, self.values)

    def shorten(self, text: str, length: int) -> str:
        """The start of a text, redacted before it is cut, without going through all of it."""
        return self.redact(text[: self.window(length)])[:length]

    def window(self, length: int) -> int:
        """How many characters give `length` redacted ones, were there nothing but secrets."""
        return length + (length // len(MASK) + 1) * self._longest

    def finds(self, text: str) -> bool:
        """Whether a secret stands in the text."""
        return any(spellings.stands_in(value, text) for value in self._known)

    def in_header(self, text: str) -> bool:
        """Whether a secret stands in a header's value; a short one counts as a word of its own."""
        words = set(re.split(r"[^\w.~+/-]+", text)) | {text}
        return self.finds(text) or not words.isdisjoint(self._short)

    def in_bytes(self, data: bytes) -> bool:
        """Whether a secret stands in JSON as it is; quick, for the data of whole pages."""
        return any(value in data for value in list(self._bytes))

    def _keep_latest(self, kept: OrderedDict[str, None], value: str) -> None:
        known = value in kept
        kept[value] = None
        kept.move_to_end(value)
        if not known:
            if len(kept) > _PASSING:
                kept.popitem(last=False)
            self._sort()

    def _sort(self) -> None:
        # New ones each time: others may be reading the old ones.
        self._known = _Quiet(dict.fromkeys((*self._lasting, *self._passing)))
        values = sorted({*self._known, *self._presigned}, key=len, reverse=True)
        self._hidden = _Quiet(dict.fromkeys(values))
        # An escape of one character has twelve at the most: four bytes, percent-encoded.
        self._longest = 12 * len(values[0])


def texts_in(value: Any) -> Iterator[str]:
    """A value as text; of a list or an object, each text in it however deep."""
    if not isinstance(value, (list, Mapping)):
        yield str(value)
        return
    left: list[Any] = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, (list, Mapping)):
            left += one.values() if isinstance(one, Mapping) else one


def hidden(text: str, values: Iterable[str]) -> str:
    """The text with a mask wherever one of these values stands."""
    shown, end = [], 0
    places = sorted(place for value in values for place in spellings.places(value, text))
    for start, stop in places:
        # Two that overlap are one: masked one after the other, a part of the second would stay.
        if start >= end:
            shown += [text[end:start], MASK]
        end = max(end, stop)
    return "".join([*shown, text[end:]])


class _Quiet(OrderedDict[Any, Any]):
    """A dictionary whose repr shows how many values it has."""

    def __repr__(self) -> str:
        return f"<{len(self)} values>"


class Settings(Mapping[str, Any]):
    """A read-only mapping of what was typed in Fivetran's form; its `repr` shows names alone.

    Args:
        kind: What they are, for errors: "secret" or "payload key".
        values: By name; blank ones count as missing.
        optional: Names whose value may be blank, for it is so declared.
        app_settings: Whether an app setting would count too.
    """

    def __init__(
        self,
        kind: str,
        values: Mapping[str, Any],
        *,
        optional: Iterable[str] = (),
        app_settings: bool = True,
    ) -> None:
        self._kind = kind
        self._values = _Quiet(values)
        self._optional = frozenset(optional)
        self._app_settings = app_settings

    def __getitem__(self, name: str) -> Any:
        """The value of a key that is there and not blank, or declared to be.

        Raises:
            MissingSetting: The key is missing, blank, or an unresolved Key Vault reference.
        """
        value = self._values.get(name)
        if isinstance(value, str) and value.strip().startswith(KEY_VAULT):
            raise MissingSetting(
                f"the {self._kind} {name!r} is a Key Vault reference that Azure could not resolve: "
                "type it in Fivetran's setup form under secrets; or check that the vault has it "
                "and that the app's identity may read it"
            )
        if _blank(value) and name not in self._optional:
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
        also = "set it as an app setting of the same name, " if self._app_settings else ""
        return (
            f"type it in Fivetran's setup form under secrets, {also}"
            "or write it in connection.json under secrets"
        )


def secrets_of(names: Iterable[str], sent: Mapping[str, Any], *, settings: bool) -> Settings:
    """The secrets of one call: those of the request, else app settings of the same name.

    Args:
        names: The declared names, the only ones that are looked up in the app settings.
        sent: `secrets` of the request.
        settings: Whether app settings count (not where the caller chooses the host).
    """
    values = {name: value for name, value in sent.items() if not _blank(value)}
    if settings:
        for name in names:
            if name not in values and name in os.environ:
                values[name] = os.environ[name]
    return Settings("secret", values, app_settings=settings)


def payload_of(defaults: Mapping[str, Any], sent: Mapping[str, Any]) -> Settings:
    """The custom payload of one call: what was typed, else what is declared for it."""
    typed = {name: value for name, value in sent.items() if not _blank(value)}
    return Settings("payload key", {**sent, **defaults, **typed}, optional=defaults)


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
