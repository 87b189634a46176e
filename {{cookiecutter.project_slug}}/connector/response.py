"""The upstream's response. Its records stay bytes until the step reads them."""

from __future__ import annotations

import re
from collections import UserList
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, TypeVar, overload
from urllib.parse import urljoin

import msgspec
import requests

from connector import codec
from connector.errors import UpstreamError
from connector.secrets import Redactor

T = TypeVar("T")
_REQUIRED: Any = object()
_QUOTED = 200  # characters of a body that an error quotes
_NAMES = 40  # keys of an object that an error lists
_BEFORE = 120  # characters of it before the place where JSON breaks
# A parameter of a link; single quotes are not in RFC 8288, but in use.
_VALUE = r""""[^"\\]*+(?:\\.[^"\\]*+)*+"|'[^']*+'|[^\s",;]*+"""
_PARAM = rf"""\s*+;\s*+([^\s"'<>,;=]++)(?:\s*+=\s*+({_VALUE}))?+"""


class Rows(UserList[dict[str, Any]]):
    """A list of records, left as the upstream's bytes until it is read.

    `len()` and truth read nothing. The first index, slice or iteration decodes once; from then on
    what the step sees, changes included, is what is delivered.

    Args:
        records: A JSON list, or records that are decoded already.
    """

    def __init__(self, records: msgspec.Raw | Iterable[dict[str, Any]] = ()) -> None:
        self._raw = records if isinstance(records, msgspec.Raw) else None
        if self._raw is None:
            self.data = [*records]

    @property
    def untouched(self) -> msgspec.Raw | None:
        """The JSON list as the upstream wrote it, or None once it was read."""
        return self._raw

    @cached_property
    def data(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The records, decoded when they are first looked at."""
        records: list[dict[str, Any]] = codec.parse(self._raw)
        self._raw = None
        return records

    @cached_property
    def _count(self) -> int:
        return len(codec.items(self._raw))

    def __len__(self) -> int:
        return len(self.data) if self._raw is None else self._count

    def __bool__(self) -> bool:
        return bool(self.data) if self._raw is None else not re.fullmatch(rb"\[\s*\]", self._raw)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.data)

    @overload  # type: ignore[override]
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: Any) -> Any:
        return self.data[index]

    def __add__(self, other: Iterable[dict[str, Any]]) -> Any:
        return [*self, *other]

    def __radd__(self, other: Iterable[dict[str, Any]]) -> Any:
        return [*other, *self]

    def __repr__(self) -> str:
        return f"<Rows: {len(self)}>"

    __copy__ = UserList.copy


class Response(requests.Response):
    """The upstream's response: all of `requests.Response`, and its JSON by dotted path.

    The request it shows (`request`, `url`) is the one before credentials were added. The body is
    parsed once, however many questions are asked.
    """

    _redactor: Redactor
    _decoded: Any
    _scalars: dict[str, Any]  # top-level values of what json() returned, which a step cannot change
    _levels: dict[tuple[str, ...], dict[str, msgspec.Raw]]  # objects that were opened, by path
    _rows: dict[str, Rows]

    @classmethod
    def of(
        cls,
        received: requests.Response,
        body: bytes,
        sent: requests.PreparedRequest,
        redactor: Redactor,
    ) -> Response:
        """A response with its complete unpacked body, and the request as it was before signing.

        The redactor takes secrets out of what an error quotes, before it is cut.
        """
        response = cls.__new__(cls)
        response.__dict__.update(received.__dict__, _content=body, _content_consumed=True)
        # The adapter knows its proxy's password.
        response.__dict__.pop("connection", None)
        response.raw, response.history = None, []
        response.request, response.url = sent, sent.url or ""
        response._redactor, response._decoded = redactor, _REQUIRED
        response._scalars, response._levels, response._rows = {}, {}, {}
        return response

    def json(self, **_: Any) -> Any:
        """The decoded body, the same object each time.

        Integers are exact, other numbers floats (Decimal beyond 1e308).

        Raises:
            UpstreamError: The body is not JSON.
        """
        if self._decoded is _REQUIRED:
            self._decoded = self._read(codec.parse, self._body)
            if isinstance(self._decoded, dict):
                members = self._decoded.items()
                self._scalars = {k: v for k, v in members if not isinstance(v, (dict, list))}
        return self._decoded

    def rows(self, path: str = "", default: Iterable[dict[str, Any]] | None = _REQUIRED) -> Rows:
        """The list of records at a dotted path, or the body itself.

        `null` there, or a 2xx without a body (204), are no records.

        Args:
            path: Names joined by dots; a key that contains all of it (`@odata.nextLink`) is tried
                first. Empty: the body is the list.
            default: What a missing path returns (None: no records). Without it a missing path is
                an error.

        Raises:
            UpstreamError: There is no such path, no list there, or the body is not JSON.
        """
        if path in self._rows or self._has_no_body:
            return self._rows.setdefault(path, Rows())
        raw, rest = self._at(path)
        if rest and default is not _REQUIRED:
            return Rows(default or ())
        if rest:
            raise self._missing(path, raw, rest, "default=[]")
        kind = bytes(memoryview(raw)[:1])
        if kind == b"[" or (kind == b"n" and not self._errors()):
            return self._rows.setdefault(path, Rows(raw if kind == b"[" else ()))
        what = f"{path!r} in the response" if path else "the response"
        why = f"{what} to {self._request_line} is not a list of records but "
        if kind == b"{":
            wrapped = f'response.value("{path}")' if path else "response.json()"
            why += f"one object: if it is the one record, wrap it, [{wrapped}]; if not,"
        else:
            why += f"starts {self._start(raw)}:"
        raise self._refused(f"{why} give rows() the dotted path of the list")

    def value(self, path: str, default: Any = _REQUIRED) -> Any:
        """One decoded value at a dotted path; None in a 2xx without a body.

        Args:
            path: Names joined by dots; a key that contains all of it (`@odata.nextLink`) is tried
                first.
            default: What a missing path returns. Without it a missing path is an error: a typo
                must not end a walk after its first page.

        Raises:
            UpstreamError: There is no such path and no default, or the body is not JSON.
        """
        if path in self._scalars:
            return self._scalars[path]
        if self._has_no_body:
            return None if default is _REQUIRED else default
        raw, rest = self._at(path)
        if not rest:
            return self._read(codec.parse, raw)
        if default is _REQUIRED:
            raise self._missing(path, raw, rest, "default=None")
        return default

    def link(self, rel: str) -> str | None:
        """The whole URL of a relation in the `Link` header (RFC 8288), or None.

        Raises:
            UpstreamError: It is not a URL.
        """
        reference = _link(self.headers.get("Link", ""), rel)
        try:
            return None if reference is None else urljoin(self.url, reference)
        except ValueError as error:
            raise UpstreamError(
                f"the Link header of {self._request_line} has a {rel!r} that is not a URL "
                f"({error}): {self._redactor.shorten(reference or '', _QUOTED)}"
            ) from None

    def start(self, length: int) -> str:
        """So many characters of the body for an error, redacted before they are cut."""
        # The widest character has four bytes.
        body = self.content[: 4 * self._redactor.window(length)]
        try:
            text = codec.utf8(body, self._charset).decode()
        except UnicodeError:
            text = body.decode("utf-8", "replace")
        # UTF-16 without a mark reads as text with a NUL after each letter.
        return self._redactor.shorten(text.replace("\0", "").strip(), length) or "an empty body"

    @property
    def _has_no_body(self) -> bool:
        return 200 <= self.status_code < 300 and not self.content.strip()

    @property
    def _request_line(self) -> str:
        return f"{self.request.method} {self.url}"

    @property
    def _charset(self) -> str:
        kind = self.headers.get("Content-Type", "").lower()
        return kind.partition("charset=")[2].partition(";")[0].strip(" \"'")

    @cached_property
    def _body(self) -> bytes:
        """The body as UTF-8."""
        try:
            return codec.utf8(self.content, self._charset)
        except UnicodeDecodeError as error:
            why = f"not {self._charset or 'UTF-8'} text at byte {error.start}"
            raise self._unreadable(why, self.content, error.start) from None

    def _read(self, decode: Callable[[Any], T], body: Any) -> T:
        try:
            return decode(body)
        except RecursionError:
            raise self._unreadable("nested more deeply than can be read", self._body) from None
        except msgspec.DecodeError as error:
            why, _, place = str(error).removeprefix("JSON is malformed: ").partition(" (byte ")
            why = "cut off" if why == "Input data was truncated" else why
            at = int(place.rstrip(")")) if place else len(body)
            raise self._unreadable(f"not JSON ({why}) at byte {at}", self._body, at) from None

    def _unreadable(self, why: str, body: bytes, at: int = 0) -> UpstreamError:
        """An error that quotes the body around the byte where it cannot be read."""
        edge = self._redactor.window(0)
        before = body[max(0, at - 4 * (_BEFORE + edge)) : at].decode("utf-8", "replace")
        after = body[at : at + 4 * (_QUOTED + edge)].decode("utf-8", "replace")
        # What is left of the quote is redacted too, then cut: a secret may reach across its edge.
        left = max(0, len(before) - _BEFORE)
        outside = self._redactor.shorten(before + after, left)
        quote = self._redactor.shorten(before + after, left + _QUOTED)
        if quote.startswith(outside):
            quote = ("…" if left else "") + quote.removeprefix(outside)
        kind = self.headers.get("Content-Type", "no content type")
        return UpstreamError(
            f"{self._request_line} answered {self.status_code} with {kind}, which is {why}: "
            f"{quote.strip() or 'an empty body'}",
            status=self.status_code,
        )

    def _at(self, path: str) -> tuple[Any, str]:
        """The JSON at a path and ""; or that where the path stops, and the rest of the path."""
        if not path:
            return self._read(codec.well_formed, self._body), ""
        raw: Any = self._body
        rest, above = path, tuple[str, ...]()
        while rest:
            if above not in self._levels:
                members = self._read(codec.members, raw)
                self._levels[above] = members or {}
            level = self._levels[above]
            name, _, below = (rest, "", "") if rest in level else rest.partition(".")
            if name not in level:
                break
            raw, rest, above = level[name], below, (*above, name)
        return raw, rest

    def _missing(self, path: str, raw: Any, rest: str, default: str) -> UpstreamError:
        """An error for a path that stops at this JSON, with this rest of it left."""
        above = path.removesuffix(rest).removesuffix(".")
        level = codec.members(raw)
        if level is None and not above and bytes(memoryview(raw)[:1]) == b"[":
            there = "it is a list itself, so leave the path out"
        elif level is None:
            there = f"{repr(above) if above else 'it'} starts {self._start(raw)}"
        else:
            there = f"the keys of {above!r} are " if above else "its keys are "
            there += ", ".join([*level][:_NAMES]) + (", …" if len(level) > _NAMES else "") or "none"
        return self._refused(
            f"the response to {self._request_line} has no {path!r}: {there}; if the upstream "
            f"leaves it out on the last page, write {default}"
        )

    def _refused(self, why: str) -> UpstreamError:
        """An error that quotes the response, and its `errors`, which GraphQL sends."""
        why += f". It says {self.start(_QUOTED)}"
        if len(self.content) > _QUOTED and (errors := self._errors()):
            why += f"; errors: {self._start(errors)}"
        return UpstreamError(why, status=self.status_code)

    def _errors(self) -> msgspec.Raw | None:
        errors, rest = self._at("errors")
        return errors if not rest and self._read(codec.parse, errors) else None

    def _start(self, raw: Any) -> str:
        window = 4 * self._redactor.window(_QUOTED)
        return self._redactor.shorten(bytes(raw)[:window].decode("utf-8", "replace"), _QUOTED)


def _link(header: str, rel: str) -> str | None:
    """The first reference of a relation in a Link header, as it is written, or None.

    `requests` cuts a URL at a semicolon and does not know `REL=`.
    """
    at = 0
    while (start := header.find("<", at)) >= 0 and (stop := header.find(">", start)) >= 0:
        at = stop + 1
        params: dict[str, str] = {}
        while found := re.compile(_PARAM, re.DOTALL).match(header, at):
            at = found.end()
            text = found[2] or ""
            if text[:1] in ('"', "'") and len(text) > 1:
                text = re.sub(r"\\(.)", r"\1", text[1:-1]) if text[0] == '"' else text[1:-1]
            params.setdefault(found[1].lower(), text)
        if rel.lower() in params.get("rel", "").lower().split() and "anchor" not in params:
            return header[start + 1 : stop].strip()
    return None
