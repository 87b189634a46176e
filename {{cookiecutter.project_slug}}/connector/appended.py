# Owned by fivetran-azfn-template: updates replace this file.
"""Records without a primary key are appended: which of them came before, and must not again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from connector.cursors import Point
from connector.entity import Entity
from connector.errors import StepError
from connector.page import Packed
from connector.progress import Progress
from connector.records import choose
from connector.state import State, cursor_of

REMEMBERED = 1000  # digests that the state keeps
_DIGEST = 16  # characters


@dataclass(frozen=True, slots=True)
class Appended:
    """What was appended of one entity; one that has a primary key has nothing here."""

    entity: Entity
    state: State

    def check(self, floor: Point | None, progress: Progress, packed: Packed) -> None:
        """Refuse a page with which more would have to be remembered than can be.

        Args:
            floor: The cursor that can be committed after the page.

        Raises:
            StepError: It would.
        """
        _, skip, _ = self._sifted(progress, packed)
        if len(self.remembered(floor, progress, packed)) + len(skip) > REMEMBERED:
            raise StepError(
                f"more than {REMEMBERED} records without a primary key stand at or after the "
                "cursor that can be committed: declare primary_key"
            )

    def remembered(
        self, floor: Point | None, progress: Progress, packed: Packed
    ) -> list[tuple[Point, str]]:
        """Records that stand at or after the cursor to be committed."""
        read = self.entity.cursors.read
        known = [(read(value), found) for value, found in progress.seen]
        known += zip(packed.points, packed.prints, strict=True)
        return [
            (point, found)
            for point, found in known
            if point is not None and (floor is None or point.at >= floor.at)
        ]

    def leave_out(self, progress: Progress, packed: Packed) -> None:
        """Take what came before out of a page, and remember the rest while the walk lasts."""
        kept, progress.skip, again = self._sifted(progress, packed)
        progress.again = "".join(again)
        if len(kept) < packed.rows:
            packed.pieces = [
                choose(piece, kept) if piece.table == self.entity.name else piece
                for piece in packed.pieces
            ]
            packed.pieces = [piece for piece in packed.pieces if piece.count]
        progress.came += "".join(packed.prints[index] for index in kept)
        progress.many = progress.many or len(progress.came) > REMEMBERED * _DIGEST
        if progress.many:
            progress.came = ""

    def _sifted(self, progress: Progress, packed: Packed) -> tuple[list[int], list[str], list[str]]:
        """Which records are new, and the digests that are still to be left out after this page."""
        skip, again = Counter(progress.skip), Counter(_apart(progress.again))
        points = packed.points or [None] * packed.rows
        since = self._delivered_below(progress)
        kept = []
        for index, (point, found) in enumerate(zip(points, packed.prints, strict=True)):
            if skip[found] > 0:
                skip[found] -= 1
            elif again[found] > 0:
                again[found] -= 1
            elif point is None or since is None or point.at >= since.at:
                kept.append(index)
        return kept, list(skip.elements()), list(again.elements())

    def _delivered_below(self, progress: Progress) -> Point | None:
        """What lies below it came with an earlier walk (a feed without a filter)."""
        if self.entity.cursor is None or progress.whole:
            return None
        committed = cursor_of(self.entity, self.state.rest) is not None
        return self.entity.cursors.read(progress.since) if committed else None


def appends(entity: Entity) -> bool:
    """Whether any table that the entity fills has no primary key."""
    return not entity.primary_key or not all(entity.tables.values())


def too_many(entity: Entity, progress: Progress) -> bool:
    """Whether the walk has delivered more records without a key than it remembers."""
    return appends(entity) and progress.many


def _apart(digests: str) -> list[str]:
    return [digests[at : at + _DIGEST] for at in range(0, len(digests), _DIGEST)]
