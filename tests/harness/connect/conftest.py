"""A project, and a fake of Fivetran's REST API on this machine, reached over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import handmade
import pytest
from harness.cli import main
from werkzeug import Request, Response

SECRETS = {"apiToken": "s3cret-Ü&+/tökén", "short": "ab"}
KEY = "function-key-123456=="
USER = ("api-key-name-1", "api-secret-99")

FUNCTION = """
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route(route="%s", methods=["POST"])
def acme(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse('{"state": {}, "hasMore": false}', mimetype="application/json")
"""

Answer = tuple[int, dict[str, Any]]


class Api:
    """What Fivetran's REST API does with connections, as its reference says.

    Attributes:
        url: Where it is.
        seen: Method, path and decoded body of each request.
        tests: What the setup tests give.
        state: State of the connection, None where it has none.
        answers: Answers given instead, the next one first.
    """

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[tuple[str, str, Any]] = []
        self.tests: list[dict[str, Any]] = [
            {"title": "Connection to the function", "status": "PASSED", "message": ""}
        ]
        self.state: dict[str, Any] = {"transaction": "2026-01-01T00:00:00Z"}
        self.answers: list[Response] = []

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        text = request.get_data(as_text=True)
        body = json.loads(text) if text else None
        self.seen.append((request.method, request.path, body))
        assert request.headers["Accept"] == "application/json;version=2"
        given = request.authorization
        if given is None or (given.username, given.password) != USER:
            return _answer(401, "AuthFailed", "Invalid authorization credentials")
        if self.answers:
            return self.answers.pop(0)
        return self._connections(request.method, request.path, body)

    def _connections(self, method: str, path: str, body: Any) -> Response:
        match method, path.removeprefix("/v1/connections").strip("/").split("/"):
            case "POST", [""]:
                return _answer(201, "Success", "Connection has been created", {"id": "lively_hill"})
            case "POST", ["lively_hill", "test"]:
                data = {"id": "lively_hill", "setup_tests": self.tests}
                return _answer(200, "Success", "Setup tests have been completed", data)
            case "GET", ["lively_hill", "state"]:
                return _answer(200, "Success", "", {"state": self.state})
        return _answer(404, "NotFound_Connection", "Cannot find connection")


def _answer(status: int, code: str, message: str, data: dict[str, Any] | None = None) -> Response:
    body = {"code": code, "message": message, **({"data": data} if data is not None else {})}
    return Response(json.dumps(body), status, mimetype="application/json")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """The fake, running, and named in the environment with a key that it takes."""
    api = Api()
    with handmade.served(api.handle) as api.url:
        monkeypatch.setenv("FIVETRAN_API_URL", api.url)
        monkeypatch.setenv("FIVETRAN_API_KEY", USER[0])
        monkeypatch.setenv("FIVETRAN_API_SECRET", USER[1])
        monkeypatch.setenv("FUNCTION_KEY", KEY)
        yield api


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a folder with a function and a connection.json, and goes there."""

    def make(route: str = "acme_sync", **connection: Any) -> Path:
        (tmp_path / "function_app.py").write_text(FUNCTION % route, encoding="utf-8")
        given = {
            "schema": "acme",
            "secrets": SECRETS,
            "customPayload": {"start": "2026-01-01"},
            **connection,
        }
        (tmp_path / "connection.json").write_text(json.dumps(given), encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return make


@pytest.fixture
def connect(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs `connect` in the current folder: its exit code and what it wrote."""

    def run(*arguments: str) -> tuple[int, str]:
        code = main(["connect", *arguments])
        written = capsys.readouterr()
        shown = written.out + written.err
        for secret in (*SECRETS.values(), KEY, USER[1]):
            assert f'"{secret}"' not in shown and (len(secret) < 6 or secret not in shown)
        return code, shown

    return run
