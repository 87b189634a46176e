"""The function of a folder, called in this process as Azure would call it."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.errors import LostReply, ProtocolBroken, UsageError
from harness.project import local_settings
from harness.target import FunctionTarget

Make = Callable[..., Path]
BODY = json.dumps({"state": {}}).encode()


def test_the_function_gets_a_post_of_its_route_with_a_json_body(project: Make) -> None:
    folder = project("return reply([req.method, req.url, req.headers['Content-Type'], request])")
    answer = FunctionTarget(folder).call(BODY)
    assert json.loads(answer.body) == [
        "POST",
        "http://localhost:7071/api/acme",
        "application/json",
        {"state": {}},
    ]
    assert (answer.status, answer.content_type) == (200, "application/json")


def test_an_uncaught_exception_is_http_500_with_an_empty_body(project: Make) -> None:
    answer = FunctionTarget(project("raise KeyError('nope')")).call(BODY)
    assert (answer.status, answer.body, answer.content_type) == (500, b"", "")
    assert answer.failure is not None
    assert "KeyError: 'nope'" in answer.failure
    assert "target.py" not in answer.failure


@pytest.mark.parametrize("body", ["return None", "return 7", "raise SystemExit(3)"])
def test_what_is_no_response_is_http_500(project: Make, body: str) -> None:
    assert FunctionTarget(project(body)).call(BODY).status == 500


def test_a_text_is_answered_as_plain_text(project: Make) -> None:
    answer = FunctionTarget(project("return 'hello'")).call(BODY)
    assert (answer.content_type, answer.body) == ("text/plain; charset=utf-8", b"hello")


def test_a_coroutine_is_run(project: Make) -> None:
    folder = project()
    code = (folder / "function_app.py").read_text(encoding="utf-8")
    code = code.replace("def acme(", "async def acme(")
    (folder / "function_app.py").write_text(code, encoding="utf-8")
    assert json.loads(FunctionTarget(folder).call(BODY).body)["hasMore"] is True


def test_projects_with_the_same_module_names_do_not_mix(project: Make) -> None:
    targets = []
    for name in ("one", "two"):
        folder = project(
            "import fetch\nimport late\nreturn reply([fetch.NAME, late.NAME])", name=name
        )
        for module in ("fetch", "late"):
            path = folder / f"{module}.py"
            path.write_text(f"NAME = {name + ' ' + module!r}\n", encoding="utf-8")
        targets.append(FunctionTarget(folder))
    found = [json.loads(target.call(BODY).body) for target in (*targets, targets[0])]
    assert found == [
        ["one fetch", "one late"],
        ["two fetch", "two late"],
        ["one fetch", "one late"],
    ]


def test_a_project_leaves_no_module_and_no_path_behind(project: Make) -> None:
    folder = project("import fetch\nreturn reply([])")
    (folder / "fetch.py").write_text("", encoding="utf-8")
    mine = object()
    sys.modules["fetch"] = mine  # type: ignore[assignment]
    try:
        FunctionTarget(folder).call(BODY)
        assert sys.modules["fetch"] is mine
    finally:
        del sys.modules["fetch"]
    assert "function_app" not in sys.modules
    assert str(folder) not in sys.path


def test_a_module_keeps_what_it_remembers_between_calls(project: Make) -> None:
    folder = project("import fetch\nfetch.seen += 1\nreturn reply([fetch.seen])")
    (folder / "fetch.py").write_text("seen = 0\n", encoding="utf-8")
    target = FunctionTarget(folder)
    assert [json.loads(target.call(BODY).body) for _ in range(2)] == [[1], [2]]


def test_a_log_record_factory_of_a_project_stays_its_own(project: Make) -> None:
    folder = project(
        "import logging\n"
        "def made(*args, **kwargs):\n"
        "    return logging.LogRecord(*args, **kwargs)\n"
        "made.own = True\n"
        "had = hasattr(logging.getLogRecordFactory(), 'own')\n"
        "logging.setLogRecordFactory(made)\n"
        "return reply([had])"
    )
    before = logging.getLogRecordFactory()
    target = FunctionTarget(folder)
    assert [json.loads(target.call(BODY).body) for _ in range(2)] == [[False], [True]]
    assert logging.getLogRecordFactory() is before


def test_settings_are_in_the_environment_around_calls_alone(
    project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SET_BEFORE", "old")
    monkeypatch.delenv("NEVER_SET", raising=False)
    folder = project("import os\nreturn reply([os.environ['SET_BEFORE'], os.environ['NEVER_SET']])")
    target = FunctionTarget(folder, {"SET_BEFORE": "new", "NEVER_SET": "now"})
    assert json.loads(target.call(BODY).body) == ["new", "now"]
    assert (os.environ["SET_BEFORE"], os.environ.get("NEVER_SET")) == ("old", None)


def test_a_call_longer_than_azure_allows_is_a_lost_reply(
    project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = FunctionTarget(project())
    monkeypatch.setattr("harness.target.AZURE_SECONDS", -1)
    with pytest.raises(LostReply, match="Azure cuts a call off"):
        target.call(BODY)


def test_a_function_that_takes_no_post_is_refused(project: Make) -> None:
    folder = project()
    code = (folder / "function_app.py").read_text(encoding="utf-8").replace('"POST"', '"GET"')
    (folder / "function_app.py").write_text(code, encoding="utf-8")
    with pytest.raises(ProtocolBroken, match="takes GET alone"):
        FunctionTarget(folder)


def test_a_function_with_other_bindings_is_sent_to_func_start(project: Make) -> None:
    folder = project()
    code = (folder / "function_app.py").read_text(encoding="utf-8")
    code = code.replace("req: func.HttpRequest)", "req: func.HttpRequest, context: func.Context)")
    (folder / "function_app.py").write_text(code, encoding="utf-8")
    with pytest.raises(UsageError, match="takes req, context") as caught:
        FunctionTarget(folder)
    assert "func start" in str(caught.value.todo)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("x = 1", "has 0 FunctionApps"),
        ("import azure.functions as f\na = f.FunctionApp()\nb = f.FunctionApp()", "has 2 Function"),
        ("import azure.functions as f\napp = f.FunctionApp()", "has no HTTP function"),
        ("import nowhere", "cannot be imported: ModuleNotFoundError: No module named 'nowhere'"),
        ("1 / 0", r"ZeroDivisionError: .* \(.*function_app\.py, line 1\)"),
        ("def", r"SyntaxError: invalid syntax \(function_app\.py, line 1\)$"),
        ("import sys\nsys.exit('x')", r"SystemExit: x \(function_app\.py, line 2\)$"),
    ],
)
def test_a_function_app_that_cannot_be_used_is_named(tmp_path: Path, code: str, says: str) -> None:
    (tmp_path / "function_app.py").write_text(code, encoding="utf-8")
    with pytest.raises(UsageError, match=says):
        FunctionTarget(tmp_path)


@pytest.mark.parametrize(
    ("fetch", "says"),
    [
        (
            "from runtime.source import entity\n\nentity(\n    primary_key='id',\n)\n",
            r"^function_app\.py cannot be imported: ValueError: a list \(fetch\.py, line 3\)$",
        ),
        ("x = (\n1\n", r"SyntaxError: '\(' was never closed \(fetch\.py, line 1\)$"),
        ("import runtime.broken", r"SyntaxError: .* \(runtime/broken\.py, line 2\)$"),
    ],
)
def test_an_error_of_a_module_names_the_line_that_somebody_wrote(
    project: Make, fetch: str, says: str
) -> None:
    folder = project()
    (folder / "runtime").mkdir()
    source = "def entity(primary_key):\n    raise ValueError('a list')\n"
    (folder / "runtime" / "source.py").write_text(source, encoding="utf-8")
    (folder / "runtime" / "broken.py").write_text("x = 1\n)\n", encoding="utf-8")
    (folder / "fetch.py").write_text(fetch, encoding="utf-8")
    code = (folder / "function_app.py").read_text(encoding="utf-8")
    (folder / "function_app.py").write_text("import fetch\n" + code, encoding="utf-8")
    with pytest.raises(UsageError, match=says):
        FunctionTarget(folder)


def test_a_folder_without_a_function_says_where_to_go(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"function_app\.py is not there"):
        FunctionTarget(tmp_path)


def test_local_settings_are_the_values_that_func_start_sets(tmp_path: Path) -> None:
    assert local_settings(tmp_path) == {}
    path = tmp_path / "local.settings.json"
    path.write_text('{"IsEncrypted": false, "Values": {"a": "b"}}', encoding="utf-8")
    assert local_settings(tmp_path) == {"a": "b"}
    path.write_text('{"Values": {"a": 1}}', encoding="utf-8")
    with pytest.raises(UsageError, match="Values must be an object of texts"):
        local_settings(tmp_path)
