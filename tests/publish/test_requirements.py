"""requirements.txt resolves to wheels on Azure's Linux, for each Python version on offer."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from publish.conftest import ROOT, Bake

OFFERED = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))["python_version"]


@pytest.mark.parametrize("version", OFFERED)
def test_every_package_has_a_wheel(bake: Bake, version: str) -> None:
    """With all that the answers can ask for, nothing has to be built and nothing conflicts."""
    project = bake(python_version=version, auth="oauth2_client_credentials")
    command = ["pip", "compile", "--no-header", "--no-annotate", "--only-binary", ":all:"]
    target = ["--python-version", version, "--python-platform", "x86_64-manylinux_2_28"]
    done = subprocess.run(
        [sys.executable, "-m", "uv", *command, *target, "requirements.txt"],
        cwd=project,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    pins = dict(line.split("==") for line in done.stdout.splitlines() if "==" in line)
    # azure-functions 2 is the worker library's, from 3.13 on; 1 is the older workers'.
    assert pins["azure-functions"].startswith("1." if version in ("3.11", "3.12") else "2.")
    assert {"authlib", "msgspec", "requests"} <= set(pins)
