# Owned by fivetran-azfn-template: updates replace this file.
"""JSON bytes and Python values, exact both ways; it knows nothing of pages or replies."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import msgspec

encode = msgspec.json.Encoder(decimal_format="number").encode
decode_exact = msgspec.json.Decoder(float_hook=Decimal).decode

_PLAIN = frozenset((str, int, bool, type(None)))
_ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\.",
    re.DOTALL,
)


def utf8(body: bytes, charset: str | None = None) -> bytes:
    """The body as UTF-8 without a byte order mark.

    Raises:
        UnicodeError: It is not in the charset it claims to be.
    """
    if body.startswith(b"\xef\xbb\xbf"):
        return utf8(body[3:])
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return body.decode("utf-16").encode()
    if charset and charset.lower().replace("_", "-") not in ("utf-8", "utf8", "us-ascii", "ascii"):
        try:
            return body.decode(charset).encode()
        except LookupError:
            pass
    body.decode("utf-8")
    return body


def whole(body: bytes) -> bytes:
    """The JSON text with each half of a surrogate pair that stands alone turned into U+FFFD."""
    return _ESCAPES.sub(lambda found: _lone(found[0]), body)


def parse(body: bytes, type: Any = Any) -> Any:
    """Decode JSON, mending lone surrogates where there are some.

    Numbers with a fraction are floats; those that no float can hold (`1e400`) are Decimal.

    Raises:
        msgspec.MsgspecError: It is no JSON, or not of the type.
        RecursionError: It is nested more deeply than can be read.
    """
    try:
        return msgspec.json.decode(body, type=type)
    except msgspec.ValidationError:
        # Another type, or a number that is out of range.
        return msgspec.json.Decoder(type, float_hook=_number).decode(body)
    except msgspec.DecodeError:
        mended = whole(body)
        if mended == body:
            raise
        return parse(mended, type)


def members(body: bytes) -> dict[str, Any] | None:
    """The members of an object, left as bytes; None for any other JSON."""
    try:
        found: dict[str, Any] = parse(body, dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        return None
    return found


def at(body: bytes, path: str) -> tuple[Any, str]:
    """The bytes at a dotted path and ""; or those of where it stops, and the rest of the path.

    At each level the longest key goes first, for keys may hold dots themselves.

    Args:
        body: JSON, known to be well-formed.
        path: Names joined by dots; empty: the body itself.
    """
    if not path:
        return body, ""
    level, stop = members(body) or {}, (body, path)
    for name, rest in _ways(path):
        if name in level:
            found = at(level[name], rest)
            if not found[1]:
                return found
            stop = min(stop, found, key=lambda end: len(end[1]))
    return stop


def plain(value: Any) -> Any:
    """A Python value as JSON can carry it.

    Decimal stays a number; date, datetime and UUID become ISO text; NaN and infinities null.

    Raises:
        TypeError: The value, or one inside it, is of another type; the text names its place.
    """
    kind = type(value)
    if kind in _PLAIN:
        return _scalar(value) if kind is str else value
    if kind is dict:
        return {_name(key): _inside(key, item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [_inside(index, item) for index, item in enumerate(value)]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str):
        return _scalar(str(value))
    if isinstance(value, int):
        return int(value)
    if hasattr(value, "items"):
        return {_name(key): _inside(key, item) for key, item in value.items()}
    raise TypeError(f"a value of type {kind.__name__} cannot be sent as JSON")


def loose(value: Any) -> Any:
    """A value from the state as the step gave it: numbers with a fraction are floats again.

    A number that no float holds exactly as it is written stays a Decimal.
    """
    if isinstance(value, Decimal):
        number = float(value)
        return number if Decimal(repr(number)) == value else value
    if isinstance(value, dict):
        return {key: loose(item) for key, item in value.items()}
    if isinstance(value, list):
        return [loose(item) for item in value]
    return value


def _ways(path: str) -> Iterator[tuple[str, str]]:
    """The names that a path may begin with, longest first, and what is left of it."""
    yield path, ""
    dot = path.rfind(".", 0, -1)
    while dot >= 0:
        yield path[:dot], path[dot + 1 :]
        dot = path.rfind(".", 0, dot)


def _number(text: str) -> float | Decimal:
    number = float(text)
    if math.isfinite(number):
        return number
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of more than 18 digits
        return number


def _scalar(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _name(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"the key {key!r} is of type {type(key).__name__}; keys are text")
    return _scalar(key)


def _inside(key: Any, value: Any) -> Any:
    if type(value) in _PLAIN and type(value) is not str:
        return value
    try:
        return plain(value)
    except TypeError as error:
        place, _, why = str(error).rpartition(": ")
        path = f"{key}.{place.removeprefix('field ')}" if place.startswith("field ") else key
        raise TypeError(f"field {path}: {why}") from None


def _lone(escape: bytes) -> bytes:
    return (
        rb"\ufffd" if len(escape) == 6 and escape[1:2] == b"u" and escape[2:3] in b"dD" else escape
    )
