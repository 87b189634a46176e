"""The fields of the state that travel between calls while something is unfinished."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=0)]
Moment = Annotated[float, Meta(ge=0, lt=253402300800)]  # epoch seconds, to the year 9999


class Cycle(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """Brent's search for a token and page that come back: constant size, over all calls."""

    mark: str = ""
    power: Annotated[int, Meta(ge=1)] = 1
    steps: Count = 0

    def after(self, digest: str) -> Cycle:
        """The search after this digest, which must not be `mark`."""
        if self.steps + 1 == self.power:
            return Cycle(digest, self.power * 2, 0)
        return Cycle(self.mark, self.power, self.steps + 1)


class WalkState(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """A walk that is not finished.

    Attributes:
        shape: Digest of the declaration that the walk began with; the part before the dot is that
            of the cursor's column and type.
        page_size: Records a page, the same for the whole walk.
        start: The declared `start` when the walk began.
        started: Epoch seconds of the walk's start.
        bound: Epoch seconds up to which cursors may be committed: the earlier of our clock at the
            start and the upstream's.
        horizon: Epoch seconds that have surely passed at the start: the later of the two.
        first: Whether nothing was committed when the entity's reading began.
        whole: Whether StartOver was raised: the entity is read from the beginning.
        since, until: Bounds of the walk, of the slice with a window.
        token: Where the next page starts; None at the first page.
        high: Highest cursor seen that may be committed.
        last: With order="asc", the last cursor of the pages so far.
        position: A list of one: what the step gave with Page(cursor=).
        page: Pages read, over all calls.
        rows: Records read since the walk began or started over.
        readable, unreadable: How many of their cursors could be read; one that could not, or "".
        has_column: Whether any record had the column of the cursor.
        cycle: Search for a token and page that come back.
        identity: Digest of the last page that had records.
        requests, repeats: Digest of its requests; how many pages in a row held its records.
        rehearsing: soft_delete: whether pages are read without being delivered.
        marked, expected: soft_delete: whether the table is marked, and how many records the
            rehearsal had.
        restarted: The cursor from which the walk started over in this sync, in a list.
        failed, healed: Whether the walk's last attempt failed, and whether it started over for
            that in this sync, with a changed page_size or start.
        uncommitted: Without a primary key: records delivered since the last commit.
        seen: Without a primary key: [cursor, digest] of records to be remembered.
        skip, again: Without a primary key: digests of records that earlier walks, and earlier
            slices, delivered.
        read_at: Epoch seconds of the last page.
        wait_until, wait_why: Epoch seconds before which the upstream must not be asked, and why.
    """

    shape: Annotated[str, Meta(pattern="^[0-9a-f]{12}[.][0-9a-f]{12}$")]
    page_size: Annotated[int, Meta(ge=1)]
    started: Moment
    bound: Moment
    horizon: Moment
    start: Any = None
    first: bool = False
    whole: bool = False
    since: Any = None
    until: Any = None
    token: Any = None
    high: Any = None
    last: Any = None
    position: list[Any] | None = None
    page: Count = 0
    rows: Count = 0
    readable: Count = 0
    unreadable: str = ""
    has_column: bool = False
    cycle: Cycle = Cycle()
    identity: str = ""
    requests: str = ""
    repeats: Count = 0
    rehearsing: bool = False
    marked: bool = False
    expected: Count = 0
    restarted: list[Any] | None = None
    failed: bool = False
    healed: bool = False
    uncommitted: Count = 0
    seen: list[tuple[Any, str]] = []
    skip: list[str] = []
    again: list[str] = []
    read_at: Moment = 0.0
    wait_until: Moment = 0.0
    wait_why: str = ""


class Failed(msgspec.Struct, forbid_unknown_fields=True):
    """An entity that failed in this sync.

    Attributes:
        tries: How often it was tried: 1 or 2.
        error: Class of the last error.
        why: What it said, without secrets.
    """

    tries: Count
    error: str
    why: str


class SyncState(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A sync that is not finished.

    Attributes:
        version: Of this layout.
        id: The sync id, or None where none was sent.
        at: Epoch seconds of the last call.
        empty: Empty replies in a row.
        delivered: Whether this sync has delivered anything.
        done: Entities that are finished in this sync.
        failed: Entities that failed in this sync.
        walks: Unfinished walks by entity.
    """

    version: int
    id: str | None = None
    at: Moment = 0.0
    empty: Count = 0
    delivered: bool = False
    done: list[str] = []
    failed: dict[str, Failed] = {}
    walks: dict[str, WalkState] = {}
