"""Pages that scripts write are up to date, and what pages link to exists."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from publish.conftest import GENERATED, ROOT, Bake

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "examples" / "README.md",
    *sorted(GENERATED.rglob("*.md")),
]


def test_the_tables_of_modules_are_those_of_the_docstrings() -> None:
    """`python scripts/architecture.py` changes nothing."""
    script = runpy.run_path(str(ROOT / "scripts" / "architecture.py"))
    assert script["PAGE"].read_text(encoding="utf-8") == script["page"]()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_examples_of_a_page_exist(page: Path) -> None:
    """Relative links lead to a file, and a folder of examples/ is there under its name."""
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", text):
        assert (page.parent / target).exists(), target
    for name in re.findall(r"examples/([a-z_]+)\b(?!/fetch)", text):
        assert (ROOT / "examples" / name / "fetch.py").exists(), name


def test_the_fetch_step_of_the_readme_is_the_generated_one(bake: Bake) -> None:
    """README.md shows what a default bake has, to the letter."""
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    assert block == (bake() / "fetch.py").read_text(encoding="utf-8")
