# Owned by fivetran-azfn-template: updates replace this file.
"""Where a walk and each of its slices begin and end; it reads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from connector import clock
from connector.cursors import Point
from connector.entity import Entity, Payload
from connector.errors import SourceError, StepError
from connector.observed import Observed
from connector.page import Packed
from connector.progress import Cycle, Progress
from connector.secrets import Settings
from connector.state import State, cursor_of, seen_of

LOOKBACK = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of one entity's walks."""

    entity: Entity
    state: State
    payload: Settings

    def begun(
        self,
        *,
        first: bool,
        whole: bool = False,
        since: list[Any] | None = None,
        held: Progress | None = None,
    ) -> Progress:
        """The progress of a walk that stands before its first page.

        Args:
            first: Whether there was no cursor when the entity's reading began.
            whole: Whether to read from the beginning, whatever is committed.
            since: A list of one: the lower bound, where it is known already.
            held: The walk that begins anew, whose records without a key must not come twice.

        Raises:
            StepError: `start` can be no cursor of this entity.
            MissingSetting: `start` is a payload key that is missing.
        """
        entity, now = self.entity, clock.now()
        progress = Progress(
            shape=entity.fingerprint,
            page_size=entity.page_size,
            started=now,
            bound=now,
            horizon=now,
            first=first,
            whole=whole,
            since=since[0] if since is not None else self._since(whole),
            skip=[] if whole else seen_of(entity, self.state.rest),
        )
        if held is not None and not (entity.order == "asc" and since is not None):
            progress.came, progress.many, progress.again = held.came, held.many, held.came
        if entity.window is not None:
            low = entity.cursors.read(progress.since)
            if low is None or not entity.cursors.is_instant(low):
                raise StepError(f"window needs a start that is an instant, not {progress.since!r}")
            progress.until = self._until(progress, low)
        return progress

    def again(self, held: Progress) -> Progress:
        """The same walk or slice from its first page, after its token was refused."""
        entity = self.entity
        since = self.again_from(held)
        progress = self.begun(first=held.first, whole=held.whole, since=[since], held=held)
        if entity.window is not None:
            progress.until = held.until
            progress.started, progress.bound = held.started, held.bound
            progress.horizon = held.horizon
        progress.restarted = [since]
        progress.marked, progress.expected = held.marked, held.expected
        return progress

    def again_from(self, held: Progress) -> Any:
        """Where a walk whose token was refused is read again from.

        With order="asc" everything up to the last cursor read was read: what lies beyond what may
        be committed too (clocks that differ, records dated in the future). Without a primary key
        it is read from what is committed, where records that come again are known.
        """
        if self.entity.order != "asc" or held.last is None:
            return held.since
        if self.entity.primary_key:
            return held.last
        last = self.entity.cursors.read(held.last)
        committed = self.entity.cursors.read(cursor_of(self.entity, self.state.rest))
        if last is None or committed is None:
            return held.since
        return min(last, committed, key=lambda point: point.at).value

    def next_slice(self, progress: Progress) -> bool:
        """Move on to the slice that follows; False after the last."""
        until = self.entity.cursors.read(progress.until)
        if until is None or until.at >= self._target(progress, until).at:
            return False
        progress.since, progress.until = until.value, self._until(progress, until)
        progress.token, progress.last = None, None
        progress.came, progress.many, progress.again = "", False, ""
        progress.digest, progress.cycle = "", Cycle()
        return True

    def through(self, progress: Progress, packed: Packed, observed: Observed) -> bool:
        """Whether an ordered walk has read enough, whatever comes next."""
        entity = self.entity
        points = [point for point in packed.points if point is not None]
        if entity.order == "desc" and points and progress.since is not None:
            since = entity.cursors.read(progress.since)
            return since is not None and all(point.at < since.at for point in points)
        if entity.order == "asc" and progress.until is None:
            now = max(clock.now(), observed.at_reply or 0.0)
            passed = entity.cursors.passed
            # A record dated in the future is no sign that the walk has caught up with itself.
            return any(passed(at, progress.horizon) and not passed(at, now) for at in points)
        return False

    def _target(self, progress: Progress, like: Point) -> Point:
        """Where the last slice ends: just after all clocks at the walk's start."""
        return self.entity.cursors.after(progress.horizon, like=like)

    def _until(self, progress: Progress, since: Point) -> Any:
        cursors = self.entity.cursors
        until = cursors.moved(since, self.entity.window or timedelta())
        target = self._target(progress, since)
        if until.at > target.at:
            until = target
        if until.at <= since.at:
            until = cursors.moved(since, timedelta(), up=True)
        return until.value

    def _since(self, whole: bool) -> Any:
        entity = self.entity
        committed = None if whole else cursor_of(entity, self.state.rest)
        if committed is None:
            return self._begin()
        point = entity.cursors.read(committed) if entity.cursor else None
        if point is None or not entity.cursors.is_instant(point):
            return committed
        lookback = entity.lookback
        if lookback is None:
            lookback = LOOKBACK if entity.primary_key else timedelta()
        return entity.cursors.moved(point, -lookback).value if lookback else committed

    def _begin(self) -> Any:
        declared = start = self.entity.start
        if isinstance(declared, Payload):
            start = declared.of(self.payload)
        if start is None or self.entity.cursor is None:
            return start
        try:
            return self.entity.cursors.start(start)
        except ValueError as error:
            if isinstance(declared, Payload):
                raise SourceError(
                    f"the payload key {declared.key!r}, where {self.entity.name!r} begins: {error}"
                ) from None
            raise StepError(f"start: {error}") from None
