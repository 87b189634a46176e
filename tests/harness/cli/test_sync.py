"""`sync`, `resync`, `test`: what they do, print and record."""

from __future__ import annotations

import json
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


def query(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(folder / ".fivetran/warehouse.duckdb"), read_only=True) as database:
        return database.execute(sql).fetchall()


def names(folder: Path) -> list[tuple[Any, ...]]:
    return query(folder, "SELECT id, name FROM acme.thing ORDER BY id")


ALL = [(number, f"name {number}") for number in range(10)]


def test_sync_fills_tables_and_the_next_one_goes_on(project: Make, run: Run) -> None:
    folder = project()
    assert run("sync", "--calls", "2")[0] == 0
    code, written = run("sync")
    assert (code, names(folder)) == (0, ALL), written
    assert [call["state"].get("at", 0) for call in calls(folder)] == [0, 3, 6, 9]
    for text in ("call 1 3 rows", "call 2 1 rows", "done: 2 calls, 4 rows", 'state: {"at":10}',
                 "new rows ┃ replaced ┃ deleted ┃ rows now ┃ deleted rows"):  # fmt: skip
        assert text in written
    assert query(folder, "SELECT command, ended FROM _harness.runs") == [
        ("sync", "calls"),
        ("sync", "done"),
    ]
    found = query(folder, "SELECT run, number, rows, status FROM _harness.calls ORDER BY ALL")
    assert found == [(1, 1, 3, 200), (1, 2, 3, 200), (2, 1, 3, 200), (2, 2, 1, 200)]


def test_json_is_one_object_with_all_figures(project: Make, result: Result) -> None:
    folder = project()
    found = result("sync")
    expected = {
        "ok": True,
        "ended": "done",
        "calls": 4,
        "rows": 10,
        "findings": [],
        "state_before": {},
        "state": {"at": 10},
        "sync_id": calls(folder)[0]["sync_id"],
    }
    assert found | expected == found
    table = found["tables"][0]
    assert (table["name"], table["rows"], table["applied"]["inserted"]) == ("thing", 10, 10)


REPORTED = (
    "return reply({'errorMessage': 'refused ' + request['secrets']['apiToken'], "
    "'errorType': 'Auth', 'stackTrace': [['fetch.py', 12, 'thing', 'fetch.get()']]})"
)


def test_an_error_is_printed_as_on_the_dashboard_without_the_secret(
    project: Make, run: Run, result: Result
) -> None:
    folder = project(REPORTED)
    code, written = run("sync")
    assert code == 2, "the function reports an error, and that shows a secret"
    for text in ("refused [secret]", "Auth", "fetch.py:12 in thing", "nothing was written"):
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


OLD = "correct it through Fivetran's state API; a re-sync in Fivetran reads all again"
KEYLESS = {"insert": {"t": [{"a": 1}]}, "schema": {"t": {"primary_key": ["id"]}}}


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (
            f"return reply({ {'state': {}, 'hasMore': False, **KEYLESS} })",
            2,
            ["Fivetran would fail", "│ Fivetran", "rule record-without-key in harness/RULES.md"],
        ),
        (
            "raise ValueError('what a ' + request['secrets']['apiToken'])",
            2,
            ["ValueError: what a [secret]", "function_app.py"],
        ),
        (
            f"return reply({ {'errorMessage': OLD} })",
            1,
            ["`python -m harness resync` reads", "`python -m harness reset --yes`"],
        ),
        (
            "return reply({'errorMessage': '[red]a[/red] \\x1b[31mb'})",
            1,
            ["[red]a[/red] \ufffd[31mb"],
        ),
    ],
    ids=["what Fivetran does", "a trace", "an old state on this machine", "markup is text"],
)
def test_an_error_says_all_there_is_to_know(
    project: Make, run: Run, body: str, code: int, says: list[str]
) -> None:
    project(body)
    ended, written = run("sync")
    assert (ended, [text for text in says if text not in written]) == (code, []), written


WAITING = """
log.info('event=waiting entity=thing seconds=41 why="HTTP 429: slow down"')
log.info('event=request entity=thing url=http://x error=ConnectionRefusedError attempt=1')
log.info('event=page entity=thing page=1 rows=1')
log.warning('event=no_cursor_committed entity=thing rows=1 why="no record has updated_at"')
log.warning('event=maybe_truncated entity=thing page=1 why="has_more is true"')
log.warning('event=failed entity=thing why="it is reported"')
print("token:", request["secrets"]["apiToken"])
return page({'a': 1}, [{'id': 1}])
"""


def test_waits_retries_and_warnings_are_printed(project: Make, run: Run, result: Result) -> None:
    folder = project(WAITING)
    code, written = run("sync")
    assert code == 0
    for text in ("thing waits 41.0 s: HTTP 429: slow down", "thing waited 41.0 s for the API",
                 "thing: retrying, connection refused", "maybe-truncated", "has_more is true",
                 "warning: thing: no cursor committed: no record has updated_at",
                 "token: [secret]"):  # fmt: skip
        assert text in written
    assert "it is reported" not in written, "the reply's error says it"
    assert query(folder, "SELECT waited FROM _harness.calls") == [(41.0,)]
    found = result("sync")
    assert found["waited"] == {"thing": 41}
    assert [finding["rule"] for finding in found["findings"]].count("maybe-truncated") == 1


def test_a_setup_test_passes_at_its_second_try_and_leaves_a_run(
    project: Make, run: Run, result: Result
) -> None:
    body = "if 'sync_id' in request or (HERE / 'twice').exists():\n"
    body += "    return reply({'errorMessage': 'no'})\n"
    folder = project(body + "return reply({'state': {}, 'hasMore': False})")
    code, written = run("test")
    assert code == 0, written
    assert "the first try failed: no" in written and "passed in" in written
    assert calls(folder)[0]["setup_test"] is True
    (folder / "twice").touch()
    found = result("test")
    assert (found["exit_code"], found["error"]["message"], found["tries"]) == (1, "no", 2)
    runs = query(folder, "SELECT command, ended FROM _harness.runs ORDER BY id")
    assert runs == [("test", "done"), ("test", "failed")]


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
    assert "thing: 2 rows did not come again: marked as deleted" in written


def counting(request: Request) -> Response:
    """A function that delivers 20 rows, one a call, the first of them twice."""
    at = json.loads(request.get_data())["state"].get("at", 0)
    body = {
        "state": {"at": at + 1},
        "insert": {"thing": [{"id": at % 20, "name": "x"}]},
        "schema": {"thing": {"primary_key": ["id"]}},
        "hasMore": at < 20,
    }
    return Response(json.dumps(body), mimetype="application/json")


def test_sync_over_http_takes_the_key_from_the_environment(
    project: Make, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project()
    keys: list[str | None] = []

    def handle(request: Request) -> Response:
        keys.append(request.headers.get("x-functions-key"))
        return counting(request)

    monkeypatch.setenv("FUNCTION_KEY", "key-from-environment")
    with served(handle) as url:
        code, written = run("sync", "--url", f"{url}/")  # the root of its host
    assert (code, len(names(folder))) == (0, 20), written
    assert keys == ["key-from-environment"] * 21
    assert "key-from-environment" not in written


def test_a_function_that_is_not_running(
    project: Make, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    project()
    monkeypatch.setitem(sync.Fivetran.sync.__kwdefaults__, "sleep", lambda seconds: None)
    with served(counting) as url:
        pass
    code, written = run("sync", "--url", f"{url}/api/acme")
    assert code == 2
    assert written.count("Connection refused") == 4, "three tries, and the error"
    assert "is it running, and is this the right port?" in written


def test_chaos_over_a_url_loses_replies_and_repeats_calls(project: Make, run: Run) -> None:
    project()
    with served(counting) as url:
        code, written = run("sync", "--chaos", "3", "--url", url)
    assert code == 0, written
    for text in ("in the function's folder", "lost reply", "repeated call", "the same tables"):
        assert text in written
    assert "restarted" not in written
    assert "no-reply" not in written, "a lost reply that comes at the second try is no finding"


def test_the_sample_and_the_real_api_never_mix(baked: Path, result: Result) -> None:
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


def test_what_the_sample_refused_is_shown_though_the_step_went_on(baked: Path, run: Run) -> None:
    fetch = baked / "fetch.py"
    text = fetch.read_text(encoding="utf-8").replace('"/transaction"', '"/payments", ok=[404]')
    text = text.replace('rows("data")', 'rows("data", default=[])')
    text = text.replace('value("next_cursor")', "value('next_cursor', default=None)")
    fetch.write_text(text, encoding="utf-8")
    code, written = run("sync", "--sample", "--port", "0")
    assert code == 0
    assert "the sample API refused a request: GET /payments: the sample has no GET" in written
    assert "nothing was compared" in run("sync", "--chaos", "1")[1]
