"""The commands, as they are typed."""

from __future__ import annotations

import io
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
import typer
from harness.advice import commands
from harness.session import Options
from werkzeug import Request, Response

Make = Callable[..., Path]
Run = Callable[..., tuple[int, str]]
Calls = Callable[[Path], list[dict[str, Any]]]
SECRET = "s3cret-Ü&+/tökén"
APPENDING = """
at = state.get("at", 0)
rows = [{"id": n, "name": f"name {n}"} for n in range(at, min(at + 3, 10))]
return reply({
    "state": {"at": at + len(rows)}, "insert": {"thing": rows}, "hasMore": at + len(rows) < 10
})
"""
COMMANDS = ("test", "peek", "sync", "resync", "state", "reset", "report", "connect")

COMPLAINT = (
    "return reply({'errorMessage': 'refused ' + request['secrets']['apiToken'], "
    "'errorType': 'Auth', 'stackTrace': [['fetch.py', 12, 'thing', 'fetch.get()']]})"
)


def rows(folder: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(folder / ".fivetran/warehouse.duckdb"), read_only=True) as database:
        return database.execute("SELECT id, name FROM acme.thing ORDER BY id").fetchall()


def test_sync_fills_tables_and_keeps_the_state(project: Make, harness: Run) -> None:
    folder = project()
    code, written = harness("sync")
    assert code == 0, written
    assert rows(folder) == [(number, f"name {number}") for number in range(10)]
    assert json.loads((folder / ".fivetran/state.json").read_text("utf-8")) == {"at": 10}
    assert "done: 4 calls, 10 rows" in written


def test_sync_shows_one_line_per_call_without_a_terminal(project: Make, harness: Run) -> None:
    project()
    lines = [line.split() for line in harness("sync")[1].splitlines() if line.startswith("call ")]
    assert [(line[1], line[2], line[-1]) for line in lines] == [
        ("1", "3", "hasMore"),
        ("2", "3", "hasMore"),
        ("3", "3", "hasMore"),
        ("4", "1", "done"),
    ]


def test_the_next_sync_goes_on_from_the_state(project: Make, harness: Run, calls: Calls) -> None:
    folder = project()
    harness("sync", "--calls", "2")
    harness("sync")
    assert [call["state"].get("at", 0) for call in calls(folder)] == [0, 3, 6, 9]


def test_a_state_edited_by_hand_is_where_the_next_sync_starts(
    project: Make, harness: Run, calls: Calls
) -> None:
    folder = project()
    harness("sync")
    (folder / ".fivetran/state.json").write_text('{"at": 8}', encoding="utf-8")
    _, written = harness("sync")
    assert calls(folder)[-1]["state"] == {"at": 8}
    assert "was edited" in written


def test_a_harness_killed_before_it_wrote_the_file_goes_on_behind_the_last_reply(
    project: Make, harness: Run, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project()

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("harness.state.StateFile.write", killed)
        assert harness("sync")[0] == 130
    assert harness("sync")[0] == 0
    assert [call["state"].get("at", 0) for call in calls(folder)] == [0, 3, 6, 9]
    assert len(rows(folder)) == 10


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_harness_killed_in_a_call_gives_the_same_tables(project: Make) -> None:
    body = """
    if state.get("at") == 6 and not (HERE / "killed").exists():
        import os, signal
        (HERE / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    # Without a primary key every row that is applied twice would stand there twice.
    folder = project(textwrap.dedent(body) + APPENDING)
    command = [sys.executable, "-m", "harness", "sync"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    codes = [
        subprocess.run(command, cwd=folder, env=environment, capture_output=True).returncode
        for _ in range(2)
    ]
    assert codes == [-9, 0]
    assert rows(folder) == [(number, f"name {number}") for number in range(10)]


def test_an_error_is_shown_as_on_the_dashboard_without_the_secret(
    project: Make, harness: Run
) -> None:
    folder = project(COMPLAINT)
    code, written = harness("sync")
    assert code == 2, "it is an error that the function reported, and it shows a secret"
    assert "refused [secret]" in written
    assert "Auth" in written
    assert "fetch.py:12 in thing" in written
    assert SECRET not in written
    assert not (folder / ".fivetran/state.json").exists()


def test_a_broken_protocol_ends_with_two_and_says_what_to_write(
    project: Make, harness: Run
) -> None:
    project("return reply({'state': {}, 'hasMore': 'false'})")
    code, written = harness("sync")
    assert code == 2
    assert "hasMore is the text 'false'" in written
    assert "without quotes" in written


def test_an_exception_of_the_function_is_shown(project: Make, harness: Run) -> None:
    project("raise ValueError('what a ' + request['secrets']['apiToken'])")
    code, written = harness("test")
    assert code == 2
    assert "ValueError: what a [secret]" in written


@pytest.mark.parametrize(
    "arguments",
    [
        ("sync", "--nonsense"),
        ("nonsense",),
        ("sync", "--calls", "0"),
        ("sync", "--url", "http://example.com/api/acme"),
        ("sync", "--url", ""),
        ("test", "--url="),
        ("sync", "--connection", "nowhere.json"),
        ("sync", "--warehouse", "function_app.py/w.duckdb"),
        ("sync", "--warehouse", "function_app.py"),
        ("sync", "--state", "function_app.py/s.json"),
        ("reset",),
    ],
)
def test_wrong_usage_ends_with_three(
    project: Make, harness: Run, arguments: tuple[str, ...]
) -> None:
    project()
    assert harness(*arguments)[0] == 3


@pytest.mark.parametrize("command", ["sync", "test", "state"])
def test_another_folder_than_the_projects_is_told(
    harness: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, written = harness(command, "--sample", "--json")
    assert code == 3
    assert f"{tmp_path} is not the project's folder: it has no function_app.py" in written


def test_no_command_shows_help(harness: Run) -> None:
    _, written = harness()
    for command in COMMANDS:
        assert f" {command} " in written


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(harness: Run, command: str) -> None:
    code, written = harness(command, "--help")
    assert code == 0
    assert f"Example: python -m harness {command}" in written


def test_what_a_function_prints_is_redacted_too(project: Make, harness: Run) -> None:
    project(
        "print('token:', request['secrets']['apiToken'], end='')\n"
        "return reply({'state': {}, 'hasMore': False})"
    )
    _, written = harness("sync")
    assert "token: [secret]" in written


def test_markup_and_control_characters_of_an_error_stay_text(project: Make, harness: Run) -> None:
    project("return reply({'errorMessage': '[red]a[/red] \\x1b[31mb'})")
    _, written = harness("sync")
    assert "[red]a[/red] \ufffd[31mb" in written


def test_json_is_one_object(project: Make, harness: Run) -> None:
    project("return reply({'state': {'a': 1.10}, 'hasMore': False})")
    _, written = harness("sync", "--json")
    result = json.loads(written)
    assert result["command"] == "sync"
    assert (result["ok"], result["exit_code"], result["ended"]) == (True, 0, "done")
    assert (result["calls"], result["state"]) == (1, {"a": 1.1})


def test_json_of_an_error_says_what_happened_and_hides_secrets(project: Make, harness: Run) -> None:
    project(COMPLAINT)
    code, written = harness("sync", "--json")
    result = json.loads(written)
    assert (code, result["ok"], result["exit_code"]) == (2, False, 2)
    assert result["error"]["message"] == "refused [secret]"
    assert result["error"]["errorType"] == "Auth"


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_a_console_without_unicode_is_no_obstacle(project: Make, option: tuple[str, ...]) -> None:
    body = (
        "return reply({'state': {'at': '東京'}, 'hasMore': False, 'insert': {'t': [{'a': '東'}]}})"
    )
    folder = project(body)
    done = subprocess.run(
        [sys.executable, "-m", "harness", "peek", *option],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PYTHONIOENCODING": "cp1252",
            "PYTHONUTF8": "0",
        },
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert ("東京".encode() if option else b"\\u6771\\u4eac") in done.stdout, done.stdout


def test_setup_test_passes(project: Make, harness: Run, calls: Calls) -> None:
    folder = project("return reply({'state': {}, 'hasMore': False})")
    code, written = harness("test")
    assert code == 0
    assert "passed" in written
    assert calls(folder)[0]["setup_test"] is True


def test_setup_test_shows_what_only_the_first_try_reported(project: Make, harness: Run) -> None:
    project(
        "if 'sync_id' in request:\n"
        "    return reply({'errorMessage': 'first only'})\n"
        "return reply({'state': {}, 'hasMore': False})"
    )
    code, written = harness("test")
    assert code == 0
    assert "the first try reported: first only" in written


def test_resync_marks_what_does_not_come_again(project: Make, harness: Run, calls: Calls) -> None:
    body = """
    known = 3 if (HERE / "fewer").exists() else 5
    return reply({
        "state": {"at": 1},
        "insert": {"thing": [{"id": n, "name": "x"} for n in range(known)]},
        "schema": {"thing": {"primary_key": ["id"]}},
        "hasMore": False,
    })
    """
    folder = project(body)
    harness("sync")
    (folder / "fewer").touch()
    code, written = harness("resync")
    assert code == 0
    assert calls(folder)[-1]["state"] == {}
    assert "2 rows did not come again, marked as deleted" in written


def test_a_resync_that_broke_off_is_finished_by_the_next_sync(project: Make, harness: Run) -> None:
    body = """
    at = state.get("at", 0)
    if at == 1 and (HERE / "broken").exists():
        return reply({"errorMessage": "down"})
    return reply({
        "state": {"at": at + 1},
        "insert": {"thing": [{"id": at}, *([] if (HERE / "fewer").exists() else [{"id": 7}])]},
        "schema": {"thing": {"primary_key": ["id"]}},
        "hasMore": at < 1,
    })
    """
    folder = project(body)
    harness("sync")
    (folder / "fewer").touch()
    (folder / "broken").touch()
    assert harness("resync")[0] == 1
    (folder / "broken").unlink()
    _, written = harness("sync")
    assert "1 row did not come again" in written


def test_state_is_shown_and_set(project: Make, harness: Run) -> None:
    folder = project()
    harness("sync", "--calls", "1")
    assert '{"at":3}' in harness("state")[1]
    assert harness("state", "--set", '{"at": 6.50}')[0] == 0
    assert json.loads(harness("state", "--json")[1])["state"] == {"at": 6.5}
    assert "6.50" in (folder / ".fivetran/state.json").read_text(encoding="utf-8")


def test_a_state_that_is_no_object_is_refused(project: Make, harness: Run) -> None:
    project()
    for text in ("[]", "{"):
        assert harness("state", "--set", text)[0] == 3


def test_reset_drops_tables_and_state(project: Make, harness: Run, calls: Calls) -> None:
    folder = project()
    harness("sync", "--calls", "1")
    code, written = harness("reset", "--yes")
    assert (code, "dropped thing" in written) == (0, True)
    harness("sync", "--calls", "1")
    assert calls(folder)[-1]["state"] == {}


def test_files_may_lie_elsewhere(project: Make, harness: Run, tmp_path: Path) -> None:
    folder = project()
    away = tmp_path / "away"
    (folder / "connection.json").rename(tmp_path / "other.json")
    code, _ = harness(
        *("sync", "--state", str(away / "s.json"), "--warehouse", str(away / "w.duckdb")),
        *("--connection", str(tmp_path / "other.json")),
    )
    assert code == 0
    assert sorted(path.name for path in away.iterdir()) == ["s.json", "w.duckdb"]
    assert not (folder / ".fivetran").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_the_folder_of_peoples_data_is_its_owners_alone(project: Make, harness: Run) -> None:
    folder = project()
    harness("sync")
    assert (folder / ".fivetran").stat().st_mode & 0o777 == 0o700


def test_settings_of_local_settings_reach_the_function_and_are_hidden(
    project: Make, harness: Run
) -> None:
    folder = project("import os\nreturn reply({'errorMessage': 'x ' + os.environ['otherToken']})")
    settings = {"Values": {"otherToken": "hidden-value", "FUNCTIONS_WORKER_RUNTIME": "python"}}
    (folder / "local.settings.json").write_text(json.dumps(settings), encoding="utf-8")
    _, written = harness("sync")
    assert "x [secret]" in written
    assert "otherToken" not in os.environ


def test_sync_over_http_takes_the_key_from_the_environment(
    project: Make, harness: Run, served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project()
    seen: list[str | None] = []

    def handle(request: Request) -> Response:
        seen.append(request.headers.get("x-functions-key"))
        at = json.loads(request.get_data())["state"].get("at", 0)
        body = {"state": {"at": at + 1}, "insert": {"thing": [{"id": at, "name": "x"}]}}
        return Response(json.dumps({**body, "hasMore": at < 2}), mimetype="application/json")

    monkeypatch.setenv("FUNCTION_KEY", "key-from-environment")
    with served(handle) as url:
        code, written = harness("sync", "--url", f"{url}/api/acme")
    assert code == 0, written
    assert seen == ["key-from-environment"] * 3
    assert len(rows(folder)) == 3
    assert "key-from-environment" not in written


def test_a_missing_key_without_a_terminal_names_the_variable(
    project: Make, harness: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    project()
    monkeypatch.delenv("FUNCTION_KEY", raising=False)
    code, written = harness("sync", "--url", "https://acme.invalid/api/acme")
    assert code == 3
    assert "FUNCTION_KEY" in written


def test_a_state_that_cannot_be_written_is_found_before_the_first_call(
    project: Make, harness: Run
) -> None:
    folder = project()
    (folder / ".fivetran/state.json.new").mkdir(parents=True)
    code, written = harness("sync")
    assert code == 3
    assert "state.json cannot be written" in written
    assert not (folder / "requests.jsonl").exists()


def test_new_tables_do_not_go_on_from_an_old_state(
    project: Make, harness: Run, calls: Calls
) -> None:
    folder = project()
    harness("sync", "--calls", "2")
    (folder / ".fivetran/warehouse.duckdb").unlink()
    code, written = harness("sync")
    assert (code, len(calls(folder))) == (3, 2)
    assert "the tables are new" in written
    assert "run `python -m harness reset`" in written
    assert harness("reset", "--yes")[0] == 0
    assert harness("sync")[0] == 0
    assert len(rows(folder)) == 10


def test_a_state_may_be_set_for_new_tables_on_purpose(
    project: Make, harness: Run, calls: Calls
) -> None:
    folder = project()
    harness("state", "--set", '{"at": 9}')
    assert harness("sync")[0] == 0
    assert calls(folder)[0]["state"] == {"at": 9}


def test_a_resync_needs_no_state_to_go_on_from(project: Make, harness: Run) -> None:
    folder = project()
    harness("sync", "--calls", "2")
    (folder / ".fivetran/warehouse.duckdb").unlink()
    assert harness("resync")[0] == 0
    assert len(rows(folder)) == 10


def test_advice_carries_the_options_that_were_given(project: Make, harness: Run) -> None:
    folder = project()
    (folder / "my state.json").write_text("{", encoding="utf-8")
    options = ("--warehouse", "w.duckdb", "--state", "my state.json")
    code, written = harness("sync", *options)
    assert code == 3
    assert 'python -m harness reset --warehouse w.duckdb --state "my state.json"' in written


def test_advice_of_a_sample_run_does_not_lead_to_the_real_tables() -> None:
    assert commands(Options(sample="sample.toml"))("reset") == "python -m harness reset --sample"
    own = commands(Options(sample="tests.upstream:app", connection=Path("other.json")))
    assert own("state") == (
        "python -m harness state --sample tests.upstream:app --connection other.json"
    )


@pytest.mark.parametrize("command", ["sync", "test"])
def test_a_sample_that_is_no_app_is_told(project: Make, harness: Run, command: str) -> None:
    project()
    code, written = harness(command, "--sample", "nope")
    assert code == 3
    assert "--sample takes a WSGI app as MODULE:APP, not 'nope'" in written
    assert "--sample alone" in written


def test_a_missing_sample_toml_says_how_to_go_on(project: Make, harness: Run) -> None:
    project()
    code, written = harness("sync", "--sample")
    assert code == 3
    assert "docs/sample.md" in written


def test_a_question_left_without_an_answer_is_no_error_of_the_function(
    project: Make, harness: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left(*arguments: object, **options: object) -> None:
        raise typer.Abort

    project()
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("typer.confirm", left)
    assert harness("reset")[0] == 3


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_what_was_written_before_it_was_blocked_is_told_until_reset(
    project: Make, harness: Run
) -> None:
    folder = project()
    harness("sync")
    given = json.loads((folder / "connection.json").read_text(encoding="utf-8"))
    for entry in ("thing.Name", "thing"):
        (folder / "connection.json").write_text(json.dumps({**given, "blocked": [entry]}))
        written = harness("sync", "--calls", "1")[1]
        says = f"{entry} is blocked, and 10 rows written before hold it until `python -m harness "
        assert " ".join(written.split()).count(says) == 1
        (folder / ".fivetran/state.json").write_text('{"at": 10}')
    (folder / "connection.json").write_text(json.dumps({**given, "hashed": ["thing.name"]}))
    assert "written before" not in harness("sync")[1], "hashed in place"
    (folder / "connection.json").write_text(json.dumps({**given, "blocked": ["thing.name"]}))
    harness("reset", "--yes")
    for _ in range(2):
        assert "written before" not in harness("sync")[1]
