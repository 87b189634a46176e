"""The words of errors: those that stand in the runtime's code, and those that the page explains."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from connector import errors
from publish.conftest import GENERATED

RUNTIME = GENERATED / "connector"
PAGE = GENERATED / "docs" / "errors.md"
KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.ConnectorError)
}
ANY = "any"  # the kind of a text that is not written where an error is made
GAP = "…"
_NO_ERRORS = ("line", "log", "compile")  # what is passed to these, no error says
# Texts that no error says, and beginnings of sentences that say nothing by themselves.
OTHERS = {
    "gzip, deflate",
    "JSON is malformed: ",
    "Input data was truncated",
    "payload key",
    "no content type",
    "no field",
    "a page of …",
    "the response",
    "… in the response",
    "… (cut, … characters)",
    "under … characters: it cannot be masked in texts",
}
_WORDS = re.compile(r"[^\W\d_]{2,}[,;:)]?[ …]+\S*[^\W\d_]{2,}| [^\W\d_]{5,} …")


@dataclass(frozen=True, order=True)
class Message:
    """A text in the runtime's code that an error may say.

    Attributes:
        kind: Name of the error that it is written for, or ANY.
        text: Constant words, with GAP for each value.
        place: File and line.
    """

    kind: str
    text: str
    place: str


def messages(runtime: Path) -> set[Message]:
    """What an error of the runtime can say, in pieces: all texts but OTHERS."""
    return {message for message in texts(runtime) if message.text not in OTHERS}


def texts(runtime: Path) -> set[Message]:
    """The texts of at least two words in the modules that a call runs, docstrings and logs not
    counted."""
    found: set[Message] = set()
    for path in sorted(runtime.rglob("*.py")):
        if path.name not in ("testing.py", "log.py", "truncated.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            name = path.relative_to(runtime).as_posix()
            for kind, text, line in _texts(tree, ANY):
                if _WORDS.search(text):
                    found.add(Message(kind, text, f"{name}:{line}"))
    return found


def _texts(node: ast.AST, kind: str) -> Iterator[tuple[str, str, int]]:
    """Kind, text and line of the texts below a node."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield kind, node.value, node.lineno
        return
    if isinstance(node, ast.Call):
        if _callee(node) in _NO_ERRORS:
            return
        kind = _callee(node) if _callee(node) in KINDS else kind
    if isinstance(node, ast.ClassDef) and node.name in KINDS:
        kind = node.name  # the default of an argument
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else GAP for part in node.values]
        yield kind, re.sub(f"{GAP}{{2,}}", GAP, "".join(map(str, parts))), node.lineno
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from _texts(part.value, kind)
        return
    for child in ast.iter_child_nodes(node):
        yield from _texts(child, kind)


def _callee(call: ast.Call) -> str:
    return str(getattr(call.func, "id", "") or getattr(call.func, "attr", ""))


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
        mine = not self.kinds or message.kind == ANY or message.kind in self.kinds
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
        f"{message.place}: no row for {message.kind}: {message.text}"
        for message, found in sorted(covering.items())
        if not found
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
