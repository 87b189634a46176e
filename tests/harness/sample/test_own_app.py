"""A WSGI app of the project's stands in for the upstream; the server of both."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import requests
from harness.errors import SampleError, UsageError
from harness.sample import load, made_up

from .conftest import ENTITY, PAGE, RECORD, written

NAME = "tests.upstream:app"
APP = """
from werkzeug import Request, Response
from tests.data import ROWS
calls = []

@Request.application
def app(request):
    calls.append(1)
    if request.path == "/broken":
        raise KeyError("nothing")
    return Response(f"{len(calls)} {ROWS} {request.get_data(as_text=True)}")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder whose sample.toml names an app."""
    (tmp_path / "tests").mkdir()
    for file, text in {"upstream": APP, "data": "ROWS = 7", "broken": "1 / 0"}.items():
        (tmp_path / "tests" / f"{file}.py").write_text(text, encoding="utf-8")
    (tmp_path / "sample.toml").write_text(f'upstream = "{NAME}"', encoding="utf-8")
    return tmp_path


def test_the_app_that_the_file_names_is_imported_anew_each_time(project: Path) -> None:
    for upstream in (None, NAME):
        sample = load(project, upstream, ["apiToken"])
        assert sample.fingerprint == load(project).fingerprint
        assert (sample.name, sample.entities, sample.checks) == (NAME, None, False)
        assert sample.secrets() == {"apiToken": made_up("apiToken")}
        with sample.fewer(10).serve() as server:
            assert requests.post(f"{server.url}/a?b=c", "body", timeout=5).text == "1 7 body"
            broken = requests.get(f"{server.url}/broken", timeout=5)
        assert broken.status_code == 500
        assert "KeyError: 'nothing' (upstream.py, line 10)" in broken.text
        assert [each.problem for each in server.requests] == ["", broken.text]
        assert (server.requests[0].parameters, server.requests[0].entity) == ({"b": "c"}, "")
    (project / "tests" / "upstream.py").write_text(f"{APP}# changed", encoding="utf-8")
    assert sample.fingerprint != load(project).fingerprint, "its tables start anew"


@pytest.mark.parametrize(
    ("upstream", "message"),
    [
        ("upstream", "must be MODULE:APP"),
        ("tests.other:app", r"tests.other\.py is missing"),
        ("tests.upstream:nothing", "has no attribute .nothing"),
        ("tests.broken:app", r"ZeroDivisionError: .* \(broken.py, line 1\)"),
    ],
)
def test_what_is_wrong_with_an_app(project: Path, upstream: str, message: str) -> None:
    with pytest.raises(SampleError, match=message):
        load(project, upstream)


def test_a_port_that_is_taken_is_named_and_free_again_afterwards(project: Path) -> None:
    sample = load(project)
    with sample.serve() as server:
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(UsageError, match=f"127.0.0.1:{port}") as caught, sample.serve(port):
            pass
        assert "--port" in caught.value.todo
    with sample.serve(port) as server:
        assert requests.get(server.url, timeout=5).text == "1 7 "


def test_the_command_prints_its_address_and_secrets(tmp_path: Path) -> None:
    tables = {
        "auth": {"kind": "token", "secrets": ["apiToken"]},
        "entity.order": {**ENTITY, "record": RECORD},
    }
    (tmp_path / "sample.toml").write_text(written(tables), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "harness.sample", "--port", "0"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PAGE.parents[1]), "PYTHONDONTWRITEBYTECODE": "1", "PATH": ""},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url, secret = (process.stdout.readline().partition("=")[2].strip() for _ in range(2))
        assert secret == made_up("apiToken")
        headers = {"Authorization": f"Token {secret}"}
        assert requests.get(f"{url}/orders", headers=headers, timeout=5).status_code == 200
    finally:
        process.kill()
        process.wait()
