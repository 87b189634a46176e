"""A baked project against a real server with a JSON API of its own: Datasette over SQLite."""

from __future__ import annotations

import json
import os
import random
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
import requests
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parents[2]
ROWS = 5_003
FETCH = '''
from connector import Fetch, Page, Source

source = Source(base_url="https://datasette.example.com")


@source.entity("reading", primary_key=["id"], cursor="updated_at", page_size=250)
def reading(fetch: Fetch) -> Page:
    """One page of readings changed since the cursor."""
    response = fetch.follow(
        "/measurements/reading.json",
        params={
            "_shape": "objects",
            "_size": fetch.page_size,
            "_sort": "updated_at",
            "updated_at__gte": fetch.since,
        },
    )
    return Page(response.rows("rows"), next_token=response.value("next_url"))
'''


def measured(number: int, chance: random.Random) -> tuple[Any, ...]:
    """A row of mixed kinds."""
    day = f"2025-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"
    return (
        number,
        f"{day}T{chance.randint(0, 23):02d}:{chance.randint(0, 59):02d}:00Z",
        chance.choice(["Zürich", "東京", "São Paulo", "O'Hare"]),
        round(chance.uniform(-40, 45), 2),
        chance.randrange(2**40),
        chance.choice([None, "", 'with "quotes"', "line\nbreak", "😀"]),
    )


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A SQLite file."""
    path = tmp_path / "measurements.db"
    chance = random.Random(7)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "CREATE TABLE reading (id INTEGER PRIMARY KEY, updated_at TEXT, place TEXT, "
            "celsius REAL, counted INTEGER, note TEXT)"
        )
        rows = [measured(number, chance) for number in range(1, ROWS + 1)]
        db.executemany("INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?)", rows)
    return path


@pytest.fixture
def upstream(database: Path) -> Iterator[str]:
    """Datasette serving the file."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "datasette", "serve", str(database), "-p", port]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **quiet) as process:
        for _ in range(600):
            try:
                requests.get(f"{url}/-/versions.json", timeout=5)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield url
        process.terminate()


def sync(project: Path, upstream: str) -> dict[str, Any]:
    """Run `python -m harness sync` in the project, as a user would."""
    done = subprocess.run(
        [sys.executable, "-m", "harness", "sync", "--json"],
        cwd=project,
        env={**os.environ, "UPSTREAM_BASE_URL": upstream, "CONNECTOR_CALL_BYTES": "150000"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def assert_equal(database: Path, project: Path) -> None:
    """Each row in DuckDB equals its row in SQLite."""
    with closing(sqlite3.connect(database)) as db:
        there = db.execute("SELECT * FROM reading ORDER BY id").fetchall()
    schema = json.loads((project / "connection.json").read_text(encoding="utf-8"))["schema"]
    with duckdb.connect(str(project / ".fivetran" / "warehouse.duckdb"), read_only=True) as tables:
        tables.execute("SET TimeZone = 'UTC'")
        here = tables.execute(
            "SELECT id, strftime(updated_at, '%Y-%m-%dT%H:%M:%SZ'), place, celsius::DOUBLE, "
            f'counted, note FROM "{schema}".reading ORDER BY id'
        ).fetchall()
    assert here == there


def test_every_row_of_a_real_api_arrives_and_changes_follow(
    database: Path, upstream: str, tmp_path: Path
) -> None:
    """After a first sync in several calls, and after changes."""
    answers = {"entity": "reading", "pagination": "next_url", "auth": "none"}
    output = str(tmp_path / "bake")
    project = Path(cookiecutter(str(ROOT), no_input=True, output_dir=output, extra_context=answers))
    (project / "fetch.py").write_text(FETCH.lstrip(), encoding="utf-8", newline="\n")
    first = sync(project, upstream)
    assert first["rows"] == ROWS and first["calls"] > 3
    assert_equal(database, project)

    with closing(sqlite3.connect(database)) as db, db:
        db.execute(
            "UPDATE reading SET celsius = 99.5, updated_at = '2026-01-15T10:00:00Z' "
            "WHERE id % 97 = 0"
        )
        db.execute("INSERT INTO reading VALUES (9001, '2026-01-15T11:00:00Z', 'new', 1.5, 1, NULL)")
    assert sync(project, upstream)["rows"] < 100
    assert_equal(database, project)
