# Owned by fivetran-azfn-template: updates replace this file.
"""JSON text of decoded values, numbers exactly as they are; it never writes what is not JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_HALF_PAIR = re.compile("[\ud800-\udfff]")


def dump(value: Any) -> str:
    """`value` as compact JSON that reads back as the very same value, half surrogate pairs too."""
    try:
        return _ENCODER.encode(value).decode()
    except UnicodeEncodeError:
        return _spell(value, json.dumps)


def dump_sound(value: Any) -> str:
    """`value` as compact JSON that every reader takes: half surrogate pairs become U+FFFD."""
    try:
        return _ENCODER.encode(value).decode()
    except UnicodeEncodeError:
        return _spell(value, lambda text: json.dumps(sound(text), ensure_ascii=False))


def load(text: str) -> Any:
    """What `dump` was given: numbers with a point or an exponent as Decimal."""
    return json.loads(text, parse_float=Decimal)


def sound(text: str) -> str:
    """`text` with every half of a surrogate pair as U+FFFD: such halves have no UTF-8."""
    return _HALF_PAIR.sub("\ufffd", text)


def _spell(value: Any, text: Callable[[str], str]) -> str:
    if isinstance(value, dict):
        return (
            "{" + ",".join(f"{text(key)}:{_spell(item, text)}" for key, item in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(_spell(item, text) for item in value) + "]"
    if isinstance(value, str):
        return text(value)
    return _ENCODER.encode(value).decode()
