"""What reaches the screen, and who reads it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness.cli import main
from harness.errors import FunctionFailed
from harness.screen import Screen
from harness.trace import folded

Make = Callable[..., Path]
Run = Callable[..., tuple[int, str]]
SECRET = "s3cret-Ü&+/tökén"


def frame(file: str, line: int = 1) -> list[Any]:
    return [file, line, "f", ""]


def test_of_a_long_run_of_frames_in_one_folder_the_last_is_shown() -> None:
    runtime = [frame(f"connector/{name}.py") for name in ("answer", "call", "walk")]
    shown = list(folded([*runtime, frame("fetch.py", 12), *runtime]))
    assert shown == [
        ("… 2 more in connector/", False),
        ("connector/walk.py:1 in f", False),
        ("fetch.py:12 in f", True),
        ("… 2 more in connector/", False),
        ("connector/walk.py:1 in f", False),
    ]


@pytest.mark.parametrize(
    "trace",
    [
        [frame("lib/a.py"), frame("lib/b.py")],
        [frame("a.py"), frame("b.py"), frame("c.py")],
        [frame("/srv/a.py"), frame("/srv/b.py"), frame("/srv/c.py")],
        [frame("C:\\srv\\a.py"), frame("C:\\srv\\b.py"), frame("C:\\srv\\c.py")],
        ["line 1", "line 2", "line 3"],
        [["a/x.py"], ["a/x.py"], ["a/x.py"]],
        "a\nb\nc",
    ],
)
def test_other_traces_are_shown_whole(trace: Any) -> None:
    assert len(list(folded(trace))) == (2 if len(trace) == 2 else 3)


def test_json_has_the_whole_trace() -> None:
    file, trace = io.StringIO(), [frame("connector/a.py", number) for number in range(9)]
    Screen(as_json=True, file=file).failure(FunctionFailed("x", trace=trace), {})
    assert json.loads(file.getvalue())["error"]["stackTrace"] == trace


LONG = "{'at': 1, '_sync': {'walks': {'thing': {'token': 'x' * 150}}}}"


def test_a_sync_that_broke_off_says_how_to_see_the_state(project: Make, harness: Run) -> None:
    body = f"""
    if state:
        return reply({{"errorMessage": "down"}})
    return reply({{"state": {LONG}, "insert": {{"t": [{{"a": 1}}]}}, "hasMore": True}})
    """
    project(body)
    _, written = harness("sync", "--state", "here.json")
    assert "`python -m harness state --state here.json` shows it" in written
    assert "xxxx" not in written
    assert "xxxx" in harness("state", "--state", "here.json")[1]


def test_a_long_unfinished_part_of_a_state_is_folded(project: Make, harness: Run) -> None:
    project(f"return reply({{'state': {LONG}, 'hasMore': True}})")
    _, written = harness("sync", "--calls", "1")
    (line,) = [line for line in written.splitlines() if line.startswith("state: ")]
    assert json.loads(line.removeprefix("state: ")) == {
        "at": 1,
        "_sync": "182 B, shown by `python -m harness state`",
    }
    assert "xxxx" in harness("state")[1]


def test_a_state_that_is_long_all_over_is_cut_but_for_the_command_that_shows_it(
    project: Make, harness: Run
) -> None:
    state = "{'seen': {str(n): n for n in range(10000)}}"
    project(f"return reply({{'state': {state}, 'hasMore': False}})")
    _, written = harness("sync")
    assert len(written) < 8000
    assert "9999" not in written
    assert "KiB, shown by `python -m harness state`" in written
    assert '"9999": 9999' in harness("state")[1]


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no broken pipes")
@pytest.mark.parametrize("option", [(), ("--json",)])
def test_a_reader_that_goes_away_stops_a_sync_quietly(
    project: Make, option: tuple[str, ...]
) -> None:
    folder = project()
    command = [sys.executable, "-m", "harness", "sync", *option]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 130


def test_what_a_function_prints_is_no_part_of_json(
    project: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = project(
        "print('in a step', request['secrets']['apiToken'])\n"
        "return reply({'state': {}, 'hasMore': False})"
    )
    path = folder / "function_app.py"
    path.write_text("print('at import')\n" + path.read_text("utf-8"), encoding="utf-8")
    assert main(["sync", "--json"]) == 0
    written = capsys.readouterr()
    assert json.loads(written.out)["ok"] is True
    assert written.err == "at import\nin a step [secret]\n"


def test_json_of_connect_stays_json_and_names_what_is_left_out(
    project: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = project(secrets={"apiToken": "", "other": "given-value"})
    path = folder / "function_app.py"
    path.write_text("print('at import')\n" + path.read_text("utf-8"), encoding="utf-8")
    assert main(["connect", "--group", "g", "--app", "a", "--json"]) == 0
    written = capsys.readouterr()
    assert json.loads(written.out)["left_out"] == ["apiToken"]
    assert written.err == "at import\n"
