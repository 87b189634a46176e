"""The suite passes a sound function, and each planted fault fails the test that it belongs to."""

import json
import re
import time
from contextlib import nullcontext

import pytest
from harness.cli import main
from harness.redact import Redactor
from harness.sample import made_up
from harness.stage import Stage
from harness.testing import FunctionConformance

from .conftest import SOUND, failures, handmade, replaced, run

pytest_plugins = ["pytester"]
INSERTS, SETUP = '"insert": {"thing": rows}', 'if request.get("setup_test"):'
DONE = "(Path(__file__).parent / 'done')"

# What is changed, the test that fails, and what it says.
FAULTS = {
    "loses a record of each page": (
        {INSERTS: '"insert": {"thing": rows[1:]}'},
        "test_sync_delivers_every_record",
        r"thing: the record id='1' is missing \(in all: 6 missing\)\n.*next_token",
    ),
    "ends after the first page": (
        {"bool(rows)": "False", "rows = None\n": "rows = None\n"
         "logging.getLogger().warning('event=maybe_truncated entity=thing page=1 why=full')\n"},
        "test_sync_delivers_every_record",
        r"thing: the record id='21' is missing \(in all: 100 missing\)\n"
        r".*\(maybe-truncated\)\n  insert.thing: page 1 was the last one: full",
    ),
    "changes records": (
        {INSERTS: '"insert": {"thing": [{**row, "name": "x"} for row in rows]}'},
        "test_sync_delivers_every_record",
        r"thing: the record id='1' has name='x', but should have name='a name'.*"
        r"\n.*override `expected`",
    ),
    "takes a short page for the last": (
        {"going_on if rows": "going_on if len(rows) == 20", "bool(rows)": "len(rows) == 20"},
        "test_a_short_page_is_not_the_last",
        r"thing: the record id='\d+' is missing(.|\n)*a page without rows",
    ),
    "takes an error for the last page": (
        {"if rows is None:": "if rows is None and answer.status_code != 401 and page > 1:\n"
         "    rows = []\nif rows is None:"},
        "test_an_upstream_that_fails_is_reported",
        r"failed \d+ times after the first page, but the function reported no error",
    ),
    "moves on after an error": (
        {"if rows is None:": "if rows is None and 1 < page < 4:\n    return reply("
         '{"state": {**state, "page": page + 1}, "hasMore": True})\nif rows is None:'},
        "test_an_upstream_that_fails_is_reported",
        r"thing: the record id='\d+' is missing(.|\n)*must not change the state",
    ),
    "shows a secret in an error": (
        {'"the upstream does not answer"': '"refused " + secrets["apiToken"]'},
        "test_wrong_secrets_are_reported",
        r"the error shows a secret: refused \[secret\]",
    ),
    "does not say which secret is missing": (
        {'"the secret apiToken is missing"': '"no"'},
        "test_missing_secrets_are_reported_by_name",
        "the error names none of apiToken: no",
    ),
    "logs a secret": (
        {"rows = None\n": 'rows = None\nlogging.getLogger("x").debug("%s", headers)\n'},
        "test_no_secret_leaves_the_function",
        r"a secret was logged: .*\[secret\]",
    ),
    "delivers rows in a setup test": (
        {SETUP: "if False:"},
        "test_setup_test_passes_and_delivers_nothing",
        r"\(setup-test-heavy\)(.|\n)*insert is not empty",
    ),
    "has the cursor of another column": (
        {'ended = {"since": started}': 'ended = {"since": "2001-01-01T00:00:00Z"}'},
        "test_second_sync_reads_what_is_new",
        r"the second sync read 120 of 120 records of thing again.*updated_at in \[entity.thing\]",
    ),
    "never sends the cursor": (
        {', "updated_since": since': ""},
        "test_second_sync_reads_what_is_new",
        r"the second sync read 120 of 120 records of thing again.*fetch\.since .*updated_since",
    ),
    "reads only what is new in a re-sync": (
        {"params = ": f"since = {DONE}.read_text() if {DONE}.exists() else since\nparams = ",
         "ended = {": f"if not rows:\n    {DONE}.write_text(started)\nended = {{"},
        "test_resync_gives_the_same_tables",
        r"thing: the record id='\d+' is missing",
    ),
    "breaks a rule": (
        {INSERTS: '"insert": {"thing": [{**row, "Name": "x"} for row in rows]}'},
        "test_no_rule_is_broken",
        r"two names become the same name in the destination \(names-collide\)\n  call 1, insert",
    ),
}  # fmt: skip
# Mistakes that show only when a reply is lost, a call repeated or a sync ends halfway.
STATEFUL = {
    "remembers the page by itself": (
        {'state.get("page", 1)': '(getattr(app, "page", state["page"] - 1) + 1 if state else 1)',
         "rows = None\n": "rows = None\napp.page = page\n",
         '"page": page + 1': '"page": state.get("page", 1) + 1'},
        r"thing: the record id='\d+' is missing",
    ),
    "leaves a record out when it is asked again": (
        {"going_on = {": "app.last, last = state, getattr(app, 'last', None)\n"
         "rows = rows[1:] if last == state and rows else rows\ngoing_on = {"},
        r"thing: the record id='\d+' is missing",
    ),
    "gives a page twice when it is asked again": (
        {'["id"]}}': "[]}}", "going_on = {": "app.last, last = state, getattr(app, 'last', None)\n"
         "rows = rows * 2 if last == state else rows\ngoing_on = {"},
        r"thing: the record .* is one too many",
    ),
}  # fmt: skip

A_TIME = r"202\d-[\d:.TZ +-]+"


def test_a_sound_function_passes(staged):
    assert failures(staged(handmade())) == {}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_its_test(staged, fault):
    changes, name, says = FAULTS[fault]
    stage = staged(handmade(changes))
    with pytest.raises(pytest.fail.Exception) as failed:
        run(name, stage)
    assert re.search(says, str(failed.value)), failed.value
    assert not Redactor(stage.connection.secrets.values()).finds(str(failed.value))


@pytest.mark.parametrize("mistake", STATEFUL)
def test_what_shows_on_a_bad_network_alone_is_found(staged, mistake):
    changes, says = STATEFUL[mistake]
    stage = staged(handmade(changes))
    run("test_sync_delivers_every_record", stage)
    with pytest.raises(pytest.fail.Exception, match=says):
        run("test_a_bad_network_changes_nothing", stage)


def test_one_cause_fails_once_and_skips_the_rest(staged, pytester):
    stage = staged(handmade({'path = "/things"': 'path = "/thing"'}))
    file = stage.folder / "tests" / "test_function.py"
    result = pytester.inline_run(str(file), "-p", "no:cacheprovider")
    passed, skipped, failed = result.listoutcomes()
    assert [each.nodeid.rpartition("::")[2] for each in failed] == ["test_sample_fits_fetch"]
    says = 'write path = "/things" in sample.toml line 9 or in a new [entity.…]'
    assert says in failed[0].longreprtext
    assert len(skipped) == 16
    assert [each.nodeid.rpartition("::")[2] for each in passed] == ["test_published_files_import"]


def test_what_fetch_changes_on_purpose_stands_in_expected(staged):
    """It may change the record in place: what the upstream has stays as it is."""

    class Shouting(FunctionConformance):
        def expected(self, entity, record):
            record["name"] = f"{record['name']}!"
            return record if record["id"] % 2 else None

    made = '[{**row, "name": f"{row[\'name\']}!"} for row in rows if row["id"] % 2]'
    before = staged(handmade({INSERTS: '"insert": {"thing": ' + made + "}"}))
    suite = Shouting()
    with Stage(before.folder, before.tables().path.parent, suite.expected).running() as stage:
        run("test_sync_delivers_every_record", stage, suite)
        assert "!" not in str(stage.server.records("thing"))


def test_a_seed_plays_the_same_on_the_command_line(staged, monkeypatch, capsys):
    class Seeds(FunctionConformance):
        chaos = tuple(range(40))

    stage = staged(handmade({'ended = {"since": started}': 'ended = {"since": now}'}))
    with pytest.raises(pytest.fail.Exception) as failed:
        run("test_chaos_gives_the_same_tables", stage, Seeds())
    text = re.sub(A_TIME, "", str(failed.value))  # changes are dated by the clock
    assert (found := re.search(r"run the same again: python -m harness (sync --chaos \d+)", text))
    monkeypatch.chdir(stage.folder)
    assert main([*found[1].split(), "--json"]) == 2
    played = json.loads(capsys.readouterr().out)["chaos"]
    assert played["differences"]
    assert all(re.sub(A_TIME, "", x) in text for x in (*played["differences"], *played["syncs"]))


@pytest.mark.parametrize("file", ["connection.json", "connection.example.json"])
def test_a_secret_that_only_a_connection_names_is_made_up(staged, file):
    connection = {"schema": "acme", "secrets": {"apiToken": "x", "accountId": "y"}}
    needs = {'if "apiToken" not': 'if secrets.get("accountId", "") < "a" or "apiToken" not'}
    stage = staged({**handmade(needs), file: json.dumps(connection)})
    assert stage.connection.secrets == {name: made_up(name) for name in ("apiToken", "accountId")}
    run("test_sync_delivers_every_record", stage)


def test_a_payload_key_that_the_example_lacks_is_named_with_its_file(staged):
    needs = (
        'if "region" not in request.get("customPayload", {}):\n    return reply({"errorMessage": '
        "\"the payload key 'region' is missing: write it in connection.json\"})\nnow ="
    )
    with pytest.raises(pytest.fail.Exception, match=r"missing entry to connection\.example\.json"):
        run("test_sync_delivers_every_record", staged(handmade({"now =": needs})))


PUBLISHED = [
    (
        {"function_app.py": "import fetch\n", "fetch.py": "import duckdb\n"},
        r"No module named 'duckdb' \(fetch.py, line 1\); .*does not install requirements-dev.txt",
    ),
    (
        {"function_app.py": "import tests.extra\n", "tests/extra.py": ""},
        r"No module named 'tests' \(function_app.py, line 1\); .*be in .funcignore",
    ),
    (
        {"function_app.py": "open(__file__.replace('function_app.py', 'a.toml'))", "a.toml": ""},
        r"No such file.*a.toml.*\(function_app.py, line 1\)",
    ),
    ({"function_app.py": "import azure.functions, requests, urllib3, a", "a.py": ""}, ""),
]


@pytest.mark.parametrize(("files", "says"), PUBLISHED)
def test_what_is_published_imports_with_requirements_alone(staged, files, says):
    ignored = {".funcignore": "# left out\ntests/\n*.toml\n.venv\n"}
    stage = staged({**handmade(), **ignored, **files})
    with pytest.raises(pytest.fail.Exception, match=says) if says else nullcontext():
        run("test_published_files_import", stage)


# ---- with an upstream of the project's own, a WSGI app

APP = """
import json

from harness.sample import made_up
from werkzeug import Request, Response

ROWS = [{"id": n, "name": f"name {n}"} for n in range(1, 101)]
ASKED = []


@Request.application
def app(request):
    if request.headers.get("Authorization") != "Bearer " + made_up("apiToken"):
        return Response("{}", 401)
    ASKED.append(request.path)
    last = 20 * int(request.args["page"])
    return Response(json.dumps({"data": ROWS[last - 20 : last]}), mimetype="application/json")
"""
THROTTLED = {
    "ASKED.append(request.path)\n": "ASKED.append(request.path)\n"
    "    if len(ASKED) % 3 == 0:\n"
    '        return Response("", 429, {"Retry-After": "3600"})\n',
    "    if answer.status_code == 200": "    if answer.status_code == 429:\n"
    '        time.sleep(int(answer.headers["Retry-After"]))\n'
    "    if answer.status_code == 200",
    "rows = None\n": "import time\nrows = None\n",
}
SKIPPED = {
    "test_changes_arrive_with_the_next_sync": "cannot change the records of tests.upstream:app",
    "test_a_short_page_is_not_the_last": "tests.upstream:app has no pages",
}


def own(changes=None):
    """The files of the function and its app, with texts of the two replaced."""
    function, app = replaced(changes or {}, SOUND, APP)
    files = handmade({}, function, 'upstream = "tests.upstream:app"\n')
    return {**files, "tests/upstream.py": app}


def test_it_passes_with_an_app_and_what_would_change_its_records_is_skipped(staged):
    found = failures(staged(own()))
    assert found.keys() == SKIPPED.keys()
    assert all(says in found[name] for name, says in SKIPPED.items())


def test_an_app_without_records_is_named(staged):
    with pytest.raises(pytest.fail.Exception, match=r"no row.*tests\.upstream:app"):
        run("test_sync_delivers_every_record", staged(own({"range(1, 101)": "range(0)"})))


def test_a_walk_that_may_have_ended_too_early_is_a_warning(staged):
    logs = 'logging.getLogger().warning("event=maybe_truncated entity=thing page=3 why=full")\n'
    with pytest.warns(UserWarning, match="thing: page 3 was the last one: full"):
        run("test_no_rule_is_broken", staged(own({"going_on = {": f"{logs}going_on = {{"})))


def test_nobody_waits_through_its_throttles(staged):
    """Hours of them: the test would not end."""
    before, stage = time.monotonic(), staged(own(THROTTLED))
    run("test_sync_delivers_every_record", stage)
    assert any(seen.status == 429 for seen in stage.server.requests)
    assert time.monotonic() - before < 60


def test_the_command_line_takes_the_same_app(staged, monkeypatch):
    monkeypatch.chdir(staged(own()).folder)
    assert main(["sync", "--sample"]) == 0
    assert main(["sync", "--chaos", "7"]) == 0
