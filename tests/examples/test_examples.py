"""Each example of the gallery, laid over a new project: it lints, its tests pass, and it syncs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from baked import once
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).parents[2]
GALLERY = ROOT / "examples"
EXAMPLES = sorted(path.parent.name for path in GALLERY.glob("*/fetch.py"))
FILES = {"fetch.py", "sample.toml", "tests/test_fetch.py", "tests/test_function.py"}
OWN_APP = "tests/upstream.py"
CACHES = shutil.ignore_patterns("__pycache__", ".*_cache", ".fivetran")
# What the example's upstream expects of the custom payload; any other key is "acme".
PAYLOAD = {"repositories": "octo/app, octo/docs, octo/fork, octo/new"}
NAMES = """
import json
from fetch import source
print(json.dumps([list(source.secrets), list(source.payload)]))
"""


def run(folder: Path, *command: str) -> str:
    """What a command prints; it must end well."""
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def sync(folder: Path) -> dict[str, Any]:
    """What a sync with the example's upstream did; on a free port, for tests run side by side."""
    command = ("-m", "harness", "sync", "--sample", "--port", "0", "--json")
    found: dict[str, Any] = json.loads(run(folder, *command))
    return found


@pytest.fixture(scope="session")
def bake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the default answers."""

    def into(folder: Path) -> Path:
        config = folder / "config.yaml"
        config.write_text(
            f'replay_dir: "{folder.as_posix()}/a"\ncookiecutters_dir: "{folder.as_posix()}/b"\n',
            encoding="utf-8",
        )
        made = cookiecutter(
            str(ROOT), no_input=True, output_dir=str(folder), config_file=str(config)
        )
        return Path(made)

    return once(tmp_path_factory, {"for": "examples"}, into)


@pytest.fixture
def project(bake: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The example over a copy of the project, with its names in both connection files."""
    folder = tmp_path / "project"
    shutil.copytree(bake, folder, ignore=CACHES)
    shutil.copytree(GALLERY / request.param, folder, ignore=CACHES, dirs_exist_ok=True)
    secrets, payload = json.loads(run(folder, "-c", NAMES))
    connection = {
        "schema": "acme",
        "secrets": dict.fromkeys(secrets, ""),
        "customPayload": {key: PAYLOAD.get(key, "acme") for key in payload},
    }
    for name in ("connection.json", "connection.example.json"):
        (folder / name).write_text(json.dumps(connection), encoding="utf-8")
    return folder


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
    assert sum(table["applied"]["inserted"] for table in second["tables"]) == 0
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
