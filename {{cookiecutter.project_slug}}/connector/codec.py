"""JSON bytes to Python values and back, without loss.

What decodes raises msgspec.DecodeError for what is not JSON. All functions raise RecursionError
for what is nested too deeply or contains itself.
"""

from __future__ import annotations

import json
import math
import re
from collections import UserList
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from connector import clock

T = TypeVar("T")
_INT_DIGITS = 4300  # of an int that Python converts to and from text
_INT_BITS = 14_000  # an int up to this size has fewer digits
_HALF = rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}"  # of a surrogate pair
_PAIR = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"

_floats = msgspec.json.Decoder().decode
_decimals = msgspec.json.Decoder(float_hook=Decimal).decode
_syntax = msgspec.json.Decoder(msgspec.Raw).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode

# What msgspec writes as it should be written; it also writes bytes, sets and durations.
_WRITTEN = frozenset((str, int, float, bool, type(None), date, UUID))
_CONVERTED = (str, int, float, Decimal, date, UUID)


class NotJson(TypeError):
    """A value that JSON cannot carry, and the names and indexes that lead to it."""

    def __init__(self, why: str, *path: Any) -> None:
        super().__init__(f"field {'.'.join(map(str, path))}: {why}" if path else why)
        self.why = why
        self.path = path


def utf8(body: bytes, charset: str = "") -> bytes:
    """A text as UTF-8 without a byte order mark; what can be UTF-8 is, whatever it declares.

    UnicodeDecodeError if it is neither UTF-8 nor in its charset.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    charsets = ["utf-8", charset or "utf-8"]
    if b"\0" in body or b"\x1b" in body:  # UTF-16 without a mark, and charsets of seven bits
        charsets.reverse()
    for name in charsets:
        with suppress(LookupError, UnicodeError):  # Python may not know the charset
            text = body.decode(name)
            return body if name == "utf-8" else text.encode()
    body.decode()  # raises
    return body


# ---- writing


def encode(value: Any) -> bytes:
    """JSON of a value as `jsonable` or a decoder gives it, its numbers exact."""
    try:
        return _encode(value)
    except (TypeError, ValueError):
        return _encode(jsonable(value))


def encode_quickly(records: Sequence[dict[Any, Any]]) -> bytes | None:
    """JSON of a list of records, or None if `jsonable` must convert or refuse them."""
    try:
        data = _encode(records)
        return data if _is_written(records) else None
    except Exception:
        return None


def jsonable(value: Any, *, exact: bool = False) -> Any:
    """A Python value as JSON can carry it.

    Decimal stays a number; date, datetime and UUID become ISO text, an Enum its value; NaN, NaT
    and infinities None, or an error if `exact`; half a surrogate pair U+FFFD. Any other type is
    NotJson.
    """
    if isinstance(value, (list, tuple, UserList)):  # Rows, or a part of them
        return [_inside(index, item, exact) for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {_name(name): _inside(name, item, exact) for name, item in value.items()}
    converted = _scalar(value)
    if exact and converted is None and value is not None:
        raise NotJson(f"{value} is not JSON")
    return converted


def _inside(name: Any, value: Any, exact: bool) -> Any:
    try:
        return jsonable(value, exact=exact)
    except NotJson as error:
        raise NotJson(error.why, name, *error.path) from None


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise NotJson(f"the key {name!r} is of type {type(name).__name__}; keys must be text")
    return _text(name)


def _scalar(value: Any) -> Any:
    """A single value as JSON can carry it; called by msgspec for types that it does not know."""
    if isinstance(value, Enum):
        return jsonable(value.value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return int(value) if value.bit_length() < _INT_BITS else Decimal(int(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return Decimal(value) if value.is_finite() else None
    if isinstance(value, date):
        if value != value:  # pandas.NaT
            return None
        return clock.iso_text(value)
    if isinstance(value, UUID):
        return str(value)
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    raise NotJson(f"a value of type {kind} cannot be sent as JSON")


def _text(text: str) -> str:
    text = str.__str__(text)  # of a subclass too
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=_scalar).encode


def _is_written(dicts: Sequence[Any]) -> bool:
    """Whether msgspec writes every value in these dicts as it should be written.

    A level and a column at a time: most columns are of one type, and the work is done in C.
    """
    lists: Sequence[Any] = ()
    while dicts or lists:
        columns = [*_columns(dicts), [*chain.from_iterable(lists)]]
        dicts, lists = [], []
        for column in columns:
            kinds = set(map(type, column))
            for kind in kinds - _WRITTEN:
                found = column if len(kinds) == 1 else [v for v in column if type(v) is kind]
                if issubclass(kind, dict):
                    dicts += found if kind is dict else map(dict, found)
                elif issubclass(kind, (list, tuple)):
                    lists += found
                elif not _is_kind_written(kind, found):
                    return False
    return True


def _columns(dicts: Sequence[dict[Any, Any]]) -> list[list[Any]]:
    """The values of some dicts, name by name if all have the same names, which must be text."""
    names, columns = set().union(*dicts[:1]), []
    if set(map(len, dicts)) == {len(names)}:
        with suppress(KeyError):
            columns = [list(map(itemgetter(name), dicts)) for name in names]
    if not columns:
        names, columns = names.union(*dicts), [[*chain.from_iterable(map(dict.values, dicts))]]
    if not all(isinstance(name, str) for name in names):
        raise TypeError
    return columns


def _is_kind_written(kind: type, values: Iterable[Any]) -> bool:
    if kind is Decimal:
        return all(map(Decimal.is_finite, values))
    if kind is datetime:
        # msgspec rounds an offset to minutes; local time before time zones had seconds.
        offsets = set(map(datetime.utcoffset, values)) - {None}
        return not any(offset.total_seconds() % 60 for offset in offsets if offset)
    if issubclass(kind, Enum):
        return {type(value.value) for value in values} <= _WRITTEN
    return issubclass(kind, _CONVERTED)


# ---- reading


def parse(body: Any) -> Any:
    """Decode JSON; numbers with a fraction are floats, Decimal if no float can hold them."""
    try:
        return _without_halves(_floats, body)
    except msgspec.ValidationError:
        return _parse_slowly(body, _fraction)


def decode_exact(body: Any) -> Any:
    """Decode JSON; numbers with a fraction are Decimal, so that they are written as they came."""
    try:
        return _without_halves(_decimals, body)
    except (msgspec.ValidationError, InvalidOperation):
        return _parse_slowly(body, _decimal)


def well_formed(body: Any) -> msgspec.Raw:
    """JSON without the space around it, checked but not decoded."""
    return _without_halves(_syntax, body)


def members(body: Any) -> dict[str, msgspec.Raw] | None:
    """The members of an object, checked but not decoded; None for any other JSON."""
    try:
        return _without_halves(_members, body)
    except msgspec.ValidationError:
        return None


def items(body: Any) -> list[msgspec.Raw]:
    """The items of a list, not decoded."""
    return _without_halves(_items, body)


def loose(value: Any) -> Any:
    """A value from the state as the step wrote it: Decimals that a float holds are floats again."""
    if isinstance(value, Decimal):
        number = float(value)
        return number if Decimal(repr(number)) == value else value
    if isinstance(value, dict):
        return {name: loose(item) for name, item in value.items()}
    if isinstance(value, list):
        return [loose(item) for item in value]
    return value


def _without_halves(decode: Callable[[Any], T], body: Any) -> T:
    """Decode JSON, if need be with half surrogate pairs replaced by U+FFFD."""
    try:
        return decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        replaced = _replaced(body)
        if replaced == bytes(body):
            raise
    return decode(replaced)


def _replaced(body: Any) -> bytes:
    def replacement(escape: re.Match[bytes]) -> bytes:
        return rb"\ufffd" if escape[1] else escape[0]

    return re.sub(rb"(?s)" + _PAIR + rb"|(" + _HALF + rb")|\\.", replacement, body)


def _parse_slowly(body: Any, fraction: Callable[[str], Any]) -> Any:
    """Decode JSON with a number that msgspec finds too large."""
    well_formed(body)  # its errors name the place
    return json.loads(_replaced(body), parse_float=fraction, parse_int=_integer)


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= _INT_DIGITS else Decimal(text)


def _fraction(text: str) -> float | Decimal:
    number = float(text)
    return number if math.isfinite(number) else _decimal(text)


def _decimal(text: str) -> float | Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of more than 18 digits
        return float(text)
