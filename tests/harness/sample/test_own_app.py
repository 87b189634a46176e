"""A WSGI app of the project's stands in for the upstream: named once, imported again each time."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from harness.errors import SampleError, UsageError
from harness.sample import load, made_up

from .conftest import ENTITY, RECORD, written
from .test_spec import PAGE

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
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "upstream.py").write_text(APP, encoding="utf-8")
    (tmp_path / "tests" / "data.py").write_text("ROWS = 7", encoding="utf-8")
    (tmp_path / "sample.toml").write_text('upstream = "tests.upstream:app"', encoding="utf-8")
    return tmp_path


def test_the_app_that_the_file_names_is_served_anew_each_time(project: Path) -> None:
    for upstream in (None, "tests.upstream:app"):
        sample = load(project, upstream, ["apiToken"])
        assert sample.name == "tests.upstream:app"
        assert sample.fingerprint == load(project, "tests.upstream:app").fingerprint
        assert (sample.entities, sample.checks) == (None, False)
        assert sample.secrets() == {"apiToken": made_up("apiToken")}
        with sample.fewer(10).serve() as server:
            assert requests.post(f"{server.url}/a?b=c", "body", timeout=5).text == "1 7 body"
            assert server.requests[0].parameters == {"b": "c"}
            assert server.requests[0].entity == ""


def test_an_app_that_raises_answers_with_its_line(project: Path) -> None:
    with load(project).serve() as server:
        response = requests.get(f"{server.url}/broken", timeout=5)
        assert response.status_code == 500
        assert "KeyError: 'nothing' (upstream.py, line 10)" in response.text
        assert server.requests[0].problem == response.text


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
    (project / "tests" / "broken.py").write_text("1 / 0", encoding="utf-8")
    with pytest.raises(SampleError, match=message):
        load(project, upstream)


def test_the_tables_of_the_page_load(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    blocks = [b for b in re.findall(r"```toml\n(.*?)```", page, re.S) if "[entity" in b]
    order = written({"entity.order": {**ENTITY, "record": RECORD}})
    (tmp_path / "sample.toml").write_text(order + "\n".join(blocks), encoding="utf-8")
    assert load(tmp_path).entities == ["order", "customer", "ticket", "order_line"]


def test_a_port_that_is_taken_and_one_that_is_free_again(project: Path) -> None:
    sample = load(project)
    with sample.serve() as server:
        port = int(server.url.rpartition(":")[2])
        with (
            pytest.raises(UsageError, match=f"127.0.0.1:{port}") as caught,
            sample.serve(port),
        ):
            pass
        assert "--port" in caught.value.todo
    with sample.serve(port) as server, socket.create_connection(("127.0.0.1", port)):
        assert server.url == f"http://127.0.0.1:{port}"


def test_the_command_prints_its_address_and_secrets(tmp_path: Path) -> None:
    auth = {"kind": "token", "secrets": ["apiToken"]}
    tables = {"auth": auth, "entity.order": {**ENTITY, "record": RECORD}}
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
        lines = [process.stdout.readline() for _ in range(2)]
        url = re.findall(r"UPSTREAM_BASE_URL=(\S+)", lines[0])[0]
        assert lines[1] == f"apiToken={made_up('apiToken')}\n"
        headers = {"Authorization": f"Token {made_up('apiToken')}"}
        assert requests.get(f"{url}/orders", headers=headers, timeout=5).status_code == 200
    finally:
        process.kill()
        process.wait()
