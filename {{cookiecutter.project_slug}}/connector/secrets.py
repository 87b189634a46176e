"""Where secrets come from, and how every text is redacted before it leaves the process."""

from __future__ import annotations

import html
import json
import os
import re
import threading
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from connector.errors import MissingSetting

SHORTEST = 6  # characters; shorter values would black out ordinary words
LONGEST_TEXT = 32_768  # characters; Application Insights stores no more of a message either
MASK = "[secret]"
WITHHELD = "(withheld: a secret is encoded in this text)"

_ANYWHERE = 12  # characters from which a secret blocks a token anywhere in it
_PASSING = 40  # values that auth made for single requests, such as signatures
_DECODINGS = 16  # texts
_MARGIN = 4  # how many times longer a secret may be that is encoded more than once
# What URL writers leave as it is: nothing, quote(), JavaScript, RFC 3986, requests.
_SAFE = ("", "/", "*!'()", "!$&'()*+,;=:@/?", "!#$%&'()*+,/:;=?@[]~")
_NAMED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "0": "\0"}


class _Hidden(dict[Any, Any]):
    """A dictionary whose repr shows how many values it has."""

    def __repr__(self) -> str:
        return f"<{len(self)} values>"


# ---- a secret as each single encoding writes it


@lru_cache(maxsize=1024)
def _forms(secret: str) -> frozenset[str]:
    raw = secret.encode("utf-8", "replace")
    forms = {*_percent(raw), *_base64(raw)}
    for text in (secret, raw.decode("latin-1")):  # as response headers and repr() of bytes show it
        forms.update((text, *_json(text), *_html(text), *_repr(text)))
    return frozenset(forms)


def _percent(raw: bytes) -> Iterator[str]:
    for safe in _SAFE:
        for text in (quote(raw, safe), quote_plus(raw, safe)):
            for form in (text, text.replace("~", "%7E")):
                yield from (form, re.sub("%..", lambda code: code[0].lower(), form))


def _json(text: str) -> Iterator[str]:
    for form in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        yield from (form, form.replace("/", "\\/"))  # as PHP writes it


def _html(text: str) -> Iterator[str]:
    escaped = html.escape(text, quote=False)
    yield escaped
    quotes = ("&quot;", "&#x27;"), ("&quot;", "&#39;"), ("&quot;", "&#039;"), ("&#34;", "&#39;")
    for double, single in quotes:
        yield escaped.replace('"', double).replace("'", single)


def _repr(text: str) -> Iterator[str]:
    for form in (repr('"' + text)[2:-1], ascii('"' + text)[2:-1]):
        # Beside a double quote, a single one is written as \'; without one, as it is.
        yield from (form, form.replace("\\'", "'"))


def _base64(raw: bytes) -> Iterator[str]:
    """Base64 of it, and the part that is the same at any position in a longer text."""
    whole = b64encode(raw).decode()
    forms = [whole, whole.rstrip("=")]
    for before, first in enumerate((0, 2, 3)):
        forms.append(b64encode(bytes(before) + raw).decode()[first : (before + len(raw)) * 8 // 6])
    for form in forms:
        yield from (form, form.replace("+", "-").replace("/", "_"))


# ---- what a text says once it is decoded


def _decodings(text: str) -> Iterator[str]:
    """A limited number of texts of limited length: what was encoded more than once is found too."""
    texts = [text]
    for each in texts:
        for decode in (_without_entities, unquote, _without_escapes, unquote_plus, _unpacked):
            new = decode(each)
            if new and new not in texts:
                texts.append(new)
                yield new
        if len(texts) > _DECODINGS:
            return


def _without_entities(text: str) -> str:
    # Not all of html.unescape: of an entity with thousands of digits it makes an error.
    entity = r"&(?:#\d{1,8}|#[xX][0-9a-fA-F]{1,8}|[A-Za-z]\w{1,31});"
    return re.sub(entity, lambda found: html.unescape(found[0]), text) if "&" in text else text


def _without_escapes(text: str) -> str:
    """Text without one level of what JSON and `repr` escape."""

    def char(code: re.Match[str]) -> str:
        number = min(int(code[1] or code[2] or code[3] or "0", 16), 0x10FFFF)
        return _NAMED.get(code[4], code[4]) if code[4] else chr(number)

    if "\\" not in text:
        return text
    escape = r"(?s)\\(?:u([\da-fA-F]{4})|U([\da-fA-F]{8})|x([\da-fA-F]{2})|(.))"
    text = re.sub(escape, char, text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unpacked(text: str) -> str:
    """What a text contains as base64, also across line breaks."""
    digits = re.sub(r"\s", "", text.replace("-", "+").replace("_", "/"))
    pieces = []
    for run in re.findall(r"[A-Za-z0-9+/]{7,}", digits):
        for start in range(4):
            # One digit more than whole groups of four cannot be decoded.
            stop = len(run) - ((len(run) - start) % 4 == 1)
            pieces.append(a2b_base64(run[start:stop] + "=="))
    return b"\0".join(pieces).decode("utf-8", "replace")


# ---- redaction


class Table:
    """All forms of some secrets. It never changes, so threads may share it."""

    def __init__(self, forms: Iterable[str]) -> None:
        self.forms = _Hidden.fromkeys(forms)
        self.margin = _MARGIN * max(map(len, self.forms), default=0)  # looked at after a cut

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Table:
        """The table of these secrets."""
        return cls(chain.from_iterable(map(_forms, secrets)))

    def redact(self, text: str) -> str:
        """The text, masked, withheld or cut as `Redactor.redact` says."""
        if not self.forms or len(text) <= LONGEST_TEXT:
            return self.mask(text, len(text))
        note = f"… (cut, {len(text)} characters)"
        return self.mask(text, LONGEST_TEXT - len(note))[: LONGEST_TEXT - len(note)] + note

    def mask(self, text: str, length: int) -> str:
        """So many characters of the text, masked; a margin after them is looked at too."""
        text = text[: length + self.margin]
        spans = self._spans(text)
        if self._is_encoded("\0".join(_outside(spans, text))):
            return WITHHELD
        visible = [span for span in spans if span[0] < length]
        return MASK.join(_outside(visible, text[:length]))

    def stands_in(self, text: str) -> bool:
        """Whether a secret is in a text, or in what its start says once it is decoded."""
        return any(form in text for form in self.forms) or self._is_encoded(text)

    def _is_encoded(self, text: str) -> bool:
        decodings = _decodings(text[: 2 * LONGEST_TEXT]) if self.forms else ()
        return any(form in decoded for decoded in decodings for form in self.forms)

    def _spans(self, text: str) -> list[list[int]]:
        """Where secrets are, as start and end; those that overlap are one."""
        merged = list[list[int]]()
        found = sorted((form for form in self.forms if form in text), key=len, reverse=True)
        pattern = "|".join(map(re.escape, found))
        for each in re.finditer(f"(?=({pattern}))", text) if found else ():
            if merged and each.start() < merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], each.end(1))
            else:
                merged.append([each.start(), each.end(1)])
        return merged


def _outside(spans: Iterable[list[int]], text: str) -> list[str]:
    edges = [0, *chain.from_iterable(spans), len(text)]
    return [text[start:stop] for start, stop in zip(edges[::2], edges[1::2], strict=True)]


class Redactor:
    """Knows the secrets of one call, and finds and masks them in texts."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._secrets, self._identifying, self._passing, self._short = (_Hidden() for _ in range(4))
        self._build()
        self.add(*values)

    def add(self, *values: str, identifying: bool = False) -> None:
        """Count these values as secrets from now on, with and without the space around them.

        Those under six characters count in headers only. Identifying ones (a user name, a client
        id), which open nothing, are masked in texts but may be stored and sent.
        """
        with self._lock:
            for value in values:
                stripped = value.strip()
                if len(stripped) >= SHORTEST:
                    side = self._identifying if identifying else self._secrets
                    side.update(dict.fromkeys((value, stripped)))
                elif stripped and not identifying:
                    self._short[stripped] = None
            if values:
                self._build()

    def add_passing(self, *values: str) -> None:
        """Count what auth put on the wire as secrets too: the latest 40 values."""
        with self._lock:
            long = [value for value in values if len(value.strip()) >= SHORTEST]
            is_known = self._passing.keys() >= set(long)
            for value in long:
                self._passing[value] = self._passing.pop(value, None)
            for value in list(self._passing)[:-_PASSING]:
                del self._passing[value]
            if not is_known:
                self._build()

    def redact(self, text: str) -> str:
        """The text with `[secret]` in place of each secret, in any single encoding.

        A text in which one appears only after decoding is withheld, one over `LONGEST_TEXT` is cut.
        """
        return self.table.redact(text)

    def shorten(self, text: str, length: int) -> str:
        """At most so many characters of a text's start, redacted before it is cut."""
        return self.table.mask(text, length)[:length]

    def window(self, length: int) -> int:
        """How many characters of a long text `shorten` looks at."""
        return length + self.table.margin

    def blocks(self, value: Any) -> bool:
        """Whether a secret is in a JSON value, so that it must not be stored or sent elsewhere.

        A secret of twelve characters or more that is not a number is found anywhere, a shorter or
        numeric one if it is a whole text, path segment, parameter value or quoted string:
        `123456` does not stop the timestamp `1234567890`.
        """
        texts = list(texts_in([value], names=True))
        if self._anywhere.stands_in("\0".join(texts)):
            return True
        parts = (part for text in texts for part in _parts(text))
        return not self._whole.keys().isdisjoint(parts)

    def in_header(self, text: str) -> bool:
        """Whether a secret is in a header's name or value; a short one counts as a word."""
        words = [text, *re.split(r"[^\w.~+/-]+", text)]
        return self._known.stands_in(text) or not self._short.keys().isdisjoint(words)

    def in_bytes(self, data: bytes) -> bool:
        """Whether a secret is in JSON as it is; quick, for the data of whole pages."""
        return any(form in data for form in self._bytes)

    def _build(self) -> None:
        # New objects each time: other threads may be reading the old ones.
        known = [*self._secrets, *(text for text in self._passing if text not in self._identifying)]
        anywhere = [value for value in known if _counts_anywhere(value)]
        self.table = Table.of([*known, *self._identifying])
        self._known, self._anywhere = Table.of(known), Table.of(anywhere)
        self._whole = Table.of(value for value in known if value not in anywhere).forms
        self._bytes = _Hidden.fromkeys(
            (form if value in anywhere else f'"{form}"').encode("utf-8", "replace")
            for value in self._secrets
            for form in _json(value)
        )


def _counts_anywhere(secret: str) -> bool:
    return len(secret.strip()) >= _ANYWHERE and not re.fullmatch(r"[\d\s.,:+-]+", secret)


def texts_in(value: Any, *, names: bool = False) -> Iterator[str]:
    """A JSON value as text; of a list or an object, each text in it, and its names if asked."""
    rest: list[Any] = [value if isinstance(value, (list, tuple, Mapping)) else str(value)]
    while rest:
        part = rest.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, Mapping):
            rest += [*part, *part.values()] if names else part.values()
        elif isinstance(part, (list, tuple)):
            rest += part


def _parts(text: str) -> Iterator[str]:
    """The text, and its quoted strings, path segments and parameter values."""
    yield text
    for quoted in text.split('"'):
        yield quoted
        for part in re.split("[?&#;]", quoted):
            yield part.partition("=")[2]
            yield from part.split("/")


# ---- the settings of a call


class Settings(Mapping[str, Any]):
    """A read-only mapping of what was typed in Fivetran's form. Its `repr` shows only names.

    Blank ones count as missing. Its kind, "secret" or "payload key", is for errors.
    """

    def __init__(
        self,
        kind: str,
        typed: Mapping[str, Any],
        defaults: Mapping[str, Any] | None = None,
        *,
        app_settings: bool = True,
    ) -> None:
        self._kind = kind
        self._values = _Hidden(defaults or {})
        self._values |= {
            name: value for name, value in typed.items() if value is not None and str(value).strip()
        }
        self._has_app_settings = app_settings

    def __getitem__(self, name: str) -> Any:
        """The value of a key that is there and not blank, or declared to be blank.

        Raises:
            MissingSetting: The key is missing, blank, or an unresolved Key Vault reference.
        """
        if name not in self._values:
            also = "set it as an app setting of the same name, " if self._has_app_settings else ""
            where = (
                f"secrets, {also}or write it in connection.json under secrets"
                if self._kind == "secret"
                else "custom payload, or in connection.json under customPayload"
            )
            raise MissingSetting(
                f"the {self._kind} {name!r} is missing or blank: "
                f"type it in Fivetran's setup form under {where}"
            )
        value = self._values[name]
        if isinstance(value, str) and value.strip().startswith("@Microsoft.KeyVault("):
            raise MissingSetting(
                f"the {self._kind} {name!r} is a Key Vault reference that Azure could not resolve: "
                "type it in Fivetran's setup form under secrets; or check that the vault has it "
                "and that the app's identity may read it"
            )
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<{self._kind}: {', '.join(self._values) or 'none'}>"


def secrets_of(names: Iterable[str], sent: Mapping[str, Any], *, settings: bool) -> Settings:
    """The secrets of one call: those of the request, else app settings of the declared names.

    App settings do not count (`settings`) if the caller chooses the host.
    """
    stored = dict(app_settings(names)) if settings else {}
    return Settings("secret", sent, stored, app_settings=settings)


def app_settings(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The app settings of these names that are not blank, with their values."""
    return ((name, os.environ[name]) for name in names if os.environ.get(name, "").strip())


def payload_of(defaults: Mapping[str, Any], sent: Mapping[str, Any]) -> Settings:
    """The custom payload of one call: what was typed, else what is declared for it."""
    return Settings("payload key", sent, defaults)
