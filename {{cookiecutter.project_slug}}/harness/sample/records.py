# Owned by fivetran-azfn-template: updates replace this file.
"""Records made after one example: the same keys, types and nesting, never a random value."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from zlib import crc32

from harness.sample.forms import Form
from harness.sample.paths import put
from harness.sample.spec import Entity

YEAR = 365 * 86400
_BASE = 1_700_000_000  # where years of made-up moments begin
_PARTS = 3  # a composite key counts its last columns up to this
_PROSE = (
    "Zoë Núñez",
    "東京 駅前",
    "naïve façade",
    "Ωμέγα και άλφα",
    "Łódź–Kraków",
    "مرحبا بالعالم",
    "two\nlines",
    'said "yes" \\ left',
    "O'Brien & Søn",
    "<b>bold</b> 🚚",
    "family 👩‍👩‍👧",
)
_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_COUNTED = re.compile(r"(.*?)(\d+)", re.DOTALL)

_Make = Callable[[int], Any]


class Maker:
    """Makes records of one entity, the same each time; the first is the example itself."""

    def __init__(self, entity: Entity) -> None:
        self._key = entity.primary_key
        self._example = entity.record
        self._cursor: list[str] = []
        if entity.cursor is not None:
            is_column = entity.cursor in entity.record
            self._cursor = [entity.cursor] if is_column else entity.cursor.split(".")
        self._nulls = entity.nulls
        if self._nulls is None:
            prose = (key for key, value in entity.record.items() if _is_prose(value))
            self._nulls = tuple(key for key in prose if key not in self._key)
        self._makes = {
            key: _make(value, crc32(f"{entity.name}.{key}".encode()))
            for key, value in entity.record.items()
            if key not in (*self._key, entity.cursor)
        }

    def make(self, number: int, revision: int, cursor: Any) -> dict[str, Any]:
        """A record.

        Args:
            number: Counts creations from 0; keys grow with it.
            revision: Counts the changes of the record from 0.
            cursor: Its cursor value; unused where the entity has none.
        """
        record = self._keys(number)
        seed = number * 1009 + revision
        for key, make in self._makes.items():
            record[key] = make(seed) if seed else self._example[key]
        for key in self._nulls or ():
            if seed and _draw(seed, crc32(key.encode())) % 11 == 0:
                record[key] = None
        if self._cursor:
            put(record, self._cursor, cursor)
        return {key: record[key] for key in self._example}

    def tombstone(self, number: int, cursor: Any) -> dict[str, Any]:
        """What is told of a deleted record: its primary key and its cursor value."""
        record = self._keys(number)
        if self._cursor:
            put(record, self._cursor, cursor)
        return record

    def _keys(self, number: int) -> dict[str, Any]:
        values = []
        for column in reversed(self._key[1:]):
            number, part = divmod(number, _PARTS)
            values.append(_numbered(self._example[column], part))
        values += [_numbered(self._example[column], number) for column in self._key[:1]]
        return dict(zip(self._key, reversed(values), strict=True))


def _numbered(example: Any, number: int) -> Any:
    if isinstance(example, int):
        return example + number
    if _ID.fullmatch(example):
        return str(uuid.UUID(int=(uuid.UUID(example).int + number) % 2**128))
    counted = _COUNTED.fullmatch(example)
    if counted is None:
        return f"{example}-{number:06d}" if number else example
    return counted[1] + str(int(counted[2]) + number).zfill(len(counted[2]))


def _draw(seed: int, salt: int) -> int:
    return crc32(b"%d" % seed, salt)


def _is_prose(example: Any) -> bool:
    return isinstance(example, str) and " " in example and _form(example) is None


def _form(example: str) -> Form | None:
    try:
        form = Form(example)
    except ValueError:
        return None
    return form if "-" in example[1:] else None


def _make(example: Any, salt: int) -> _Make:
    if isinstance(example, bool):
        return lambda seed: _draw(seed, salt) % 2 == 0
    if isinstance(example, int):
        return lambda seed: _near(example, seed, salt)
    if isinstance(example, Decimal):
        places = int(example.as_tuple().exponent)
        whole = int(example.scaleb(-places))
        return lambda seed: Decimal(_near(whole, seed, salt)).scaleb(places)
    if isinstance(example, dict):
        makes = {key: _make(value, crc32(key.encode(), salt)) for key, value in example.items()}
        return lambda seed: {key: make(seed) for key, make in makes.items()}
    if isinstance(example, list):
        items = [_make(value, crc32(b"[]", salt + index)) for index, value in enumerate(example)]
        return lambda seed: [
            items[index % len(items)](seed * 7 + index)
            for index in range(_draw(seed, salt) % (len(items) + 2) if items else 0)
        ]
    return _text(example, salt)


def _near(example: int, seed: int, salt: int) -> int:
    reach = min(abs(example), 2**31)
    return example + _draw(seed, salt) % (2 * reach + 1) - reach


def _text(example: str, salt: int) -> _Make:
    form = _form(example)
    if form is not None:
        return lambda seed: form.write(form.at((_BASE + _draw(seed, salt) % YEAR) * 10**9))
    if _ID.fullmatch(example):
        return lambda seed: str(uuid.UUID(int=_draw(seed, salt) << 96 | seed, version=4))
    if re.fullmatch(r"-?\d+\.\d+", example):
        number = _make(Decimal(example), salt)
        return lambda seed: str(number(seed))
    if re.fullmatch(r"\S+@\S+", example):
        name, host = example.rsplit("@", 1)
        return lambda seed: f"{name}.{_draw(seed, salt) % 10_000}@{host}"
    if " " in example:
        return lambda seed: f"{_PROSE[_draw(seed, salt) % len(_PROSE)]} {_draw(seed, salt) % 1000}"
    counted = _COUNTED.fullmatch(example)
    if counted is None:
        return lambda seed: example
    prefix, digits = counted.groups()
    return lambda seed: f"{prefix}{_draw(seed, salt) % 10 ** len(digits):0{len(digits)}d}"
