"""`connect`: the request that is printed, the connection that is created, and its state.

No test's output shows a secret: the fixture `connect` looks each time.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from werkzeug import Response

Make = Callable[..., Path]
Connect = Callable[..., tuple[int, str]]
NEW = ("--group", "calm_river", "--app", "acme-fn")
SECRETS = {"apiToken": "s3cret-Ü&+/tökén", "short": "ab"}


@pytest.fixture(autouse=True)
def nobody_at_the_keyboard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked for."""
    monkeypatch.setattr("sys.stdin", io.StringIO('{"typed": 1}'))


def test_without_send_the_request_is_printed_and_nothing_is_sent(
    project: Make, connect: Connect, api: Any
) -> None:
    project()
    code, written = connect(*NEW)
    assert code == 0, written
    assert f"POST {api.url}/v1/connections" in written
    assert not api.seen


def test_the_printed_request_masks_every_secret(project: Make, connect: Connect) -> None:
    """Short ones too, that could not be found by value."""
    project()
    code, written = connect(*NEW, "--json")
    assert code == 0, written
    config = json.loads(written)["body"]["config"]
    assert config["function_key"] == "[secret]"
    assert config["secrets_list"] == [
        {"key": "apiToken", "value": "[secret]"},
        {"key": "short", "value": "[secret]"},
    ]


def test_send_creates_the_connection_paused_and_runs_its_setup_tests(
    project: Make, connect: Connect, api: Any
) -> None:
    project()
    code, written = connect(*NEW, "--send")
    assert code == 0, written
    assert [(method, path) for method, path, _ in api.seen] == [
        ("POST", "/v1/connections"),
        ("POST", "/v1/connections/lively_hill/test"),
    ]
    assert api.seen[0][2] == {
        "service": "azure_function",
        "group_id": "calm_river",
        "paused": True,
        "run_setup_tests": False,
        "destination_schema_names": "FIVETRAN_NAMING",
        "config": {
            "schema": "acme",
            "function_app": "acme-fn",
            "function_name": "acme_sync",
            "function_key": "function-key-123456==",
            "connection_method": "DIRECT",
            "secrets_list": [{"key": key, "value": value} for key, value in SECRETS.items()],
            "custom_payloads": [{"key": "start", "value": "2026-01-01"}],
        },
    }
    assert "created connection lively_hill" in written
    assert "PASSED" in written


def test_a_failed_setup_test_ends_with_one_and_says_how_to_try_again(
    project: Make, connect: Connect, api: Any
) -> None:
    project()
    api.tests += [
        {"title": "Skipped test", "status": "SKIPPED"},
        {"title": "Call", "status": "FAILED", "message": f"refused {SECRETS['apiToken']}"},
    ]
    code, written = connect(*NEW, "--send")
    assert code == 1
    assert "FAILED     Call: refused [secret]" in written
    assert "python -m harness connect --id lively_hill --send" in written


def test_id_runs_the_setup_tests_again(project: Make, connect: Connect, api: Any) -> None:
    project()
    code, written = connect("--id", "lively_hill", "--send", "--json")
    assert code == 0, written
    assert [(method, path) for method, path, _ in api.seen] == [
        ("POST", "/v1/connections/lively_hill/test")
    ]
    assert json.loads(written)["setup_tests"][0]["status"] == "PASSED"


def test_a_warning_is_no_failure(project: Make, connect: Connect, api: Any) -> None:
    project()
    api.tests[0] |= {"status": "WARNING", "message": "slow"}
    code, written = connect("--id", "lively_hill", "--send")
    assert code == 0
    assert "WARNING" in written


def test_another_function_is_named_by_option(project: Make, connect: Connect, api: Any) -> None:
    """A function that is not in this folder, in any language."""
    folder = project()
    (folder / "function_app.py").unlink()
    code, written = connect(*NEW, "--function", "other", "--send")
    assert code == 0, written
    assert api.seen[0][2]["config"]["function_name"] == "other"


def test_empty_secrets_are_left_out_and_named(project: Make, connect: Connect, api: Any) -> None:
    project(secrets={"apiToken": "", "other": "a value of it"})
    code, written = connect(*NEW, "--send")
    assert code == 0, written
    assert [pair["key"] for pair in api.seen[0][2]["config"]["secrets_list"]] == ["other"]
    assert "no value: apiToken" in written


def test_what_is_set_elsewhere_is_named(project: Make, connect: Connect) -> None:
    project(hashed=["transaction.email"])
    assert "Schema" in connect(*NEW)[1]


def test_the_state_is_shown(project: Make, connect: Connect, api: Any) -> None:
    project()
    code, written = connect("--id", "lively_hill", "--state")
    assert code == 0, written
    assert '{"transaction":"2026-01-01T00:00:00Z"}' in written


def test_numbers_of_a_state_arrive_exactly(project: Make, connect: Connect, api: Any) -> None:
    project()
    text = '{"code":"Success","data":{"state":{"at":1.10,"id":12345678901234567890123}}}'
    api.answers = [Response(text, mimetype="application/json")]
    written = connect("--id", "lively_hill", "--state")[1]
    assert '{"at":1.10,"id":12345678901234567890123}' in written


def test_a_wrong_api_key_is_named(
    project: Make, connect: Connect, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    project()
    monkeypatch.setenv("FIVETRAN_API_KEY", "another")
    code, written = connect(*NEW, "--send")
    assert code == 3
    assert "HTTP 401, AuthFailed: Invalid authorization credentials" in written
    assert "FIVETRAN_API_KEY" in written


def test_an_unknown_connection_is_named(project: Make, connect: Connect, api: Any) -> None:
    project()
    code, written = connect("--id", "other", "--state")
    assert code == 3
    assert "HTTP 404, NotFound_Connection" in written


@pytest.mark.parametrize(
    "answer",
    [
        Response("<html>gateway</html>", 502),
        Response("", 302, {"Location": "https://example.com/"}),
        Response("[1]", mimetype="application/json"),
        Response('{"code": "Success", "data": {}}', mimetype="application/json"),
    ],
)
def test_a_broken_response_ends_with_three(
    project: Make, connect: Connect, api: Any, answer: Response
) -> None:
    """A redirect too: it is not followed, for the key would go with it."""
    project()
    api.answers = [answer]
    code, written = connect("--id", "lively_hill", "--state")
    assert code == 3
    assert "GET /v1/connections/lively_hill/state" in written
    assert len(api.seen) == 1


def test_no_response_ends_with_three(
    project: Make, connect: Connect, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    project()
    monkeypatch.setenv("FIVETRAN_API_URL", "http://127.0.0.1:9")
    code, written = connect(*NEW, "--send")
    assert code == 3
    assert "no response from http://127.0.0.1:9" in written
    assert "whether it was done all the same" in written


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--group is missing"),
        (("--group", "g"), "--app must be"),
        (("--group", "g", "--app", "https://acme.azurewebsites.net"), "--app must be"),
        (("--group", "g", "--app", "acme.azurewebsites.net"), "--app must be"),
        (("--id", "lively_hill", *NEW), "a connection that exists"),
        (("--id", "../groups", "--state"), "letters, digits"),
        (("--id", "../groups"), "letters, digits"),
        (("--state",), "needs --id"),
    ],
)
def test_wrong_usage_ends_with_three_and_sends_nothing(
    project: Make, connect: Connect, api: Any, arguments: tuple[str, ...], says: str
) -> None:
    project()
    code, written = connect(*arguments)
    assert code == 3
    assert says in written
    assert not api.seen


def test_a_route_that_fivetran_does_not_call_is_refused(
    project: Make, connect: Connect, api: Any
) -> None:
    project(route="v1/{name}")
    code, written = connect(*NEW)
    assert code == 3
    assert "the function's route is v1/{name}" in written


@pytest.mark.parametrize("name", ["FUNCTION_KEY", "FIVETRAN_API_KEY", "FIVETRAN_API_SECRET"])
def test_what_is_missing_is_named_before_anything_is_sent(
    project: Make, connect: Connect, api: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    project()
    monkeypatch.delenv(name)
    code, written = connect(*NEW, "--send")
    assert code == 3
    assert name in written
    assert not api.seen


@pytest.mark.parametrize("url", ["http://api.example.com", "ftp://localhost", "api.fivetran.com"])
def test_the_key_is_never_sent_in_clear_text(
    project: Make, connect: Connect, monkeypatch: pytest.MonkeyPatch, api: Any, url: str
) -> None:
    project()
    monkeypatch.setenv("FIVETRAN_API_URL", url)
    code, written = connect(*NEW, "--send")
    assert code == 3
    assert "must begin with https://" in written
