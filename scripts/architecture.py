"""Writes the tables of modules in docs/architecture.md from the modules' docstrings."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "{{cookiecutter.project_slug}}"
PAGE = ROOT / "docs" / "architecture.md"


def table(room: str) -> str:
    """A row per module: its path, and the first paragraph of its docstring."""
    rows = ["| module | what it is |", "|---|---|"]
    for path in sorted((PROJECT / room).rglob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        sentence = " ".join(text.partition("\n\n")[0].split())
        rows.append(f"| `{path.relative_to(PROJECT / room).as_posix()}` | {sentence} |")
    return "\n".join(rows)


def page() -> str:
    """The whole page with new tables."""
    return re.sub(
        r"<!-- (connector|harness) -->\n.*?<!-- end -->",
        lambda found: f"<!-- {found[1]} -->\n{table(found[1])}\n<!-- end -->",
        PAGE.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
