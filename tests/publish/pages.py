"""The pages docs/fetch.md and docs/sample.md in pieces."""

from __future__ import annotations

import re

from baked import GENERATED

PAGE = (GENERATED / "docs" / "fetch.md").read_text(encoding="utf-8")
SAMPLE = (GENERATED / "docs" / "sample.md").read_text(encoding="utf-8")


def fenced(page: str, kind: str) -> list[str]:
    """The blocks of one kind, without their fences."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", page, re.M | re.S)


def sections(page: str) -> dict[str, str]:
    """Text by heading, down to the next heading of any level."""
    parts = re.split(r"^#+ (.*)$", page, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def table(text: str) -> list[list[str]]:
    """The cells of all tables' rows, without their heads."""
    tables = re.findall(r"^\|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.M)
    rows = [line for rows in tables for line in rows.splitlines()]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def quoted(text: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", text)


def named(text: str) -> list[str]:
    """The names that tables explain: the first column."""
    return [name for row in table(text) for name in quoted(row[0])]
