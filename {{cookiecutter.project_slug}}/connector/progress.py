# Owned by fivetran-azfn-template: updates replace this file.
"""What of a sync is kept between its calls: its fields and their types; it decides nothing."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=0)]
Moment = Annotated[float, Meta(ge=0)]
Shape = Annotated[str, Meta(pattern="^[0-9a-f]{12}[.][0-9a-f]{12}$")]


class Cycle(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Brent's search for a token that comes back: constant size, over any number of calls."""

    mark: str = ""
    power: Annotated[int, Meta(ge=1)] = 1
    steps: Count = 0

    def meets(self, digest: str) -> bool:
        """Whether this token's digest is one that came before; it is remembered in turn."""
        if digest == self.mark:
            return True
        self.steps += 1
        if self.steps == self.power:
            self.mark, self.power, self.steps = digest, self.power * 2, 0
        return False


class Progress(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A walk that is not through.

    Attributes:
        shape: Fingerprint of the declaration that the walk began with.
        page_size: Records a page, the same for the whole walk.
        started: Epoch seconds of the walk's start.
        bound: Epoch seconds up to which cursors may be committed: the earlier of our clock at the
            start and the upstream's.
        horizon: Epoch seconds that have surely passed at the start: the later of the two.
        first: Whether the walk began without a cursor.
        since, until: Bounds of the walk, of the slice with a window.
        token: Where the next page starts; None at the first page.
        high: Highest cursor seen that may be committed.
        gone: Highest cursor of a deleted record that may be when the walk ends, with order="asc".
        last: Highest cursor of the page before, with order="asc".
        given: A list of one: the position that the step gave with Page(cursor=).
        page: Pages read, over all calls.
        rows: Records read since the walk began or started over.
        dated: Whether any of them had the column of the cursor.
        digest: Digest of the last page that had records.
        cycle: Search for tokens that come back.
        marked: soft_delete: whether the table is marked, so that rows may follow.
        expected: soft_delete: how many records the reading before the mark had.
        restarted: The cursor from which the walk started over in this sync, in a list.
        whole: Whether StartOver was raised: the entity is read from the beginning.
        skip: Digests of records without a key that the last walk delivered.
        came: Digests of records without a key that this walk delivered, joined; 1,000 at most.
        many: Whether there were more, or some of a further table without a key.
        again: Those of `came` that are still to be met after the walk has started over.
        seen: [cursor, digest] of records without a key at or after the highest cursor.
        read_at: Epoch seconds of the last page.
        wait_until: Epoch seconds before which the upstream does not want to be asked.
    """

    shape: Shape
    page_size: Annotated[int, Meta(ge=1)]
    started: Moment
    bound: Moment
    horizon: Moment
    first: bool = False
    since: Any = None
    until: Any = None
    token: Any = None
    high: Any = None
    gone: Any = None
    last: Any = None
    given: list[Any] | None = None
    page: Count = 0
    rows: Count = 0
    dated: bool = False
    digest: str = ""
    cycle: Cycle = msgspec.field(default_factory=Cycle)
    marked: bool = False
    expected: Count = 0
    restarted: list[Any] | None = None
    whole: bool = False
    skip: list[str] = []
    came: str = ""
    many: bool = False
    again: str = ""
    seen: list[tuple[Any, str]] = []
    read_at: Moment = 0.0
    wait_until: Moment = 0.0


class Sync(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A sync that is not through.

    Attributes:
        version: Of this layout.
        id: The sync id, or None where none was sent.
        at: Epoch seconds of the last call.
        empty: Empty replies in a row.
        delivered: Whether this sync has delivered anything.
        done: Entities that are through in this sync.
        failed: Entities that failed and wait for the others to be through.
        early: Entities read although one declared before them, for the same table, had failed:
            what they read was delivered and does not count, for it is read again in its turn.
        walks: Progress by entity.
    """

    version: int
    id: str | None = None
    at: Moment = 0.0
    empty: Count = 0
    delivered: bool = False
    done: list[str] = []
    failed: list[str] = []
    early: list[str] = []
    walks: dict[str, Progress] = {}
