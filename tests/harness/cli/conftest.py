"""Commands of the harness, typed in folders with a hand-made function or in a baked project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import handmade
import pytest
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
def baked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project baked with all answers left as they are; the current folder."""
    config, place = tmp_path / "config.yaml", tmp_path.as_posix()
    text = f'replay_dir: "{place}/a"\ncookiecutters_dir: "{place}/b"\n'
    config.write_text(text, encoding="utf-8")
    options = {"output_dir": str(tmp_path), "config_file": str(config)}
    folder = Path(cookiecutter(str(ROOT), no_input=True, **options))
    monkeypatch.chdir(folder)
    return folder
