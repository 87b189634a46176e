"""The commands that look at state, tables and the next calls; wrong usage; help."""

import io
import os
import subprocess
import sys
from pathlib import Path

import harness
import pytest
from handmade import calls

SAMPLE = """
[entity.country]
path = "/countries"
pagination = "none"
record = { id = 1 }

[entity._order]
path = "/orders"
pagination = "none"
cursor = "meta.at"
record = { id = 1, meta = { at = 1767600000 } }
"""
COMMANDS = ("test", "peek", "sync", "resync", "state", "reset", "report", "connect")
EDITOR = """
import pathlib, sys
file = pathlib.Path(sys.argv[1])
file.write_text(file.read_text().replace("10", "7"))
"""


def test_state_is_shown_set_and_edited(made, run, result, monkeypatch):
    folder = made()
    assert run("state") == "state: {}"
    run("""state --set '{"at": 3}'""")  # nothing is known yet
    run("sync")
    assert calls(folder)[0]["state"] == {"at": 3}
    for wrong, says in {
        "[]": "must be a JSON object",
        "{": "is not JSON",
        '{"nosuch": 1}': "'nosuch', but the state and the tables only have at, thing",
    }.items():
        run(f"state --set '{wrong}'", says, code=3)
    (folder / "editor.py").write_text(EDITOR, encoding="utf-8")
    monkeypatch.setenv("VISUAL", f'"{sys.executable}" "{folder / "editor.py"}"')
    assert run("state --edit") == 'state: {"at":7}'
    monkeypatch.setenv("VISUAL", "no-such-editor")
    run("state --edit", code=3)
    assert run("""state --set '{"at": 6.50}'""") == 'state: {"at":6.50}'
    run("""state --set '{"thing": "2026-01-01"}'""")  # a table's name
    assert result("state")["state"] == {"thing": "2026-01-01"}


def test_reset_drops_tables_and_state(made, run, monkeypatch):
    folder = made()
    run("sync --calls 1")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    run("reset", code=3)  # nobody can be asked
    run("reset --yes", "dropped thing; the state is {}")
    run("sync --calls 1")
    assert calls(folder)[-1]["state"] == {}


def test_files_can_be_elsewhere(made, run, tmp_path):
    folder = made()
    (folder / "connection.json").rename(tmp_path / "other.json")
    run("sync --warehouse ../w.duckdb --connection ../other.json")
    assert (tmp_path / "w.duckdb").exists() and not (folder / ".fivetran").exists()


def test_app_settings_reach_the_function_and_are_hidden(made, run, monkeypatch):
    monkeypatch.setenv("apiToken", "set-in-the-environment")
    both = "os.environ['otherToken'] + ' ' + os.environ['apiToken']"
    folder = made(f"import os\nreturn reply({{'errorMessage': 'x ' + {both}}})")
    text = '// comment\n{"Values": {"otherToken": "hidden-value",},}'
    (folder / "local.settings.json").write_text(text, encoding="utf-8")
    run("sync", "x [secret] [secret]", code=2)
    assert "otherToken" not in os.environ


@pytest.mark.parametrize(
    "command",
    [
        "sync --nonsense",
        "sync --calls 0",
        "sync --url http://example.com/api/acme",
        "sync --url http://localhost:1/api/acme --sample",
        "sync --connection nowhere.json",
        "sync --warehouse function_app.py",
        "sync --sample",
        "sync --chaos 1 --calls 2",
    ],
)
def test_wrong_usage_ends_with_three(made, run, command):
    made()
    run(command, code=3)


def test_every_command_is_in_help_and_readme_with_an_example(run):
    listed = run("--help")
    readme = (Path(harness.__path__[0]) / "README.md").read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f" {command} " in listed and f"| `{command}" in readme
        run(f"{command} --help", f"Example: python -m harness {command}")
    for name in ("--sample", "--upstream", "--url", "--key", "--warehouse", "--json", "blocked"):
        assert name in readme


def test_help_shows_the_names_of_the_project(made, run):
    folder = made()
    examples = ("peek transaction", '{"transaction": "2026-01-01T00:00:00Z"}', "acme.transaction")
    theirs = ("peek _order --pages 2", '{"_order": 1767600000}', "FROM acme.order")
    files = {"": examples, "upstream = 'tests.up:app'": examples, "?": examples, SAMPLE: theirs}
    for text, shown in files.items():
        (folder / "sample.toml").write_text(text, encoding="utf-8")
        for command, example in zip(("peek", "state", "sync"), shown, strict=True):
            run(f"{command} --help", example)


@pytest.mark.parametrize(
    ("command", "code", "shown"),
    [
        ("peek", 0, b"\\u6771"),  # a terminal without Unicode
        ("peek --json", 0, "東".encode()),
        ("sync", 3, b"pip install -r requirements-dev.txt"),
    ],
)
def test_a_process_of_its_own_writes_to_any_terminal_and_names_what_is_missing(
    made, command, code, shown
):
    folder = made("return page({'at': '東京'}, [{'id': '東'}])")
    if code:
        (folder / "typer.py").write_text("import no_such_package", encoding="utf-8")
    path = os.pathsep.join([str(folder), *sys.path])
    environment = {"PYTHONPATH": path, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "harness", *command.split()],
        env=os.environ | environment,
        capture_output=True,
    )
    assert (done.returncode, shown in done.stdout + done.stderr) == (code, True), done


# Three entities take turns; a real function logs its pages and obeys CONNECTOR_ENTITIES.
TURNS = """
import os
only = os.environ.get("CONNECTOR_ENTITIES")
turn = state.get("turn", 0)
name = only or ("account", "order", "person")[turn % 3]
log.info(f"event=request entity={name} method=GET url=https://x.test/{name} status=200 ms=12")
log.info(f"event=page entity={name} page=1 rows=2")
log.info(f"reading {name} event=step entity={name} page=1")
logging.getLogger("helpers").info("a helper's line")
logging.getLogger("urllib3").info("a library's line")
return reply({
    "state": {"turn": turn + 1, "_sync": {"walks": {name: {"token": "t-%d" % turn}}}},
    "insert": {name: [{"id": turn, "size": os.environ["CONNECTOR_CALL_BYTES"]}, {"id": 99}]},
    "schema": {n: {"primary_key": ["id"]} for n in ("account", "order", "person")},
    "hasMore": turn < 20,
})
"""


def test_peek_reads_one_entity_alone_a_page_per_call(made, run):
    folder = made(TURNS)
    request = ("GET https://x.test/order", "200", "12")
    logged = ("log info: reading order", "a helper's line")
    shown = ("order: 4 records, the first 3", *request, "hasMore: true", *logged)
    written = run("peek order --pages 2", *shown)
    assert "account" not in written and "a library's line" not in written
    assert len(calls(folder)) == 2
    assert not (folder / ".fivetran/warehouse.duckdb").exists()


@pytest.mark.parametrize("obeys", [True, False])
def test_peek_without_an_entity_shows_every_one(made, result, obeys):
    folder = made(TURNS if obeys else TURNS.replace("only or ", ""))
    found = result("peek")
    assert sorted(found["records"]) == ["account", "order", "person"]
    assert all(rows[0]["size"] == "1" for rows in found["records"].values())
    assert len(calls(folder)) == 3


def test_peek_goes_on_from_the_state_and_fresh_from_nothing(made, run):
    folder = made()
    for command in ("sync", "peek", "peek --fresh"):
        run(command)
    assert [call["state"] for call in calls(folder)[-2:]] == [{"at": 10}, {}]
    assert run("state") == 'state: {"at":10}'


def test_peek_names_what_does_not_come(made, run):
    line = "event=page entity=thing page=1 rows=0"
    made(f"log.info({line!r})\nreturn reply({{'state': {{}}, 'hasMore': False}})")
    run("peek thing", "thing: no records", "state after this: {}")
    run("peek nosuch", "nosuch: nothing came")


def test_peek_ends_with_the_error_of_an_entity_that_failed_beside_others(made, result):
    body = "log.warning('event=failed entity=order error=UpstreamError why=\"no data\"')\n"
    body += "log.warning('event=unreadable_cursor entity=order value=Never')\n"
    made(body + TURNS)
    found = result("peek")
    assert (found["exit_code"], found["error"]["message"]) == (1, "order: no data")
    assert "account" in found["records"]
    assert "warning: order: unreadable cursor: Never" in found["log"]
