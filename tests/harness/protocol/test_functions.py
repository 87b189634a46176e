"""Functions that know nothing of the template, one of them in Node, judged over HTTP."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness.cli import main
from harness.protocol.rules import RULES

SECRET = "s3cret-Ü&+/tökén"
FUNCTIONS = Path(__file__).with_name("functions")
Judge = Callable[..., tuple[int, str]]


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
) -> Judge:
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


def found(written: str) -> dict[str, list[str]]:
    """Of each broken rule the places: call, entity and record, with what was found there."""
    return {
        finding["rule"]: [
            f"{place.get('call', '')} {place.get('entity', '')}[{place.get('record', '')}]: "
            f"{place['what']}"
            for place in finding["places"]
        ]
        for finding in json.loads(written)["findings"]
    }


FOUND: dict[str, dict[str, list[str]]] = {
    "feed.mjs": {
        "has-more-not-boolean": ['3 []: hasMore is "false", not true or false'],
        "unknown-field": ["1 []: has_more is not a field of a reply"],
        "row-goes-back": [
            '2 thing[0]: updated_at "2026-01-05T10:00:00" takes the place of "2026-01-05T12:00:00"'
        ],
        "secret-in-rows": ["2 thing[0]: link holds a secret"],
    },
    "deletes.py": {
        "state-stuck": [
            "3 []: hasMore is true, and the state is one that was sent before: the same calls "
            "would be made again without end"
        ],
        "key-in-insert-and-delete": [
            "2 order[1]: order_id 7, line 2 stands in insert and in delete"
        ],
        "soft-delete-beside-rows": ["1 order[]: insert has records of order too"],
        "names-collide": ['2 order[0]: "unitPrice" and "unit_price" both become column unit_price'],
        "type-flips": [
            "2 order[1]: price is text here and was a number before: SMALLINT → VARCHAR"
        ],
    },
    "errors.py": {
        "secret-in-reply": ["2 []: errorMessage holds a secret"],
        "content-type": ["2 []: the Content-Type is text/plain"],
        "error-shape": [
            "2 []: errorMessage comes with HTTP 400",
            "2 []: the state is not the one that was sent",
            "2 []: insert is not empty",
        ],
    },
}


@pytest.mark.parametrize("name", FOUND)
def test_a_foreign_function_is_judged_exactly(judge: Judge, name: str) -> None:
    code, written = judge(name, "sync", "--json")
    assert code == 2
    assert found(written) == FOUND[name]
    assert SECRET not in written
    _, shown = judge(name, "resync")
    text = " ".join(shown.split())
    for rule in map(RULES.__getitem__, FOUND[name]):
        assert rule.id in text
        assert f"Fivetran {' '.join(rule.fivetran.split())}" in text
        assert f"→ {' '.join(rule.fix.split())}" in text
    assert SECRET not in shown


def test_a_setup_test_that_delivers_rows_passes_with_warnings(judge: Judge) -> None:
    code, written = judge("errors.py", "test", "--json")
    assert code == 0
    assert found(written) == {
        "setup-test-heavy": [
            "1 []: the state is not the one that was sent",
            "1 []: insert is not empty",
        ]
    }
