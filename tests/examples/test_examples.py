"""Each example of the gallery, laid over a new project: it lints, its tests pass, and it syncs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from examples.conftest import CACHES, GALLERY, run
from publish.conftest import Bake

EXAMPLES = sorted(path.parent.name for path in GALLERY.glob("*/fetch.py"))
FILES = {"fetch.py", "sample.toml", "tests/test_fetch.py", "tests/test_function.py"}
OWN_APP = "tests/upstream.py"


def sync(folder: Path) -> dict[str, Any]:
    """What a sync with the example's upstream did; on a free port, for tests run side by side."""
    command = ("-m", "harness", "sync", "--sample", "--port", "0", "--json")
    found: dict[str, Any] = json.loads(run(folder, *command))
    return found


@pytest.mark.parametrize("project", EXAMPLES, indirect=True)
def test_an_example_works_in_a_new_project(project: Path) -> None:
    """Its own tests pass; a second sync brings no new row and does not read everything."""
    run(project, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    first, second = sync(project), sync(project)
    assert first["ok"] and second["ok"]
    assert first["rows"] > 0
    assert second["state"].keys() == first["state"].keys()
    assert sum(table["applied"].get("inserted", 0) for table in second["tables"]) == 0
    assert second["rows"] < first["rows"] or not first["state"]


def test_the_tools_of_a_project_find_nothing_in_the_examples(bake: Bake, tmp_path: Path) -> None:
    """ruff and mypy, with the settings of a new project; modules need names of their own."""
    folder = tmp_path / "project"
    shutil.copytree(bake(), folder, ignore=CACHES)
    for name in EXAMPLES:
        for path in (GALLERY / name).rglob("*.py"):
            (folder / f"{path.stem}_{name}.py").write_bytes(path.read_bytes())
    run(folder, "-m", "ruff", "check", "--no-cache", ".")
    run(folder, "-m", "ruff", "format", "--no-cache", "--check", ".")
    steps = [path.name for path in folder.glob("*_*.py") if not path.name.startswith("test_")]
    run(folder, "-m", "mypy", *steps)


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
