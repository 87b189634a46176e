# Owned by fivetran-azfn-template: updates replace this file.
"""The upstream's reply and its records, left as bytes until somebody looks; it sends nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSequence
from contextlib import suppress
from typing import Any, overload
from urllib.parse import urljoin

import msgspec
import requests

from connector import codec, links
from connector.errors import UpstreamError
from connector.secrets import Redactor

_MISSING: Any = msgspec.UNSET
_SEVEN_BIT = ("iso-2022", "hz", "utf-7")  # charsets whose text passes for ASCII
_SHOWN = 200  # characters of a body that an error shows


class Rows(MutableSequence[dict[str, Any]]):
    """A list of records, kept as the upstream's bytes until it is read.

    `len()` reads nothing. The first index, slice or iteration decodes once; from then on what the
    step sees, changes included, is what is delivered.

    Args:
        raw: The JSON list.
        count: How many items it has.
    """

    def __init__(self, raw: bytes, count: int) -> None:
        self._raw: bytes | None = raw
        self._count = count
        self._decoded: list[dict[str, Any]] = []

    @property
    def untouched(self) -> bytes | None:
        """The JSON list as the upstream wrote it, or None once it was read."""
        return self._raw

    def _read(self) -> list[dict[str, Any]]:
        if self._raw is not None:
            self._decoded = codec.parse(self._raw)
            self._raw = None
        return self._decoded

    def __len__(self) -> int:
        return self._count if self._raw is not None else len(self._decoded)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._read())

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: Any) -> Any:
        return self._read()[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._read()[index] = value

    def __delitem__(self, index: Any) -> None:
        del self._read()[index]

    def insert(self, index: int, value: dict[str, Any]) -> None:
        """Insert a record before the index."""
        self._read().insert(index, value)

    def sort(self, *, key: Any = None, reverse: bool = False) -> None:
        """Sort the records in place, as `list.sort` does."""
        self._read().sort(key=key, reverse=reverse)

    def __add__(self, other: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        return [*self, *other]

    def __radd__(self, other: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        return [*other, *self]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (list, Rows)) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Rows: {len(self)}>"


class Response(requests.Response):
    """The upstream's reply: all of `requests.Response`, and its JSON by dotted path.

    The request it shows (`request`, `url`) is the one before credentials were added.
    """

    _redactor: Redactor

    @classmethod
    def of(
        cls,
        reply: requests.Response,
        body: bytes,
        sent: requests.PreparedRequest,
        redactor: Redactor,
    ) -> Response:
        """The reply with its whole body, shown beside the request as it was before signing.

        Args:
            redactor: Takes secrets out of what an error quotes, before it is cut.
        """
        response = cls()
        response.__dict__.update(reply.__dict__)
        # The adapter knows its proxy's password.
        response.__dict__.pop("connection", None)
        response._content = body
        response.__dict__["_content_consumed"] = True
        response.raw = None
        response.request = sent
        response.url = sent.url or ""
        response.history = []
        response._redactor = redactor
        return response

    def json(self, **_: Any) -> Any:
        """The decoded body; integers are exact, other numbers floats (Decimal beyond 1e308).

        Raises:
            UpstreamError: The body is no JSON.
        """
        return self._parse(self._utf8(), Any)

    def rows(self, path: str = "") -> Rows:
        """The list of records at a dotted path, or the body itself.

        Args:
            path: Names joined by dots; a key that contains dots itself is tried first. Empty: the
                body is the list.

        Raises:
            UpstreamError: There is no such path, no list there, or the body is no JSON.
        """
        raw, rest = self._at(path)
        if rest:
            raise self._refused(self._missing(path, raw, rest))
        try:
            items = codec.parse(raw, list[msgspec.Raw])
        except msgspec.ValidationError:
            what = f"{path!r} in the reply" if path else "the reply"
            raise self._refused(
                f"{what} to {self._asked()} is no list of records but starts {self._start(raw)}: "
                "give rows() the dotted path of the list"
            ) from None
        return Rows(bytes(raw), len(items))

    def value(self, path: str, default: Any = _MISSING) -> Any:
        """One decoded value at a dotted path.

        Args:
            path: Names joined by dots; a key that contains dots itself (`@odata.nextLink`) is
                tried first.
            default: What a missing path gives; without it a missing path is an error, for a
                mistyped name must not end a walk after its first page.

        Raises:
            UpstreamError: There is no such path and no default, or the body is no JSON.
        """
        raw, rest = self._at(path)
        if not rest:
            return self._parse(raw, Any)
        if default is _MISSING:
            why = self._missing(path, raw, rest)
            why += "; if the upstream leaves it out on the last page, write default=None"
            raise self._refused(why)
        return default

    def link(self, rel: str) -> str | None:
        """The whole URL of a relation in the `Link` header (RFC 8288), or None."""
        reference = links.related(self.headers.get("Link", ""), rel)
        return None if reference is None else urljoin(self.url, reference)

    def start(self, length: int) -> str:
        """So many characters of the body for an error, redacted before they are cut."""
        # The widest character has four bytes, in UTF-8 as in UTF-16.
        body = self.content[: 4 * self._redactor.window(length)]
        try:
            text = self._decoded(body).decode()
        except UnicodeError:
            text = body.decode("utf-8", "replace")
        # UTF-16 without a mark reads as text with a NUL after each letter.
        return self._redactor.shorten(text.replace("\0", "").strip(), length) or "an empty body"

    def _decoded(self, body: bytes) -> bytes:
        """The body as UTF-8; what is UTF-8 already is taken for it, whatever a server says."""
        kind = self.headers.get("Content-Type", "").lower()
        charset = kind.partition("charset=")[2].partition(";")[0].strip(" \"'")
        if not charset.startswith(_SEVEN_BIT) and b"\0" not in body:
            with suppress(UnicodeError):
                return codec.utf8(body)
        return codec.utf8(body, charset)

    def _utf8(self) -> bytes:
        try:
            return self._decoded(self.content)
        except UnicodeError as error:
            kind = self.headers.get("Content-Type", "")
            raise UpstreamError(
                f"{self._asked()} answered {self.status_code} with {kind or 'no content type'}, "
                f"and its text is not what it says: {error}",
                status=self.status_code,
            ) from None

    def _parse(self, raw: bytes, type: Any) -> Any:
        try:
            return codec.parse(raw, type)
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, RecursionError) as error:
            kind = self.headers.get("Content-Type", "no content type")
            raise UpstreamError(
                f"{self._asked()} answered {self.status_code} with {kind}, which is no JSON "
                f"({error}): {self.start(_SHOWN)}",
                status=self.status_code,
            ) from None

    def _at(self, path: str) -> tuple[Any, str]:
        """The bytes at a path and ""; or those of where it stops, and the rest of the path."""
        return codec.at(self._parse(self._utf8(), msgspec.Raw), path)

    def _missing(self, path: str, raw: Any, rest: str) -> str:
        """Why there is nothing at a path that stops at these bytes, with this rest of it left."""
        above = path.removesuffix(rest).removesuffix(".")
        level = codec.members(raw)
        if level is None:
            names = f"{repr(above) if above else 'it'} starts {self._start(raw)}"
        else:
            names = f"the keys of {above!r} are " if above else "its keys are "
            names += ", ".join(level) or "none"
        return f"the reply to {self._asked()} has no {path!r}: {names}"

    def _refused(self, why: str) -> UpstreamError:
        """An error that quotes what the reply says under `errors`, as GraphQL does."""
        text = why
        errors, rest = self._at("errors")
        if not rest and (said := self._parse(errors, Any)):
            text += f"; errors: {self._start(codec.encode(said))}"
        return UpstreamError(text, status=self.status_code)

    def _asked(self) -> str:
        return f"{self.request.method} {self.url}"

    def _start(self, raw: Any) -> str:
        window = 4 * self._redactor.window(_SHOWN)
        return self._redactor.shorten(bytes(raw)[:window].decode("utf-8", "replace"), _SHOWN)
