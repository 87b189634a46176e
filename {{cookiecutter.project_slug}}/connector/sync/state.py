"""The state that travels between calls; its cursor values are parsed once, when it is loaded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from connector.cursors import CursorError, Point
from connector.errors import StateError
from connector.secrets import Redactor
from connector.source import Entity
from connector.sync.saved import SyncState, WalkState

RESERVED = "_sync"
VERSION = 2
SYNC_PAUSE = 600.0  # seconds without a call after which a call without a sync id is a new sync
_ADVICE = (
    "deploy the version that wrote it, or correct it through Fivetran's state API; "
    "a re-sync in Fivetran reads everything again"
)
_CURSORS = ("since", "until", "high", "last")
_UPSTREAM = (*_CURSORS, "start", "token", "position", "restarted", "unreadable", "seen")

_DIGEST = re.compile("[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Committed:
    """What is committed of one entity.

    Attributes:
        value: As it stands in the state at rest; None: nothing.
        cursor: The cursor as a point, where the entity has one.
        seen: Without a primary key: digests of the records to be remembered.
        rows: soft_delete: how many records the last reading had.
    """

    value: Any = None
    cursor: Point | None = None
    seen: tuple[str, ...] = ()
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where one entity stands once a page is delivered.

    Attributes:
        walk: The unfinished walk, or None when it is finished.
        committed: What is committed then.
    """

    walk: WalkState | None
    committed: Committed


class State:
    """The state of one call.

    Args:
        sent: `state` of the request.
        entities: The declared entities by name.

    Raises:
        StateError: It is of a shape that this version does not know; the text names the key.
    """

    def __init__(self, sent: Mapping[str, Any], entities: Mapping[str, Entity]) -> None:
        self._rest = {name: value for name, value in sent.items() if name != RESERVED}
        self.sync = _parse_sync(sent[RESERVED]) if RESERVED in sent else SyncState(VERSION)
        self._committed: dict[str, Committed] = {}
        sent_walks = self.sync.walks
        walks = {name: walk for name, walk in sent_walks.items() if name in entities}
        # What is no longer declared is not touched.
        self._others = {name: walk for name, walk in sent_walks.items() if name not in entities}
        for name, entity in entities.items():
            walk = walks.get(name)
            # The committed value may be another column's where a deployment has changed it.
            if walk is None or walk.shape.startswith(column_digest(entity)):
                self._committed[name] = _parse_committed(entity, self._rest)
                if walk is not None:
                    walks[name] = _parse_walk(entity, walk)
        self.sync.walks = walks

    def begin_call(self, sync_id: str | None, now: float) -> None:
        """Begin a new sync if this call belongs to another than the last one.

        Args:
            sync_id: Of the request, or None.
            now: Epoch seconds.
        """
        sync = self.sync
        same = sync_id == sync.id if sync_id is not None else abs(now - sync.at) <= SYNC_PAUSE
        if not same:
            walks = {
                name: msgspec.structs.replace(walk, restarted=None, healed=False)
                for name, walk in sync.walks.items()
            }
            self.sync = SyncState(VERSION, walks=walks)
        self.sync.id = sync_id if sync_id is not None else (sync.id if same else None)
        self.sync.at = now

    def committed(self, name: str) -> Committed:
        """What is committed of an entity."""
        return self._committed.get(name, Committed())

    def walk(self, name: str) -> WalkState | None:
        """The unfinished walk of an entity, or None."""
        return self.sync.walks.get(name)

    def move(self, name: str, checkpoint: Checkpoint, *, done: bool = True) -> None:
        """Move an entity on: its page is in the reply.

        Args:
            name: Of the entity.
            checkpoint: Where it stands then.
            done: Whether a finished walk finishes the entity in this sync.
        """
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

    def put(self, name: str, walk: WalkState) -> None:
        """Remember something of a walk that has not moved: a wait, a failure."""
        self.sync.walks[name] = walk

    def encode(self, entities: Collection[str]) -> dict[str, Any]:
        """The state for a reply; only the cursors once none of these entities is unfinished."""
        if all(name in self.sync.done for name in entities):
            if not self.sync.walks and not self._others:
                return dict(self._rest)
            self.sync = SyncState(VERSION, id=self.sync.id, at=self.sync.at, walks=self.sync.walks)
        walks = self._others | {name: _plain(walk) for name, walk in self.sync.walks.items()}
        sync = msgspec.structs.replace(self.sync, walks=walks)
        return {**self._rest, RESERVED: msgspec.to_builtins(sync, builtin_types=(Decimal,))}


def secret_places(state: Mapping[str, Any], redactor: Redactor) -> list[str]:
    """The keys of a state under which a secret stands.

    Only what came from an upstream is looked at: the rest is names and times of this runtime, in
    which a secret that is an ordinary word may well stand.
    """
    return [place for place, value in _upstream_values(state) if redactor.blocks(value)]


def upstream_values(checkpoint: Checkpoint) -> list[Any]:
    """What of a checkpoint came from the upstream."""
    committed = checkpoint.committed.value
    walk = msgspec.structs.asdict(_plain(checkpoint.walk)) if checkpoint.walk else {}
    return [_cursor_part(committed), *(walk[name] for name in _UPSTREAM if walk.get(name))]


def column_digest(entity: Entity) -> str:
    """Digest of what the entity's cursor values mean."""
    return digest_of(entity.cursor, entity.cursors.cursor_type)


def digest_of(*parts: Any) -> str:
    """Twelve hexadecimal digits that stand for these values."""
    return short_digest(repr(parts).encode("utf-8", "replace"), 6)


def short_digest(data: bytes, size: int = 8) -> str:
    """A digest of some bytes, of twice as many hexadecimal digits as `size`."""
    return hashlib.blake2b(data, digest_size=size).hexdigest()


def _upstream_values(state: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in state.items():
        if name != RESERVED:
            yield name, _cursor_part(value)
    sync = state.get(RESERVED)
    walks = sync.get("walks") if isinstance(sync, Mapping) else None
    for name, walk in walks.items() if isinstance(walks, Mapping) else ():
        if isinstance(walk, Mapping):
            yield f"{RESERVED}.walks.{name}", [walk[key] for key in _UPSTREAM if key in walk]


def _cursor_part(value: Any) -> Any:
    """What of a committed value came from the upstream."""
    if not _is_bookkeeping(value):
        return value
    return value.get("cursor")


def _is_bookkeeping(value: Any) -> bool:
    """Whether a value at rest is one of this runtime's two objects, not the step's own."""
    if not isinstance(value, Mapping):
        return False
    if value.keys() == {"rows"}:
        return type(value["rows"]) is int
    seen = value.get("seen")
    is_seen = isinstance(seen, list) and all(_DIGEST.fullmatch(str(each)) for each in seen)
    return value.keys() == {"cursor", "seen"} and is_seen


def _parse_sync(sent: Any) -> SyncState:
    version = sent.get("version") if isinstance(sent, Mapping) else None
    if isinstance(sent, Mapping) and version != VERSION:
        raise StateError(
            f"{RESERVED} in the state is of version {version!r}, and this connector knows "
            f"version {VERSION}: {_ADVICE}"
        )
    try:
        return msgspec.convert(sent, SyncState)
    except msgspec.ValidationError as error:
        raise StateError(
            f"{RESERVED} in the state has an unknown shape: {error}: {_ADVICE}"
        ) from None


def _parse_committed(entity: Entity, rest: Mapping[str, Any]) -> Committed:
    if entity.name not in rest:
        return Committed()
    value = rest[entity.name]
    if entity.soft_delete:
        if not isinstance(value, Mapping):
            return Committed(value)  # a cursor from before soft_delete was declared
        rows = value.get("rows")
        if set(value) != {"rows"} or type(rows) is not int or rows < 0:
            raise _refused(entity, 'an object, but not {"rows": how many the last reading had}')
        return Committed(value, rows=rows)
    if entity.cursor is None:
        return Committed() if _is_bookkeeping(value) else Committed(value)
    if not isinstance(value, Mapping):
        return Committed(value, _point(entity, value, repr(entity.name)))
    seen = value.get("seen")
    if set(value) != {"cursor", "seen"} or not isinstance(seen, list):
        raise _refused(entity, 'an object, but not {"cursor": …, "seen": […]}')
    cursor = value["cursor"]
    point = None if cursor is None else _point(entity, cursor, repr(entity.name))
    return Committed(value, point, tuple(map(str, seen)))


def _parse_walk(entity: Entity, walk: WalkState) -> WalkState:
    """The walk with its cursor values as points."""
    if entity.cursor is None:
        return walk
    place = f"{RESERVED}.walks.{entity.name}"
    points = {
        name: _point(entity, value, f"{place}.{name}")
        for name in _CURSORS
        if (value := getattr(walk, name)) is not None
    }
    seen = [
        (None if value is None else _point(entity, value, f"{place}.seen"), digest)
        for value, digest in walk.seen
    ]
    return msgspec.structs.replace(walk, **points, seen=seen)


def _plain(walk: WalkState) -> WalkState:
    """The walk with its points as the upstream wrote them."""
    values = {name: value_of(getattr(walk, name)) for name in _CURSORS}
    seen = [(value_of(point), digest) for point, digest in walk.seen]
    return msgspec.structs.replace(walk, **values, seen=seen)


def value_of(cursor: Any) -> Any:
    """A cursor as the upstream wrote it."""
    return cursor.value if isinstance(cursor, Point) else cursor


def _point(entity: Entity, value: Any, place: str) -> Point:
    try:
        point = entity.cursors.parse(value)
    except CursorError as error:
        raise StateError(f"{place} in the state is not a cursor: {error}: {_ADVICE}") from None
    if point is None:
        raise StateError(f"{place} in the state is {value!r}, not a cursor: {_ADVICE}")
    return point


def _refused(entity: Entity, why: str) -> StateError:
    return StateError(f"{entity.name!r} in the state is {why}: {_ADVICE}")
