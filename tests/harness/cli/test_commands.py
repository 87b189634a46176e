"""The commands that look at state and tables, wrong usage, help."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness
import pytest
from handmade import calls

Make = Callable[..., Path]
Run = Callable[..., tuple[int, str]]
Result = Callable[..., dict[str, Any]]
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


def test_state_is_shown_and_set(project: Make, run: Run, result: Result) -> None:
    folder = project()
    assert run("state") == (0, "state: {}")
    run("state", "--set", '{"at": 3}')  # nothing is known yet
    run("sync", "--calls", "1")
    assert calls(folder)[0]["state"] == {"at": 3}
    assert run("state", "--set", '{"at": 6.50}')[1] == 'state: {"at":6.50}'
    run("state", "--set", '{"thing": "2026-01-01"}')  # a table's name
    assert result("state")["state"] == {"thing": "2026-01-01"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "must be a JSON object"),
        ("{", "is not JSON"),
        ('{"nosuch": 1}', "'nosuch', but the state and the tables only have at, thing"),
    ],
)
def test_a_state_that_cannot_be_right_is_refused(
    project: Make, run: Run, text: str, says: str
) -> None:
    project()
    run("sync", "--calls", "1")
    code, written = run("state", "--set", text)
    assert (code, says in written) == (3, True)
    assert run("state")[1] == 'state: {"at":3}'


def test_state_is_edited(project: Make, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = project()
    run("sync", "--calls", "1")
    editor = folder / "editor.py"
    editor.write_text(
        "import pathlib, sys\nfile = pathlib.Path(sys.argv[1])\n"
        "file.write_text(file.read_text().replace('3', '7'))\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("VISUAL", f'"{sys.executable}" "{editor}"')
    assert run("state", "--edit")[1] == 'state: {"at":7}'
    monkeypatch.setenv("VISUAL", "no-such-editor")
    assert run("state", "--edit")[0] == 3


def test_reset_drops_tables_and_state(
    project: Make, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project()
    run("sync", "--calls", "1")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run("reset")[0] == 3, "nobody can be asked"
    assert "dropped thing; the state is {}" in run("reset", "--yes")[1]
    run("sync", "--calls", "1")
    assert calls(folder)[-1]["state"] == {}


def test_files_can_be_elsewhere(project: Make, run: Run, tmp_path: Path) -> None:
    folder = project()
    (folder / "connection.json").rename(tmp_path / "other.json")
    assert run("sync", "--warehouse", "../w.duckdb", "--connection", "../other.json")[0] == 0
    assert (tmp_path / "w.duckdb").exists() and not (folder / ".fivetran").exists()


def test_app_settings_reach_the_function_and_are_hidden(
    project: Make, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("apiToken", "set-in-the-environment")
    both = "os.environ['otherToken'] + ' ' + os.environ['apiToken']"
    folder = project(f"import os\nreturn reply({{'errorMessage': 'x ' + {both}}})")
    text = '// comment\n{"Values": {"otherToken": "hidden-value",},}'
    (folder / "local.settings.json").write_text(text, encoding="utf-8")
    assert "x [secret] [secret]" in run("sync")[1]
    assert "otherToken" not in os.environ


@pytest.mark.parametrize(
    "arguments",
    [
        ("sync", "--nonsense"),
        ("sync", "--calls", "0"),
        ("sync", "--url", "http://example.com/api/acme"),
        ("sync", "--url", "http://localhost:1/api/acme", "--sample"),
        ("sync", "--connection", "nowhere.json"),
        ("sync", "--warehouse", "function_app.py"),
        ("sync", "--sample"),
        ("sync", "--chaos", "1", "--calls", "2"),
        ("connect", "--state"),
        ("connect", "--id", "calm_river", "--app", "acme"),
    ],
)
def test_wrong_usage_ends_with_three(project: Make, run: Run, arguments: tuple[str, ...]) -> None:
    project()
    assert run(*arguments)[0] == 3


def test_another_folder_than_the_projects_is_named(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = result("sync")
    assert found["exit_code"] == 3
    assert "connection.json is missing" in found["error"]["message"]
    assert "run this in the project's folder" in found["error"]["advice"][0]


def test_every_command_is_in_help_and_readme_with_an_example(run: Run) -> None:
    listed = run()[1]
    readme = (Path(harness.__path__[0]) / "README.md").read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f" {command} " in listed and f"| `{command}" in readme
        code, text = run(command, "--help")
        assert (code, f"Example: python -m harness {command}" in text) == (0, True)
    for name in ("--sample", "--upstream", "--url", "--key", "--warehouse", "--json", "blocked"):
        assert name in readme


def test_help_shows_the_names_of_the_project(project: Make, run: Run) -> None:
    folder = project()
    examples = ("peek transaction", '{"transaction": "2026-01-01T00:00:00Z"}', "acme.transaction")
    for file in ("", "upstream = 'tests.upstream:app'", "not TOML"):
        (folder / "sample.toml").write_text(file, encoding="utf-8")
        for command, example in zip(("peek", "state", "sync"), examples, strict=True):
            assert example in run(command, "--help")[1], file
    (folder / "sample.toml").write_text(SAMPLE, encoding="utf-8")
    assert "peek _order --pages 2" in run("peek", "--help")[1]
    assert '{"_order": 1767600000}' in run("state", "--help")[1]
    assert "FROM acme.order" in run("sync", "--help")[1]


@pytest.mark.parametrize(("option", "shown"), [((), b"\\u6771"), (("--json",), "東".encode())])
def test_a_terminal_without_unicode_is_written_to(
    project: Make, process: Callable[..., Any], option: tuple[str, ...], shown: bytes
) -> None:
    project("return page({'at': '東京'}, [{'id': '東'}])")
    done = process("peek", *option, PYTHONIOENCODING="cp1252", PYTHONUTF8="0")
    assert (done.returncode, shown in done.stdout) == (0, True), done.stderr


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    project: Make, process: Callable[..., Any]
) -> None:
    folder = project()
    (folder / "typer.py").write_text("import no_such_package", encoding="utf-8")
    done = process("sync")
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"pip install -r requirements-dev.txt" in done.stderr
