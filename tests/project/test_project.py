"""A project as its user meets it, from its first command to its last."""

from __future__ import annotations

import os
import re
import runpy
import sqlite3
import sys
from pathlib import Path

import duckdb
import pytest
from baked import ROOT, Bake, run


def test_project_works_alone_in_a_new_virtual_environment(project: Bake, tmp_path: Path) -> None:
    """The README's commands, with nothing installed but what requirements-dev.txt names."""
    folder, place = project(), tmp_path / "venv"
    python = str(place / ("Scripts" if os.name == "nt" else "bin") / "python")
    run(folder, "-m", "uv", "venv", "--python", sys.executable, str(place))
    install = ("pip", "install", "--python", python, "-r", "requirements-dev.txt")
    run(folder, "-m", "uv", *install)  # as pip does, but from a cache
    assert "2,500" in run(folder, python, "-m", "harness", "sync", "--sample", "--port", "0")
    run(folder, python, "-m", "pytest", "-q", "-p", "no:cacheprovider")


def test_demo_syncs_in_several_calls_and_again_after_changes(tmp_path: Path) -> None:
    """Both syncs show their state; what an earlier demo left is removed first."""
    left = tmp_path / "acme-connector" / "left-over.txt"
    left.parent.mkdir()
    left.touch()
    demo = ("scripts/demo.py", str(tmp_path))
    shown = run(ROOT, *demo, COLUMNS="120", PYTHONDONTWRITEBYTECODE="")
    assert "passed in" in shown
    first, second = shown.split("4. in the API: 25 new records, 40 changed")
    assert len(re.findall(r"^call \d+ .* hasMore$", first, re.MULTILINE)) >= 2
    assert "2,500 rows, the latest" in first and "pages requested: 25" in first
    assert "2,525 rows, the latest" in second and "What to do next" in second
    assert len(re.findall(r'^state: \{"transaction":"[^"]+Z"\}$', shown, re.MULTILINE)) == 2
    assert not left.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="its commands are written for a POSIX shell")
def test_the_story_runs_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/your-api-in-15-minutes.md: each command prints what the page shows, but for numbers.

    At the end each row in DuckDB is that of Datasette's SQLite file.
    """
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
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
