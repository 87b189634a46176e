# Owned by fivetran-azfn-template: updates replace this file.
"""One page of an entity in each pagination style; it knows no HTTP."""

from __future__ import annotations

import base64
import binascii
import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from harness.sample import bounds
from harness.sample.spec import Entity
from harness.sample.store import Item, Store

DEFAULT_SIZE = 100
_SHOWN = 30  # characters of a value that is wrong


class BadParameter(Exception):
    """A request parameter has a value that means nothing; the text names it."""


class PastTheEnd(Exception):
    """The page after the last was asked for, and the upstream answers that with a 404."""


@dataclass(frozen=True)
class Part:
    """What of an entity is on one page.

    Attributes:
        items: Records and tombstones.
        more: Whether there are items after these.
        token: Of the next page, or None; positions have none, the caller counts.
    """

    items: list[Item]
    more: bool = False
    token: str | None = None


def read(entity: Entity, store: Store, parameters: Mapping[str, str]) -> Part:
    """The page that the request parameters ask for.

    Raises:
        BadParameter: A value is out of range, no moment, or no token of this upstream.
        PastTheEnd: There is no such page, and the entity has `last = "404"`.
    """
    since, until = _bounds(entity, store, parameters)
    size = _whole(entity.size, parameters, least=1, default=DEFAULT_SIZE)
    if entity.pagination in ("none", "page_number", "offset"):
        items = store.by_change if entity.by_change else store.by_creation
        if entity.newest_first:
            items = store.by_change[::-1]
        if since is not None or until is not None:
            low = -math.inf if since is None else since
            high = math.inf if until is None else until
            items = [item for item in items if low <= item.step < high]
        return _by_position(entity, items, size, parameters)
    items = _between(store, since, until)
    return _by_token(entity, items, size, parameters.get(entity.token))


def chosen(entity: Entity, store: Store, parameters: Mapping[str, str]) -> list[Item]:
    """The items that the bounds of a request choose, on all pages, in the order of change.

    Raises:
        BadParameter: A bound is no moment.
    """
    return _between(store, *_bounds(entity, store, parameters))


def _between(store: Store, since: int | None, until: int | None) -> list[Item]:
    items = store.by_change
    start = 0 if since is None else bisect_left(items, (since,))
    stop = len(items) if until is None else bisect_left(items, (until,))
    return items[start:stop]


def _by_position(
    entity: Entity, items: list[Item], size: int, parameters: Mapping[str, str]
) -> Part:
    """Tombstones keep their place, so that a deletion moves no record past the reader."""
    match entity.pagination:
        case "page_number":
            page = _whole(entity.token, parameters, least=1, default=1)
            start, length = (page - 1) * size, size
            if entity.short_pages:  # every second one
                pairs, odd = divmod(page - 1, 2)
                start, length = (
                    pairs * (size + _half(size)) + odd * size,
                    _length(entity, size, odd),
                )
        case "offset":
            start = _whole(entity.token, parameters, least=0, default=0)
            length = _length(entity, size, start // size)
        case _:
            return Part(items)
    found = items[start : start + length]
    if not found and start and entity.last == "404":
        raise PastTheEnd
    return Part(found, more=start + length < len(items))


def _by_token(entity: Entity, items: list[Item], size: int, token: str | None) -> Part:
    key = _key(entity.token, token) if token else None
    length = _length(entity, size, sum(key or ()))
    if entity.newest_first:
        stop = bisect_left(items, key) if key else len(items)
        found, more = items[max(stop - length, 0) : stop][::-1], stop > length
    else:
        start = bisect_left(items, (key[0], key[1] + 1)) if key else 0
        found, more = items[start : start + length], start + length < len(items)
    goes_on = more
    if entity.last == "404":
        if key and not found:
            raise PastTheEnd
        goes_on = bool(found)
    return Part(found, more, _token(found[-1]) if goes_on else None)


def _token(last: Item) -> str:
    position = msgspec.json.encode([last.step, last.number])
    return base64.urlsafe_b64encode(position).decode().rstrip("=")


def _key(name: str, token: str) -> tuple[int, int]:
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        return msgspec.json.decode(base64.b64decode(padded, b"-_", True), type=tuple[int, int])
    except (UnicodeEncodeError, binascii.Error, msgspec.MsgspecError):
        raise BadParameter(f"{name} is no token that this upstream gave out") from None


def _length(entity: Entity, size: int, turn: int) -> int:
    return _half(size) if entity.short_pages and turn % 2 else size


def _half(size: int) -> int:
    return (size + 1) // 2


def _bounds(
    entity: Entity, store: Store, parameters: Mapping[str, str]
) -> tuple[int | None, int | None]:
    since = _moment(entity.since, entity, store, parameters)
    return since, _moment(entity.until, entity, store, parameters)


def _moment(
    name: str | None, entity: Entity, store: Store, parameters: Mapping[str, str]
) -> int | None:
    text = parameters.get(name or "")
    if text is None or store.form is None:
        return None
    takes = "an ISO 8601 text or a number" if store.form.is_time else "a whole number"
    try:
        if entity.since_as is not None:
            takes = f'what since_as = "{entity.since_as}" says'
        return store.form.read(bounds.iso(text, entity.since_as))
    except (ValueError, OverflowError):
        raise BadParameter(f"{name} is {text[:_SHOWN]!r}, but it takes {takes}") from None


def _whole(name: str | None, parameters: Mapping[str, str], *, least: int, default: int) -> int:
    text = parameters.get(name or "")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16) or int(text) < least:
        raise BadParameter(
            f"{name} is {text[:_SHOWN]!r}, but it takes a whole number from {least} on"
        )
    return int(text)
