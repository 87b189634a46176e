# Owned by fivetran-azfn-template: updates replace this file.
"""A step's page, checked and encoded into pieces of a reply; it knows no walk and no state."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connector import codec
from connector.auth import ApiKey
from connector.cursors import Point
from connector.entity import Entity
from connector.errors import StepError
from connector.records import Piece, read
from connector.step import Page


@dataclass(slots=True)
class Packed:
    """A page, ready to be delivered.

    Attributes:
        pieces: What goes into the reply.
        rows: How many records of the entity the step gave.
        count: How many records it gave in all, deleted ones and those of other tables included.
        points: Cursor of each record that has one, in order; `None` for the others.
        gone: Cursors of the deleted records that carry one.
        dated: Whether any record has the column of the cursor, be it null.
        digest: Of everything in the page; "" for an empty page.
        prints: Digest of each record, where the entity has no primary key.
        next_token: Where the next page starts, or None.
        given: A list of one: the position that the step gave with Page(cursor=), or None.
        leaks: Tables of which a record holds a secret by value.
    """

    pieces: list[Piece] = field(default_factory=list)
    rows: int = 0
    count: int = 0
    points: list[Point | None] = field(default_factory=list)
    gone: list[Point] = field(default_factory=list)
    dated: bool = False
    digest: str = ""
    prints: list[str] = field(default_factory=list)
    next_token: Any = None
    given: list[Any] | None = None
    leaks: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes that the page adds to a reply."""
        return sum(len(piece.data) for piece in self.pieces)


def pack(entity: Entity, page: Page) -> Packed:
    """Check a page against its entity's declaration and encode it.

    Raises:
        StepError: It breaks the step's contract; the text names table and record.
    """
    packed = Packed(next_token=_token(entity, page.next_token))
    if page.has_cursor:
        if entity.cursor is not None:
            raise StepError("Page(cursor=) does not go with the entity's cursor: use one of them")
        if entity.soft_delete:
            raise StepError("Page(cursor=) does not go with soft_delete, which reads everything")
        packed.given = [_kept(entity, page.cursor, "Page(cursor=)")]
    gone = {
        table: read(table, _key(entity, table), rows, entity.cursor)
        for table, rows in _deleted(entity, page).items()
    }
    own = read(entity.name, entity.primary_key, page.rows, entity.cursor)
    packed.rows = len(own.records)
    if entity.cursor is not None:
        packed.points = own.points(entity.cursor, entity.cursors)
        packed.dated = own.dated
    if not entity.primary_key:
        packed.prints = [digest(bytes(row)) for row in own.apart()]
    tables = {
        table: read(table, _key(entity, table, adds=True), rows, None)
        for table, rows in page.tables.items()
    }
    everything = hashlib.blake2b(digest_size=8)
    for rows in (own, *tables.values(), *gone.values()):
        packed.count += len(rows.records)
        everything.update(rows.raw)
    if packed.count:
        packed.digest = everything.hexdigest()
    for rows in gone.values():
        if entity.cursor is not None:
            points = rows.points(entity.cursor, entity.cursors)
            packed.gone += [point for point in points if point is not None]
        packed.pieces.append(rows.piece(delete=True))
    for rows in (own, *tables.values()):
        if rows.table in gone:
            rows.drop(set(gone[rows.table].piece(delete=True).canonical()))
        packed.pieces.append(rows.piece(delete=False))
    packed.pieces = [piece for piece in packed.pieces if piece.count]
    return packed


def digest(data: bytes) -> str:
    """A short fingerprint of some bytes."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _deleted(entity: Entity, page: Page) -> Mapping[str, Any]:
    if isinstance(page.deleted, Mapping):
        return page.deleted
    if isinstance(page.deleted, Sequence) and not len(page.deleted):
        return {}
    return {entity.name: page.deleted}


def _key(entity: Entity, table: str, *, adds: bool = False) -> Sequence[str]:
    keys = {entity.name: entity.primary_key, **entity.tables}
    if table not in keys or (adds and table not in entity.tables):
        raise StepError(
            f"the page has records of {table!r}, which {entity.name!r} does not declare: "
            f'add tables={{"{table}": ["id"]}} to its @source.entity'
        )
    if not adds and not keys[table]:
        raise StepError(
            f"{table!r} has no primary_key, and without one nothing can be deleted: "
            "declare primary_key"
        )
    return keys[table]


def _token(entity: Entity, value: Any) -> Any:
    ends = value is None or value is False or value == ""
    return None if ends else _kept(entity, value, "next_token")


def _kept(entity: Entity, value: Any, name: str) -> Any:
    """A value of the step's that goes into the state."""
    try:
        return _stripped(entity, codec.plain(value))
    except TypeError as error:
        raise StepError(f"{name} is no JSON value: {error}") from None


def _stripped(entity: Entity, value: Any) -> Any:
    """A value for the state without the parameter that carries the API key; it is added on use."""
    auth = entity.source.auth
    if isinstance(auth, ApiKey):
        if isinstance(value, str):
            return auth.strip(value)
        if isinstance(value, list):
            return [_stripped(entity, item) for item in value]
        if isinstance(value, dict):
            return {name: _stripped(entity, item) for name, item in value.items()}
    return value
