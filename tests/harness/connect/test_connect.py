"""`connect`: the request that is printed, the connection that is created, its tests and state."""

import io
import json
from pathlib import Path

import handmade
import pytest
from harness import connect as module
from werkzeug import Response

SECRETS = {"apiToken": handmade.SECRET, "short": "ab"}
ENVIRONMENT = {
    "FUNCTION_KEY": "function-key-123456==",
    "FIVETRAN_API_KEY": "api-key-name-1",
    "FIVETRAN_API_SECRET": "api-secret-99",
}
HIDDEN = [handmade.SECRET, '"ab"', ENVIRONMENT["FUNCTION_KEY"], "api-secret-99"]
NEW, OLD = "--group calm_river --app acme-fn", "--id lively_hill"
SEND = f"{NEW} --send"
PASSED = {"title": "Connection to the function", "status": "PASSED", "message": ""}
STATE = '{"at":1.10,"id":12345678901234567890123}'  # its numbers arrive exactly
JSON = "application/json"


def answer(status, **body):
    return Response(json.dumps(body), status, mimetype=JSON)


@pytest.fixture
def api(made, monkeypatch):
    """What Fivetran's REST API answers and was asked: method, path and body of each request.

    In a project, with the API's key in the environment, and nobody at the keyboard.
    """
    made(secrets=SECRETS, customPayload={"start": "2026-01-01"})
    monkeypatch.setattr("sys.stdin", io.StringIO("typed\n"))
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    answers, seen = {
        "POST ": answer(201, data={"id": "lively_hill"}),
        "POST /lively_hill/test": answer(200, data={"setup_tests": [PASSED]}),
    }, []  # fmt: skip

    def handle(request):
        asked = f"{request.method} {request.path.removeprefix('/v1/connections')}"
        seen.append((asked, json.loads(request.get_data() or "null")))
        assert request.headers["Accept"] == "application/json;version=2"
        login = request.authorization
        assert login and [login.username, login.password] == [*ENVIRONMENT.values()][1:]
        return answers[asked]

    with handmade.served(handle) as url:
        monkeypatch.setattr(module, "URL", f"{url}/v1/connections")
        yield answers, seen


@pytest.fixture
def connect(run):
    """Types the command: what it wrote, in which is no secret."""

    def connect(arguments, *shown, code=0):
        written = run(f"connect {arguments}", *shown, code=code)
        assert not any(secret in written for secret in HIDDEN)
        return written

    return connect


def test_the_request_is_printed_with_masks_and_send_creates_a_paused_connection(api, connect):
    connect(NEW, f"POST {module.URL}")
    printed = json.loads(connect(f"{NEW} --json"))["body"]
    assert not api[1]
    connect(SEND, "created connection lively_hill", "PASSED")
    (create, body), test = api[1]
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


def test_what_the_request_leaves_out_is_named(api, connect):
    form = {"secrets": {"apiToken": "", "other": "a value"}, "hashed": ["t.email"]}
    Path("connection.json").write_text(json.dumps({"schema": "acme", **form}), encoding="utf-8")
    Path("function_app.py").unlink()
    connect(f"{SEND} --function another", "no value: apiToken", "Schema tab")
    config = api[1][0][1]["config"]
    assert config["function_name"] == "another"
    assert config["secrets_list"] == [{"key": "other", "value": "a value"}]


@pytest.mark.parametrize(("status", "code"), [("WARNING", 0), ("FAILED", 1)])
def test_id_runs_the_setup_tests_and_shows_what_each_said(api, connect, status, code):
    message = f"{handmade.SECRET}, {ENVIRONMENT['FIVETRAN_API_SECRET']}!"
    tests = [PASSED, {"title": "Call", "status": status, "message": message}]
    api[0]["POST /lively_hill/test"] = answer(200, data={"setup_tests": tests})
    written = connect(OLD, f"{status} Call: [secret], [secret]!", code=code)
    assert (f"python -m harness connect {OLD}" in written) == (code == 1)
    assert [asked for asked, _ in api[1]] == ["POST /lively_hill/test"]


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
def test_the_state_is_shown_or_why_the_response_cannot_be_used(
    api, connect, monkeypatch, state, says
):
    api[0]["GET /lively_hill/state"] = state
    if state is None:
        monkeypatch.setattr(module, "URL", "http://127.0.0.1:9/v1/connections")
    written = connect(f"{OLD} --state", says, code=0 if says == STATE else 3)
    assert says == STATE or "GET /v1/connections/lively_hill/state" in written
    assert ("set FIVETRAN_API_KEY" in written) == ("401" in says)
    assert len(api[1]) == (state is not None)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("", "--group is missing"),
        ("--group g", "--app must be"),
        ("--group g --app https://acme.azurewebsites.net", "--app must be"),
        ("--group g --app acme.azurewebsites.net", "--app must be"),
        (f"{OLD} {NEW}", "does not go with --group"),
        ("--id ../groups --state", "letters, digits"),
        ("--state", "needs --id"),
        *((SEND, name) for name in ENVIRONMENT),
        (SEND, "the function's route is v1/{name}"),
    ],
)
def test_what_is_wrong_or_missing_sends_nothing(api, connect, monkeypatch, arguments, says):
    monkeypatch.delenv(says, raising=False)  # if it is one of ENVIRONMENT
    if "route" in says:
        file = Path("function_app.py")
        text = file.read_text(encoding="utf-8").replace('route="acme"', 'route="v1/{name}"')
        file.write_text(text, encoding="utf-8")
    connect(arguments, says, code=3)
    assert not api[1]
