"""Which cursor may be committed, and which records without a key were delivered before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from connector.cursors import CursorError, Point
from connector.errors import ConnectorError, StepError, UpstreamError
from connector.http.client import Traffic
from connector.source import Entity
from connector.sync.page import EncodedPage
from connector.sync.state import Committed, WalkState
from connector.times import quoted

REMEMBERED = 1000  # digests of records without a primary key that the state keeps


class CommitRules:
    """What the pages of one entity add to its cursor."""

    def __init__(self, entity: Entity) -> None:
        self.entity = entity

    def observe(
        self, walk: WalkState, committed: Committed, page: EncodedPage, traffic: Traffic
    ) -> WalkState:
        """The walk after a page; records that were delivered before are taken out of the page."""
        if walk.page == 0 and traffic.sent_at is not None:
            walk = replace(
                walk,
                bound=min(walk.bound, traffic.sent_at),
                horizon=max(walk.horizon, traffic.sent_at + 1),
            )
        if self.entity.cursor is None:
            return walk
        known = walk.high or committed.cursor
        for cursors in (page.cursors, page.deleted_cursors):
            cursors.keep_alike(known if self.entity.appends else None)
            if self.entity.appends and cursors.top and known:
                self._check_alike(cursors.top, known)
        self._check_sorted(walk, page)
        rows, deleted, ascending = page.cursors, page.deleted_cursors, self.entity.order == "asc"
        high = _later(walk.high, rows.highest(walk.bound, walk.until))
        if not ascending:  # there, deleted rows may be ahead of records on later pages
            high = _later(high, deleted.highest(walk.bound, walk.until))
        walk = replace(
            walk,
            high=high,
            last=(rows.last or walk.last) if ascending else None,
            readable=walk.readable + rows.readable + deleted.readable,
            unreadable=walk.unreadable or str(rows.error or deleted.error or ""),
            has_column=walk.has_column or rows.present or deleted.present,
        )
        return walk if self.entity.primary_key else self._leave_out(walk, committed, page)

    def check_end(self, walk: WalkState) -> None:
        """Refuse to end a walk of which no cursor could be read, or none was there."""
        if self.entity.cursor is None or walk.readable:
            return
        if walk.unreadable:
            raise StepError(f"the cursor {self.entity.cursor!r}: {walk.unreadable}")
        if walk.first and walk.rows and not walk.has_column:
            raise StepError(
                f"none of {walk.rows} records has the cursor {self.entity.cursor!r}: "
                "cursor= names a column or a dotted path as the API spells it"
            )

    def refused_end(self, walk: WalkState, committed: Committed) -> ConnectorError | None:
        """Why a walk that comes to its end is not finished, or None."""
        try:
            self.check_end(walk)
        except StepError as error:
            return error
        had: Any = walk.expected or committed.rows
        if committed.value is not None and committed.value != {"rows": committed.rows}:
            had = had or "some"  # its state is that of an earlier declaration
        if self.entity.soft_delete is not True or walk.rows or not had:
            return None
        return UpstreamError(
            f"the upstream has no records, but the last reading had {had}: if it may really "
            'have none, declare soft_delete="may_be_empty"'
        )

    def commit(self, walk: WalkState, committed: Committed, *, all_read: bool) -> Committed:
        """What may be committed after a page; a cursor never goes backwards.

        Records that did not come again until all was read need not be remembered any longer.
        """
        entity = self.entity
        if entity.soft_delete:
            return Committed({"rows": walk.rows}, rows=walk.rows)
        if entity.cursor is None:
            return committed if walk.position is None else Committed(walk.position[0])
        cursor = _later(committed.cursor, walk.high)
        if entity.primary_key:
            return Committed(cursor.value, cursor) if cursor else committed
        may_come_again = self._at_or_after(cursor)
        seen = [digest for point, digest in walk.seen if may_come_again(point)]
        seen += [] if all_read else walk.skip
        if cursor is None and not seen:
            return committed
        value = {"cursor": cursor.value if cursor else None, "seen": seen}
        return Committed(value, cursor, tuple(seen))

    def _check_alike(self, point: Point, known: Point) -> None:
        """Refuse a new form where records that come again are recognized by their cursor."""
        try:
            self.entity.cursors.check_alike(point, known)
        except CursorError as error:
            raise StepError(f"the cursor {self.entity.cursor!r}: {error}") from None

    def _check_sorted(self, walk: WalkState, page: EncodedPage) -> None:
        order = self.entity.order
        found = page.cursors.unsorted(walk.last, order == "desc") if order else None
        if found is not None:
            index, point, before = found
            raise StepError(
                f'order="{order}", but {quoted(point.value)} comes after {quoted(before.value)}: '
                f"sort the upstream by {self.entity.cursor!r}, or leave out order",
                record=index,
            )

    def _leave_out(self, walk: WalkState, committed: Committed, page: EncodedPage) -> WalkState:
        """Take records that were delivered before out of a page, and remember the others."""
        skip, again, seen = Counter(walk.skip), Counter(walk.again), list(walk.seen)
        delivered, may_be_new = [], self._at_or_after(committed.cursor)
        rows = zip(page.cursors.points, page.digests, strict=True)
        for index, (point, digest) in enumerate(rows):
            if not may_be_new(point):
                continue
            if again[digest] > 0:
                again[digest] -= 1
                continue
            seen.append((point, digest))
            if skip[digest] > 0:
                skip[digest] -= 1
            else:
                delivered.append(index)
        may_come_again = self._at_or_after(_later(committed.cursor, walk.high))
        seen = [(point, digest) for point, digest in seen if may_come_again(point)]
        left = list(skip.elements())
        if len(seen) + len(left) > REMEMBERED:
            raise StepError(
                f"more than {REMEMBERED} records without a primary key have no cursor, or one at "
                "or after the cursor that can be committed: declare primary_key"
            )
        if len(delivered) < page.rows:
            page.select(delivered)
        return replace(walk, seen=seen, skip=left, again=list(again.elements()))

    def _at_or_after(self, cursor: Point | None) -> Callable[[Point | None], bool]:
        """A function that says whether a record may be at a cursor or after it."""
        floor = None if cursor is None else self.entity.cursors.earliest(cursor)
        return lambda point: point is None or floor is None or bool(point.at >= floor)


def _later(point: Point | None, other: Point | None) -> Point | None:
    if point is None or other is None:
        return point or other
    return other if other.at > point.at else point
