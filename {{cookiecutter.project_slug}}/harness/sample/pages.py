"""One page of an entity in each pagination style."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Mapping
from typing import NamedTuple

from harness.sample.records import Item, Store
from harness.sample.spec import Entity

SHOWN = 30  # characters of a wrong value
_DEFAULT_SIZE = 100
_TOKEN = re.compile(r"after:(-?\d+):(\d+)")


class Refused(Exception):
    """A request gets an error.

    Attributes:
        status: Of the response.
        key: The key of the entity's table in sample.toml that it is about, "" for none.
    """

    def __init__(self, status: int, text: str, key: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.key = key


class Page(NamedTuple):
    """What of an entity is on one page."""

    items: list[Item]
    more: bool = False  # whether there are items after these
    token: str = ""  # of the next page; "" on the last


def read(store: Store, parameters: Mapping[str, str]) -> Page:
    """The page that the request parameters ask for.

    Raises:
        Refused: A value is out of range, not a time, or not a token of this upstream; or there is
            no such page, and the entity has `last = "404"`.
    """
    entity = store.entity
    size = _whole("size", entity.size, parameters, least=1, default=_DEFAULT_SIZE)
    by_change = entity.pagination in ("cursor", "link_header", "next_url")
    by_token = by_change and not entity.key_is_token
    items = _chosen(store, parameters, store.by_change if by_token else store.by_creation)
    if entity.pagination == "none":
        return Page(items)
    token, page = parameters.get(entity.token), 0
    if by_token:
        start = _after(items, entity, token)
    elif entity.key_is_token:
        start = _after_key(items, store, token)
    elif entity.pagination == "offset":
        start = _whole("token", entity.token, parameters, least=0, default=0)
    else:
        page = _whole("token", entity.token, parameters, least=1, default=1)
        start = 0
        for _ in range(page - 1 if entity.short_pages else 0):
            start += _length(entity, size, start)
        start = start or (page - 1) * size
    end = start + _length(entity, size, start)
    found, more = items[start:end], end < len(items)
    if start and not found and entity.last == "404":
        raise Refused(404, "there is no such page: the last one is before it")
    if not more:
        return Page(found)
    if by_token:
        return Page(found, True, f"after:{found[-1].moment}:{found[-1].number}")
    return Page(found, True, str(page + 1 if page else end))


def count(store: Store, parameters: Mapping[str, str]) -> int:
    """How many items the bounds of a request choose, on all pages."""
    return len(_chosen(store, parameters, store.by_creation))


def is_token(text: str) -> bool:
    """Whether a value is a page token of this upstream."""
    return _TOKEN.fullmatch(text) is not None


def _chosen(store: Store, parameters: Mapping[str, str], items: list[Item]) -> list[Item]:
    low = _moment("since", store, parameters, -math.inf)
    high = _moment("until", store, parameters, math.inf)
    if low == -math.inf and high == math.inf:
        return items
    return [item for item in items if low <= item.moment < high]


def _after(items: list[Item], entity: Entity, token: str | None) -> int:
    if not token:
        return 0
    position = _TOKEN.fullmatch(token)
    if position is None:
        raise _bad("token", f"{entity.token} is not a token of this upstream")
    return bisect_left(items, (int(position[1]), int(position[2]) + 1))


def _after_key(items: list[Item], store: Store, token: str | None) -> int:
    """Where the records after the one with this primary key begin, in the order of creation."""
    if not token:
        return 0
    number = store.number_of(token)
    if number is None:
        raise _bad("token", f"{store.entity.token} is no record's primary key")
    return bisect_left(items, number + 1, key=lambda item: item.number)


def _bad(key: str, what: str) -> Refused:
    return Refused(400, f"{what}: change fetch.py or {key} there", key)


def _length(entity: Entity, size: int, start: int) -> int:
    return (size + 1) // 2 if entity.short_pages and start // size % 2 else size


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
        raise _bad(key, f"{name} is {text[:SHOWN]!r}, not {takes}") from None


def _whole(
    key: str, name: str | None, parameters: Mapping[str, str], *, least: int, default: int
) -> int:
    text = parameters.get(name or "")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16) or int(text) < least:
        raise _bad(key, f"{name} is {text[:SHOWN]!r}, not a whole number from {least} on")
    return int(text)
