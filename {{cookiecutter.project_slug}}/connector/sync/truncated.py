"""Signs that a walk ended before the upstream's last page; they are logged, not raised."""

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
    """Why the page that ended a walk may not be the last one; "" where nothing says so, or where
    the response itself says that it is the last.

    Args:
        response: Of the page's last request, None where there was none.
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
