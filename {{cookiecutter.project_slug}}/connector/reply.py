# Owned by fivetran-azfn-template: updates replace this file.
"""The reply of one call, from pieces to bytes; what goes in is decided elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from connector import codec
from connector.records import Piece


class Reply:
    """Pieces of one reply, by table, in the order in which they were read."""

    def __init__(self) -> None:
        self._insert: dict[str, list[Piece]] = {}
        self._delete: dict[str, list[Piece]] = {}
        self._marked: list[str] = []
        self._inserted: dict[str, set[tuple[str, ...]]] = {}
        self._deleted: dict[str, set[tuple[str, ...]]] = {}
        self.size = 0
        self.rows = 0

    @property
    def empty(self) -> bool:
        """Whether it changes nothing at the destination."""
        return not self.rows and not self._marked

    def takes(self, pieces: Iterable[Piece]) -> bool:
        """Whether the pieces may join: no table marked, no key in both `insert` and `delete`.

        The order in which Fivetran applies the parts of one reply is documented nowhere.
        """
        pieces = list(pieces)
        for piece in pieces:
            if piece.table in self._marked:
                return False
            others = self._insert if piece.delete else self._delete
            if piece.table not in others:
                continue
            keys = self._keys(piece.table, delete=not piece.delete)
            if any(key in keys for key in piece.canonical()):
                return False
        return True

    def add(self, pieces: Iterable[Piece]) -> None:
        """Put in the pieces of one page."""
        for piece in pieces:
            side = self._delete if piece.delete else self._insert
            side.setdefault(piece.table, []).append(piece)
            self.size += len(piece.data) + 1
            self.rows += piece.count

    def mark(self, table: str) -> None:
        """Mark all rows of a table as deleted; its rows follow in a later reply."""
        self._marked.append(table)

    def encoded(
        self, state: Mapping[str, Any], schema: Mapping[str, Any], *, has_more: bool
    ) -> bytes:
        """The reply as JSON."""
        parts = [b'{"state":', codec.encode(state), b',"insert":']
        parts += _object(self._insert)
        if self._delete:
            parts += [b',"delete":', *_object(self._delete)]
        if schema:
            parts += [b',"schema":', codec.encode(schema)]
        if self._marked:
            parts += [b',"softDelete":', codec.encode(self._marked)]
        parts += [b',"hasMore":', b"true" if has_more else b"false", b"}"]
        return b"".join(parts)

    def _keys(self, table: str, *, delete: bool) -> set[tuple[str, ...]]:
        pieces = (self._delete if delete else self._insert).get(table, ())
        known = (self._deleted if delete else self._inserted).setdefault(table, set())
        for piece in pieces:
            known.update(piece.canonical())
            piece.keys = []
        return known


def _object(side: Mapping[str, list[Piece]]) -> list[bytes]:
    parts = [b"{"]
    for table, pieces in side.items():
        parts += [b"," if len(parts) > 1 else b"", codec.encode(table), b":["]
        for index, piece in enumerate(pieces):
            parts += [b"," if index else b"", piece.data]
        parts.append(b"]")
    parts.append(b"}")
    return parts
