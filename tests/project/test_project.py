"""The generated project as its user meets it: commands, edits, errors, another machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A bake with the default answers."""
    return Path(cookiecutter(str(ROOT), no_input=True, output_dir=str(tmp_path / "bake")))


def run(
    project: Path, *command: str, python: str = sys.executable, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a Python command in the project's folder."""
    return subprocess.run(
        [python, *command],
        cwd=project,
        env={**os.environ, "PYTHONPATH": "", "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def test_project_works_alone_in_a_new_virtual_environment(project: Path, tmp_path: Path) -> None:
    """The README's commands, with nothing installed but what requirements-dev.txt names."""
    python = str(tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python")
    made = run(project, "-m", "uv", "venv", "--python", sys.executable, str(tmp_path / "venv"))
    assert made.returncode == 0, made.stderr
    install = ("pip", "install", "--python", python, "-r", "requirements-dev.txt")
    installed = run(project, "-m", "uv", *install)  # as pip does, but from a cache
    assert installed.returncode == 0, installed.stderr
    synced = run(project, "-m", "harness", "sync", "--sample", python=python)
    assert synced.returncode == 0, synced.stdout + synced.stderr
    assert "2,500" in synced.stdout
    tested = run(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", python=python)
    assert tested.returncode == 0, tested.stdout


def test_a_path_and_a_name_changed_in_both_files_stay_green(project: Path) -> None:
    """sample.toml speaks fetch.py's words: what is changed in both keeps every test green."""
    for name in ("fetch.py", "sample.toml", "tests/test_fetch.py"):
        text = (project / name).read_text(encoding="utf-8")
        changed = (
            text.replace("/transaction", "/v2/payments")
            .replace("next_cursor", "after_this")
            .replace("updated_since", "changed_from")
        )
        assert changed != text
        (project / name).write_text(changed, encoding="utf-8", newline="\n")
    chosen = ("-k", "test_fetch or setup_test or every_record or second_sync")
    tested = run(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen)
    assert tested.returncode == 0, tested.stdout


def test_a_path_changed_in_fetch_alone_is_explained(project: Path) -> None:
    """The failure says what the sample API has, and that sample.toml is the file to change."""
    fetch = project / "fetch.py"
    text = fetch.read_text(encoding="utf-8").replace('"/transaction"', '"/payments"')
    fetch.write_text(text, encoding="utf-8", newline="\n")
    synced = run(project, "-m", "harness", "sync", "--sample")
    assert synced.returncode == 1
    for word in ("/payments", "/transaction", "sample.toml"):
        assert word in synced.stdout


def test_a_wrong_token_is_shown_as_fivetran_would_and_moves_nothing(project: Path) -> None:
    """sync ends non-zero with the errorMessage, without the token, and the state stays."""
    sys.path.insert(0, str(project))
    from harness.sample import load

    connection = project / "connection.json"
    settings = json.loads(connection.read_text(encoding="utf-8"))
    sample = load(project)
    with sample.serve() as server:
        settings["secrets"] = sample.secrets()
        connection.write_text(json.dumps(settings), encoding="utf-8")
        assert run(project, "-m", "harness", "sync", UPSTREAM_BASE_URL=server.url).returncode == 0
        before = state(project)
        settings["secrets"] = {"apiToken": "a-token-that-is-wrong"}
        connection.write_text(json.dumps(settings), encoding="utf-8")
        refused = run(project, "-m", "harness", "sync", UPSTREAM_BASE_URL=server.url)
    assert refused.returncode == 1
    assert "401" in refused.stdout
    assert "apiToken" in refused.stdout
    assert "a-token-that-is-wrong" not in refused.stdout + refused.stderr
    assert state(project) == before


def state(project: Path) -> str:
    """The state that the next call is sent."""
    return run(project, "-m", "harness", "state", "--json").stdout
