"""Functions that know nothing of the template, one of them in Node, judged over HTTP."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import handmade
import pytest
from harness.cli import main
from harness.protocol.rules import RULES
from werkzeug import Request, Response

SECRET = handmade.SECRET


@contextmanager
def feed() -> Iterator[str]:
    """The URL of feed.mjs, which says what is wrong with it."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node on this machine to run a function in JavaScript")
    command = [node, str(Path(__file__).with_name("feed.mjs"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/api/acme"
        process.terminate()


def errors(request: Request) -> Response:
    """Its setup test is a whole sync; after one good reply it reports an error badly."""
    asked: Any = request.get_json()
    rows = {"thing": [{"id": 1, "note": None}]}
    if asked.get("setup_test") or not asked["state"]:
        more = not asked.get("setup_test")
        reply: dict[str, Any] = {"state": {"at": 1}, "insert": rows, "hasMore": more}
        return Response(json.dumps(reply), mimetype="application/json")
    message = f"refused: Authorization: Bearer {asked['secrets']['apiToken']}"
    trace = "Traceback (most recent call last): …"
    reply = {"state": {"at": 2}, "insert": rows, "errorMessage": message, "stackTrace": trace}
    return Response(json.dumps(reply), 400, mimetype="text/plain")


@pytest.fixture
def judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs a command on a function: the exit code and what was written."""
    connection = {"schema": "acme", "secrets": {"apiToken": SECRET}}
    (tmp_path / "connection.json").write_text(json.dumps(connection), encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def run(function: Callable[[], AbstractContextManager[str]], *command: str) -> tuple[int, str]:
        with function() as url:
            code = main([*command, "--url", url])
        written = capsys.readouterr()
        assert SECRET not in written.out + written.err
        return code, written.out

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


FOUND: dict[str, tuple[Any, dict[str, list[str]]]] = {
    "feed": (
        feed,
        {
            "has-more-not-boolean": ['3 []: hasMore is "false", not true or false'],
            "unknown-field": ["1 []: has_more is not a field of a reply"],
            "row-goes-back": [
                '2 thing[0]: updated_at "2026-01-05T10:00:00" replaces "2026-01-05T12:00:00"'
            ],
            "secret-in-rows": ["2 thing[0]: link contains a secret"],
        },
    ),
    "errors": (
        lambda: handmade.served(errors),
        {
            "secret-in-reply": ["2 []: errorMessage contains a secret"],
            "content-type": ["2 []: the Content-Type is text/plain; charset=utf-8"],
            "error-shape": [
                "2 []: errorMessage comes with HTTP 400",
                "2 []: the state is not the state of the request",
                "2 []: insert is not empty",
            ],
        },
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_foreign_function_is_judged_exactly(judge: Any, name: str) -> None:
    function, rules = FOUND[name]
    code, written = judge(function, "sync", "--json")
    assert (code, found(written)) == (2, rules)
    shown = " ".join(judge(function, "resync")[1].split())
    for rule in map(RULES.__getitem__, rules):
        assert rule.id in shown
        assert f"Fivetran {rule.fivetran}" in shown
        assert f"→ {rule.fix}" in shown


def test_a_setup_test_that_delivers_rows_passes_with_warnings(judge: Any) -> None:
    code, written = judge(lambda: handmade.served(errors), "test", "--json")
    assert code == 0
    assert found(written) == {
        "setup-test-heavy": [
            "1 []: the state is not the state of the request",
            "1 []: insert is not empty",
        ]
    }
