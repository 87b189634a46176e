# Owned by fivetran-azfn-template: updates replace this file.
"""Which cursor may be committed after a page, and which records were delivered before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from connector.appended import Appended
from connector.cursors import Point
from connector.entity import Entity
from connector.errors import StepError
from connector.page import Packed
from connector.progress import Progress
from connector.state import State, cursor_of

_A = {
    "instant": "an instant with an offset",
    "naive": "an instant without an offset",
    "number": "a number",
    "text": "text",
}


@dataclass(frozen=True, slots=True)
class Commits:
    """The committed cursor of one entity, and what a walk adds to it."""

    entity: Entity
    state: State

    def point(self, value: Any) -> Point | None:
        """A cursor value of this entity as a point."""
        return self.entity.cursors.read(value)

    def check(self, progress: Progress, packed: Packed) -> None:
        """Refuse a page whose cursors cannot be gone by, before anything of it counts.

        Raises:
            StepError: A cursor changes its kind, comes out of order, or no record has one; or too
                many records without a key would have to be remembered.
        """
        self._check_kinds(progress, packed)
        if self.entity.order is not None:
            self._check_order(progress, packed)
        if not self.entity.primary_key:
            self._appended.check(self._floor(progress, packed), progress, packed)
        if self._ends_undated(progress, packed):
            raise StepError(
                f"none of {progress.rows + packed.rows} records has the cursor "
                f"{self.entity.cursor!r}: cursor= names a column or a dotted path as the API "
                "spells it"
            )

    def note(self, progress: Progress, packed: Packed) -> None:
        """Take a page's cursors into the progress."""
        if not self.entity.primary_key:
            floor = self._floor(progress, packed)
            kept = self._appended.remembered(floor, progress, packed)
            progress.seen = [(point.value, found) for point, found in kept]
        if self.entity.order == "asc":
            # Tombstones may run ahead of records on pages to come: they count at the end.
            gone = self._allowed_highest(progress, packed.gone, progress.gone)
            progress.gone = gone.value if gone is not None else None
        high = self._highest(progress, packed)
        progress.high = high.value if high is not None else None
        progress.dated = progress.dated or packed.dated or bool(packed.gone)
        last = next((point for point in reversed(packed.points) if point is not None), None)
        if self.entity.order == "asc" and last is not None:
            progress.last = last.value

    def close(self, progress: Progress) -> None:
        """Count what had to wait for the end of the walk, or of the slice."""
        high, gone = self.point(progress.high), self.point(progress.gone)
        if gone is not None and (high is None or gone.at > high.at):
            progress.high = gone.value
        progress.gone = None

    def commit(self, progress: Progress, *, all_read: bool) -> None:
        """Put what the walk has earned into the state at rest; a cursor never goes backwards.

        Args:
            all_read: Whether the walk came to the upstream's end: what it has not met again by
                then is gone, and need not be remembered any longer.
        """
        entity, rest = self.entity, self.state.rest
        if entity.soft_delete:
            rest[entity.name] = {"rows": progress.rows}
        elif entity.cursor is None:
            if progress.given is not None:
                rest[entity.name] = progress.given[0]
        else:
            value = cursor_of(entity, rest)
            high, committed = self.point(progress.high), self.point(value)
            if high is not None and (committed is None or high.at > committed.at):
                value = high.value
            seen = [found for _, found in progress.seen]
            seen += [] if all_read else progress.skip
            if not entity.primary_key and (value is not None or seen):
                rest[entity.name] = {"cursor": value, "seen": seen}
            elif value is not None:
                rest[entity.name] = value

    @property
    def _appended(self) -> Appended:
        return Appended(self.entity, self.state)

    def _floor(self, progress: Progress, packed: Packed) -> Point | None:
        """The cursor that can be committed after a page."""
        high = self._highest(progress, packed)
        committed = self.point(cursor_of(self.entity, self.state.rest))
        return committed if high is None or (committed and committed.at > high.at) else high

    def _allowed(self, progress: Progress, point: Point) -> bool:
        """Whether a cursor lies neither after the walk's start nor after the slice's end."""
        until = self.point(progress.until)
        within = until is None or point.at <= until.at
        return within and not self.entity.cursors.held_back(point, progress.bound)

    def _highest(self, progress: Progress, packed: Packed) -> Point | None:
        gone = packed.gone if self.entity.order != "asc" else []
        return self._allowed_highest(progress, (*packed.points, *gone), progress.high)

    def _allowed_highest(
        self, progress: Progress, seen: Iterable[Point | None], before: Any
    ) -> Point | None:
        points = [point for point in seen if point is not None]
        points.sort(key=lambda point: point.at, reverse=True)
        found = next((point for point in points if self._allowed(progress, point)), None)
        high = self.point(before)
        if found is None or (high is not None and high.at >= found.at):
            return high
        return found

    def _check_kinds(self, progress: Progress, packed: Packed) -> None:
        since = self.point(progress.since)
        value = progress.high
        known = self.point(cursor_of(self.entity, self.state.rest) if value is None else value)
        for index, point in enumerate((*packed.points, *packed.gone)):
            if point is None:
                continue
            if known is not None and not self.entity.cursors.alike(point, known):
                raise StepError(
                    f"the cursor changes its kind: {point.value!r} is {_A[point.kind]}, and "
                    f"{known.value!r} before it is {_A[known.kind]}: write all in one form in the "
                    "step",
                    record=index if index < len(packed.points) else None,
                )
            if since is not None and not point.compares(since):
                raise StepError(
                    f"the cursor {point.value!r} does not compare with {since.value!r}, where the "
                    "walk began: write start= as the upstream writes cursors"
                )
            known = point

    def _check_order(self, progress: Progress, packed: Packed) -> None:
        asc, earliest = self.entity.order == "asc", self.entity.cursors.earliest
        before = self.point(progress.last) if asc else None
        for index, point in enumerate(packed.points):
            if point is None:
                continue
            if before is not None and (
                point.at < earliest(before) if asc else earliest(point) > before.at
            ):
                raise StepError(
                    f'order="{self.entity.order}", but {point.value!r} comes after '
                    f"{before.value!r}: sort the upstream by {self.entity.cursor!r}, or leave "
                    "out order",
                    record=index,
                )
            before = point

    def _ends_undated(self, progress: Progress, packed: Packed) -> bool:
        ends = packed.next_token is None and progress.until is None
        records = progress.rows + packed.rows
        return bool(progress.first and ends and records and not progress.dated and not packed.dated)
