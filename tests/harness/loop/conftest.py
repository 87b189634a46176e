"""Hand-made functions that speak the protocol or break it: the harness must judge any function."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from harness.cli import main
from werkzeug import Request, Response
from werkzeug.serving import make_server

SECRET = "s3cret-Ü&+/tökén"

HEAD = """
import json
from pathlib import Path

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
HERE = Path(__file__).parent


def reply(body, **options):
    return func.HttpResponse(json.dumps(body), mimetype="application/json", **options)


@app.route(route="acme", methods=["POST"])
def acme(req: func.HttpRequest) -> func.HttpResponse:
    request = req.get_json()
    with (HERE / "requests.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(request) + "\\n")
    state = request["state"]
"""

# Ten records, three a call.
GOOD = """
at = state.get("at", 0)
rows = [{"id": n, "name": f"name {n}"} for n in range(at, min(at + 3, 10))]
return reply({
    "state": {"at": at + len(rows)},
    "insert": {"thing": rows},
    "schema": {"thing": {"primary_key": ["id"]}},
    "hasMore": at + len(rows) < 10,
})
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a folder with a function_app.py whose function has the given body, and goes there."""

    def make(body: str = GOOD, name: str = "project", **connection: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        code = HEAD + textwrap.indent(textwrap.dedent(body).strip(), "    ") + "\n"
        (folder / "function_app.py").write_text(code, encoding="utf-8")
        given = {"schema": "acme", "secrets": {"apiToken": SECRET}, **connection}
        (folder / "connection.json").write_text(json.dumps(given), encoding="utf-8")
        monkeypatch.chdir(folder)
        return folder

    return make


@pytest.fixture
def harness(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs a command of the harness in the current folder: its exit code and what it wrote."""

    def run(*arguments: str) -> tuple[int, str]:
        code = main(list(arguments))
        written = capsys.readouterr()
        return code, written.out + written.err

    return run


def requests_of(folder: Path) -> list[dict[str, Any]]:
    """What the function of a folder was called with."""
    lines = (folder / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture
def calls() -> Callable[[Path], list[dict[str, Any]]]:
    """What the function of a folder was called with."""
    return requests_of


@contextmanager
def _served(handle: Callable[[Request], Response]) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, Request.application(handle), threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def served() -> Callable[[Callable[[Request], Response]], Any]:
    """Serves a function of an HTTP request on this machine: a context manager of its URL."""
    return _served
