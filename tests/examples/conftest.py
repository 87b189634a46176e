"""A new project, and copies of it with an example of the gallery over it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from baked import once
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).parents[2]
GALLERY = ROOT / "examples"
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
