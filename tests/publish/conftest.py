"""The code blocks of docs/fetch.md as one module."""

from __future__ import annotations

from typing import Any

import pytest
from baked import Bake, bake
from publish.pages import PAGE, fenced

__all__ = ["Bake", "bake"]  # for tests/worker


@pytest.fixture(scope="session")
def page() -> dict[str, Any]:
    """What the code blocks define, run one after the other as one file."""
    names: dict[str, Any] = {"__name__": "page"}
    for block in fenced(PAGE, "python"):
        exec(compile(block, "fetch.md", "exec"), names)
    return names
