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


@pytest.fixture
def folder(tmp_path: Path) -> Make:
    """Makes a folder whose function has a body."""
    return lambda body=handmade.GOOD, name="project": handmade.make(tmp_path / name, body)


def edit(folder: Path, old: str, new: str) -> Path:
    file = folder / "function_app.py"
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    return folder


def test_the_function_gets_a_post_of_its_route_with_a_json_body(folder: Make) -> None:
    body = "return reply([req.method, req.url, req.headers['Content-Type'], request])"
    target = FunctionTarget(folder(body))
    answer = target.call(BODY)
    url = "http://localhost:7071/api/acme"
    assert json.loads(answer.body) == ["POST", url, "application/json", {"state": {}}]
    assert (answer.status, answer.content_type, answer.failure) == (200, "application/json", "")
    assert (target.route, target.name.partition(" ")[0]) == ("acme", "acme")


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ("raise KeyError('nope')", "KeyError: 'nope'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("return 7", "returned 7"),
    ],
)
def test_what_is_no_response_is_http_500_with_an_empty_body(
    folder: Make, body: str, failure: str
) -> None:
    answer = FunctionTarget(folder(body)).call(BODY)
    assert (answer.status, answer.body, answer.content_type) == (500, b"", "")
    assert failure in answer.failure
    assert "local.py" not in answer.failure


def test_a_text_is_answered_as_plain_text_and_a_coroutine_is_run(folder: Make) -> None:
    answer = FunctionTarget(folder("return 'hello'")).call(BODY)
    assert (answer.content_type, answer.body) == ("text/plain", b"hello")
    awaited = edit(folder(name="awaited"), "def acme(", "async def acme(")
    assert json.loads(FunctionTarget(awaited).call(BODY).body)["hasMore"] is True


def test_projects_with_the_same_module_names_do_not_mix(folder: Make) -> None:
    body = "import fetch\nfetch.seen += 1\nreturn reply([fetch.NAME, fetch.seen])"
    targets = []
    for name in ("one", "two"):
        made = folder(body, name)
        (made / "fetch.py").write_text(f"NAME = {name!r}\nseen = 0\n", encoding="utf-8")
        targets.append(FunctionTarget(made))
    mine = object()
    sys.modules["fetch"] = mine  # type: ignore[assignment]
    try:
        found = [json.loads(target.call(BODY).body) for target in (*targets, targets[0])]
        assert sys.modules["fetch"] is mine
    finally:
        del sys.modules["fetch"]
    assert found == [["one", 1], ["two", 1], ["one", 2]]
    assert not {"function_app", str(made)} & {*sys.modules, *sys.path}


def test_a_log_record_factory_of_a_project_is_not_for_others(folder: Make) -> None:
    body = """
    def made(*args, **kwargs):
        return logging.LogRecord(*args, **kwargs)
    made.own = True
    had = hasattr(logging.getLogRecordFactory(), "own")
    logging.setLogRecordFactory(made)
    return reply([had])
    """
    before, target = logging.getLogRecordFactory(), FunctionTarget(folder(body))
    assert [json.loads(target.call(BODY).body) for _ in range(2)] == [[False], [True]]
    assert logging.getLogRecordFactory() is before


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
    with pytest.raises(ProtocolBroken, match="takes GET only") as broken:
        FunctionTarget(edit(folder(name="get"), '"POST"', '"GET"'))
    assert broken.value.rule == "no-post"
    two = edit(folder(name="two"), "HttpRequest)", "HttpRequest, context: func.Context)")
    with pytest.raises(UsageError, match="with one parameter, req") as caught:
        FunctionTarget(two)
    assert "func start" in caught.value.todo
    (two / "function_app.py").unlink()
    with pytest.raises(UsageError, match=r"function_app\.py is missing"):
        FunctionTarget(two)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("x = 1", "needs one FunctionApp"),
        (AZURE + "app = f.FunctionApp()", "with an HTTP function"),
        ("1 / 0", r"ZeroDivisionError: .* \(function_app\.py, line 1\)"),
        ("def", r"SyntaxError: invalid syntax \(function_app\.py, line 1\)$"),
        ("import sys\nsys.exit('x')", r"SystemExit: x \(function_app\.py, line 2\)$"),
        ("import fetch", r"ValueError: a list \(fetch\.py, line 2\)$"),  # raised in runtime/
    ],
)
def test_an_import_that_fails_names_the_line_that_somebody_wrote(
    tmp_path: Path, code: str, says: str
) -> None:
    (tmp_path / "runtime").mkdir()
    source = "def entity():\n    raise ValueError('a list')\n"
    (tmp_path / "runtime/source.py").write_text(source, encoding="utf-8")
    fetch = "from runtime.source import entity\nentity()\n"
    (tmp_path / "fetch.py").write_text(fetch, encoding="utf-8")
    (tmp_path / "function_app.py").write_text(code, encoding="utf-8")
    with pytest.raises(UsageError, match=says):
        FunctionTarget(tmp_path)


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
