"""`sync`, `resync`, `test`: what they do, print and record."""

import json

import duckdb
import pytest
from handmade import SECRET, calls, served
from harness import sync
from werkzeug import Response


def query(folder, sql):
    with duckdb.connect(str(folder / ".fivetran/warehouse.duckdb"), read_only=True) as database:
        return database.execute(sql).fetchall()


RUNS = "SELECT command, ended FROM _harness.runs ORDER BY id"


def test_sync_fills_tables_and_the_next_one_goes_on(made, run):
    folder = made()
    run("sync --calls 2")
    head = "new rows ┃ replaced ┃ deleted ┃ rows now ┃ deleted rows"
    run("sync", "call 1 3 rows", "call 2 1 rows", "done: 2 calls, 4 rows", 'state: {"at":10}', head)
    found = query(folder, "SELECT id, name FROM acme.thing ORDER BY id")
    assert found == [(number, f"name {number}") for number in range(10)]
    assert [call["state"].get("at", 0) for call in calls(folder)] == [0, 3, 6, 9]
    assert query(folder, RUNS) == [("sync", "calls"), ("sync", "done")]
    found = query(folder, "SELECT run, number, rows, status FROM _harness.calls ORDER BY ALL")
    assert found == [(1, 1, 3, 200), (1, 2, 3, 200), (2, 1, 3, 200), (2, 2, 1, 200)]


def test_json_is_one_object_with_all_figures(made, result):
    folder = made()
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


def test_an_error_is_printed_as_on_the_dashboard_without_the_secret(made, run, result):
    folder = made(
        "return reply({'errorMessage': 'refused ' + request['secrets']['apiToken'], "
        "'errorType': 'Auth', 'stackTrace': [['fetch.py', 12, 'thing', 'fetch.get()']]})"
    )
    shown = ("refused [secret]", "Auth", "fetch.py:12 in thing", "nothing was written")
    assert SECRET not in run("sync", *shown, code=2)  # not 1: the error shows a secret
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
RULE = ("Fivetran would fail", "│ Fivetran", "rule record-without-key in harness/RULES.md")
LOCAL = ("`python -m harness resync` reads", "`python -m harness reset --yes`")


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (f"return reply({ {'state': {}, 'hasMore': False, **KEYLESS} })", 2, RULE),
        (
            "raise ValueError('what a ' + request['secrets']['apiToken'])",
            2,
            ["ValueError: what a [secret]", "function_app.py"],
        ),
        (f"return reply({ {'errorMessage': OLD} })", 1, LOCAL),
        (  # markup is text
            "return reply({'errorMessage': '[red]a[/red] \\x1b[31mb'})",
            1,
            ["[red]a[/red] \ufffd[31mb"],
        ),
    ],
)
def test_an_error_says_all_there_is_to_know(made, run, body, code, says):
    made(body)
    run("sync", *says, code=code)


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


def test_waits_retries_and_warnings_are_printed(made, run, result):
    folder = made(WAITING)
    written = run(
        "sync",
        "thing waits 41.0 s: HTTP 429: slow down",
        "thing waited 41.0 s for the API",
        "thing: retrying, connection refused",
        "maybe-truncated",
        "has_more is true",
        "warning: thing: no cursor committed: no record has updated_at",
        "token: [secret]",
    )
    assert "it is reported" not in written, "the reply's error says it"
    assert query(folder, "SELECT waited FROM _harness.calls") == [(41.0,)]
    found = result("sync")
    assert found["waited"] == {"thing": 41}
    assert [finding["rule"] for finding in found["findings"]].count("maybe-truncated") == 1


def test_a_setup_test_passes_at_its_second_try_and_leaves_a_run(made, run, result):
    body = "if 'sync_id' in request or (HERE / 'twice').exists():\n"
    body += "    return reply({'errorMessage': 'no'})\n"
    folder = made(body + "return reply({'state': {}, 'hasMore': False})")
    run("test", "the first try failed: no", "passed in")
    (folder / "twice").touch()
    found = result("test")
    assert (found["exit_code"], found["error"]["message"], found["tries"]) == (1, "no", 2)
    assert query(folder, RUNS) == [("test", "done"), ("test", "failed")]


FEWER = """
at = state.get("at", 0)
if at == 1 and (HERE / "broken").exists():
    return reply({"errorMessage": "down"})
known = 3 if (HERE / "fewer").exists() else 5
return page({"at": at + 1}, [{"id": n, "name": "x"} for n in range(known)], at < 1)
"""


def test_a_resync_that_failed_is_finished_by_a_sync_and_marks_what_does_not_come_again(made, run):
    folder = made(FEWER)
    run("sync")
    (folder / "fewer").touch()
    (folder / "broken").touch()
    run("resync", code=1)
    assert calls(folder)[-2]["state"] == {}
    (folder / "broken").unlink()
    run("sync", "thing: 2 rows did not come again: marked as deleted")


@pytest.fixture
def elsewhere():
    """A function behind a URL: 20 rows, one a call, the first of them twice; the keys it got."""
    keys = []

    def handle(request):
        keys.append(request.headers.get("x-functions-key"))
        at = json.loads(request.get_data())["state"].get("at", 0)
        body = {
            "state": {"at": at + 1},
            "insert": {"thing": [{"id": at % 20, "name": "x"}]},
            "schema": {"thing": {"primary_key": ["id"]}},
            "hasMore": at < 20,
        }
        return Response(json.dumps(body), mimetype="application/json")

    with served(handle) as url:
        yield url, keys


def test_sync_over_http_takes_the_key_from_the_environment(made, run, elsewhere, monkeypatch):
    folder, (url, keys) = made(), elsewhere
    monkeypatch.setenv("FUNCTION_KEY", "key-from-environment")
    assert "key-from-environment" not in run(f"sync --url {url}/")  # the root of its host
    assert query(folder, "SELECT count(*) FROM acme.thing") == [(20,)]
    assert keys == ["key-from-environment"] * 21


def test_a_function_that_is_not_running(made, run, monkeypatch):
    made()
    monkeypatch.setitem(sync.Fivetran.sync.__kwdefaults__, "sleep", lambda seconds: None)
    with served(None) as url:
        pass
    says = "is it running, and is this the right port?"
    written = run(f"sync --url {url}/api/acme", says, code=2)
    assert written.count("Connection refused") == 4, "three tries, and the error"


def test_chaos_over_a_url_loses_replies_and_repeats_calls(made, run, elsewhere):
    made()
    shown = ("in the function's folder", "lost reply", "repeated call", "the same tables")
    written = run(f"sync --chaos 3 --url {elsewhere[0]}", *shown)
    assert "restarted" not in written
    assert "no-reply" not in written, "a lost reply that comes at the second try is no finding"


@pytest.fixture
def baked(project, monkeypatch):
    """A project baked with all answers left as they are; the current folder."""
    folder = project()
    monkeypatch.chdir(folder)
    return folder


def test_the_sample_and_the_real_api_never_mix(baked, run, result):
    found = result("sync --sample --port 0")
    assert (found["ok"], found["ended"]) == (True, "done"), found
    assert (baked / ".fivetran/sample/warehouse.duckdb").exists()
    assert not (baked / ".fivetran/warehouse.duckdb").exists()
    assert result("sync --sample --port 0")["state_before"] == found["state"]
    run("peek transaction --fresh --sample --port 0", "transaction: 100 records, the first 3")
    sample = baked / "sample.toml"
    text = sample.read_text(encoding="utf-8")
    sample.write_text(text.replace("\nid = ", "\nnumber = 7\nid = "), encoding="utf-8")
    changed = result("sync --sample --port 0")
    assert changed["state_before"] == {}, "sample.toml describes another upstream now"


def test_what_the_sample_refused_is_shown_though_the_step_went_on(baked, run):
    fetch = baked / "fetch.py"
    text = fetch.read_text(encoding="utf-8").replace('"/transaction"', '"/payments", ok=[404]')
    text = text.replace('rows("data")', 'rows("data", default=[])')
    text = text.replace('value("next_cursor")', "value('next_cursor', default=None)")
    fetch.write_text(text, encoding="utf-8")
    refused = "the sample API refused a request: GET /payments: the sample has no GET"
    run("sync --sample --port 0", refused)
    run("sync --chaos 1", "nothing was compared")
