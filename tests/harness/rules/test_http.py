"""Functions that know nothing of the template, one of them in Node, judged over HTTP."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from harness.cli import main

SECRET = "s3cret-Ü&+/tökén"
FUNCTIONS = Path(__file__).with_name("functions")
Found = dict[str, tuple[int, list[str]]]


@contextmanager
def started(name: str) -> Iterator[str]:
    """The URL of a function of this folder, running as a process of its own."""
    command = [sys.executable]
    if name.endswith(".mjs"):
        node = shutil.which("node")
        if node is None:
            pytest.skip("there is no node on this machine to run a function in JavaScript")
        command = [node]
    process = subprocess.Popen(
        [*command, str(FUNCTIONS / name)], stdout=subprocess.PIPE, encoding="utf-8"
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/api/acme"
    finally:
        process.terminate()
        process.communicate()


@pytest.fixture
def judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs a command on a function: the exit code and what was written."""
    connection = {"schema": "acme", "secrets": {"apiToken": SECRET}}
    (tmp_path / "connection.json").write_text(json.dumps(connection), encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def run(name: str, *arguments: str) -> tuple[int, str]:
        with started(name) as url:
            code = main([*arguments, "--url", url])
        written = capsys.readouterr()
        return code, written.out + written.err

    return run


def found(written: str) -> Found:
    """Of each rule broken how often it was, and the places with what was found there."""
    result: dict[str, Any] = json.loads(written)
    return {
        finding["rule"]: (
            finding["count"],
            [
                f"{place['call']} {place.get('entity', '')}[{place.get('record', '')}] "
                f"{json.dumps(place.get('key', {}))}: {place['what']}"
                for place in finding["places"]
            ],
        )
        for finding in result["findings"]
    }


def test_a_feed_in_node_is_judged_exactly(judge: Any) -> None:
    code, written = judge("feed.mjs", "sync", "--json")
    assert code == 2
    assert found(written) == {
        "has-more-not-boolean": (1, ["3 [] {}: hasMore is the text 'false', not true or false"]),
        "unknown-field": (
            2,
            [
                f"{call} [] {{}}: has_more is no field of a reply: is hasMore meant?"
                for call in (1, 2)
            ],
        ),
        "row-goes-back": (
            1,
            ['2 thing[0] {"id": 1}: updatedAt 2026-01-05T10:00:00 comes after 2026-01-05T12:00:00'],
        ),
        "secret-in-rows": (1, ["2 thing[0] {}: a secret stands in link"]),
        "stamp-without-offset": (
            1,
            ['1 thing[0] {"id": 1}: updatedAt 2026-01-05T12:00:00 has no offset'],
        ),
    }


def test_a_function_that_deletes_without_care_is_judged_exactly(judge: Any) -> None:
    code, written = judge("deletes.py", "sync", "--json")
    assert code == 2
    same = "the next call would be the same again, without end"
    assert found(written) == {
        "state-stuck": (
            1,
            [f"3 [] {{}}: hasMore is true and the state is the one that was sent: {same}"],
        ),
        "key-in-insert-and-delete": (
            1,
            ['2 order[1] {"orderId": 7, "line": 2}: the same row stands in delete'],
        ),
        "soft-delete-beside-rows": (1, ["1 order[] {}: insert has records of it, too"]),
        "names-collide": (
            1,
            ['2 order[0] {}: "unitPrice" and "unit_price" become one column, "unit_price"'],
        ),
        "type-flips": (
            1,
            ['2 order[1] {"orderId": 7, "line": 2}: price is text here and was a number before'],
        ),
    }


def test_a_function_that_reports_errors_badly_is_judged_exactly(judge: Any) -> None:
    code, written = judge("errors.py", "sync", "--json")
    assert code == 2
    assert found(written) == {
        "content-type": (1, ["2 [] {}: the reply's Content-Type is text/plain"]),
        "secret-in-reply": (1, ["2 [] {}: a secret stands in errorMessage"]),
        "error-status": (1, ["2 [] {}: errorMessage comes with HTTP 400"]),
        "error-with-state": (1, ["2 [] {}: state is not the one that was sent"]),
        "error-with-rows": (1, ["2 [] {}: insert comes beside errorMessage"]),
        "stack-trace-shape": (
            1,
            ["2 [] {}: stackTrace is the text 'Traceback (most recent call last): …', not a list"],
        ),
        "no-primary-key": (
            1,
            ["1 thing[] {}: thing has no primary key: its records are appended"],
        ),
    }
    assert json.loads(written)["error"]["message"] == "refused: Authorization: Bearer [secret]"


def test_its_setup_test_delivers_rows(judge: Any) -> None:
    code, written = judge("errors.py", "test", "--json")
    assert code == 0, "warnings do not change the exit code"
    assert found(written) == {
        "setup-test-state": (1, ["1 [] {}: state is not the one that was sent"]),
        "setup-test-rows": (1, ["1 [] {}: insert is not empty"]),
    }


@pytest.mark.parametrize("name", ["feed.mjs", "deletes.py", "errors.py"])
def test_the_screen_shows_every_finding_with_its_mend_and_no_secret(judge: Any, name: str) -> None:
    _, as_json = judge(name, "resync", "--json")
    result = json.loads(as_json)
    _, written = judge(name, "resync")
    for finding in result["findings"]:
        assert finding["rule"] in written
        assert finding["mend"] in written or finding["rule"] == result["error"].get("rule")
    assert SECRET not in as_json + written
