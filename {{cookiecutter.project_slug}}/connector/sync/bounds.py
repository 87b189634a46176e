"""Where a walk, a slice and a restart begin and end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from connector import clock, codec
from connector.cursors import CursorError
from connector.errors import SourceError, StepError
from connector.http.client import Traffic
from connector.secrets import Settings
from connector.source import Entity, Payload
from connector.sync.page import EncodedPage
from connector.sync.state import (
    Committed,
    Cycle,
    WalkState,
    column_digest,
    digest_of,
    short_digest,
    value_of,
)

LOOKBACK = timedelta(minutes=5)
SAME_PAGES = 20  # pages in a row with the same records that end a walk with an error
SAME_PAGES_APPENDED = 2  # the same if each of them appends its records once more


class Bounds:
    """The bounds of one entity's walks in one call, whose payload may have `start`."""

    def __init__(self, entity: Entity, payload: Settings, base_url: str) -> None:
        self.entity = entity
        self._payload = payload
        rest = digest_of(
            entity.cursors.timezone,
            entity.window,
            entity.order,
            entity.primary_key,
            bool(entity.soft_delete),
            sorted(entity.tables.items()),
            base_url,
        )
        # Of all that a page token depends on, so that two walks are never mixed.
        self.shape = f"{column_digest(entity)}.{rest}"

    def begin(
        self, committed: Committed, former: WalkState | None = None, *, whole: bool = False
    ) -> WalkState:
        """A walk before its first page; `whole` reads from the beginning, whatever is committed.

        Of a former walk, which starts over, what must outlive that is copied.
        """
        entity, now, start = self.entity, clock.now(), self._start()
        since = start if whole else self._since(committed, start)
        walk = WalkState(
            shape=self.shape,
            page_size=entity.page_size,
            start=value_of(start),
            started=now,
            bound=now,
            horizon=now,
            first=committed.cursor is None if entity.cursor else committed.value is None,
            whole=whole,
            since=since,
            until=entity.cursors.slice_end(since, entity.window, now) if entity.window else None,
            rehearsing=bool(entity.soft_delete),
            skip=[] if whole else list(committed.seen),
        )
        if former is None:
            return walk
        return replace(
            walk,
            first=walk.first or former.first,
            rehearsing=walk.rehearsing and not former.marked,
            marked=former.marked,
            expected=former.expected,
            restarted=former.restarted,
            adopted=former.adopted,
            wait_until=former.wait_until,
            wait_why=former.wait_why,
        )

    def restart(self, walk: WalkState, committed: Committed) -> WalkState:
        """The same walk, or slice, from its first page after its token was refused."""
        since = self.restart_since(walk, committed)
        fresh = replace(
            self.begin(committed, walk, whole=walk.whole),
            since=since,
            restarted=[value_of(since)],
            page_size=walk.page_size,
            start=walk.start,
        )
        if self.entity.window is None and self.entity.order != "asc":
            return fresh
        # It continues after what was read; the walk's start still limits what may be committed.
        return replace(
            fresh,
            until=walk.until,
            started=walk.started,
            bound=walk.bound,
            horizon=walk.horizon,
            high=walk.high,
            readable=walk.readable,
            has_column=walk.has_column,
        )

    def restart_since(self, walk: WalkState, committed: Committed) -> Any:
        """Where a walk whose token was refused is read again from.

        With order="asc" all up to the last cursor was read, also what may not be committed yet.
        Without a primary key it is read from what is committed, where records that come again are
        recognized.
        """
        if self.entity.order != "asc":
            return walk.since
        return (walk.last if self.entity.primary_key else committed.cursor) or walk.since

    def next_slice(self, walk: WalkState) -> WalkState | None:
        """The walk at the beginning of the slice that follows; None after the last one."""
        window, cursors = self.entity.window, self.entity.cursors
        if window is None or cursors.passed(walk.until, walk.horizon):
            return None
        return replace(
            walk,
            since=walk.until,
            until=cursors.slice_end(walk.until, window, walk.horizon),
            token=None,
            last=None,
            cycle=Cycle(),
            identity="",
            requests="",
            repeats=0,
            uncommitted=0,
            again=[digest for _, digest in walk.seen],
        )

    def changed(self, walk: WalkState) -> bool:
        """Whether `page_size` or `start` differ from what the walk began with."""
        return walk.page_size != self.entity.page_size or walk.start != value_of(self._start())

    def advance(self, walk: WalkState, page: EncodedPage, traffic: Traffic) -> WalkState:
        """The walk after a check that it makes progress; empty pages do not count."""
        if not page.identity:
            return walk
        same = page.identity == walk.identity
        repeats = walk.repeats + 1 if same else 1
        digest = short_digest(codec.encode([walk.token, page.identity]))
        why = ""
        if same and traffic.request and traffic.fingerprint == walk.requests:
            why = "the same request gave the same page again"
        elif repeats >= (SAME_PAGES_APPENDED if self.entity.appends else SAME_PAGES):
            why = f"{repeats} pages in a row had the same records"
        elif digest == walk.cycle.mark:
            why = "the same token gave the same page as before"
        if why:
            asked = f" ({traffic.request})" if traffic.request else ""
            raise StepError(f"{why}{asked}: does the step send fetch.token?")
        return replace(
            walk,
            identity=page.identity,
            requests=traffic.fingerprint,
            repeats=repeats,
            cycle=walk.cycle.after(digest),
        )

    def ends_early(self, walk: WalkState, page: EncodedPage, traffic: Traffic) -> bool:
        """Whether an ordered walk has read enough, whatever comes next."""
        top = page.cursors.top
        if self.entity.order == "desc":
            return bool(top and walk.since and self.entity.cursors.is_before(top, walk.since))
        if self.entity.order is None or walk.until is not None:
            return False
        # A record dated in the future is no sign that the walk has passed its start.
        top = page.cursors.highest(max(clock.now(), traffic.answered_at or 0.0))
        return top is not None and self.entity.cursors.passed(top, walk.horizon)

    def _since(self, committed: Committed, start: Any) -> Any:
        entity, cursor = self.entity, committed.cursor
        if entity.soft_delete:
            return start
        if entity.cursor is None:
            return start if committed.value is None else committed.value
        if cursor is None:
            return start
        if start is not None and entity.cursors.is_before(cursor, start):
            return start
        lookback = entity.lookback
        if lookback is None and entity.primary_key:
            lookback = LOOKBACK
        return entity.cursors.lookback(cursor, lookback) if lookback else cursor

    def _start(self) -> Any:
        """The declared `start`, as a point if the entity has a cursor."""
        declared = start = self.entity.start
        if isinstance(declared, Payload):
            start = declared.of(self._payload)
        if self.entity.cursor is None:
            return start
        try:
            point = self.entity.cursors.parse_start(start)
        except CursorError as error:
            if isinstance(declared, Payload):
                raise SourceError(
                    f"the payload key {declared.key!r}, the start of {self.entity.name!r}: {error}"
                ) from None
            raise StepError(f"start: {error}") from None
        if point is None and self.entity.window is not None:
            raise StepError(f"window needs a start, and {start!r} is blank")
        return point
