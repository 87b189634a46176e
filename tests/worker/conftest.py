"""A baked project, published to a folder and served by Microsoft's worker, beside its upstream."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness.sample import Server, load
from publish.conftest import bake
from publish.ignored import as_core_tools

from . import install

__all__ = ["bake"]
FRONT = Path(__file__).parent / "front.py"


@dataclass(frozen=True)
class Deployment:
    """A function app with its upstream, and the project whose harness calls it.

    Attributes:
        project: Where the harness is run.
        upstream: The sample API that the function reads.
        ready: The function's url, and what its worker says: python, capabilities, trigger.
        log_file: What its worker would send to the host's log.
    """

    project: Path
    upstream: Server
    ready: dict[str, Any]
    log_file: Path

    def log(self) -> list[dict[str, Any]]:
        """What the app logged so far, oldest first; nothing of the worker's own."""
        lines = map(json.loads, self.log_file.read_text("utf-8").splitlines())
        return [line for line in lines if not line["system"]]

    def harness(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """What `python -m harness … --url --json` prints, once it ended with the exit code."""
        done = subprocess.run(
            [sys.executable, "-m", "harness", *arguments, "--url", self.ready["url"], "--json"],
            cwd=self.project,
            env={**os.environ, "FUNCTION_KEY": "made-up", "PYTHONPATH": "", "PYTHONUTF8": "1"},
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def connect(self, secrets: dict[str, str]) -> None:
        """Type secrets into connection.json."""
        path = self.project / "connection.json"
        form = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**form, "secrets": secrets}), encoding="utf-8")


@contextmanager
def served(project: Path, folder: Path, settings: dict[str, str]):
    """Publish a project and serve it with these app settings: what it says, and its log."""
    app, log = folder / "wwwroot", folder / "log.jsonl"
    for name in as_core_tools(project):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(project / name, app / name)
    folders = (app, install.packages(app / "requirements.txt"), install.PROTOS, log)
    needed = ("PATH", "SYSTEMROOT", "TMPDIR", "TEMP")
    given = {name: os.environ[name] for name in needed if name in os.environ}
    with subprocess.Popen(
        [str(install.PYTHON), "-I", str(FRONT), *map(str, folders)],
        cwd=folder,
        env={**given, "FUNCTIONS_WORKER_RUNTIME": "python", **settings},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        ready = json.loads(process.stdout.readline())
        assert "error" not in ready, ready["error"]
        yield ready, log
        process.stdin.close()


@pytest.fixture
def deploy(bake, tmp_path):
    """`deploy(answer=…)` bakes, publishes and serves a project and connects it to its sample API.

    `edit` may change the project before that, and give further app settings. Replies are so small
    that a sync takes several calls. Without a Python 3.13 the test is skipped, in CI it fails.
    """
    if missing := install.install():
        end = pytest.fail if os.environ.get("CI") or os.environ.get("TF_BUILD") else pytest.skip
        end(missing)
    with ExitStack() as stack:

        def deploy(edit=lambda project: {}, **answers: str) -> Deployment:
            project = Path(shutil.copytree(bake(**answers), tmp_path / "project"))
            sample = load(project)
            upstream = stack.enter_context(sample.serve())
            settings = {"UPSTREAM_BASE_URL": upstream.url, "CONNECTOR_CALL_BYTES": "150000"}
            settings |= edit(project)
            ready, log = stack.enter_context(served(project, tmp_path, settings))
            deployed = Deployment(project, upstream, ready, log)
            deployed.connect(sample.secrets())
            return deployed

        yield deploy
