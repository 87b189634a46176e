"""Bakes of the template, one per set of answers for a whole test run, and what runs in them."""

from __future__ import annotations

import compileall
import hashlib
import json
import os
import py_compile
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cookiecutter.main import cookiecutter
from filelock import FileLock

ROOT = Path(__file__).parents[1]
GENERATED = ROOT / "{{cookiecutter.project_slug}}"
ROOMS = ("connector", "harness")

Bake = Callable[..., Path]


@pytest.fixture(scope="session", autouse=True)
def cookiecutter_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No bake reads or writes the home folder of whoever runs the tests."""
    folder = tmp_path_factory.mktemp("cookiecutter")
    keys = ("replay_dir", "cookiecutters_dir")
    text = "".join(f'{key}: "{folder.as_posix()}/{key}"\n' for key in keys)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COOKIECUTTER_CONFIG", str(folder / "config.yaml"))
        yield


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template without what tools left in the checkout.

    Bakes copy its bytecode, which is checked by the sources' hash: the suite imports the runtime
    fifty times in each project.
    """
    copy = tmp_path_factory.mktemp("template") / "template"
    caches = shutil.ignore_patterns("__pycache__", ".*_cache")
    for name in ("hooks", "templates", GENERATED.name):
        shutil.copytree(ROOT / name, copy / name, ignore=caches)
    shutil.copy(ROOT / "cookiecutter.json", copy)
    by_hash = py_compile.PycInvalidationMode.CHECKED_HASH
    for room in ROOMS:
        compileall.compile_dir(copy / GENERATED.name / room, quiet=1, invalidation_mode=by_hash)
    return copy


@pytest.fixture(scope="session")
def bake_into(template: Path) -> Bake:
    """`bake_into(folder, answer=…)` bakes into a folder and gives the project's path."""

    def bake_into(
        folder: Path, /, *, overwrite: bool = False, skip: bool = False, **answers: str
    ) -> Path:
        made = cookiecutter(
            str(template),
            no_input=True,
            extra_context=answers,
            output_dir=str(folder),
            overwrite_if_exists=overwrite,
            skip_if_file_exists=skip,
        )
        return Path(made)

    return bake_into


@pytest.fixture(scope="session")
def bake(bake_into: Bake, tmp_path_factory: pytest.TempPathFactory) -> Bake:
    """`bake(answer=…)` gives a project to read; all workers of a run share it."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "baked"

    def bake(**answers: str) -> Path:
        key = json.dumps(sorted(answers.items())).encode()
        folder = shared / hashlib.blake2b(key, digest_size=8).hexdigest()
        folder.mkdir(parents=True, exist_ok=True)
        name = folder / "name.txt"
        with FileLock(f"{folder}.lock"):
            if not name.exists():
                name.write_text(bake_into(folder, **answers).name, encoding="utf-8")
        return folder / name.read_text(encoding="utf-8")

    return bake


@pytest.fixture
def project(bake: Bake, tmp_path: Path) -> Bake:
    """`project(answer=…)` gives a project of the test's own, to change and run."""
    return lambda **answers: Path(shutil.copytree(bake(**answers), tmp_path / "project"))


def files(project: Path) -> set[str]:
    """All files of a project but bytecode, as paths with slashes."""
    found = {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}
    return {name for name in found if "__pycache__" not in name}


def run(
    folder: Path, *command: str, code: int = 0, typed: str | None = None, **environment: str
) -> str:
    """What a command prints, by default of Python; what it writes on stderr too if it fails.

    Args:
        folder: Where it runs.
        command: Arguments of Python, or a path and its arguments.
        code: How it has to end.
        typed: Its standard input.
        environment: Beside the variables of this process that are not about its own tests.
    """
    ours = ("PYTEST_", "PYTHONPATH", "COV_", "UPSTREAM_BASE_URL")
    env = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    env |= {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    done = subprocess.run(
        command if Path(command[0]).is_absolute() else [sys.executable, *command],
        cwd=folder,
        input=typed,
        env=env | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=240,
    )
    assert done.returncode == code, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout if code == 0 else done.stdout + done.stderr


def lint(*projects: Path) -> None:
    """Ruff, with each project's own settings, finds nothing in the user's Python files."""
    for command in (["format", "--diff"], ["check", "--quiet"]):
        tool(projects[0], "ruff", *command, "--no-cache", *map(str, projects))


def tool(folder: Path, name: str, *arguments: str) -> str:
    """What a program of this environment prints."""
    return run(folder, str(Path(sys.executable).with_name(name)), *arguments)
