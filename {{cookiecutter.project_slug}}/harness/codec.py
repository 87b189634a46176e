"""JSON with exact numbers: integers of any size, all other numbers as Decimal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def decode_strictly(data: bytes | str) -> Any:
    """As `decode`, without half surrogate pairs.

    Raises:
        msgspec.DecodeError: It is not JSON or has half a surrogate pair; says at which byte.
    """
    return _DECODER.decode(data)


def decode(data: bytes | str) -> Any:
    """A JSON text as Python values; half surrogate pairs stay as they are.

    Raises:
        ValueError: It is not JSON (NaN, Infinity and a byte order mark are not), or not UTF-8.
    """
    try:
        return decode_strictly(data)
    except msgspec.DecodeError:  # msgspec has no half surrogate pairs
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse)


def encode(value: Any) -> bytes:
    """Compact JSON of decoded values, numbers as they are; half surrogate pairs are escaped."""
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        return _ascii(value).encode("ascii")


def scalars(value: Any) -> Iterator[Any]:
    """Texts and numbers anywhere in a decoded value."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from scalars(item)
    elif value is not None and not isinstance(value, bool):
        yield value


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _ascii(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{_ascii(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_ascii, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value)
    return _ENCODER.encode(value).decode()
