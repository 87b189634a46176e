"""Pages that scripts write are up to date, and what pages link to exists."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from publish.conftest import ROOT

PROJECT = ROOT / "{{cookiecutter.project_slug}}"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "examples" / "README.md",
    *sorted(PROJECT.rglob("*.md")),
]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_of_modules_are_those_of_the_docstrings() -> None:
    """`python scripts/architecture.py` changes nothing."""
    architecture = script("architecture")
    assert architecture.PAGE.read_text(encoding="utf-8") == architecture.page()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_examples_of_a_page_exist(page: Path) -> None:
    """Relative links lead to a file, and a folder of examples/ is there under its name."""
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", text):
        assert (page.parent / target).exists(), target
    for name in re.findall(r"examples/([a-z_]+)\b(?!/fetch)", text):
        assert (ROOT / "examples" / name / "fetch.py").exists(), name


def test_the_fetch_step_of_the_readme_is_the_generated_one(bake: object) -> None:
    """README.md shows what a default bake has, to the letter."""
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    assert callable(bake)
    assert block == (bake() / "fetch.py").read_text(encoding="utf-8")
