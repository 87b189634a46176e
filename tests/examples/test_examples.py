"""Each example of the gallery, laid over a new project: it lints, its tests pass, and it syncs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from examples.conftest import GALLERY, run

EXAMPLES = sorted(path.parent.name for path in GALLERY.glob("*/fetch.py"))
FILES = {"fetch.py", "sample.toml", "tests/test_fetch.py", "tests/test_function.py"}
OWN_APP = "tests/upstream.py"


def sync(folder: Path) -> dict[str, Any]:
    """What a sync with the example's upstream did; on a free port, for tests run side by side."""
    command = ("-m", "harness", "sync", "--sample", "--port", "0", "--json")
    found: dict[str, Any] = json.loads(run(folder, *command))
    return found


@pytest.mark.parametrize("project", EXAMPLES, indirect=True)
def test_an_example_works_in_a_new_project(project: Path, bake: Path) -> None:
    """Its own tests and the tools pass; a second sync brings no new row and does not read all."""
    run(project, "-m", "ruff", "check", "--no-cache", ".")
    run(project, "-m", "ruff", "format", "--no-cache", "--check", ".")
    run(project, "-m", "mypy", "--cache-dir", str(bake / ".mypy_cache"))
    run(project, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    first, second = sync(project), sync(project)
    assert first["ok"] and second["ok"]
    assert first["rows"] > 0
    assert second["state"].keys() == first["state"].keys()
    assert sum(table["applied"].get("inserted", 0) for table in second["tables"]) == 0
    assert second["rows"] < first["rows"] or not first["state"]
    run(project, "-m", "harness", "sync", "--chaos", "11")


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_the_files_of_the_gallery(name: str) -> None:
    """No others; an app of its own is at most 150 lines, and sample.toml names it."""
    folder = GALLERY / name
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    found = {path for path in found if "cache" not in path}
    own_app = 'upstream = "tests.upstream:app"' in (folder / "sample.toml").read_text("utf-8")
    assert found == FILES | ({OWN_APP} if own_app else set())
    if own_app:
        assert len((folder / OWN_APP).read_text("utf-8").splitlines()) <= 150


def test_the_table_of_the_gallery_lists_every_example() -> None:
    text = (GALLERY / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| [")]
    assert [row.split("`")[1] for row in rows] == EXAMPLES
