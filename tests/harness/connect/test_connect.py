"""`connect`: the request that is printed, the connection that is created, its tests and state."""

import io
import json
import re
from pathlib import Path

import handmade
import pytest
from harness import connect as module
from harness.cli import main
from werkzeug import Response

SECRETS = {"apiToken": handmade.SECRET, "short": "ab"}
ENVIRONMENT = {
    "FUNCTION_KEY": "function-key-123456==",
    "FIVETRAN_API_KEY": "api-key-name-1",
    "FIVETRAN_API_SECRET": "api-secret-99",
}
NEW = ("--group", "calm_river", "--app", "acme-fn")
SEND = (*NEW, "--send")
OLD = ("--id", "lively_hill")
PASSED = {"title": "Connection to the function", "status": "PASSED", "message": ""}
STATE = '{"at":1.10,"id":12345678901234567890123}'  # its numbers arrive exactly
JSON = "application/json"


class Connect:
    """Runs `connect` against what does as the reference of Fivetran's REST API says."""

    def __init__(self, capsys):
        self.seen = []  # method, path and body of each request
        self.answers = {
            "POST ": answer(201, data={"id": "lively_hill"}),
            "POST /lively_hill/test": answer(200, data={"setup_tests": [PASSED]}),
        }
        self._capsys = capsys

    def handle(self, request):
        """Answer one request."""
        asked = f"{request.method} {request.path.removeprefix('/v1/connections')}"
        self.seen.append((asked, json.loads(request.get_data() or "null")))
        assert request.headers["Accept"] == "application/json;version=2"
        login = request.authorization
        assert login and [login.username, login.password] == [*ENVIRONMENT.values()][1:]
        return self.answers[asked]

    def __call__(self, *arguments):
        """The command's exit code, and what it wrote, in which is no secret."""
        code = main(["connect", *arguments])
        shown = "".join(self._capsys.readouterr())
        secrets = [handmade.SECRET, '"ab"', ENVIRONMENT["FUNCTION_KEY"], "api-secret-99"]
        assert not any(secret in shown for secret in secrets)
        return code, shown


def answer(status, **body):
    return Response(json.dumps(body), status, mimetype=JSON)


@pytest.fixture
def connect(tmp_path, monkeypatch, capsys):
    """In a project, with the API's key in the environment, and nobody at the keyboard."""
    form = {"secrets": SECRETS, "customPayload": {"start": "2026-01-01"}}
    monkeypatch.chdir(handmade.make(tmp_path / "project", **form))
    monkeypatch.setattr("sys.stdin", io.StringIO("typed\n"))
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    connect = Connect(capsys)
    with handmade.served(connect.handle) as url:
        monkeypatch.setattr(module, "URL", f"{url}/v1/connections")
        yield connect


def test_the_request_is_printed_with_masks_and_send_creates_a_paused_connection(connect):
    code, written = connect(*NEW)
    assert (code, f"POST {module.URL}" in written) == (0, True)
    printed = json.loads(connect(*NEW, "--json")[1])["body"]
    assert not connect.seen
    code, written = connect(*SEND)
    assert code == 0
    assert re.search("created connection lively_hill.*\nPASSED", written, re.DOTALL)
    (create, body), test = connect.seen
    assert (create, test) == ("POST ", ("POST /lively_hill/test", {}))
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
            "function_key": ENVIRONMENT["FUNCTION_KEY"],
            "connection_method": "DIRECT",
            "secrets_list": [{"key": key, "value": value} for key, value in SECRETS.items()],
            "custom_payloads": [{"key": "start", "value": "2026-01-01"}],
        },
    }
    masked = [{"key": name, "value": "[secret]"} for name in SECRETS]
    body["config"] |= {"function_key": "[secret]", "secrets_list": masked}
    assert printed == body


def test_what_the_request_leaves_out_is_named(connect):
    form = {"secrets": {"apiToken": "", "other": "a value"}, "hashed": ["t.email"]}
    Path("connection.json").write_text(json.dumps({"schema": "acme", **form}), encoding="utf-8")
    Path("function_app.py").unlink()
    code, written = connect(*SEND, "--function", "another")
    config = connect.seen[0][1]["config"]
    assert (code, config["function_name"]) == (0, "another")
    assert config["secrets_list"] == [{"key": "other", "value": "a value"}]
    assert "no value: apiToken" in written
    assert "Schema tab" in written


@pytest.mark.parametrize(("status", "exit_code"), [("WARNING", 0), ("FAILED", 1)])
def test_id_runs_the_setup_tests_and_shows_what_each_said(connect, status, exit_code):
    message = f"{handmade.SECRET}, {ENVIRONMENT['FIVETRAN_API_SECRET']}!"
    tests = [PASSED, {"title": "Call", "status": status, "message": message}]
    connect.answers["POST /lively_hill/test"] = answer(200, data={"setup_tests": tests})
    code, written = connect(*OLD)
    assert code == exit_code
    assert f"{status:<10} Call: [secret], [secret]!" in written
    assert ("python -m harness connect --id lively_hill" in written) == (exit_code == 1)
    assert [asked for asked, _ in connect.seen] == ["POST /lively_hill/test"]


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (Response(f'{{"data": {{"state": {STATE}}}}}', mimetype=JSON), STATE),
        (Response("<html>gateway</html>", 502), "HTTP 502"),
        (Response("", 302, {"Location": "https://example.com/"}), "HTTP 302"),  # not followed
        (Response("[1]", mimetype=JSON), "no data.state"),
        (answer(200, data={}), "no data.state"),
        (answer(404, code="NotFound", message="Cannot find"), "HTTP 404, NotFound: Cannot find"),
        (answer(401, code="AuthFailed", message="Invalid"), "HTTP 401, AuthFailed: Invalid"),
        (None, "no response from http://127.0.0.1:9"),
    ],
)
def test_the_state_is_shown_or_why_the_response_cannot_be_used(connect, monkeypatch, state, says):
    connect.answers["GET /lively_hill/state"] = state
    if state is None:
        monkeypatch.setattr(module, "URL", "http://127.0.0.1:9/v1/connections")
    code, written = connect(*OLD, "--state")
    assert (code, says in written) == (0 if says == STATE else 3, True), written
    assert code == 0 or "GET /v1/connections/lively_hill/state" in written
    assert ("set FIVETRAN_API_KEY" in written) == ("401" in says)
    assert len(connect.seen) == (state is not None)


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
        *((SEND, name) for name in ENVIRONMENT),
        (SEND, "the function's route is v1/{name}"),
    ],
)
def test_what_is_wrong_or_missing_sends_nothing(connect, monkeypatch, arguments, says):
    monkeypatch.delenv(says, raising=False)  # if it is one of ENVIRONMENT
    if "route" in says:
        file = Path("function_app.py")
        text = file.read_text(encoding="utf-8").replace('route="acme"', 'route="v1/{name}"')
        file.write_text(text, encoding="utf-8")
    code, written = connect(*arguments)
    assert (code, connect.seen) == (3, [])
    assert says in written
