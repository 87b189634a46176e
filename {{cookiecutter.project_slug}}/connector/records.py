# Owned by fivetran-azfn-template: updates replace this file.
"""Records of one table as JSON, with only their keys and cursors decoded; it knows no page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from connector import codec
from connector.cursors import Cursors, Point, dotted
from connector.errors import StepError, text_of
from connector.rows import Rows

_INDEX = re.compile(r"`\$\[(\d+)\]")
_SHOWN = 20  # fields of a record that an error lists
_UNSET = msgspec.UNSET


@dataclass(slots=True)
class Piece:
    """Encoded records of one table.

    Attributes:
        table: Its name.
        delete: Whether the records are deleted ones.
        data: The records as JSON, joined by commas.
        count: How many there are.
        keys: Primary key of each, as decoded; empty without a primary key.
    """

    table: str
    delete: bool
    data: bytes
    count: int
    keys: list[tuple[Any, ...]]

    def canonical(self) -> list[tuple[str, ...]]:
        """The keys in a form in which 1, 1.0 and "1" are the same, for a column may hold all."""
        return [tuple(map(_canonical, key)) for key in self.keys]


class Records:
    """Records of one table as JSON, with their keys and cursors decoded."""

    def __init__(self, table: str, key: Sequence[str], raw: bytes, cursor: str | None) -> None:
        self.table = table
        self.raw = raw
        self.names = _names(key, cursor)
        try:
            self.records = _decoder(self.names).decode(raw)
        except msgspec.ValidationError as error:
            at = _INDEX.search(str(error))
            raise StepError(
                f"a record of {table} is no JSON object: {str(error).partition(' - ')[0]}",
                record=int(at[1]) if at else None,
            ) from None
        self.keys = self._keys(key)
        self.kept: list[int] | None = None
        self.dated = False

    def _keys(self, key: Sequence[str]) -> list[tuple[Any, ...]]:
        if not key:
            return []
        columns = []
        for name in key:
            field = attrgetter(f"f{self.names.index(name)}")
            columns.append([field(record) for record in self.records])
            for index, value in enumerate(columns[-1]):
                if value is None or value is _UNSET or type(value) in (list, dict):
                    what = "is no single value" if type(value) in (list, dict) else "is missing"
                    raise StepError(
                        f"the primary key {name!r} of a {self.table} {what}: every record needs it "
                        f"(this one has {self._fields(index)})",
                        record=index,
                    )
        return list(zip(*columns, strict=True))

    def _fields(self, index: int) -> str:
        names = msgspec.json.decode(self.apart()[index])
        # A byte order mark in a CSV's first name is nothing that one sees.
        fields = [
            name if name.isprintable() and name.strip() == name else repr(name) for name in names
        ]
        return ", ".join(fields[:_SHOWN]) + (" …" if len(fields) > _SHOWN else "") or "no field"

    def points(self, path: str, cursors: Cursors) -> list[Point | None]:
        """The cursor of each record, None where it has none that counts.

        Raises:
            StepError: A value can be no cursor of the entity.
        """
        whole = f"f{self.names.index(path)}"
        top, _, below = path.partition(".")
        root = f"f{self.names.index(top)}"
        points: list[Point | None] = []
        for index, record in enumerate(self.records):
            value = getattr(record, whole)
            if value is _UNSET and below:
                inner = getattr(record, root)
                value = dotted(inner, below, _UNSET) if isinstance(inner, dict) else _UNSET
            self.dated = self.dated or value is not _UNSET
            try:
                points.append(None if value is _UNSET else cursors.read(value))
            except ValueError as error:
                raise StepError(
                    f"the cursor {path!r} of a {self.table}: {error}", record=index
                ) from None
        return points

    def apart(self) -> list[msgspec.Raw]:
        """The records one by one, as bytes."""
        return msgspec.json.decode(self.raw, type=list[msgspec.Raw])

    def drop(self, gone: set[tuple[str, ...]]) -> None:
        """Leave out the records with these keys."""
        keys = [tuple(map(_canonical, key)) for key in self.keys]
        self.kept = [index for index, key in enumerate(keys) if key not in gone]

    def piece(self, *, delete: bool) -> Piece:
        if self.kept is None:
            return Piece(
                self.table, delete, self.raw.strip()[1:-1].strip(), len(self.records), self.keys
            )
        return choose(Piece(self.table, delete, self.raw, len(self.records), self.keys), self.kept)


def choose(piece: Piece, kept: Sequence[int]) -> Piece:
    """The piece with some of its records only."""
    data = piece.data if piece.data.lstrip()[:1] == b"[" else b"[" + piece.data + b"]"
    rows = msgspec.json.decode(data, type=list[msgspec.Raw])
    return Piece(
        piece.table,
        piece.delete,
        b",".join(bytes(rows[index]) for index in kept),
        len(kept),
        [piece.keys[index] for index in kept] if piece.keys else [],
    )


def read(table: str, key: Sequence[str], rows: Any, cursor: str | None) -> Records:
    untouched = rows.untouched if isinstance(rows, Rows) else None
    raw = untouched if untouched is not None else codec.encode(_plain(table, rows))
    return Records(table, key, raw, cursor)


def _plain(table: str, rows: Any) -> list[Any]:
    if isinstance(rows, (str, bytes, Mapping)) or not isinstance(rows, Iterable):
        raise StepError(
            f"the records of {table} are of type {type(rows).__name__}: give a list of dicts"
        )
    plain: list[Any] = []
    for index, row in enumerate(_each(table, rows)):
        if not isinstance(row, Mapping):
            raise StepError(
                f"a record of {table} is no JSON object but of type {type(row).__name__}",
                record=index,
            )
        try:
            plain.append(codec.plain(row))
        except TypeError as error:
            raise StepError(f"a record of {table}, {error}", record=index) from None
    return plain


def _each(table: str, rows: Iterable[Any]) -> Iterator[Any]:
    """The rows one by one; what a generator of the step's raises is said to be the step's."""
    index = 0
    try:
        for row in rows:
            yield row
            index += 1
    except Exception as error:
        raise StepError(
            f"the records of {table} could not be read to their end: "
            f"{type(error).__name__}: {text_of(error)}",
            record=index,
        ) from error


def _names(key: Sequence[str], cursor: str | None) -> tuple[str, ...]:
    wanted = [*key]
    if cursor is not None:
        wanted += [cursor, cursor.partition(".")[0]]
    return tuple(dict.fromkeys(wanted))


@lru_cache(maxsize=256)
def _decoder(names: tuple[str, ...]) -> msgspec.json.Decoder[Any]:
    fields = [
        (f"f{index}", Any, msgspec.field(name=name, default=_UNSET))
        for index, name in enumerate(names)
    ]
    return msgspec.json.Decoder(list[msgspec.defstruct("Record", fields)], float_hook=Decimal)  # type: ignore[misc]


def _canonical(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return str(value)
