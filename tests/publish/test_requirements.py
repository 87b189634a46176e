"""requirements.txt resolves to wheels on Azure's Linux, for each Python version on offer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from publish.conftest import ROOT, Bake

OFFERED = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))["python_version"]


def resolve(project: Path, version: str) -> subprocess.Popen[str]:
    """Begin to resolve a project's requirements for Azure's Linux, to wheels alone."""
    # Told which Python runs here, uv looks for no other one.
    command = ["pip", "compile", "--python", sys.executable, "--no-header", "--no-annotate"]
    target = ["--only-binary", ":all:", "--python-version", version]
    target += ["--python-platform", "x86_64-manylinux_2_28"]
    return subprocess.Popen(
        [sys.executable, "-m", "uv", *command, *target, "requirements.txt"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_every_package_has_a_wheel(bake: Bake) -> None:
    """Nothing has to be built, and nothing conflicts."""
    began = {version: resolve(bake(python_version=version), version) for version in OFFERED}
    for version, process in began.items():
        found, error = process.communicate()
        assert process.returncode == 0, error
        pins = dict(line.split("==") for line in found.splitlines() if "==" in line)
        # azure-functions 2 is the worker library's, from 3.13 on; 1 is the older workers'.
        assert pins["azure-functions"].startswith("1." if version in ("3.11", "3.12") else "2.")
        assert {"msgspec", "requests"} <= set(pins)
