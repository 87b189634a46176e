"""One bake per set of answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from baked import once
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "{{cookiecutter.project_slug}}"

AUTH = (
    *("bearer", "api_key_header", "api_key_query", "basic", "oauth2_client_credentials"),
    "none",
)

Bake = Callable[..., Path]


@pytest.fixture(scope="session")
def bake(tmp_path_factory: pytest.TempPathFactory) -> Bake:
    """`bake(answer=…)` gives a project to read; the same answers give the same folder."""

    def bake(**answers: str) -> Path:
        def into(folder: Path) -> Path:
            output = {"output_dir": str(folder), "extra_context": answers}
            return Path(cookiecutter(str(ROOT), no_input=True, **output))

        return once(tmp_path_factory, answers, into)

    return bake


@pytest.fixture(scope="session")
def page() -> dict[str, Any]:
    """What the code blocks of docs/fetch.md define, run one after the other as one file."""
    names: dict[str, Any] = {"__name__": "page"}
    text = (GENERATED / "docs" / "fetch.md").read_text(encoding="utf-8")
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S):
        exec(compile(block, "fetch.md", "exec"), names)
    return names
