# Owned by fivetran-azfn-template: updates replace this file.
"""HTML in which text cannot become markup; it knows nothing of what the page says."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

from harness.jsontext import sound

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_VOID = ("br", "meta")


class Html(str):
    """Markup. Any other text is escaped when it is put into a `tag`."""

    __slots__ = ()


Child = str | int | None | Iterable["Child"]


def tag(name: str, /, *children: Child, **attributes: str | None) -> Html:
    """One element.

    Args:
        name: Its name.
        children: Markup, texts, which are escaped, lists of both; None is left out.
        attributes: By name, `_` for `-`, a `_` at the end dropped (`class_`); None is left out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{join(*children)}</{name}>")


def join(*children: Child) -> Html:
    """Markup and texts behind each other."""
    return Html("".join(map(_written, children)))


def text(value: str | int) -> Html:
    """A text, escaped; characters that would not show, or turn others round, are replaced."""
    return Html(html.escape(_CONTROL.sub("\ufffd", sound(str(value)))))


def _written(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    return text(child) if isinstance(child, str | int) else join(*child)
