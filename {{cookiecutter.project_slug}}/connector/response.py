"""The upstream's response. Its records stay bytes until somebody looks at them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, MutableSequence
from typing import Any, TypeVar, overload
from urllib.parse import urljoin

import msgspec
import requests

from connector import codec
from connector.errors import UpstreamError
from connector.secrets import Redactor

T = TypeVar("T")
_REQUIRED: Any = object()
_SHOWN = 200  # characters of a body that an error quotes
_NAMES = 40  # keys of an object that an error lists
_BEFORE = 120  # of which so many stand before the place where JSON breaks
_EMPTY = re.compile(rb"\[\s*\]")
_BYTE = re.compile(r" \(byte (\d+)\)")
_PARAM = re.compile(  # of a Link header; single quotes are not in RFC 8288, but in use
    r"""\s*+;\s*+([^\s"'<>,;=]++)(?:\s*+=\s*+("[^"\\]*+(?:\\.[^"\\]*+)*+"|'[^']*+'|[^\s",;]*+))?+""",
    re.DOTALL,
)


class Rows(MutableSequence[dict[str, Any]]):
    """A list of records, left as the upstream's bytes until it is read.

    `len()` and truth read nothing. The first index, slice or iteration decodes once; from then on
    what the step sees, changes included, is what is delivered.

    Args:
        records: A JSON list, or records that are decoded already.
    """

    def __init__(self, records: msgspec.Raw | Iterable[dict[str, Any]] = ()) -> None:
        self._raw = records if isinstance(records, msgspec.Raw) else None
        self._decoded = [] if isinstance(records, msgspec.Raw) else [*records]
        self._count = -1

    @property
    def untouched(self) -> msgspec.Raw | None:
        """The JSON list as the upstream wrote it, or None once it was read."""
        return self._raw

    def _read(self) -> list[dict[str, Any]]:
        if self._raw is not None:
            self._decoded, self._raw = codec.parse(self._raw), None
        return self._decoded

    def __len__(self) -> int:
        if self._raw is None:
            return len(self._decoded)
        if self._count < 0:
            self._count = len(codec.items(self._raw))
        return self._count

    def __bool__(self) -> bool:
        return bool(self._decoded) if self._raw is None else not _EMPTY.fullmatch(self._raw)

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
    """The upstream's response: all of `requests.Response`, and its JSON by dotted path.

    The request it shows (`request`, `url`) is the one before credentials were added. The body is
    parsed once, however many questions are asked.
    """

    _redactor: Redactor
    _utf8: bytes | None
    _decoded: Any
    _scalars: dict[str, Any]  # top-level values of what json() gave, which a step cannot change
    _levels: dict[tuple[str, ...], dict[str, msgspec.Raw]]  # objects that were opened, by path
    _rows: dict[str, Rows]

    @classmethod
    def of(
        cls,
        reply: requests.Response,
        body: bytes,
        sent: requests.PreparedRequest,
        redactor: Redactor,
    ) -> Response:
        """The response with its complete body, beside the request as it was before signing.

        Args:
            reply: As requests received it.
            body: Its body, unpacked.
            sent: The request without credentials.
            redactor: Takes secrets out of what an error quotes, before it is cut.
        """
        response = cls()
        response.__dict__.update(reply.__dict__)
        # The adapter knows its proxy's password.
        response.__dict__.pop("connection", None)
        response.__dict__.update(_content=body, _content_consumed=True)
        response.raw, response.history = None, []
        response.request, response.url = sent, sent.url or ""
        response._redactor, response._utf8, response._decoded = redactor, None, _REQUIRED
        response._scalars, response._levels, response._rows = {}, {}, {}
        return response

    def json(self, **_: Any) -> Any:
        """The decoded body, the same object each time.

        Integers are exact, other numbers floats (Decimal beyond 1e308).

        Raises:
            UpstreamError: The body is not JSON.
        """
        if self._decoded is _REQUIRED:
            self._decoded = self._checked(codec.parse, self._body())
            if isinstance(self._decoded, dict):
                self._scalars = {
                    name: value
                    for name, value in self._decoded.items()
                    if not isinstance(value, (dict, list))
                }
        return self._decoded

    def rows(self, path: str = "", default: Iterable[dict[str, Any]] | None = _REQUIRED) -> Rows:
        """The list of records at a dotted path, or the body itself.

        `null` there, or a 2xx without a body (204), are no records.

        Args:
            path: Names joined by dots; a key that contains all of it (`@odata.nextLink`) is tried
                first. Empty: the body is the list.
            default: What a missing path gives (None: no records). Without it a missing path is an
                error.

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
        why = f"{what} to {self._asked()} is not a list of records but "
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
            default: What a missing path gives. Without it a missing path is an error: a typo must
                not end a walk after its first page.

        Raises:
            UpstreamError: There is no such path and no default, or the body is not JSON.
        """
        if path in self._scalars:
            return self._scalars[path]
        if self._has_no_body:
            return None if default is _REQUIRED else default
        raw, rest = self._at(path)
        if not rest:
            return self._checked(codec.parse, raw)
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
                f"the Link header of {self._asked()} has a {rel!r} that is not a URL ({error}): "
                f"{self._redactor.shorten(reference or '', _SHOWN)}"
            ) from None

    def start(self, length: int) -> str:
        """So many characters of the body for an error, redacted before they are cut."""
        # The widest character has four bytes.
        body = self.content[: 4 * self._redactor.window(length)]
        try:
            text = codec.utf8(body, self._charset()).decode()
        except UnicodeError:
            text = body.decode("utf-8", "replace")
        # UTF-16 without a mark reads as text with a NUL after each letter.
        return self._redactor.shorten(text.replace("\0", "").strip(), length) or "an empty body"

    @property
    def _has_no_body(self) -> bool:
        empty = not self.content or self.content.isspace()
        return 200 <= self.status_code < 300 and empty

    def _charset(self) -> str:
        kind = self.headers.get("Content-Type", "").lower()
        return kind.partition("charset=")[2].partition(";")[0].strip(" \"'")

    def _body(self) -> bytes:
        """The body as UTF-8."""
        if self._utf8 is None:
            try:
                self._utf8 = codec.utf8(self.content, self._charset())
            except UnicodeError as error:
                at = error.start if isinstance(error, UnicodeDecodeError) else 0
                raise self._unreadable(f"not {self._charset() or 'UTF-8'} text", at) from None
        return self._utf8

    def _checked(self, decode: Callable[[Any], T], body: Any) -> T:
        try:
            return decode(body)
        except RecursionError:
            raise self._unreadable("nested more deeply than can be read") from None
        except msgspec.DecodeError as error:
            why = str(error).removeprefix("JSON is malformed: ")
            found = _BYTE.search(why)
            at = int(found[1]) if found else len(body)
            why = "cut off" if why == "Input data was truncated" else _BYTE.sub("", why)
            raise self._unreadable(f"not JSON ({why})", at) from None

    def _unreadable(self, why: str, at: int = 0) -> UpstreamError:
        """An error that quotes the body around the byte where it cannot be read."""
        kind = self.headers.get("Content-Type", "no content type")
        return UpstreamError(
            f"{self._asked()} answered {self.status_code} with {kind}, which is {why} "
            f"at byte {at}: {self._around(at)}",
            status=self.status_code,
        )

    def _around(self, at: int) -> str:
        body, edge = self._utf8 or self.content, self._redactor.window(0)
        before = body[max(0, at - 4 * (_BEFORE + edge)) : at].decode("utf-8", "replace")
        after = body[at : at + 4 * (_SHOWN + edge)].decode("utf-8", "replace")
        # What is left of the quote is redacted too, then cut: a secret may reach across its edge.
        left = max(0, len(before) - _BEFORE)
        outside = self._redactor.shorten(before + after, left)
        shown = self._redactor.shorten(before + after, left + _SHOWN)
        if shown.startswith(outside):
            shown = ("…" if left else "") + shown.removeprefix(outside)
        return shown.strip() or "an empty body"

    def _at(self, path: str) -> tuple[Any, str]:
        """The JSON at a path and ""; or that where the path stops, and the rest of the path."""
        raw: Any = self._body()
        rest, above = path, tuple[str, ...]()
        if not path:
            return self._checked(codec.well_formed, raw), ""
        while rest:
            if above not in self._levels:
                members = self._checked(codec.members, raw)
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
        if level is None:
            there = f"{repr(above) if above else 'it'} starts {self._start(raw)}"
        else:
            there = f"the keys of {above!r} are " if above else "its keys are "
            there += ", ".join([*level][:_NAMES]) + (", …" if len(level) > _NAMES else "") or "none"
        return self._refused(
            f"the response to {self._asked()} has no {path!r}: {there}; if the upstream leaves it "
            f"out on the last page, write {default}"
        )

    def _refused(self, why: str) -> UpstreamError:
        """An error that quotes the response, and what stands under `errors` as in GraphQL."""
        why += f". It says {self.start(_SHOWN)}"
        if len(self.content) > _SHOWN and (errors := self._errors()):
            why += f"; errors: {self._start(errors)}"
        return UpstreamError(why, status=self.status_code)

    def _errors(self) -> msgspec.Raw | None:
        errors, rest = self._at("errors")
        return errors if not rest and self._checked(codec.parse, errors) else None

    def _asked(self) -> str:
        return f"{self.request.method} {self.url}"

    def _start(self, raw: Any) -> str:
        window = 4 * self._redactor.window(_SHOWN)
        return self._redactor.shorten(bytes(raw)[:window].decode("utf-8", "replace"), _SHOWN)


def _link(header: str, rel: str) -> str | None:
    """The first reference of a relation in a Link header, as it is written, or None.

    `requests` cuts a URL at a semicolon and does not know `REL=`.
    """
    at = 0
    while (start := header.find("<", at)) >= 0 and (stop := header.find(">", start)) >= 0:
        at = stop + 1
        params: dict[str, str] = {}
        while found := _PARAM.match(header, at):
            at = found.end()
            text = found[2] or ""
            if text[:1] in ('"', "'") and len(text) > 1:
                text = re.sub(r"\\(.)", r"\1", text[1:-1]) if text[0] == '"' else text[1:-1]
            params.setdefault(found[1].lower(), text)
        if rel.lower() in params.get("rel", "").lower().split() and "anchor" not in params:
            return header[start + 1 : stop].strip()
    return None
