"""The function of a folder, called in this process as Azure would call it."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import handmade
import pytest
from harness.errors import ProtocolBroken, UsageError
from harness.target.local import Event, FunctionTarget, Logs, fields

Make = Callable[..., Path]
AZURE = "import azure.functions as f\n"
BODY = json.dumps({"state": {}}).encode()
SENT = "[req.method, req.url, req.headers['Content-Type'], request]"
GOT = '["POST", "http://localhost:7071/api/acme", "application/json", {"state": {}}]'


@pytest.fixture
def folder(tmp_path: Path) -> Make:
    """Makes a folder whose function has a body, with a part of the code replaced."""

    def make(
        body: str = handmade.GOOD, name: str = "project", old: str = "", new: str = ""
    ) -> Path:
        made = handmade.make(tmp_path / name, body)
        file = made / "function_app.py"
        file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        return made

    return make


@pytest.mark.parametrize(
    ("body", "status", "content_type", "answer", "failure"),
    [
        (f"return reply({SENT})", 200, "application/json", GOT, ""),
        ("return 'hello'", 200, "text/plain", "hello", ""),
        ("raise KeyError('nope')", 500, "", "", "KeyError: 'nope'"),
        ("raise SystemExit(3)", 500, "", "", "SystemExit: 3"),
        ("return 7", 500, "", "", "returned 7"),
    ],
)
@pytest.mark.parametrize("define", ["def acme(", "async def acme("])
def test_a_call_is_answered_as_azure_answers_it(
    folder: Make, define: str, body: str, status: int, content_type: str, answer: str, failure: str
) -> None:
    target = FunctionTarget(folder(body, old="def acme(", new=define))
    found = target.call(BODY)
    assert (found.status, found.content_type, found.body.decode()) == (status, content_type, answer)
    assert failure in found.failure and bool(failure) == bool(found.failure)
    assert "local.py" not in found.failure
    assert (target.route, target.name.partition(" ")[0]) == ("acme", "acme")


def test_projects_in_one_process_do_not_mix(folder: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither their modules, nor what they set for the process: here a factory of log records."""
    body = """
    import fetch
    def made(*args, **kwargs):
        return logging.LogRecord(*args, **kwargs)
    made.seen = getattr(logging.getLogRecordFactory(), "seen", 0) + 1
    logging.setLogRecordFactory(made)
    fetch.seen += 1
    return reply([fetch.NAME, fetch.seen, made.seen])
    """
    targets = []
    for name in ("one", "two"):
        made = folder(body, name)
        (made / "fetch.py").write_text(f"NAME = {name!r}\nseen = 0\n", encoding="utf-8")
        targets.append(FunctionTarget(made))
    mine, factory = object(), logging.getLogRecordFactory()
    monkeypatch.setitem(sys.modules, "fetch", mine)
    found = [json.loads(target.call(BODY).body) for target in (*targets, targets[0])]
    assert found == [["one", 1, 1], ["two", 1, 1], ["one", 2, 2]]
    assert sys.modules["fetch"] is mine and logging.getLogRecordFactory() is factory
    assert not {"function_app", str(made)} & {*sys.modules, *sys.path}


def test_settings_are_in_the_environment_during_calls_alone(
    folder: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SET_BEFORE", "old")
    body = "import os\nreturn reply([os.environ['SET_BEFORE'], os.environ['NEVER_SET']])"
    target = FunctionTarget(folder(body), {"SET_BEFORE": "new", "NEVER_SET": "now"})
    assert json.loads(target.call(BODY).body) == ["new", "now"]
    assert (os.environ["SET_BEFORE"], os.environ.get("NEVER_SET")) == ("old", None)


def test_a_call_longer_than_azure_allows_is_lost(
    folder: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.target.local.AZURE_SECONDS", -1)
    answer = FunctionTarget(folder()).call(BODY)
    assert (answer.lost, answer.body) == (True, b"")
    assert "Azure ends a call after" in answer.why


def test_a_function_that_cannot_be_called_says_why(folder: Make) -> None:
    with pytest.raises(ProtocolBroken, match="accepts only GET") as broken:
        FunctionTarget(folder(name="get", old='"POST"', new='"GET"'))
    assert broken.value.rule == "no-post"
    two = folder(name="two", old="HttpRequest)", new="HttpRequest, context: func.Context)")
    with pytest.raises(UsageError, match="single parameter is req") as caught:
        FunctionTarget(two)
    assert "func start" in caught.value.todo
    (two / "function_app.py").unlink()
    with pytest.raises(UsageError, match=r"function_app\.py is missing"):
        FunctionTarget(two)


@pytest.mark.parametrize(
    ("code", "says", "todo"),
    [
        ("x = 1", "needs one FunctionApp", "write app = "),
        (AZURE + "app = f.FunctionApp()", "with an HTTP function", "write app = "),
        ("1 / 0", r"ZeroDivisionError: .* \(function_app\.py, line 1\)", ""),
        ("def", r"SyntaxError: invalid syntax \(function_app\.py, line 1\)$", ""),
        ("import sys\nsys.exit('x')", r"SystemExit: x \(function_app\.py, line 2\)$", ""),
        ("import fetch", r"ValueError: a list \(fetch\.py, line 2\)$", ""),  # raised in runtime/
        (
            "import no_such_package",
            r"No module named 'no_such_package' \(function_app\.py, line 1\)",
            "pip install -r requirements-dev.txt",
        ),
    ],
)
def test_an_import_that_fails_names_the_line_that_somebody_wrote(
    tmp_path: Path, code: str, says: str, todo: str
) -> None:
    (tmp_path / "runtime").mkdir()
    source = "def entity():\n    raise ValueError('a list')\n"
    (tmp_path / "runtime/source.py").write_text(source, encoding="utf-8")
    fetch = "from runtime.source import entity\nentity()\n"
    (tmp_path / "fetch.py").write_text(fetch, encoding="utf-8")
    (tmp_path / "function_app.py").write_text(code, encoding="utf-8")
    with pytest.raises(UsageError, match=says) as caught:
        FunctionTarget(tmp_path)
    assert todo in caught.value.todo


def test_logs_are_handed_on_with_their_fields(folder: Make) -> None:
    line = 'event=page entity=thing page=2 why="a \\"b\\" c"'
    body = f"log.info({line!r})\nlog.debug('no')\nreturn page({{}}, [])"
    seen: list[Event] = []
    root = logging.getLogger().level
    with Logs(seen.append):
        FunctionTarget(folder(body)).call(BODY)
    found = next(event for event in seen if event.logger == "connector")
    assert (found.level, found.line) == (logging.INFO, line)
    assert found.fields == {"event": "page", "entity": "thing", "page": "2", "why": 'a "b" c'}
    assert [event for event in seen if event.line == "no"] == []
    assert (logging.getLogger().level, fields("nothing here")) == (root, {})
