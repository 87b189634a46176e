"""docs/errors.md: written from its catalogue, which has a row for every error of the runtime."""

from __future__ import annotations

import ast
import re
import runpy
from collections.abc import Iterator

from baked import GENERATED, ROOT
from connector import errors

PAGE = runpy.run_path(str(ROOT / "scripts" / "errors_page.py"))
SECTIONS = PAGE["sections"]()
KINDS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.ConnectorError)
}
GAP = "…"
# What a message says, and the heading of the section that explains it.
HEADINGS = {
    said: part["heading"] for part in SECTIONS for row in part.get("rows", ()) for said in row[0]
}


def texts(node: ast.AST) -> Iterator[str]:
    """The texts below a node of Python code, with `…` for each value in them."""
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else GAP for part in node.values]
        yield re.sub(f"{GAP}+", GAP, "".join(map(str, parts)))
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from texts(part.value)
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    for child in ast.iter_child_nodes(node):
        yield from texts(child)


def test_every_message_has_a_row_below_its_type_and_every_row_a_message() -> None:
    written, raised, explained = set(), set(), 0
    for path in sorted((GENERATED / "connector").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        written |= set(texts(tree))
        for node in ast.walk(tree) if path.name != "testing.py" else ():
            callee = node.func if isinstance(node, ast.Call) else None
            kind = getattr(callee, "attr", getattr(callee, "id", ""))
            if isinstance(node, ast.Raise) or kind in KINDS:
                raised |= {(path.name, text) for text in texts(node)}
            for text in texts(node) if kind in KINDS else ():
                headings = {HEADINGS[said] for said in HEADINGS if said in text}
                explained += bool(headings)
                assert not headings or any(kind in heading for heading in headings), text
    worded = {(name, text) for name, text in raised if re.search(r"\w\w[,;:)]? \S*\w\w", text)}
    assert len(worded) > 80 and explained > 80
    assert [one for one in worded if not any(said in one[1] for said in HEADINGS)] == []
    assert [said for said in HEADINGS if not any(said in text for text in written)] == []


def test_the_page_is_the_catalogue_s() -> None:
    assert PAGE["PAGE"].read_text(encoding="utf-8") == PAGE["page"]()
    headings = " ".join(part["heading"] for part in SECTIONS)
    assert set(re.findall(r"\w+", headings)) >= KINDS
