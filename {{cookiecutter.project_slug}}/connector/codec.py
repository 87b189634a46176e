# Owned by fivetran-azfn-template: updates replace this file.
"""JSON bytes and Python values, exact both ways; it knows nothing of pages or replies."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from decimal import Decimal
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

    Raises:
        msgspec.MsgspecError: It is no JSON, or not of the type.
        RecursionError: It is nested more deeply than can be read.
    """
    try:
        return msgspec.json.decode(body, type=type)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        mended = whole(body)
        if mended == body:
            raise
        return msgspec.json.decode(mended, type=type)


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
