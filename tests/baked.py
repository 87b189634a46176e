"""One bake per set of answers for all workers of a test run; what is baked is read, not changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from filelock import FileLock


def once(
    factory: pytest.TempPathFactory, answers: Mapping[str, str], bake: Callable[[Path], Path]
) -> Path:
    """The project of these answers, baked by whoever needs it first.

    Args:
        factory: Knows the run's temporary folder.
        answers: To the template's questions.
        bake: Bakes into a folder and gives the project's path.
    """
    base = factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "baked"
    key = json.dumps(sorted(answers.items())).encode()
    folder = shared / hashlib.blake2b(key, digest_size=8).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    name = folder / "name.txt"
    with FileLock(f"{folder}.lock"):
        if not name.exists():
            name.write_text(bake(folder).name, encoding="utf-8")
    return folder / name.read_text(encoding="utf-8")
