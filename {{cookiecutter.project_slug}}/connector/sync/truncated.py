"""Signs that a walk has ended before the upstream's last page; they are logged, not raised."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from connector import codec
from connector.response import Response

_MORE = re.compile(r"(has|is)_?(more|next)(_?(page|results?|items?))?|more", re.IGNORECASE)
_NEXT = re.compile(r"(?:^|[._@])next", re.IGNORECASE)
_END = ("end_of_stream", "done", "finished", "last", "is_last", "islast")
_DEEPEST = 4  # levels of objects


def why_truncated(response: Response | None, rows: int, page_size: int) -> str:
    """Why the page that ended a walk may not be the last one; "" where nothing says so.

    Args:
        response: Of the page's last request, None where there was none.
        rows: Records of the page.
        page_size: How many were asked for.
    """
    if rows and rows == page_size:
        return f"the last page is full: it has {rows} records, as many as page_size"
    if response is None or not 200 <= response.status_code < 300:
        return ""
    if response.link("next"):
        return 'the last response has a Link header with rel="next"'
    try:
        found = dict(_members(response.content, ()))
    except (msgspec.DecodeError, RecursionError):
        return ""
    if any(found.get(name) is True for name in found if name.rpartition(".")[2].lower() in _END):
        return ""
    for path, value in found.items():
        names_more = _MORE.fullmatch(path.rpartition(".")[2]) and value is True
        if names_more or (_NEXT.search(path) and value and not isinstance(value, bool)):
            return f"the last response speaks of more: it has {path}"
    return ""


def _members(body: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """The members of a JSON object and of those in it, by dotted path; lists are not decoded."""
    for name, raw in (codec.members(body) or {}).items():
        first = bytes(memoryview(raw)[:1])
        if first == b"{" and len(path) < _DEEPEST:
            yield from _members(raw, (*path, name))
        elif first not in b"[{":
            yield ".".join((*path, name)), codec.parse(raw)
