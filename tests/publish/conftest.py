"""One bake per set of answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "{{cookiecutter.project_slug}}"

Bake = Callable[..., Path]


@pytest.fixture(scope="session")
def bake(tmp_path_factory: pytest.TempPathFactory) -> Bake:
    """`bake(answer=…)` gives a project to read; the same answers give the same folder."""
    baked: dict[tuple[tuple[str, str], ...], Path] = {}

    def bake(**answers: str) -> Path:
        key = tuple(sorted(answers.items()))
        if key not in baked:
            folder = str(tmp_path_factory.mktemp("bake"))
            made = cookiecutter(str(ROOT), no_input=True, output_dir=folder, extra_context=answers)
            baked[key] = Path(made)
        return baked[key]

    return bake
