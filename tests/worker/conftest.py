"""A baked project, published to a folder and served by Microsoft's worker, beside its upstream."""

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
FRONT = Path(__file__).with_name("front.py")


@dataclass(frozen=True)
class Deployment:
    """A function app, and the project whose harness calls it."""

    project: Path
    upstream: Server  # the sample API that the function reads
    ready: dict[str, Any]  # the function's url; of its worker python, capabilities, trigger
    log_file: Path  # what its worker would send to the host's log

    def log(self):
        """What the app logged so far, oldest first; nothing of the worker's own."""
        lines = map(json.loads, self.log_file.read_text("utf-8").splitlines())
        return [line for line in lines if not line["system"]]

    def harness(self, *arguments, code=0):
        """What `python -m harness … --url --json` prints, once it ended with the exit code."""
        done = subprocess.run(
            [sys.executable, "-m", "harness", *arguments, "--url", self.ready["url"], "--json"],
            cwd=self.project,
            env={**os.environ, "FUNCTION_KEY": "made-up", "PYTHONPATH": "", "PYTHONUTF8": "1"},
            capture_output=True,
            encoding="utf-8",
        )
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def connect(self, secrets):
        """Type secrets into connection.json."""
        path = self.project / "connection.json"
        form = json.loads(path.read_text("utf-8"))
        path.write_text(json.dumps({**form, "secrets": secrets}), encoding="utf-8")


@contextmanager
def served(project, folder, settings):
    """Publish a project and serve it with these app settings: what it says, and its log."""
    app, log = folder / "wwwroot", folder / "log.jsonl"
    for name in as_core_tools(project):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(project / name, app / name)
    folders = (app, install.packages(app / "requirements.txt"), install.PROTOS, log)
    needed = {"PATH", "SYSTEMROOT", "TMPDIR", "TEMP"} & os.environ.keys()
    given = {name: os.environ[name] for name in needed}
    with subprocess.Popen(
        [str(install.PYTHON), "-I", str(FRONT), *map(str, folders)],
        cwd=folder,
        env={**given, "FUNCTIONS_WORKER_RUNTIME": "python", **settings},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
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
    try:
        install.install()
    except RuntimeError as error:
        end = pytest.fail if {"CI", "TF_BUILD"} & os.environ.keys() else pytest.skip
        end(f"Microsoft's worker library needs Python 3.13: {error}")
    with ExitStack() as stack:

        def deploy(edit=lambda project: {}, **answers):
            project = Path(shutil.copytree(bake(**answers), tmp_path / "project"))
            sample = load(project)
            upstream = stack.enter_context(sample.serve())
            settings = {"UPSTREAM_BASE_URL": upstream.url, "CONNECTOR_CALL_BYTES": "150000"}
            settings |= edit(project)
            deployed = stack.enter_context(served(project, tmp_path, settings))
            deployed = Deployment(project, upstream, *deployed)
            deployed.connect(sample.secrets())
            return deployed

        yield deploy
