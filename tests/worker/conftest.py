"""A baked project, published to a folder and served by Microsoft's worker, beside its upstream."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness.sample import Server, load
from publish.conftest import Bake, bake
from publish.ignored import as_core_tools
from worker.install import Installed, python313

FRONT = Path(__file__).parent / "front.py"
KEY = "function-key-of-the-test"

__all__ = ["bake"]


@pytest.fixture(scope="session")
def installed() -> Installed:
    """The worker; without a Python 3.13 the test is skipped, in CI it fails."""
    python = python313()
    if python is None:
        end = pytest.fail if os.environ.get("CI") or os.environ.get("TF_BUILD") else pytest.skip
        end("Microsoft's worker library needs Python 3.13, and there is none (python3.13)")
    return Installed(python)


@dataclass(frozen=True)
class Front:
    """A running function app.

    Attributes:
        url: Of the function.
        python: The version that runs it, as "3.13".
        capabilities: What its worker told the host about itself.
        log_file: What its worker would send to the host's log.
    """

    url: str
    python: str
    capabilities: dict[str, str]
    log_file: Path

    def log(self) -> list[dict[str, Any]]:
        """What was logged so far, oldest first."""
        return [json.loads(line) for line in self.log_file.read_text("utf-8").splitlines()]


Fronts = Callable[..., AbstractContextManager[Front]]


@pytest.fixture(scope="session")
def front(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Fronts:
    """`with front(project, SETTING=…) as app:` publishes a project and serves it with settings."""

    @contextmanager
    def front(project: Path, **settings: str) -> Iterator[Front]:
        app = tmp_path_factory.mktemp("app") / "wwwroot"
        for name in as_core_tools(project):
            (app / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(project / name, app / name)
        log = app.with_name("log.jsonl")
        folders = (app, installed.packages(app / "requirements.txt"), installed.protos, log)
        needed = ("PATH", "SYSTEMROOT", "TMPDIR", "TEMP")
        given = {name: os.environ[name] for name in needed if name in os.environ}
        with subprocess.Popen(
            [str(installed.python), "-I", str(FRONT), *map(str, folders)],
            cwd=app.parent,
            env={**given, "FUNCTIONS_WORKER_RUNTIME": "python", "FRONT_KEY": KEY, **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        ) as process:
            assert process.stdin is not None and process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert "error" not in ready, ready["error"]
            yield Front(ready["url"], ready["python"], ready["capabilities"], log)
            process.stdin.close()

    return front


@dataclass(frozen=True)
class Deployment:
    """A function app with its upstream, and the project whose harness calls it.

    Attributes:
        front: The function app.
        project: Where the harness is run.
        upstream: The sample API that the function reads.
    """

    front: Front
    project: Path
    upstream: Server

    def harness(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """What `python -m harness … --url --json` prints, once it ended with the exit code."""
        done = start_harness(self.project, self.front, *arguments)
        said, complaint = done.communicate()
        assert done.returncode == code, said + complaint
        result: dict[str, Any] = json.loads(said)
        return result


def start_harness(project: Path, front: Front, *arguments: str) -> subprocess.Popen[str]:
    """`python -m harness … --url --json`, running."""
    return subprocess.Popen(
        [sys.executable, "-m", "harness", *arguments, "--url", front.url, "--json"],
        cwd=project,
        env={**os.environ, "FUNCTION_KEY": KEY, "PYTHONPATH": "", "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


@contextmanager
def deployment(
    bake: Bake, front: Fronts, folder: Path, answers: dict[str, str], **settings: str
) -> Iterator[Deployment]:
    """A bake in the folder, published, served and connected to its sample API."""
    project = shutil.copytree(bake(**answers), folder / "project")
    sample = load(project)
    connect(project, sample.secrets())
    with (
        sample.serve() as upstream,
        front(project, UPSTREAM_BASE_URL=upstream.url, **settings) as app,
    ):
        yield Deployment(app, project, upstream)


@pytest.fixture
def deploy(bake: Bake, front: Fronts, tmp_path: Path) -> Iterator[Callable[..., Deployment]]:
    """`deploy({answer: …}, SETTING=…)` gives a deployment of the test's own."""
    with ExitStack() as stack:

        def deploy(answers: dict[str, str] | None = None, **settings: str) -> Deployment:
            return stack.enter_context(deployment(bake, front, tmp_path, answers or {}, **settings))

        yield deploy


@pytest.fixture(scope="session")
def deployed(
    bake: Bake, front: Fronts, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """The default answers, for tests that change nothing."""
    with deployment(bake, front, tmp_path_factory.mktemp("deployed"), {}) as deployed:
        yield deployed


def connect(project: Path, secrets: dict[str, str]) -> None:
    """Type secrets into connection.json."""
    path = project / "connection.json"
    form = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**form, "secrets": secrets}), encoding="utf-8")
