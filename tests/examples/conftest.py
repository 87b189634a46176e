"""A new project, and copies of it with an example of the gallery over it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from publish.conftest import ROOT, Bake, bake

__all__ = ["bake"]

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


@pytest.fixture
def project(bake: Bake, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The example over a copy of the project, with its names in both connection files."""
    folder = tmp_path / "project"
    shutil.copytree(bake(), folder, ignore=CACHES)
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
