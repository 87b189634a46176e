"""`sync`, `resync`, `test`: what they do, print and record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from handmade import SECRET, calls, served
from harness import sync
from werkzeug import Request, Response

Make = Callable[..., Path]
Run = Callable[..., tuple[int, str]]
Result = Callable[..., dict[str, Any]]
REPORTED = (
    "return reply({'errorMessage': 'refused ' + request['secrets']['apiToken'], "
    "'errorType': 'Auth', 'stackTrace': [['fetch.py', 12, 'thing', 'fetch.get()']]})"
)
APPENDING = """
at = state.get("at", 0)
rows = [{"id": n, "name": f"name {n}"} for n in range(at, min(at + 3, 10))]
return reply({"state": {"at": at + len(rows)}, "insert": {"thing": rows}, "hasMore": at < 7})
"""


def query(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(folder / ".fivetran/warehouse.duckdb"), read_only=True) as database:
        return database.execute(sql).fetchall()


def names(folder: Path) -> list[tuple[Any, ...]]:
    return query(folder, "SELECT id, name FROM acme.thing ORDER BY id")


def test_sync_fills_tables_and_the_next_one_goes_on(project: Make, run: Run) -> None:
    folder = project()
    assert run("sync", "--calls", "2")[0] == 0
    code, written = run("sync")
    assert code == 0, written
    assert names(folder) == [(number, f"name {number}") for number in range(10)]
    assert [call["state"].get("at", 0) for call in calls(folder)] == [0, 3, 6, 9]
    assert "done: 2 calls, 4 rows" in written
    assert 'state: {"at":10}' in written
    assert [line in written for line in ("call 1 3 rows", "call 2 1 rows")] == [True, True]
    for head in ("new rows", "changed", "deleted", "rows now", "deleted rows"):
        assert f" {head} " in written


def test_json_is_one_object_with_all_figures(project: Make, result: Result) -> None:
    folder = project()
    found = result("sync")
    assert found | {"ok": True, "ended": "done", "calls": 4, "rows": 10} == found
    assert (found["state_before"], found["state"]) == ({}, {"at": 10})
    table = found["tables"][0]
    assert table | {"name": "thing", "rows": 10, "deleted": 0, "primary_key": ["id"]} == table
    assert table["columns"]["name"] == "VARCHAR"
    assert table["applied"] == {"inserted": 10, "updated": 0, "deleted": 0, "marked": 0}
    assert found["sync_id"] == calls(folder)[0]["sync_id"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_harness_killed_in_a_call_gives_the_same_tables(project: Make) -> None:
    body = """
    if state.get("at") == 6 and not (HERE / "killed").exists():
        import os, signal
        (HERE / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    # Without a primary key every row that is applied twice would be there twice.
    folder = project(textwrap.dedent(body) + APPENDING)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    codes = [
        subprocess.run(
            [sys.executable, "-m", "harness", "sync"],
            cwd=folder,
            env=environment,
            capture_output=True,
        ).returncode
        for _ in range(2)
    ]
    assert codes == [-9, 0]
    assert names(folder) == [(number, f"name {number}") for number in range(10)]


def test_an_error_is_printed_as_on_the_dashboard_without_the_secret(
    project: Make, run: Run, result: Result
) -> None:
    folder = project(REPORTED)
    code, written = run("sync")
    assert code == 2, "the function reports an error, and that shows a secret"
    for text in ("refused [secret]", "Auth", "fetch.py:12 in thing", "nothing was applied"):
        assert text in written
    assert SECRET not in written
    files = [path for path in folder.rglob("*") if path.is_file()]
    holding = {path.name for path in files if SECRET.encode() in path.read_bytes()}
    assert holding <= {"connection.json", "requests.jsonl"}
    found = result("sync")
    assert (found["ok"], found["exit_code"], found["ended"]) == (False, 2, "failed")
    error = found["error"]
    assert (error["message"], error["errorType"]) == ("refused [secret]", "Auth")
    assert "fetch.py:12 in thing" in error["stackTrace"]


def test_what_fivetran_does_stands_beside_an_error_that_ends_the_run(
    project: Make, run: Run
) -> None:
    project("return reply({'state': {}, 'insert': {'t': [{'a': 1}]}, "
            "'schema': {'t': {'primary_key': ['id']}}, 'hasMore': False})")  # fmt: skip
    code, written = run("sync")
    assert code == 2
    assert "rule record-without-key in harness/RULES.md" in written
    assert "Fivetran" in written.partition("Fivetran would fail")[2]


def test_an_exception_of_the_function_is_printed_with_its_trace(project: Make, run: Run) -> None:
    project("raise ValueError('what a ' + request['secrets']['apiToken'])")
    code, written = run("test")
    assert code == 2
    assert "ValueError: what a [secret]" in written
    assert "function_app.py" in written


def test_advice_for_an_old_state_is_for_this_machine(project: Make, run: Run) -> None:
    text = "correct it through Fivetran's state API; a re-sync in Fivetran reads all again"
    project(f"return reply({{'errorMessage': {text!r}}})")
    code, written = run("sync")
    assert code == 1
    assert "`python -m harness resync` reads everything again" in written
    assert "`python -m harness reset --yes`" in written


WAITING = """
log.info('event=waiting entity=thing seconds=41 why="HTTP 429: slow down"')
log.info('event=request entity=thing url=http://x error=ConnectionRefusedError attempt=1')
log.info('event=page entity=thing page=1 rows=1')
log.warning('event=no_cursor_committed entity=thing rows=1 why="no record has updated_at"')
log.warning('event=maybe_truncated entity=thing page=1 why="has_more is true"')
log.warning('event=failed entity=thing why="it is reported"')
print("token:", request["secrets"]["apiToken"])
"""


def test_waits_retries_and_warnings_are_printed(project: Make, run: Run, result: Result) -> None:
    folder = project(WAITING + "return page({'a': 1}, [{'id': 1}])")
    code, written = run("sync")
    assert code == 0
    assert "thing waits 41.0 s: HTTP 429: slow down" in written
    assert "thing waited 41.0 s for the API" in written
    assert "thing: retrying, connection refused" in written
    assert "warning: thing: no cursor can be committed" in written
    assert "maybe-truncated" in written and "has_more is true" in written
    assert "it is reported" not in written, "the reply's error says it"
    assert "token: [secret]" in written
    assert query(folder, "SELECT waited FROM _harness.calls") == [(41.0,)]
    found = result("sync")
    assert found["waited"] == {"thing": 41}
    assert [finding["rule"] for finding in found["findings"]].count("maybe-truncated") == 1


def test_a_setup_test_passes_and_leaves_a_run(project: Make, run: Run) -> None:
    folder = project("return reply({'state': {}, 'hasMore': False})")
    code, written = run("test")
    assert (code, "passed in" in written) == (0, True)
    assert calls(folder)[0]["setup_test"] is True
    assert query(folder, "SELECT command, ended FROM _harness.runs") == [("test", "done")]


def test_a_setup_test_is_tried_again(project: Make, run: Run, result: Result) -> None:
    body = "if 'sync_id' in request or (HERE / 'twice').exists():\n"
    body += "    return reply({'errorMessage': 'no'})\n"
    folder = project(body + "return reply({'state': {}, 'hasMore': False})")
    _, written = run("test")
    assert "the first try failed: no" in written and "passed in" in written
    (folder / "twice").touch()
    found = result("test")
    assert (found["exit_code"], found["error"]["message"], found["tries"]) == (1, "no", 2)


FEWER = """
at = state.get("at", 0)
if at == 1 and (HERE / "broken").exists():
    return reply({"errorMessage": "down"})
known = 3 if (HERE / "fewer").exists() else 5
return page({"at": at + 1}, [{"id": n, "name": "x"} for n in range(known)], at < 1)
"""


def test_a_resync_marks_what_does_not_come_again(project: Make, run: Run) -> None:
    folder = project(FEWER)
    run("sync")
    (folder / "fewer").touch()
    (folder / "broken").touch()
    assert run("resync")[0] == 1
    assert calls(folder)[-2]["state"] == {}
    (folder / "broken").unlink()
    code, written = run("sync")  # finishes it
    assert code == 0
    assert "thing: 2 rows did not come again and are deleted now" in written


def test_runs_calls_and_findings_are_plain_tables(project: Make, run: Run) -> None:
    folder = project()
    run("sync")
    (folder / "function_app.py").write_text("", encoding="utf-8")
    run("sync")  # fails before a call
    runs = query(folder, "SELECT command, ended FROM _harness.runs")
    assert runs == [("sync", "done")]
    found = query(folder, "SELECT number, rows, status FROM _harness.calls ORDER BY number")
    assert found == [(1, 3, 200), (2, 3, 200), (3, 3, 200), (4, 1, 200)]


def test_sync_over_http_takes_the_key_from_the_environment(
    project: Make, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project()
    keys: list[str | None] = []

    def handle(request: Request) -> Response:
        keys.append(request.headers.get("x-functions-key"))
        at = json.loads(request.get_data())["state"].get("at", 0)
        body = {"state": {"at": at + 1}, "insert": {"thing": [{"id": at, "name": "x"}]}}
        return Response(json.dumps({**body, "hasMore": at < 2}), mimetype="application/json")

    monkeypatch.setenv("FUNCTION_KEY", "key-from-environment")
    with served(handle) as url:
        code, written = run("sync", "--url", f"{url}/")
    assert code == 0, written
    assert keys == ["key-from-environment"] * 3
    assert len(names(folder)) == 3
    assert "key-from-environment" not in written


def test_a_function_that_is_not_running(
    project: Make, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    project()
    monkeypatch.setitem(sync.run.__kwdefaults__, "sleep", lambda seconds: None)
    with served(lambda request: Response()) as url:
        pass
    code, written = run("sync", "--url", f"{url}/api/acme")
    assert code == 2
    assert written.count("Connection refused") == 4, "three tries, and the error"
    assert "is it running, and is this the right port?" in written


def test_a_lost_reply_that_came_at_the_second_try_is_no_finding(
    project: Make, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    project()
    monkeypatch.setitem(sync.run.__kwdefaults__, "sleep", lambda seconds: None)
    answers = iter([Response("", 503), Response('{"state": {}, "hasMore": false}',
                                                mimetype="application/json")])  # fmt: skip
    with served(lambda request: next(answers)) as url:
        found = result("sync", "--url", f"{url}/api/acme")
    assert (found["exit_code"], found["calls"], found["findings"]) == (0, 1, [])


@pytest.mark.parametrize("forgets", [False, True])
def test_chaos_over_a_url_loses_replies_and_repeats_calls(
    project: Make, run: Run, result: Result, forgets: bool
) -> None:
    project()
    delivered = 0

    def handle(request: Request) -> Response:
        nonlocal delivered
        at = delivered if forgets else json.loads(request.get_data())["state"].get("at", 0)
        delivered = at + 1
        body = {
            "state": {"at": at + 1},
            "insert": {"thing": [{"id": at % 20, "name": "x"}]},
            "schema": {"thing": {"primary_key": ["id"]}},
        }
        return Response(json.dumps({**body, "hasMore": at < 20}), mimetype="application/json")

    arguments = ("sync", "--chaos", "3", "--url")
    with served(handle) as url:
        if forgets:
            code, written = run(*arguments, url)
            assert (code, "in the function's folder" in written) == (2, True)
            assert "the tables are not those of an undisturbed sync" in written
        else:
            found = result(*arguments, url)
            assert found["ok"]
            assert set(found["chaos"]["happened"]) == {"lost reply", "repeated call"}


def test_the_sample_and_the_real_api_never_mix(baked: Path, run: Run, result: Result) -> None:
    found = result("sync", "--sample", "--port", "0")
    assert (found["ok"], found["ended"]) == (True, "done"), found
    assert (baked / ".fivetran/sample/warehouse.duckdb").exists()
    assert not (baked / ".fivetran/warehouse.duckdb").exists()
    again = result("sync", "--sample", "--port", "0")
    assert again["state_before"] == found["state"]
    sample = baked / "sample.toml"
    text = sample.read_text(encoding="utf-8")
    sample.write_text(text.replace("\nid = ", "\nnumber = 7\nid = "), encoding="utf-8")
    changed = result("sync", "--sample", "--port", "0")
    assert changed["state_before"] == {}, "sample.toml describes another upstream now"
