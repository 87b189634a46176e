"""The words of errors: those that the runtime can report, and those that the page explains."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from connector import errors
from publish.conftest import GENERATED

ROOM = GENERATED / "connector"
PAGE = GENERATED / "docs" / "errors.md"
KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.ConnectorError)
}
# Dataclasses whose `why` becomes a part of an error's text, and of which error's.
CARRIERS = {"Loss": "UpstreamError"}
ANY = "any"  # the kind of a text that may stand in a message of every errorType
GAP = "…"
_LETTERS = 5  # a text with fewer is not worth a search


# ---- what the code says


@dataclass(frozen=True, order=True)
class Message:
    """What an error may say, with … where a value stands.

    Attributes:
        kind: errorType that it is reported as, or ANY.
        text: Constant words, with GAP for each value.
        place: File and line.
    """

    kind: str
    text: str
    place: str


class Module:
    """One module of the runtime, and what texts its expressions can become."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.parents = {
            child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)
        }
        self.functions = {
            node.name: node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)
        }
        self.constants = {
            target.id: node.value
            for node in self.tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        self.calls: dict[str, list[ast.Call]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                self.calls.setdefault(_callee(node), []).append(node)

    def around(self, node: ast.AST) -> ast.FunctionDef | None:
        """The function that a node stands in."""
        at: ast.AST | None = self.parents.get(node)
        while at is not None and not isinstance(at, ast.FunctionDef):
            at = self.parents.get(at)
        return at

    def texts(self, node: ast.AST, given: Mapping[str, list[str]], depth: int = 6) -> list[str]:
        """All texts that an expression can become.

        Args:
            node: The expression.
            given: Texts of parameters that are known.
            depth: How many names and functions to look behind.
        """
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return [node.value]
        if isinstance(node, ast.JoinedStr):
            return self._joined(node.values, given, depth)
        if isinstance(node, ast.FormattedValue):
            return self.texts(node.value, given, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._joined([node.left, node.right], given, depth)
        if isinstance(node, ast.IfExp):
            return self.either([node.body, node.orelse], given, depth)
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
            return self.either(node.values, given, depth)
        if depth and isinstance(node, ast.Name):
            return self._named(node, given, depth - 1)
        if depth and isinstance(node, ast.Call):
            return self._called(node, given, depth - 1)
        return [GAP]

    def _joined(
        self, nodes: list[ast.expr], given: Mapping[str, list[str]], depth: int
    ) -> list[str]:
        ways = itertools.product(*(self.texts(node, given, depth) for node in nodes))
        return ["".join(way) for way in ways]

    def either(
        self, nodes: list[ast.expr], given: Mapping[str, list[str]], depth: int
    ) -> list[str]:
        return [text for node in nodes for text in self.texts(node, given, depth)]

    def _named(self, node: ast.Name, given: Mapping[str, list[str]], depth: int) -> list[str]:
        if node.id in given:
            return given[node.id]
        inside, found = self.around(node), []
        for line in ast.walk(inside) if inside is not None else ():
            if isinstance(line, ast.Assign) and _names(line.targets) == [node.id]:
                found += self.texts(line.value, given, depth)
            if isinstance(line, ast.AugAssign) and _names([line.target]) == [node.id]:
                found += [GAP + text for text in self.texts(line.value, given, depth)]
        if not found and node.id in self.constants:
            return self.texts(self.constants[node.id], {}, depth)
        return found or [GAP]

    def _called(self, node: ast.Call, given: Mapping[str, list[str]], depth: int) -> list[str]:
        name = _callee(node)
        if isinstance(node.func, ast.Attribute) and name in ("rstrip", "format"):
            texts = self.texts(node.func.value, given, depth)
            return [text.replace("{}", GAP) for text in texts]
        function = self.functions.get(name)
        if function is None:
            return [GAP]
        known = self.bound(function, node, given, depth)
        returned = [line.value for line in ast.walk(function) if isinstance(line, ast.Return)]
        return self.either([value for value in returned if value], known, depth) or [GAP]

    def bound(
        self, function: ast.FunctionDef, call: ast.Call, given: Mapping[str, list[str]], depth: int
    ) -> dict[str, list[str]]:
        """The texts that a call hands to a function's parameters."""
        names = [argument.arg for argument in function.args.args]
        values = dict(zip([name for name in names if name != "self"], call.args, strict=False))
        values |= {word.arg: word.value for word in call.keywords if word.arg}
        return {name: self.texts(value, given, depth) for name, value in values.items()}


def modules_of(room: Path) -> list[Module]:
    """What is published of the runtime and runs in a call."""
    return [Module(path) for path in sorted(room.glob("*.py")) if path.name != "testing.py"]


def messages(room: Path) -> set[Message]:
    """Everything that an error of the runtime can say."""
    modules = modules_of(room)
    found: set[Message] = set()
    for module in modules:
        for node in ast.walk(module.tree):
            for kind, text in _said(module, node, modules):
                text = re.sub(rf"{GAP}{{2,}}", GAP, text)
                if sum(map(str.isalpha, text)) >= _LETTERS:
                    found.add(Message(kind, text, f"{module.name}:{getattr(node, 'lineno', 0)}"))
    return found


def _said(module: Module, node: ast.AST, modules: list[Module]) -> Iterator[tuple[str, str]]:
    """Kind and text of what one node makes an error say."""
    if isinstance(node, ast.Call) and _callee(node) in {*KINDS, *CARRIERS}:
        name = _callee(node)
        why = _argument(node, 1 if name == "Loss" or _is_wait(name) else 0, "why")
        for given in _ways(module, node, modules):
            for text in module.texts(why, given) if why is not None else ():
                yield CARRIERS.get(name, name), text
    elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        # A plain error of the runtime's: another one quotes it, or a step's own code meets it.
        if _callee(node.exc) not in (*KINDS, "Failures") and node.exc.args:
            for text in module.texts(node.exc.args[0], {}):
                yield ANY, text
    elif isinstance(node, (ast.Assign, ast.AugAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(target, ast.Attribute) and target.attr == "why" for target in targets):
            for text in module.texts(node.value, {}):
                yield ANY, text
    elif isinstance(node, ast.Call) and _callee(node) == "add_note":
        for text in module.texts(node.args[0], {}):
            yield ANY, text
    elif isinstance(node, ast.JoinedStr) and module.name == "report.py":
        for text in module.texts(node, {}, 0):
            yield ANY, text
    elif isinstance(node, ast.ClassDef) and _is_wait(node.name):
        for default in (line for line in ast.walk(node) if isinstance(line, ast.arguments)):
            for text in module.either(default.defaults, {}, 0):
                yield node.name, text


def _ways(module: Module, node: ast.Call, modules: list[Module]) -> list[dict[str, list[str]]]:
    """What the parameters around an error are given, call by call of the function it stands in.

    A function inside another one is called there alone, a method from anywhere.
    """
    function = module.around(node)
    if function is None or function.name.startswith("__"):
        return [{}]
    outer = module.around(function)
    calls = [
        (other, call)
        for other in (modules if outer is None else [module])
        for call in other.calls.get(function.name, ())
        if outer is None or other.around(call) is outer
    ]
    return [other.bound(function, call, {}, 3) for other, call in calls] or [{}]


def _is_wait(name: str) -> bool:
    return issubclass(KINDS.get(name, Exception), errors.RetryLater)


def _argument(call: ast.Call, index: int, name: str) -> ast.expr | None:
    named = next((word.value for word in call.keywords if word.arg == name), None)
    return named or (call.args[index] if len(call.args) > index else None)


def _callee(call: ast.expr) -> str:
    function = call.func if isinstance(call, ast.Call) else call
    return str(getattr(function, "id", "") or getattr(function, "attr", ""))


def _names(targets: list[ast.expr]) -> list[str]:
    return [target.id for target in targets if isinstance(target, ast.Name)]


# ---- what the page says


@dataclass(frozen=True)
class Row:
    """One row of a table of messages.

    Attributes:
        kinds: errorTypes of its section; none where a message of any type is meant.
        phrases: What stands in its first column.
    """

    kinds: frozenset[str]
    phrases: tuple[str, ...]

    def covers(self, message: Message) -> bool:
        """Whether somebody who searches the message in its section finds this row."""
        mine = message.kind == ANY or message.kind in self.kinds
        return mine and any(phrase in message.text for phrase in self.phrases)


def rows_of(page: str) -> list[Row]:
    """The rows of all tables whose first column is "the message says"."""
    rows, kinds, wanted = [], frozenset[str](), False
    for line in page.splitlines():
        if line.startswith("#"):
            kinds = frozenset(re.findall(r"\w+", line)) & KINDS.keys()
        elif not line.startswith("|"):
            wanted = False
        elif line.startswith("| the message says |"):
            wanted = True
        elif wanted and not line.startswith("|---"):
            rows.append(Row(kinds, tuple(re.findall(r"`([^`]+)`", line.split(" | ")[0]))))
    return rows


def faults(said: set[Message], rows: list[Row]) -> list[str]:
    """What the page lacks, and what it says too much."""
    covering = {message: [row for row in rows if row.covers(message)] for message in said}
    missing = [
        f"{m.place}: no row for {m.kind}: {m.text}" for m, found in covering.items() if not found
    ]
    stale = [
        f"no message says {phrase!r}"
        for row in rows
        for phrase in row.phrases
        if not any(Row(row.kinds, (phrase,)).covers(message) for message in said)
    ]
    # A row whose messages are all found in other rows too could be dropped unseen.
    spare = [row for row in rows if not any(found == [row] for found in covering.values())]
    return missing + stale + [f"another row says it too: {row.phrases}" for row in spare]
