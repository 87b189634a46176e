"""`connect`: the request that is printed, the connection that is created, its tests and state."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import handmade
import pytest
from harness import connect as module
from harness.cli import main
from werkzeug import Request, Response

SECRETS = {"apiToken": handmade.SECRET, "short": "ab"}
KEY = "function-key-123456=="
USER = ("api-key-name-1", "api-secret-99")
NEW = ("--group", "calm_river", "--app", "acme-fn")
OLD = ("--id", "lively_hill")
PASSED = {"title": "Connection to the function", "status": "PASSED", "message": ""}

Connect = Callable[..., tuple[int, str]]


class Api:
    """What Fivetran's REST API does with connections, as its reference says."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, Any]] = []  # method, path and body of each request
        self.tests = [PASSED]
        self.answer: Response | None = None  # instead of a connection's state

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        body = request.get_data(as_text=True)
        self.seen.append((request.method, request.path, json.loads(body) if body else None))
        assert request.headers["Accept"] == "application/json;version=2"
        login = request.authorization
        if login is None or (login.username, login.password) != USER:
            return _answer(401, "AuthFailed", "Invalid authorization credentials")
        match request.method, request.path.removeprefix("/v1/connections"):
            case "POST", "":
                return _answer(201, "Success", "Created", {"id": "lively_hill"})
            case "POST", "/lively_hill/test":
                return _answer(200, "Success", "Completed", {"setup_tests": self.tests})
            case "GET", "/lively_hill/state":
                state = '{"at":1.10,"id":12345678901234567890123}'  # its numbers arrive exactly
                text = f'{{"code":"Success","data":{{"state":{state}}}}}'
                return self.answer or Response(text, mimetype="application/json")
        return _answer(404, "NotFound_Connection", "Cannot find connection")


def _answer(status: int, code: str, message: str, data: dict[str, Any] | None = None) -> Response:
    body = {"code": code, "message": message, **({"data": data} if data else {})}
    return Response(json.dumps(body), status, mimetype="application/json")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """The fake, running, with a key in the environment that it takes; nobody at the keyboard."""
    api = Api()
    with handmade.served(api.handle) as url:
        monkeypatch.setattr(module, "URL", f"{url}/v1/connections")
        for name, value in zip(("KEY", "SECRET"), USER, strict=True):
            monkeypatch.setenv(f"FIVETRAN_API_{name}", value)
        monkeypatch.setenv("FUNCTION_KEY", KEY)
        monkeypatch.setattr("sys.stdin", io.StringIO("typed\n"))
        yield api


@pytest.fixture
def connect(
    api: Api,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Connect:
    """Runs `connect` in a project: its exit code, and what it wrote, in which is no secret."""
    values = {"secrets": SECRETS, "customPayload": {"start": "2026-01-01"}}
    folder = handmade.make(tmp_path / "project", **values)
    monkeypatch.chdir(folder)

    def run(*arguments: str) -> tuple[int, str]:
        code = main(["connect", *arguments])
        written = capsys.readouterr()
        shown = written.out + written.err
        for secret in (handmade.SECRET, '"ab"', KEY, USER[1]):
            assert secret not in shown
        return code, shown

    return run


def write(**connection: Any) -> None:
    """Write another connection.json."""
    Path("connection.json").write_text(json.dumps({"schema": "acme", **connection}), "utf-8")


def test_the_request_is_printed_with_masked_values_and_not_sent(connect: Connect, api: Api) -> None:
    code, written = connect(*NEW)
    assert code == 0, written
    assert f"POST {module.URL}" in written
    config = json.loads(connect(*NEW, "--json")[1])["body"]["config"]
    assert config["function_key"] == "[secret]"
    assert config["secrets_list"] == [{"key": name, "value": "[secret]"} for name in SECRETS]
    assert not api.seen


def test_send_creates_the_connection_paused_and_runs_its_setup_tests(
    connect: Connect, api: Api
) -> None:
    code, written = connect(*NEW, "--send")
    assert code == 0, written
    (*create, body), test = api.seen
    assert create == ["POST", "/v1/connections"]
    assert test == ("POST", "/v1/connections/lively_hill/test", {})
    assert body == {
        "service": "azure_function",
        "group_id": "calm_river",
        "paused": True,
        "run_setup_tests": False,
        "destination_schema_names": "FIVETRAN_NAMING",
        "config": {
            "schema": "acme",
            "function_app": "acme-fn",
            "function_name": "acme",
            "function_key": KEY,
            "connection_method": "DIRECT",
            "secrets_list": [{"key": key, "value": value} for key, value in SECRETS.items()],
            "custom_payloads": [{"key": "start", "value": "2026-01-01"}],
        },
    }
    assert "created connection lively_hill" in written
    assert "PASSED" in written


@pytest.mark.parametrize(("status", "exit_code"), [("WARNING", 0), ("FAILED", 1)])
def test_id_runs_the_setup_tests_and_shows_what_each_said(
    connect: Connect, api: Api, status: str, exit_code: int
) -> None:
    api.tests = [PASSED, {"title": "Call", "status": status, "message": f"{SECRETS['apiToken']}!"}]
    code, written = connect(*OLD)
    assert code == exit_code
    assert f"{status:<10} Call: [secret]!" in written
    assert ("python -m harness connect --id lively_hill" in written) == (exit_code == 1)
    assert [path for _, path, _ in api.seen] == ["/v1/connections/lively_hill/test"]


def test_the_state_is_shown(connect: Connect) -> None:
    code, written = connect(*OLD, "--state")
    assert code == 0, written
    assert '{"at":1.10,"id":12345678901234567890123}' in written


def test_a_function_that_is_not_in_this_folder_is_named(connect: Connect, api: Api) -> None:
    Path("function_app.py").unlink()
    assert connect(*NEW, "--function", "other", "--send")[0] == 0
    assert api.seen[0][2]["config"]["function_name"] == "other"


def test_what_the_request_leaves_out_is_named(connect: Connect, api: Api) -> None:
    write(secrets={"apiToken": "", "other": "a value"}, hashed=["transaction.email"])
    written = connect(*NEW, "--send")[1]
    assert [pair["key"] for pair in api.seen[0][2]["config"]["secrets_list"]] == ["other"]
    assert "no value: apiToken" in written
    assert "Schema tab" in written


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Response("<html>gateway</html>", 502), "HTTP 502"),
        (Response("", 302, {"Location": "https://example.com/"}), "HTTP 302"),  # not followed
        (Response("[1]", mimetype="application/json"), "no data.state"),
        (Response('{"data": {}}', mimetype="application/json"), "no data.state"),
        (_answer(404, "NotFound_Connection", "Cannot find it"), "NotFound_Connection: Cannot"),
    ],
)
def test_a_response_that_cannot_be_used_is_named(
    connect: Connect, api: Api, answer: Response, says: str
) -> None:
    api.answer = answer
    code, written = connect(*OLD, "--state")
    assert (code, len(api.seen)) == (3, 1)
    assert "GET /v1/connections/lively_hill/state" in written
    assert says in written


def test_a_wrong_api_key_and_no_response_are_named(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIVETRAN_API_KEY", "another")
    code, written = connect(*OLD)
    assert code == 3
    assert "HTTP 401, AuthFailed: Invalid authorization credentials" in written
    assert "set FIVETRAN_API_KEY" in written
    monkeypatch.setattr(module, "URL", "http://127.0.0.1:9/v1/connections")
    code, written = connect(*NEW, "--send")
    assert code == 3
    assert "no response from http://127.0.0.1:9" in written


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--group is missing"),
        (("--group", "g"), "--app must be"),
        (("--group", "g", "--app", "https://acme.azurewebsites.net"), "--app must be"),
        (("--group", "g", "--app", "acme.azurewebsites.net"), "--app must be"),
        ((*OLD, *NEW), "does not go with --group"),
        (("--id", "../groups", "--state"), "letters, digits"),
        (("--state",), "needs --id"),
    ],
)
def test_wrong_usage_sends_nothing(
    connect: Connect, api: Api, arguments: tuple[str, ...], says: str
) -> None:
    code, written = connect(*arguments)
    assert (code, api.seen) == (3, [])
    assert says in written


def test_a_route_that_fivetran_does_not_call_is_refused(connect: Connect, api: Api) -> None:
    file = Path("function_app.py")
    file.write_text(file.read_text("utf-8").replace('route="acme"', 'route="v1/{name}"'), "utf-8")
    code, written = connect(*NEW, "--send")
    assert (code, api.seen) == (3, [])
    assert "the function's route is v1/{name}" in written


@pytest.mark.parametrize("name", ["FUNCTION_KEY", "FIVETRAN_API_KEY", "FIVETRAN_API_SECRET"])
def test_what_is_missing_is_named_before_anything_is_sent(
    connect: Connect, api: Api, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name)
    code, written = connect(*NEW, "--send")
    assert (code, api.seen) == (3, [])
    assert name in written
