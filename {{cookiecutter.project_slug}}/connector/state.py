# Owned by fivetran-azfn-template: updates replace this file.
"""The state that travels between calls: read and refused by name, written; it decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from connector import clock
from connector.entity import Entity
from connector.errors import LONGEST_WAIT, StateError
from connector.progress import Progress, Sync

RESERVED = "_sync"
VERSION = 1
_ADVICE = (
    "deploy the version that wrote it, or mend it through Fivetran's state API; "
    "a re-sync in Fivetran reads everything again"
)

_AHEAD = 2 * LONGEST_WAIT  # a moment farther in the future was made up


class State:
    """The state of one call.

    Args:
        sent: `state` of the request.
        entities: The declared entities.

    Raises:
        StateError: It is of a shape that this version does not know; the text names the key.
    """

    def __init__(self, sent: Mapping[str, Any], entities: Mapping[str, Entity]) -> None:
        self.rest = {name: value for name, value in sent.items() if name != RESERVED}
        self.sync = _sync(sent[RESERVED]) if RESERVED in sent else Sync(VERSION)
        self.sync.walks = {
            name: progress for name, progress in self.sync.walks.items() if name in entities
        }
        for name, entity in entities.items():
            held = self.sync.walks.get(name)
            # Where a deployment has changed the column in mid-walk, the walk begins anew.
            if name in self.rest and (held is None or entity.has_the_cursor_of(held.shape)):
                _check(entity, self.rest[name])
        for name, progress in self.sync.walks.items():
            if progress.shape == entities[name].fingerprint:
                _check_progress(entities[name], progress, self.rest)

    def scratch(self) -> State:
        """A copy whose walks begin anew and whose changes go nowhere."""
        copy = State.__new__(State)
        copy.rest, copy.sync = dict(self.rest), Sync(VERSION)
        return copy

    def turn(self, sync_id: str | None, now: float, pause: float) -> None:
        """Begin a new sync if this call belongs to another than the last: nothing is done yet.

        Args:
            sync_id: Of the request, or None.
            now: Epoch seconds.
            pause: Seconds without a call after which a call without a sync id begins a new sync.
        """
        sync = self.sync
        same = sync_id == sync.id if sync_id is not None else abs(now - sync.at) <= pause
        if not same:
            early = [name for name in sync.early if name in sync.walks]
            self.sync = Sync(VERSION, early=early, walks=sync.walks)
            for progress in sync.walks.values():
                progress.restarted = None
        self.sync.id = sync_id if sync_id is not None else (sync.id if same else None)
        self.sync.at = now

    def written(self, entities: Mapping[str, Entity]) -> dict[str, Any]:
        """The state as it goes into a reply; at rest it is the cursors alone."""
        if all(name in self.sync.done for name in entities):
            return dict(self.rest)
        return {**self.rest, RESERVED: msgspec.to_builtins(self.sync, builtin_types=(Decimal,))}


def cursor_of(entity: Entity, rest: Mapping[str, Any]) -> Any:
    """The committed cursor of an entity, or None."""
    value = rest.get(entity.name)
    if entity.soft_delete:
        return None
    if entity.cursor and isinstance(value, Mapping):
        return value["cursor"]
    return value


def seen_of(entity: Entity, rest: Mapping[str, Any]) -> list[str]:
    """Digests of the records without a key that stand at the committed cursor."""
    value = rest.get(entity.name)
    keyless = entity.cursor and not entity.primary_key
    return list(value["seen"]) if keyless and isinstance(value, Mapping) else []


def count_of(entity: Entity, rest: Mapping[str, Any]) -> int:
    """soft_delete: how many records the last reading had."""
    value = rest.get(entity.name)
    return int(value["rows"]) if isinstance(value, Mapping) else 0


def _sync(sent: Any) -> Sync:
    if not isinstance(sent, Mapping):
        raise StateError(f"{RESERVED} in the state is {_kind(sent)}, not an object: {_ADVICE}")
    if sent.get("version") != VERSION:
        raise StateError(
            f"{RESERVED} in the state is of version {sent.get('version')!r}, and this connector "
            f"knows version {VERSION}: {_ADVICE}"
        )
    try:
        sync = msgspec.convert(sent, Sync)
    except msgspec.ValidationError as error:
        raise StateError(
            f"{RESERVED} in the state is of an unknown shape: {error}: {_ADVICE}"
        ) from None
    return sync


def _check(entity: Entity, value: Any) -> None:
    def refuse(why: str) -> None:
        raise StateError(f"the state of {entity.name!r} is {why}: {_ADVICE}")

    if entity.soft_delete:
        if isinstance(value, Mapping):
            rows = value.get("rows")
            if (
                set(value) != {"rows"}
                or isinstance(rows, bool)
                or not isinstance(rows, int)
                or rows < 0
            ):
                refuse('an object, but not {"rows": how many the last reading had}')
        return
    if entity.cursor is None:
        return
    if isinstance(value, Mapping):
        seen = value.get("seen")
        known = set(value) == {"cursor", "seen"} and isinstance(seen, list)
        if not known or not all(isinstance(digest, str) for digest in seen or ()):
            refuse('an object, but not {"cursor": …, "seen": […]}')
        value = value["cursor"]
        if value is None:
            return
    try:
        point = entity.cursors.read(value)
    except ValueError as error:
        refuse(f"no cursor of this entity: {error}")
        return
    if point is None:
        refuse(f"{value!r}, which is no cursor")


def _check_progress(entity: Entity, progress: Progress, rest: Mapping[str, Any]) -> None:
    def refuse(name: str, why: str) -> None:
        raise StateError(f"{RESERVED}.walks.{entity.name}.{name} in the state {why}: {_ADVICE}")

    latest = clock.now() + _AHEAD
    for name in ("started", "bound", "horizon", "read_at", "wait_until"):
        if getattr(progress, name) > latest:
            refuse(name, "lies in the future")
    committed = cursor_of(entity, rest)
    if progress.since is None and committed is not None and not (progress.whole or progress.first):
        refuse("since", f"is missing, and {committed!r} is committed")
    if entity.cursor is None:
        if committed is not None and not progress.whole and progress.since != committed:
            refuse("since", f"is {progress.since!r}, and {committed!r} is committed")
        return
    known = entity.cursors.read(committed)
    for name in ("since", "until", "high", "gone", "last"):
        value = getattr(progress, name)
        try:
            point = entity.cursors.read(value)
        except ValueError as error:
            refuse(name, f"is no cursor of this entity: {error}")
            return
        if point is None and value is not None:
            refuse(name, f"is {value!r}, which is no cursor")
        if point is not None and known is not None and not point.compares(known):
            refuse(name, f"is {value!r}, which does not compare with {known.value!r}")
        known = known or point


def _kind(value: Any) -> str:
    return {list: "a list", str: "text", bool: "true or false", type(None): "null"}.get(
        type(value), "a number"
    )
