"""Kusto's parse-kv operator, as far as docs/telemetry.md uses it.

Source: the operator's reference page: the first appearance of a key counts, a quoted value may hold
delimiters, and in it the escape character takes the next one as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPERATOR = re.compile(
    r"\| parse-kv message as \((?P<keys>[^)]*)\)\s*with \((?P<options>[^)]*)\)", re.DOTALL
)
_OPTION = re.compile(r"""(\w+)=(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')""")


@dataclass(frozen=True)
class ParseKv:
    """One use of the operator.

    Attributes:
        types: The Kusto type of each key that it asks for.
        options: pair_delimiter, kv_delimiter, quote and escape, one character each.
    """

    types: dict[str, str]
    options: dict[str, str]

    def __call__(self, message: str) -> dict[str, str | int | None]:
        """The row that the operator makes of a message."""
        found = self._pairs(message)
        row: dict[str, str | int | None] = {}
        for key, kind in self.types.items():
            if kind == "long":
                row[key] = int(found[key]) if key in found else None
            else:
                row[key] = found.get(key, "")
        return row

    def _pairs(self, message: str) -> dict[str, str]:
        pair, between, quote, escape = (
            self.options[name] for name in ("pair_delimiter", "kv_delimiter", "quote", "escape")
        )
        found: dict[str, str] = {}
        at = 0
        while (middle := message.find(between, at)) >= 0:
            key = message[at:middle].strip()
            at = middle + len(between)
            value = ""
            if message.startswith(quote, at):
                at += 1
                while message[at] != quote:
                    at += message[at] == escape
                    value += message[at]
                    at += 1
                at += 1
            else:
                end = message.find(pair, at)
                end = len(message) if end < 0 else end
                value, at = message[at:end], end
            found.setdefault(key, value.strip())
        return found


def operators(query: str) -> list[ParseKv]:
    """Every parse-kv of a query."""
    uses = []
    for use in _OPERATOR.finditer(query):
        keys = [key.split(":") for key in use["keys"].split(",")]
        types = {name.strip(): kind.strip() for name, kind in keys}
        options = {
            name: re.sub(r"\\(.)", r"\1", double or single)
            for name, double, single in _OPTION.findall(use["options"])
        }
        uses.append(ParseKv(types, options))
    return uses
