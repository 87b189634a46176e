"""How a command ends when rules were broken."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness.cli import main

SECRET = "s3cret-Ü&+/tökén"
HEAD = """
import json

import azure.functions as func

app = func.FunctionApp()


@app.route(route="acme", methods=["POST"])
def acme(req: func.HttpRequest) -> func.HttpResponse:
    request = req.get_json()
    more = not request["state"] and not request.get("setup_test")
    rows = [{"id": 1, "userName": "a"}]
    body = {
        "state": {} if request.get("setup_test") else {"at": 1},
        "schema": {"thing": {"primary_key": ["id"]}},
        "insert": {"thing": [] if request.get("setup_test") else rows},
        "hasMore": more,
    }
"""
TAIL = """
    return func.HttpResponse(json.dumps(body), mimetype="application/json")
"""
COLLIDE = 'rows[0]["user_name"] = "b"'
LEAK = 'body["state"]["token"] = request["secrets"]["apiToken"]'
NULL = 'rows[0]["note"] = None'
FAIL = 'if not more: body = {"errorMessage": "down"}'


@pytest.fixture
def harness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs a command on a function with these lines: the exit code and what was written."""

    def run(lines: str, *arguments: str) -> tuple[int, str]:
        code = HEAD + textwrap.indent(lines, "    ") + TAIL
        (tmp_path / "function_app.py").write_text(code, encoding="utf-8")
        connection = {"schema": "acme", "secrets": {"apiToken": SECRET}}
        (tmp_path / "connection.json").write_text(json.dumps(connection), encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        ended = main(list(arguments))
        written = capsys.readouterr()
        return ended, written.out + written.err

    return run


@pytest.mark.parametrize("command", ["sync", "resync", "peek"])
def test_a_broken_rule_that_is_an_error_ends_with_two(harness: Any, command: str) -> None:
    code, written = harness(COLLIDE, command)
    assert code == 2
    assert "findings: 1 error; each rule is explained in harness/RULES.md" in written
    assert "error names-collide: two names become one in the destination" in written
    if command != "peek":
        assert "done: 2 calls, 2 rows" in written, "everything is applied all the same"


@pytest.mark.parametrize("command", ["sync", "resync", "test"])
def test_a_function_without_faults_has_no_findings(harness: Any, command: str) -> None:
    code, written = harness("", command, "--json")
    assert (code, json.loads(written)["findings"]) == (0, [])
    assert "finding" not in harness("", command)[1]


def test_a_notice_does_not_change_the_exit_code(harness: Any) -> None:
    code, written = harness(NULL, "sync")
    assert code == 0
    assert "notice all-null-column: a column is null in every record" in written


def test_a_state_with_a_secret_is_an_error_that_does_not_show_it(harness: Any) -> None:
    code, written = harness(LEAK, "test")
    assert code == 2
    assert "passed" not in written
    assert "a secret stands in state" in written
    assert SECRET not in written


@pytest.mark.parametrize(
    "leak",
    [
        LEAK,
        'body["insert"]["x" + request["secrets"]["apiToken"]] = [{"a": 1}]',
        'body["softDelete"] = [request["secrets"]["apiToken"]]',
    ],
)
def test_a_reply_with_a_secret_besides_its_rows_is_not_applied(
    harness: Any, tmp_path: Path, leak: str
) -> None:
    """Neither state nor table holds it afterwards: the good reply before it is all there is."""
    later = f"if request['state']: {leak}\nbody['state']['at'] = 2 - more"
    code, written = harness(later, "sync", "--json")
    result = json.loads(written)
    assert (code, result["error"]["rule"]) == (2, "secret-in-reply")
    assert "nothing of the reply was applied, and the state has not moved" in written
    assert result["calls"] == 1
    home = tmp_path / ".fivetran"
    assert json.loads((home / "state.json").read_text(encoding="utf-8")) == {"at": 1}
    for path in home.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path.name


def test_an_error_that_the_function_reports_stays_one(harness: Any) -> None:
    code, written = harness(FAIL, "sync")
    assert code == 1
    assert "finding" not in written


def test_an_error_beside_a_broken_protocol_ends_with_two(harness: Any) -> None:
    code, written = harness(f"{COLLIDE}\n{FAIL}", "sync", "--json")
    result = json.loads(written)
    assert (code, result["ok"], result["exit_code"]) == (2, False, 2)
    assert result["error"]["message"] == "down"
    assert [finding["rule"] for finding in result["findings"]] == ["names-collide"]


def test_json_says_all_of_a_finding(harness: Any) -> None:
    _, written = harness(NULL, "sync", "--json")
    (finding,) = json.loads(written)["findings"]
    assert finding == {
        "rule": "all-null-column",
        "severity": "notice",
        "title": "a column is null in every record",
        "fivetran": "does not create the column until a value comes",
        "mend": "nothing, if values may come later; else leave the column out",
        "count": 1,
        "places": [
            {
                "call": 2,
                "part": "insert",
                "entity": "thing",
                "what": "note is null in every record",
            }
        ],
    }


def test_what_ended_the_run_is_shown_once_and_stands_in_json_twice(harness: Any) -> None:
    lines = 'body["hasMore"] = None'
    code, written = harness(lines, "sync")
    assert code == 2
    assert written.count("hasMore is null") == 1
    assert "rule has-more-not-boolean of harness/RULES.md" in written
    result = json.loads(harness(lines, "sync", "--json")[1])
    assert result["error"]["rule"] == result["findings"][0]["rule"] == "has-more-not-boolean"


def test_a_command_without_calls_judges_nothing(harness: Any) -> None:
    assert "findings" not in json.loads(harness("", "state", "--json")[1])
