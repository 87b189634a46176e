"""One page of an entity in each pagination style."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Mapping
from typing import NamedTuple

from harness.sample.records import Item, Store

SHOWN = 30  # characters of a wrong value
TOKEN = re.compile(r"after:(-?\d+):(\d+)")
_DEFAULT_SIZE = 100


class Refused(Exception):
    """A request gets an error, which may be about a key of the entity's table in sample.toml."""

    def __init__(self, status: int, text: str, key: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.key = key


class Page(NamedTuple):
    """What of an entity is on one page."""

    items: list[Item]
    token: str = ""  # of the next page; "" on the last


def read(store: Store, parameters: Mapping[str, str], short: bool = False) -> Page:
    """The page that the request parameters ask for, half as long if `short`; or Refused."""
    entity = store.entity
    items = chosen(store, parameters)
    if entity.pagination == "none":
        return Page(items)
    size = _whole("size", entity.size, parameters, least=1, default=_DEFAULT_SIZE)
    size = max(size // 2, 1) if short else size
    token, page = parameters.get(entity.token), 0
    if token is None and (entity.by_change or entity.pagination == "last_id"):
        start = 0
    elif entity.by_change:
        place = TOKEN.fullmatch(token or "")
        if place is None:
            raise _bad("token", f"{entity.token} is not a token of this upstream")
        start = bisect_left(items, (int(place[1]), int(place[2]) + 1))
    elif entity.pagination == "last_id":
        number = store.number_of(token or "")
        if number is None:
            raise _bad("token", f"{entity.token} is not the primary key of a record")
        start = bisect_left(items, number + 1, key=lambda item: item.number)
    elif entity.pagination == "offset":
        start = _whole("token", entity.token, parameters, least=0, default=0)
    else:
        page = _whole("token", entity.token, parameters, least=1, default=1)
        start = (page - 1) * size
    end = start + size
    found = items[start:end]
    if page > 1 and not found and entity.next:
        raise Refused(404, "there is no such page: it is after the last one")
    if end >= len(items):
        return Page(found)
    if entity.by_change:
        return Page(found, f"after:{found[-1].moment}:{found[-1].number}")
    return Page(found, str(page + 1 if page else end))


def chosen(store: Store, parameters: Mapping[str, str]) -> list[Item]:
    """The items that the bounds of a request choose, on all pages."""
    low = _bound("since", store, parameters, -math.inf)
    high = _bound("until", store, parameters, math.inf)
    return [item for item in store.items if low <= item.moment < high]


def _bad(key: str, what: str) -> Refused:
    return Refused(400, f"{what}: change fetch.py or {key} there", key)


def _bound(key: str, store: Store, parameters: Mapping[str, str], default: float) -> float:
    name: str = getattr(store.entity, key)
    text = parameters.get(name)
    if text is None or store.form is None:
        return default
    try:
        return store.form.read(text)
    except ValueError:
        takes = "a whole number"
        if store.form.is_time:
            takes = "an ISO 8601 text or a number (another form needs a WSGI app)"
        raise _bad(key, f"{name} is {text[:SHOWN]!r}, not {takes}") from None


def _whole(key: str, name: str, parameters: Mapping[str, str], *, least: int, default: int) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16) or int(text) < least:
        raise _bad(key, f"{name} is {text[:SHOWN]!r}, not a whole number of at least {least}")
    return int(text)
