"""A cold start loads what a call needs and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from publish.conftest import Bake

DECLARED = ("azure.functions", "requests", "msgspec")
IMPORTS = """
import json, sys
for name in sys.argv[1:]:
    __import__(name)
print(json.dumps(sorted(sys.modules)))
"""


def modules_after(project: Path, *names: str) -> set[str]:
    """The modules that a fresh process has once it imported these."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, *names], cwd=project, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("auth", ["bearer", "basic", "oauth2_client_credentials"])
def test_function_app_loads_its_own_modules_alone(bake: Bake, auth: str) -> None:
    """Beyond azure.functions, requests and msgspec it is the app's own code."""
    project = bake(auth=auth)
    loaded = modules_after(project, "function_app") - modules_after(project, *DECLARED)
    foreign = {name for name in loaded if not name.startswith(("connector", "fetch"))}
    assert foreign == {"function_app"}


def test_the_testing_helpers_are_not_loaded(bake: Bake) -> None:
    """connector.testing is published, because it belongs to the runtime, but no call loads it."""
    loaded = modules_after(bake(), "function_app")
    assert not {"connector.testing", "harness"} & loaded
