"""Writes docs/errors.md from the catalogue errors.toml: `python scripts/errors_page.py`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

CATALOGUE = Path(__file__).with_name("errors.toml")
PAGE = Path(__file__).parents[1] / "{{cookiecutter.project_slug}}" / "docs" / "errors.md"


def sections() -> list[dict[str, Any]]:
    """Heading, text and rows of each section; a row is texts of messages, cause, what to do."""
    found: list[dict[str, Any]] = catalogue()["section"]
    return found


def catalogue() -> dict[str, Any]:
    return tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))


def page() -> str:
    """errors.md as Markdown."""
    parts = [catalogue()["head"].strip(), "## Errors that the function reports"]
    for section in sections():
        parts.append(f"### {section['heading']}")
        if "text" in section:
            parts.append(section["text"].strip())
        if "rows" in section:
            lines = ["| the message says | why | what to do |", "|---|---|---|"]
            for says, cause, fix in section["rows"]:
                shown = "<br>".join(f"`{text}`" for text in says)
                lines.append(f"| {shown} | {cause} | {fix} |")
            parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
