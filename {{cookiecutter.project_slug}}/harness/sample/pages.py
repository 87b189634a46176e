"""One page of an entity in each pagination style."""

from __future__ import annotations

import base64
import binascii
import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from harness.sample.records import Item, Store
from harness.sample.spec import Entity

DEFAULT_SIZE = 100
_SHOWN = 30  # characters of a wrong value


class BadParameter(Exception):
    """A request parameter has a value that cannot be used; `key` names it in sample.toml."""

    def __init__(self, key: str, what: str) -> None:
        super().__init__(what)
        self.key = key


class PastTheEnd(Exception):
    """The page after the last was asked for, and the upstream answers that with a 404."""


@dataclass(frozen=True)
class Page:
    """What of an entity is on one page."""

    items: list[Item]
    more: bool = False  # whether there are items after these
    token: str = ""  # of the next page; "" on the last


def read(store: Store, parameters: Mapping[str, str]) -> Page:
    """The page that the request parameters ask for.

    Raises:
        BadParameter: A value is out of range, not a time, or not a token of this upstream.
        PastTheEnd: There is no such page, and the entity has `last = "404"`.
    """
    entity = store.entity
    size = _whole("size", entity.size, parameters, least=1, default=DEFAULT_SIZE)
    if entity.pagination in ("cursor", "link_header", "next_url") and not entity.key_is_token:
        return _by_token(entity, _between(store, parameters), size, parameters.get(entity.token))
    low, high = _bounds(store, parameters)
    items = store.by_creation
    if low > -math.inf or high < math.inf:
        items = [item for item in items if low <= item.moment < high]
    if entity.pagination == "none":
        return Page(items)
    if entity.key_is_token:
        return _by_key(store, items, size, parameters.get(entity.token))
    return _by_position(entity, items, size, parameters)


def chosen(store: Store, parameters: Mapping[str, str]) -> int:
    """How many items the bounds of a request choose, on all pages."""
    return len(_between(store, parameters))


def is_token(text: str) -> bool:
    """Whether a value looks like a page token of this upstream."""
    try:
        _key("", text)
    except BadParameter:
        return False
    return True


def _between(store: Store, parameters: Mapping[str, str]) -> list[Item]:
    items = store.by_change  # once: another thread may replace it
    low, high = _bounds(store, parameters)
    return items[bisect_left(items, (low,)) : bisect_left(items, (high,))]


def _by_position(
    entity: Entity, items: list[Item], size: int, parameters: Mapping[str, str]
) -> Page:
    """Tombstones keep their place, so that a deletion moves no record past the reader."""
    if entity.pagination == "page_number":
        page = _whole("token", entity.token, parameters, least=1, default=1)
        pairs, odd = divmod(page - 1, 2)
        start = pairs * (size + _length(entity, size, 1)) + odd * size
        length, following = _length(entity, size, odd), page + 1
    else:
        start = _whole("token", entity.token, parameters, least=0, default=0)
        length = _length(entity, size, start // size)
        following = start + length
    found = items[start : start + length]
    if not found and start and entity.last == "404":
        raise PastTheEnd
    more = start + length < len(items)
    return Page(found, more, str(following) if more else "")


def _by_key(store: Store, items: list[Item], size: int, token: str | None) -> Page:
    """A page after the record with this primary key, in the order of creation."""
    start = 0
    if token:
        number = store.number_of(token)
        if number is None:
            raise BadParameter("token", f"{store.entity.token} is no record's primary key")
        start = bisect_left(items, number + 1, key=lambda item: item.number)
    length = _length(store.entity, size, start // size)
    found = items[start : start + length]
    if token and not found and store.entity.last == "404":
        raise PastTheEnd
    return Page(found, start + length < len(items))


def _by_token(entity: Entity, items: list[Item], size: int, token: str | None) -> Page:
    key = _key(entity.token, token) if token else None
    length = _length(entity, size, sum(key or ()))
    start = bisect_left(items, (key[0], key[1] + 1)) if key else 0
    found, more = items[start : start + length], start + length < len(items)
    goes_on = more
    if entity.last == "404":
        if key and not found:
            raise PastTheEnd
        goes_on = bool(found)
    return Page(found, more, _token(found[-1]) if goes_on else "")


def _token(last: Item) -> str:
    position = msgspec.json.encode([last.moment, last.number])
    return base64.urlsafe_b64encode(position).decode().rstrip("=")


def _key(name: str, token: str) -> tuple[int, int]:
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        return msgspec.json.decode(base64.b64decode(padded, b"-_", True), type=tuple[int, int])
    except (UnicodeEncodeError, binascii.Error, msgspec.MsgspecError):
        raise BadParameter("token", f"{name} is not a token of this upstream") from None


def _length(entity: Entity, size: int, turn: int) -> int:
    return (size + 1) // 2 if entity.short_pages and turn % 2 else size


def _bounds(store: Store, parameters: Mapping[str, str]) -> tuple[float, float]:
    return (
        _moment("since", store, parameters, -math.inf),
        _moment("until", store, parameters, math.inf),
    )


def _moment(key: str, store: Store, parameters: Mapping[str, str], default: float) -> float:
    name: str | None = getattr(store.entity, key)
    text = parameters.get(name or "")
    if text is None or store.form is None:
        return default
    form = store.entity.since_as
    try:
        return store.form.read(text, form)
    except (ValueError, OverflowError):
        takes = "an ISO 8601 text or a number" if store.form.is_time else "a whole number"
        takes = f'a time written as since_as = "{form}"' if form else takes
        raise BadParameter(key, f"{name} is {text[:_SHOWN]!r}, not {takes}") from None


def _whole(
    key: str, name: str | None, parameters: Mapping[str, str], *, least: int, default: int
) -> int:
    text = parameters.get(name or "")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16) or int(text) < least:
        raise BadParameter(key, f"{name} is {text[:_SHOWN]!r}, not a whole number from {least} on")
    return int(text)
