"""Kusto, as far as the pages use it: what parse-kv makes of a message, and which names a query has.

Source of parse-kv: its reference page. The first appearance of a key counts, a quoted value may
hold delimiters, and in it the escape character takes the next one as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPERATOR = re.compile(
    r"\| parse-kv message as \((?P<keys>[^)]*)\)\s*with \((?P<options>[^)]*)\)", re.DOTALL
)
_OPTION = re.compile(r"""(\w+)=(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')""")
_STRING = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_NAME = re.compile(r"(?<![\w.])([a-zA-Z_]\w*)(\s*\()?")

# Columns of the table that the Functions host writes log lines to.
TRACES = {
    *("timestamp", "message", "severityLevel", "itemType", "itemCount", "itemId", "appId"),
    *("customDimensions", "operation_Id", "operation_Name", "operation_ParentId"),
    *("cloud_RoleName", "cloud_RoleInstance", "sdkVersion"),
}
WORDS = {
    "where": {"and", "or", "not", "has", "contains", "startswith"},
    "parse-kv": {"as", "with", "pair_delimiter", "kv_delimiter", "quote", "escape"},
    "summarize": {"by"},
    "project": set(),
    "order": {"by", "asc", "desc"},
}
FUNCTIONS = {
    "where": {"ago"},
    "summarize": {"bin", "count", "countif", "max", "min", "percentile", "sum"},
    "project": {"bin"},
}
TYPES = {"string", "long"}


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


def faults(query: str) -> list[str]:
    """What Kusto would have against a query: operators, functions and columns that are none."""
    *lets, pipeline = _STRING.sub("''", query).split(";")
    variables = {let.split()[1] for let in lets}
    table, *stages = (part.strip() for part in pipeline.split("|"))
    found = [] if table == "traces" else [f"no table {table}"]
    columns = TRACES
    for stage in stages:
        operator, _, rest = stage.partition(" ")
        if operator not in WORDS:
            return [*found, f"no operator: {stage}"]
        made, kept = set(), rest
        if operator == "parse-kv":
            types = dict(re.findall(r"(\w+): (\w+)", rest))
            found += [f"no type {kind}: {stage}" for kind in types.values() if kind not in TYPES]
            made, rest = {*types}, rest.partition(" as ")[0]
        elif operator in ("summarize", "project"):
            made = set(re.findall(r"(\w+) = ", rest))
            rest = re.sub(r"\w+ = ", "", rest)
            kept = rest.partition(" by ")[2] if operator == "summarize" else rest
        for name, call in _NAME.findall(rest):
            known = FUNCTIONS.get(operator, ()) if call else columns | variables
            if name not in known and name not in WORDS[operator]:
                found.append(f"no {'function' if call else 'column'} {name}: {stage}")
        if operator in ("summarize", "project"):
            columns = columns & {name for name, _ in _NAME.findall(kept)}
        columns = columns | made
    return found
