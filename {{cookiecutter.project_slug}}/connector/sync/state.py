"""The state that travels between calls; its cursor values are parsed once, when it is loaded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from connector.cursors import CursorError, Point
from connector.errors import StateError
from connector.secrets import Redactor
from connector.source import Entity

RESERVED = "_sync"
VERSION = 2
SYNC_PAUSE = 600.0  # seconds without a call after which a call without a sync id is a new sync
_ADVICE = (
    "deploy the version that wrote it, or correct it through Fivetran's state API; "
    "a re-sync in Fivetran reads everything again"
)
_CURSORS = ("since", "until", "high", "last")
# What of a walk came from the upstream; the rest is names and times of this runtime, in which a
# secret that is an ordinary word may occur.
_UPSTREAM = (*_CURSORS, "start", "token", "position", "restarted", "unreadable", "seen")

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
    """A walk that is not finished. Digests and times in epoch seconds are this runtime's."""

    # Of the declaration that it began with; before the dot of the cursor's column and type.
    shape: Annotated[str, Meta(pattern="^[0-9a-f]{12}[.][0-9a-f]{12}$")]
    page_size: Annotated[int, Meta(ge=1)]  # the same for the whole walk
    started: Moment
    bound: Moment  # to which cursors may be committed: our clock or the upstream's, the earlier
    horizon: Moment  # that has surely passed at the start: the later of the two
    start: Any = None  # as declared when the walk began
    first: bool = False  # whether nothing was committed when the entity's reading began
    whole: bool = False  # whether StartOver was raised: it is read from the beginning
    since: Any = None  # bounds of the walk, of the slice with a window
    until: Any = None
    token: Any = None  # where the next page starts; None at the first page
    high: Any = None  # highest cursor seen that may be committed
    last: Any = None  # with order="asc": the last cursor of the pages so far
    position: list[Any] | None = None  # a list of one: what the step set with Page(cursor=)
    page: Count = 0  # pages read, over all calls
    rows: Count = 0  # records read since the walk began or started over
    readable: Count = 0  # how many of their cursors could be read
    unreadable: str = ""  # one that could not
    has_column: bool = False  # whether any record had the column of the cursor
    cycle: Cycle = Cycle()
    identity: str = ""  # digest of the last page that had records
    requests: str = ""  # digest of its requests
    repeats: Count = 0  # how many pages in a row had its records
    rehearsing: bool = False  # soft_delete: whether pages are read without being delivered
    marked: bool = False  # soft_delete: whether the table is marked
    expected: Count = 0  # soft_delete: how many records the rehearsal had
    restarted: list[Any] | None = None  # a list of one: where it started over from in this sync
    failed: bool = False  # whether its last attempt failed, so that it may start over to adopt
    adopted: bool = False  # a changed page_size or start; whether it did so in this sync
    uncommitted: Count = 0  # without a key: records delivered since the last commit
    seen: list[tuple[Any, str]] = []  # without a key: cursor and digest of what is to be remembered
    skip: list[str] = []  # without a key: digests of what earlier walks delivered
    again: list[str] = []  # without a key: digests of what earlier slices delivered
    read_at: Moment = 0.0  # when its last page was read
    wait_until: Moment = 0.0  # before which the upstream must not be asked
    wait_why: str = ""


class Failed(msgspec.Struct, forbid_unknown_fields=True):
    """An entity that failed in this sync."""

    tries: Count  # 1 or 2
    error: str  # class of the last error
    why: str  # its text, with its place and without secrets


class SyncState(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A sync that is not finished."""

    version: int  # of this layout
    id: str | None = None  # None if none was sent
    at: Moment = 0.0  # of the last call
    empty: Count = 0  # empty replies in a row
    delivered: bool = False  # whether this sync has delivered anything
    done: list[str] = []  # entities that are finished in this sync
    failed: dict[str, Failed] = {}
    walks: dict[str, WalkState] = {}  # unfinished ones, by entity


class Committed(msgspec.Struct, frozen=True):
    """What is committed of one entity."""

    value: Any = None  # as in the state between syncs; None: nothing
    cursor: Point | None = None  # if the entity has a cursor
    seen: tuple[str, ...] = ()  # without a key: digests of the records to be remembered
    rows: int = 0  # soft_delete: how many records the last reading had


class Checkpoint(msgspec.Struct, frozen=True):
    """The state of one entity once a page is delivered."""

    walk: WalkState | None  # None when it is finished
    committed: Committed

    def holds_secret(self, redactor: Redactor) -> bool:
        """Whether a secret is in what came from the upstream."""
        walk = self.walk
        values = [getattr(walk, name) for name in _UPSTREAM] if walk is not None else []
        return redactor.blocks([self.committed.value, *filter(None, values)])


class State:
    """The state of one call, from that of the request; StateError if its shape is unknown.

    `sync` is the unfinished sync, whose walks are those of declared entities.
    """

    def __init__(self, sent: Mapping[str, Any], entities: Mapping[str, Entity]) -> None:
        self._rest = {name: value for name, value in sent.items() if name != RESERVED}
        self.sync = _parse_sync(sent[RESERVED]) if RESERVED in sent else SyncState(VERSION)
        self._committed: dict[str, Committed] = {}
        # What is no longer declared is not touched.
        self._others = dict(self.sync.walks)
        walks: dict[str, WalkState] = {}
        for name, entity in entities.items():
            walk = self._others.pop(name, None)
            # The committed value may be another column's if a deployment has changed it.
            if walk is None or walk.shape.startswith(column_digest(entity)):
                self._committed[name] = _parse_committed(entity, self._rest)
                if walk is not None and entity.cursor is not None:
                    walk = _parse_walk(entity, walk)
            if walk is not None:
                walks[name] = walk
        self.sync.walks = walks

    def begin_call(self, sync_id: str | None, now: float) -> None:
        """Begin a new sync if this call belongs to another than the last one."""
        sync = self.sync
        same = sync_id == sync.id if sync_id is not None else abs(now - sync.at) <= SYNC_PAUSE
        if not same:
            for name, walk in sync.walks.items():
                sync.walks[name] = replace(walk, restarted=None, adopted=False)
            self.sync = sync = SyncState(VERSION, walks=sync.walks)
        sync.id = sync_id or sync.id
        sync.at = now

    def committed(self, name: str) -> Committed:
        """What is committed of an entity."""
        return self._committed.get(name, Committed())

    def walk(self, name: str) -> WalkState | None:
        """The unfinished walk of an entity, or None."""
        return self.sync.walks.get(name)

    def move(self, name: str, checkpoint: Checkpoint, *, done: bool = True) -> None:
        """Move an entity on: its page is in the reply; a finished walk may leave it undone."""
        if checkpoint.walk is not None:
            self.sync.walks[name] = checkpoint.walk
        else:
            self.sync.walks.pop(name, None)
            if done:
                self.sync.failed.pop(name, None)
                self.sync.done.append(name)
        self._committed[name] = checkpoint.committed
        if checkpoint.committed.value is None:
            self._rest.pop(name, None)
        else:
            self._rest[name] = checkpoint.committed.value

    def for_reply(self, entities: Collection[str]) -> dict[str, Any]:
        """The state for a reply; only the cursors once none of these entities is unfinished."""
        sync = self.sync
        if set(entities) <= set(sync.done):
            if not sync.walks and not self._others:
                return self._rest
            sync = SyncState(VERSION, id=sync.id, at=sync.at, walks=sync.walks)
        walks = {
            name: _converted(walk, lambda _, point: value_of(point))
            for name, walk in sync.walks.items()
        }
        sync = replace(sync, walks=self._others | walks)
        return {**self._rest, RESERVED: msgspec.to_builtins(sync, builtin_types=(Decimal,))}


def secret_places(state: Mapping[str, Any], redactor: Redactor) -> list[str]:
    """The keys of a state whose values contain a secret."""
    values = {name: value for name, value in state.items() if name != RESERVED}
    sync = state.get(RESERVED)
    walks = sync.get("walks") if isinstance(sync, Mapping) else None
    for name, walk in walks.items() if isinstance(walks, Mapping) else ():
        if isinstance(walk, Mapping):
            found = [walk[key] for key in _UPSTREAM if key in walk]
            values[f"{RESERVED}.walks.{name}"] = found
    return [place for place, value in values.items() if redactor.blocks(value)]


def column_digest(entity: Entity) -> str:
    """Digest of what the entity's cursor values mean."""
    return digest_of(entity.cursor, entity.cursors.cursor_type)


def digest_of(*parts: Any) -> str:
    """Twelve hexadecimal digits that stand for these values."""
    return short_digest(repr(parts).encode("utf-8", "replace"), 6)


def short_digest(data: bytes, size: int = 8) -> str:
    """A digest of some bytes, of twice as many hexadecimal digits as `size`."""
    return hashlib.blake2b(data, digest_size=size).hexdigest()


def value_of(cursor: Any) -> Any:
    """A cursor as the upstream wrote it."""
    return cursor.value if isinstance(cursor, Point) else cursor


def _parse_sync(sent: Any) -> SyncState:
    version = sent.get("version") if isinstance(sent, Mapping) else None
    if isinstance(sent, Mapping) and version != VERSION:
        raise StateError(
            f"{RESERVED} in the state is of version {version!r}, but this connector knows "
            f"version {VERSION}: {_ADVICE}"
        )
    try:
        return msgspec.convert(sent, SyncState)
    except msgspec.ValidationError as error:
        raise StateError(
            f"{RESERVED} in the state has an unknown shape: {error}: {_ADVICE}"
        ) from None


def _parse_committed(entity: Entity, rest: Mapping[str, Any]) -> Committed:
    name = entity.name
    if name not in rest:
        return Committed()
    value = rest[name]
    fields = value if isinstance(value, Mapping) else {}
    rows, seen = fields.get("rows", 0), fields.get("seen", [])
    has_rows = set(fields) == {"rows"} and type(rows) is int and rows >= 0
    has_seen = set(fields) == {"cursor", "seen"} and isinstance(seen, list)
    if entity.soft_delete:
        if value is fields and not has_rows:
            raise _refused(name, 'an object, but not {"rows": how many the last reading had}')
        return Committed(value, rows=rows)
    if entity.cursor is None:
        # Another declaration's, and no position of the step's.
        has_seen = has_seen and all(map(re.compile("[0-9a-f]{16}").fullmatch, map(str, seen)))
        return Committed() if has_rows or has_seen else Committed(value)
    if value is not fields:
        return Committed(value, _point(entity, value, repr(name)))
    if has_rows and entity.primary_key:  # it was read with soft_delete: no cursor is committed
        return Committed()
    if not has_seen:
        raise _refused(name, 'an object, but not {"cursor": …, "seen": […]}')
    cursor = fields["cursor"]
    point = None if cursor is None else _point(entity, cursor, repr(name))
    return Committed(value, point, tuple(map(str, seen)))


def _parse_walk(entity: Entity, walk: WalkState) -> WalkState:
    """The walk with its cursor values as points."""
    place = f"{RESERVED}.walks.{entity.name}"
    return _converted(walk, lambda name, value: _point(entity, value, f"{place}.{name}"))


def _converted(walk: WalkState, convert: Callable[[str, Any], Any]) -> WalkState:
    found = {name: getattr(walk, name) for name in _CURSORS}
    cursors = {n: convert(n, value) for n, value in found.items() if value is not None}
    seen = [(None if c is None else convert("seen", c), digest) for c, digest in walk.seen]
    return replace(walk, **cursors, seen=seen)


def _point(entity: Entity, value: Any, place: str) -> Point:
    try:
        point = entity.cursors.parse(value)
    except CursorError as error:
        raise StateError(f"{place} in the state is not a cursor: {error}: {_ADVICE}") from None
    if point is None:
        raise StateError(f"{place} in the state is {value!r}, not a cursor: {_ADVICE}")
    return point


def _refused(name: str, why: str) -> StateError:
    return StateError(f"{name!r} in the state is {why}: {_ADVICE}")
