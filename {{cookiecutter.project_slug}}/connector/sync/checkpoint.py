"""Which cursor may be committed, and which records without a key were delivered before."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from connector.cursors import Point
from connector.errors import ConnectorError, StepError, UpstreamError
from connector.http.client import Traffic
from connector.source import Entity
from connector.sync.page import EncodedPage
from connector.sync.state import Committed, WalkState
from connector.times import shown

REMEMBERED = 1000  # digests of records without a primary key that the state keeps


@dataclass(frozen=True, slots=True)
class CommitRules:
    """What the pages of one entity add to its cursor."""

    entity: Entity

    def observe(
        self, walk: WalkState, committed: Committed, page: EncodedPage, traffic: Traffic
    ) -> WalkState:
        """The walk after a page; records that were delivered before are taken out of the page.

        Raises:
            StepError: Cursors do not compare or come out of order, or too many records without a
                primary key would have to be remembered.
        """
        if walk.page == 0 and traffic.sent_at is not None:
            walk = replace(
                walk,
                bound=min(walk.bound, traffic.sent_at),
                horizon=max(walk.horizon, traffic.sent_at + 1),
            )
        if self.entity.cursor is None:
            return walk
        self._check_comparable(walk, committed, page)
        if self.entity.order is not None:
            self._check_sorted(walk, page)
        high = _later(walk.high, page.cursors.highest(walk.bound, walk.until))
        if self.entity.order == "asc":  # deleted rows may be ahead of records on later pages
            walk = replace(walk, last=page.cursors.last or walk.last)
        else:
            high = _later(high, page.deleted_cursors.highest(walk.bound, walk.until))
        odd = page.cursors.unreadable or page.deleted_cursors.unreadable
        walk = replace(
            walk,
            high=high,
            readable=walk.readable + page.cursors.readable + page.deleted_cursors.readable,
            unreadable=walk.unreadable or (shown(odd[0][1]) if odd else ""),
            has_column=walk.has_column or page.cursors.present or page.deleted_cursors.present,
        )
        if self.entity.primary_key:
            return walk
        return self._leave_out(walk, committed, page)

    def check_end(self, walk: WalkState, page: EncodedPage) -> None:
        """Refuse to end a walk whose cursors cannot be used.

        Raises:
            StepError: None of the values can be read, or no record has the column.
        """
        if self.entity.cursor is None or walk.readable:
            return
        if walk.unreadable:
            error = page.cursors.error or page.deleted_cursors.error
            why = error or f"{walk.unreadable} and all other values cannot be read"
            raise StepError(f"the cursor {self.entity.cursor!r}: {why}")
        if walk.first and walk.rows and not walk.has_column:
            raise StepError(
                f"none of {walk.rows} records has the cursor {self.entity.cursor!r}: "
                "cursor= names a column or a dotted path as the API spells it"
            )

    def refused_end(
        self, walk: WalkState, committed: Committed, page: EncodedPage
    ) -> ConnectorError | None:
        """Why a walk that comes to its end is not finished, or None."""
        try:
            self.check_end(walk, page)
        except StepError as error:
            return error
        had = walk.expected or committed.rows
        if self.entity.soft_delete is not True or walk.rows or not had:
            return None
        return UpstreamError(
            f"the upstream has no records, and the last reading had {had}: if it may really "
            'have none, declare soft_delete="may_be_empty"'
        )

    def commit(self, walk: WalkState, committed: Committed, *, all_read: bool) -> Committed:
        """What may be committed after a page; a cursor never goes backwards.

        Args:
            walk: After the page.
            committed: So far.
            all_read: Whether the walk came to the upstream's end: records that did not come again
                by then were deleted, and need not be remembered any longer.
        """
        entity = self.entity
        if entity.soft_delete:
            return Committed({"rows": walk.rows}, rows=walk.rows)
        if entity.cursor is None:
            return committed if walk.position is None else Committed(walk.position[0])
        cursor = _later(committed.cursor, walk.high)
        if entity.primary_key:
            return Committed(cursor.value, cursor) if cursor else committed
        floor = self._floor(cursor)
        seen = [digest for point, digest in walk.seen if not _below(point, floor)]
        seen += [] if all_read else walk.skip
        if cursor is None and not seen:
            return committed
        value = {"cursor": cursor.value if cursor else None, "seen": seen}
        return Committed(value, cursor, tuple(seen))

    def _check_comparable(self, walk: WalkState, committed: Committed, page: EncodedPage) -> None:
        known = walk.high or committed.cursor or walk.since
        found = page.cursors.mixed(known) or page.deleted_cursors.mixed(known)
        if found is not None:
            index, point, other = found
            raise StepError(
                f"the cursor {shown(point.value)} does not compare with {shown(other.value)}: "
                "one has an offset and the other has none. Declare timezone=, or write all in one "
                "form in the step",
                record=index,
            )

    def _check_sorted(self, walk: WalkState, page: EncodedPage) -> None:
        descending = self.entity.order == "desc"
        found = page.cursors.unsorted(None if descending else walk.last, descending)
        if found is not None:
            index, point, before = found
            raise StepError(
                f'order="{self.entity.order}", but {shown(point.value)} comes after '
                f"{shown(before.value)}: sort the upstream by {self.entity.cursor!r}, or leave "
                "out order",
                record=index,
            )

    def _leave_out(self, walk: WalkState, committed: Committed, page: EncodedPage) -> WalkState:
        """Take records that were delivered before out of a page, and remember the others."""
        skip, again, seen = Counter(walk.skip), Counter(walk.again), list(walk.seen)
        delivered, floor = [], self._floor(committed.cursor)
        rows = zip(page.cursors.points, page.digests, strict=True)
        for index, (point, digest) in enumerate(rows):
            if _below(point, floor):
                continue
            if again[digest] > 0:
                again[digest] -= 1
                continue
            seen.append((point, digest))
            if skip[digest] > 0:
                skip[digest] -= 1
            else:
                delivered.append(index)
        floor = self._floor(_later(committed.cursor, walk.high))
        seen = [(point, digest) for point, digest in seen if not _below(point, floor)]
        left = list(skip.elements())
        if len(seen) + len(left) > REMEMBERED:
            raise StepError(
                f"more than {REMEMBERED} records without a primary key have no cursor, or one at "
                "or after what can be committed: declare primary_key"
            )
        if len(delivered) < page.rows:
            page.keep(delivered)
        return replace(walk, seen=seen, skip=left, again=list(again.elements()))

    def _floor(self, cursor: Point | None) -> Any:
        """Where a cursor stands at the earliest: clocks that are put back show an hour twice."""
        return None if cursor is None else self.entity.cursors.earliest(cursor)


def _below(point: Point | None, floor: Any) -> bool:
    """Whether a record surely lies below a cursor, so that it need not be remembered."""
    return point is not None and floor is not None and bool(point.at < floor)


def _later(point: Point | None, other: Point | None) -> Point | None:
    if point is None or other is None:
        return point or other
    return other if other.at > point.at else point
