"""Folders with a hand-made function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import handmade
import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder whose function has a body."""
    return lambda body=handmade.GOOD, name="project": handmade.make(tmp_path / name, body)
