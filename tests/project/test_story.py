"""docs/your-api-in-15-minutes.md, run from its first command to its last."""

from __future__ import annotations

import re
import runpy
import sqlite3
import sys
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(sys.platform == "win32", reason="its commands are written for a POSIX shell")
def test_the_story_runs_as_it_is_written(tmp_path: Path) -> None:
    """Each command prints what the page shows, but for numbers; the table is the API's."""
    story = runpy.run_path(str(ROOT / "scripts" / "story.py"))
    for shown, printed in story["run"](story["PAGE"].read_text(encoding="utf-8"), tmp_path):
        assert words(printed) == words(shown)
    rows = "SELECT id, updated_at, total, city FROM {} ORDER BY id"
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        expected = shop.execute(rows.format("orders")).fetchall()
    file = tmp_path / "shop" / ".fivetran" / "warehouse.duckdb"
    with duckdb.connect(str(file), read_only=True) as tables:
        query = rows.format("shop.orders").replace("updated_at", "updated_at::VARCHAR", 1)
        found = tables.execute("SET TimeZone = 'UTC'").execute(query).fetchall()
    same = [(n, re.sub(" (.*)[+]00", r"T\1Z", at), float(total), c) for n, at, total, c in found]
    assert same == expected


def words(text: str) -> list[str]:
    """The letters of a text: times and sizes differ in each run, and so do the widths of tables."""
    return re.findall(r"[^\W\d_]{2,}", re.sub(r"\b(ms|kB|rows/s|min)\b", "", text))
