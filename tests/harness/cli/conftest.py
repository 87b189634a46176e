"""Commands of the harness, typed in folders with a hand-made function or in a baked project."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import handmade
import pytest
from baked import once
from cookiecutter.main import cookiecutter
from harness.cli import main

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a folder whose function has a body, and goes there."""

    def make(body: str = handmade.GOOD) -> Path:
        folder = handmade.make(tmp_path / "project", body)
        monkeypatch.chdir(folder)
        monkeypatch.delenv("FUNCTION_KEY", raising=False)
        return folder

    return make


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs a command in the current folder: its exit code and what it wrote, on one line."""

    def run(*arguments: str) -> tuple[int, str]:
        code = main(list(arguments))
        written = capsys.readouterr()
        return code, " ".join((written.out + written.err).split())

    return run


@pytest.fixture
def result(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Runs a command with --json: the one object that it wrote."""

    def run(*arguments: str) -> dict[str, Any]:
        code = main([*arguments, "--json"])
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert found["exit_code"] == code
        return found

    return run


@pytest.fixture
def process() -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Runs a command in a process of its own, in the current folder."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
        path = os.pathsep.join([str(Path.cwd()), *sys.path])
        return subprocess.run(
            [sys.executable, "-m", "harness", *arguments],
            env={**os.environ, "PYTHONPATH": path, **environment},
            capture_output=True,
        )

    return run


@pytest.fixture
def baked(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of a project baked with all answers left as they are; the current folder."""

    def bake(folder: Path) -> Path:
        config = folder / "config.yaml"
        config.write_text(
            f'replay_dir: "{folder.as_posix()}/a"\ncookiecutters_dir: "{folder.as_posix()}/b"\n',
            encoding="utf-8",
        )
        made = cookiecutter(
            str(ROOT), no_input=True, output_dir=str(folder), config_file=str(config)
        )
        return Path(made)

    folder = tmp_path / "baked"
    shutil.copytree(once(tmp_path_factory, {"for": "the local Fivetran"}, bake), folder)
    monkeypatch.chdir(folder)
    return folder
