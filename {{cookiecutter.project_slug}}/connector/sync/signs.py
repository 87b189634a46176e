"""Signs that records are missing, or will be; they are logged, not raised."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import msgspec

from connector import codec
from connector.response import Response
from connector.source import Entity
from connector.sync.page import Batch, EncodedPage
from connector.sync.state import Committed, WalkState
from connector.times import quoted

_MORE = re.compile(r"(has|is)_?(more|next)(_?(page|results?|items?))?|more", re.IGNORECASE)
_NEXT = re.compile(r"(?:^|[._@])next", re.IGNORECASE)
_END = ("end_of_stream", "done", "finished", "last", "is_last", "islast")
_DEEPEST = 4  # levels of objects
_CREATED = re.compile(r"(date_?)?(created|inserted|creation)(_?(at|on|date|time))?", re.IGNORECASE)
# A link that counts pages or records, as in `?page=2` and `?offset=100`.
_COUNTING = re.compile(
    r"[?&](?:p|page|page_?(?:no|num|number|index)|offset|skip|start|start_?(?:at|index))=(\d+)(?:&|$)",
    re.IGNORECASE,
)
_SORTED = 10  # so many ascending cursors are not a coincidence
_LOOKED_AT = 50  # records of a first page


def is_time_of_creation(column: str) -> bool:
    """Whether a column, or the last name of a dotted path, is named like a time of creation."""
    return bool(_CREATED.fullmatch(column.rpartition(".")[2]))


def why_skipping(entity: Entity, page: EncodedPage) -> str:
    """Why records may be skipped between the first page and the second; "" if nothing says so.

    A list that is sorted by the cursor loses a record to each one that changes and moves to its
    end, if pages or records are counted. The list is sorted by something else if integer keys or
    the time of creation ascend, too.
    """
    if not entity.cursor or entity.order == "desc" or not _counts(page):
        return ""
    if entity.cursor in entity.primary_key or is_time_of_creation(entity.cursor):
        return ""
    cursors = page.cursors.first_keys(_LOOKED_AT)
    if len(set(cursors)) < _SORTED or _goes_back(cursors):
        return ""
    others = _other_orders(entity, page.entity_batch)
    if entity.order is None and not any(map(_goes_back, others)):
        return ""
    return (
        f"the records are sorted by {entity.cursor!r} and the next page is requested by counting: "
        "if a record changes during the walk, it moves and another one is skipped. Sort by id or "
        "time of creation, or newest first, or use a page token if the API has one"
    )


def _counts(page: EncodedPage) -> bool:
    """Whether the token after a first page is a number of pages or records."""
    token, batch = page.next_token, page.entity_batch
    if isinstance(token, str) and (found := _COUNTING.search(token)):
        token = found[1]
    last = page.cursors.last
    values = map(str, (last and last.value, *(batch.keys[-1] if batch.keys else ())))
    return str(token) in {"1", "2", str(page.rows)} - {*values}


def _other_orders(entity: Entity, batch: Batch) -> Iterator[Sequence[Any]]:
    """What the list may be sorted by instead: integer keys, and times of creation."""
    keys = zip(*batch.keys[:_LOOKED_AT], strict=True)
    yield from (column for column in keys if set(map(type, column)) == {int})
    records = batch.records()[:_LOOKED_AT]
    names = [*filter(is_time_of_creation, codec.members(records[0]) or ())] if records else []
    members = [codec.members(record) or {} for record in records] if names else []
    for name in names:
        values = [codec.parse(record[name]) for record in members if name in record]
        values = [value for value in values if value is not None]
        if set(map(type, values)) in ({str}, {int}):
            with suppress(ValueError):
                yield entity.cursors.keys(values)


def _goes_back(values: Sequence[Any]) -> bool:
    return any(one > other for one, other in pairwise(values))


def why_unfiltered(entity: Entity, walk: WalkState, committed: Committed) -> str:
    """Why the API may not understand the bound of a walk without records; "" if nothing says so.

    With a lookback at least the record comes again that has the committed cursor.
    """
    since, cursor = walk.since, committed.cursor
    came = walk.rows or walk.readable or walk.unreadable
    if came or since is None or cursor is None or entity.window or since.at >= cursor.at:
        return ""
    return (
        f"no record came since {quoted(since.value)}, not even the one that has the committed "
        f"cursor {quoted(cursor.value)}: was it deleted, or does the API need the bound in another "
        "form (fetch.since_as)?"
    )


def why_truncated(response: Response | None, rows: int, page_size: int) -> str:
    """Why the page that ended a walk may not be the last one; "" if nothing says so, or if
    the response itself says that it is the last.

    Args:
        response: Of the page's last request, None if there was none.
        rows: Records of the page.
        page_size: How many were requested.
    """
    full = f"the last page is full: it has {rows} records, as many as page_size"
    full = full if rows and rows == page_size else ""
    if response is None or not 200 <= response.status_code < 300:
        return full
    if "Link" in response.headers:
        following = response.link("next")
        return 'the last response has a Link header with rel="next"' if following else ""
    try:
        found = dict(_members(response.content, ()))
    except (msgspec.DecodeError, RecursionError):
        return full
    names = {path: path.rpartition(".")[2] for path in found}
    if any(found[path] is True for path, name in names.items() if name.lower() in _END):
        return ""
    signs = {path: found[path] for path in found if _MORE.fullmatch(names[path])}
    signs = {path: more for path, more in signs.items() if isinstance(more, bool)}
    signs |= {path: found[path] for path in found if _NEXT.search(path)}
    more = next((path for path, value in signs.items() if value), "")
    if more:
        return f"the last response says that there is more: it has {more}"
    return "" if signs else full


def _members(body: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """The members of a JSON object and of those in it, by dotted path; lists are not decoded."""
    for name, raw in (codec.members(body) or {}).items():
        first = bytes(memoryview(raw)[:1])
        if first == b"{" and len(path) < _DEEPEST:
            yield from _members(raw, (*path, name))
        elif first not in b"[{":
            yield ".".join((*path, name)), codec.parse(raw)
