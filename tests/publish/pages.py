"""docs/fetch.md and docs/sample.md in pieces, and the same pieces of the code."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import connector
import msgspec
from connector import Fetch, Response, Source, testing
from connector.sync.handler import handle
from publish.conftest import GENERATED

PAGE = (GENERATED / "docs" / "fetch.md").read_text(encoding="utf-8")
SAMPLE = (GENERATED / "docs" / "sample.md").read_text(encoding="utf-8")
ROOM = GENERATED / "connector"

URL = "https://api.example.com"

# Public to the rest of the runtime, not to a step.
INTERNAL = {"response.of", "response.start"}
TESTING = {
    name: item
    for name, item in vars(testing).items()
    if getattr(item, "__module__", "") == testing.__name__ and not name.startswith("_")
}
UNSET = "..."
REQUIRED = "required"


# ---- reading a page


def fenced(page: str, kind: str) -> list[str]:
    """The blocks of one kind, without their fences."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", page, re.M | re.S)


def sections(page: str) -> dict[str, str]:
    """Text by heading, down to the next heading of any level."""
    parts = re.split(r"^#+ (.*)$", page, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def table(text: str) -> list[list[str]]:
    """The cells of all tables' rows."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines
        if not line.startswith(("| parameter", "| name", "| attribute", "| setting", "| key"))
    ]


def quoted(text: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", text)


def named(text: str) -> list[str]:
    """The names that tables explain: the first column."""
    return [name for row in table(text) for name in quoted(row[0])]


def signatures(text: str) -> dict[str, list[tuple[str, str, Any]]]:
    """Each signature that a text shows: callable, and name, kind and default of its parameters."""
    found = {}
    shown = "\n".join(fenced(text, "text"))
    for head, inside in re.findall(r"^([\w.]+)\(((?:[^()]|\([^()]*\))*)\)$", shown, re.M):
        assert head not in found, f"{head} is shown twice"
        given = ast.parse(f"def f({inside}): pass").body[0]
        assert isinstance(given, ast.FunctionDef)
        found[head] = list(_parameters(given.args))
    return found


def _parameters(given: ast.arguments) -> list[tuple[str, str, Any]]:
    plain = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(plain) - len(given.defaults)) + list(given.defaults)
    read = [(item.arg, "plain", value) for item, value in zip(plain, defaults, strict=True)] + [
        (item.arg, "keyword", value)
        for item, value in zip(given.kwonlyargs, given.kw_defaults, strict=True)
    ]
    if given.kwarg is not None:
        read.append((given.kwarg.arg, "any", None))
    return [(name, kind, _shown(value)) for name, kind, value in read]


def _shown(value: ast.expr | None) -> Any:
    if value is None:
        return REQUIRED
    literal = ast.literal_eval(value)
    return UNSET if literal is Ellipsis else literal


# ---- reading the code


def callables() -> dict[str, Callable[..., Any]]:
    """Everything that the user may call, by the words of the page."""
    found: dict[str, Callable[..., Any]] = {
        name: getattr(connector, name)
        for name in connector.__all__
        if name not in ("Fetch", "Response")  # made by the runtime alone
    }
    for word, kind in (("source", Source), ("fetch", Fetch), ("response", Response)):
        for name, item in vars(kind).items():
            call = item.__func__ if isinstance(item, classmethod) else item
            if inspect.isfunction(call) and not name.startswith("_"):
                found[f"{word}.{name}"] = call
    found |= {name: TESTING[name] for name in ("call_step", "Reply", "held_clock")}
    return {name: item for name, item in found.items() if name not in INTERNAL}


def signature(call: Callable[..., Any]) -> list[tuple[str, str, Any]]:
    """Name, kind and default of a callable's parameters, as `signatures` gives them."""
    factories = {
        item.name: item.default_factory
        for item in (fields(call) if is_dataclass(call) else ())
        if item.default_factory is not MISSING
    }
    found = []
    for item in inspect.signature(call).parameters.values():
        if item.name == "self" or item.name.startswith("_"):
            continue
        kind = {"KEYWORD_ONLY": "keyword", "VAR_KEYWORD": "any"}.get(item.kind.name, "plain")
        default = factories[item.name]() if item.name in factories else item.default
        found.append((item.name, kind, _default(default)))
    return found


def _default(value: Any) -> Any:
    if value is inspect.Parameter.empty:
        return REQUIRED
    return UNSET if type(value) is object or value is msgspec.UNSET else value


# ---- running it


def sync(source: Source, state: dict[str, Any], secrets: dict[str, str]) -> tuple[Any, Any]:
    """Call until `hasMore` is false: the state at the end, and the keys in each table."""
    tables: dict[str, set[Any]] = {}
    for _ in range(20):
        asked = {"agent": "test", "state": state, "secrets": secrets}
        _, body = handle(source, json.dumps(asked).encode())
        reply = json.loads(body)
        assert "errorMessage" not in reply, reply
        state, schema = reply["state"], reply.get("schema", {})
        for part, do in (("delete", set.discard), ("insert", set.add)):
            for name, rows in reply.get(part, {}).items():
                for row in rows:
                    key = schema[name]["primary_key"] if name in schema else sorted(row)
                    do(tables.setdefault(name, set()), tuple(row[column] for column in key))
        if not reply["hasMore"]:
            return state, tables
    raise AssertionError("the sync does not end")


BLOCKS = fenced(PAGE, "python")
