"""One bake per set of answers, of a copy of the template, in temporary folders."""

import compileall
import importlib.util
import os
import py_compile
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from baked import once
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).parents[2]
GENERATED = "{{cookiecutter.project_slug}}"
ROOMS = ("connector", "harness")

Bake = Callable[..., Path]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template without what tools left in the checkout."""
    copy = tmp_path_factory.mktemp("template") / "template"
    copy.mkdir()
    shutil.copy(ROOT / "cookiecutter.json", copy)
    for name in ("hooks", "templates", GENERATED):
        shutil.copytree(
            ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", ".*_cache")
        )
    return copy


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cookiecutter's own settings, so that no test reads or writes the home folder."""
    folder = tmp_path_factory.mktemp("cookiecutter")
    path = folder / "config.yaml"
    path.write_text(
        f'replay_dir: "{folder.as_posix()}/a"\ncookiecutters_dir: "{folder.as_posix()}/b"\n',
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="session")
def pre_gen() -> ModuleType:
    """The hook as it stands in the repository, not rendered."""
    spec = importlib.util.spec_from_file_location("pre_gen", ROOT / "hooks/pre_gen_project.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def bake_into(template: Path, config: Path) -> Bake:
    """`bake_into(folder, answer=…)` bakes into `folder` and gives the project's path."""

    def bake_into(
        folder: Path, /, *, overwrite: bool = False, skip: bool = False, **answers: str
    ) -> Path:
        made = cookiecutter(
            str(template),
            no_input=True,
            extra_context=answers,
            output_dir=str(folder),
            config_file=str(config),
            overwrite_if_exists=overwrite,
            skip_if_file_exists=skip,
        )
        return Path(made)

    return bake_into


@pytest.fixture(scope="session")
def bake(bake_into: Bake, tmp_path_factory: pytest.TempPathFactory) -> Bake:
    """`bake(answer=…)` gives a project to read; the same answers give the same folder."""

    def bake(**answers: str) -> Path:
        return once(tmp_path_factory, answers, lambda folder: bake_into(folder, **answers))

    return bake


@pytest.fixture(scope="session")
def compiled(bake: Bake, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rooms' bytecode, checked by their sources' hash: 47 runs need not compile them again."""
    folder = tmp_path_factory.mktemp("compiled")
    for room in ROOMS:
        shutil.copytree(bake() / room, folder / room)
        compileall.compile_dir(
            folder / room, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH
        )
    return folder


@pytest.fixture
def project(bake: Bake, compiled: Path, tmp_path: Path) -> Callable[..., Path]:
    """`project(answer=…)` gives a project to run, of the test's own."""

    def project(**answers: str) -> Path:
        own = shutil.copytree(bake(**answers), tmp_path / "project")
        for cache in compiled.rglob("__pycache__"):
            shutil.copytree(cache, own / cache.relative_to(compiled))
        return own

    return project


@pytest.fixture(scope="session")
def run() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`run(project, "-m", "pytest")` runs this Python in a baked project."""

    def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        ours = ("PYTEST_", "PYTHONPATH", "COV_")
        settings = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
        plain = {
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUTF8": "1",
        }
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=project,
            env=settings | plain,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=240,
        )

    return run


def files(project: Path) -> set[str]:
    return {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}


def own_files(project: Path) -> list[Path]:
    """What the template renders or writes: all but the rooms that it copies."""
    return sorted(
        project / name
        for name in files(project)
        if not name.startswith(tuple(f"{r}/" for r in ROOMS))
    )


def lint(project: Path) -> str:
    """What ruff, with the project's own settings, finds in the user's Python files."""
    found = ""
    for command in (["format", "--diff"], ["check", "--quiet"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache"],
            cwd=project,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        found += "" if done.returncode == 0 else done.stdout + done.stderr
    return found
