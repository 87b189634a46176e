"""Every error path: a reply of the protocol that says what happened, where, and what to do."""

import json
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import connector
import pytest
import requests
from connector import Fetch, Page, RetryLater, StartOver, TokenExpired, UpstreamError
from connector import report as reports
from connector.answer import answer
from connector.secrets import Redactor
from connector.testing import Reply

from .play import Player, encoded, report
from .scripted import SECRETS, Upstream, one, script, source

pytestmark = pytest.mark.usefixtures("clock")


def failing(step: Callable[[Fetch], Any], **options: Any) -> dict[str, Any]:
    """The report of a call whose one entity has this step."""
    made = source()
    made.entity("thing", **{"primary_key": ["id"], "tables": {"part": ["id"]}, **options})(step)
    upstream = Upstream(lambda asked: Reply(json={"error": "teapot"}, status=418))
    return report(*answer(made, encoded({"state": {}, "secrets": SECRETS}), upstream))


# ---- the step's page


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


def raising(error: BaseException) -> Callable[[Fetch], Page]:
    def step(fetch: Fetch) -> Page:
        raise error

    return step


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (None, "NoneType"),
        ([{"id": 1}], "list"),
        (Page({"id": 1}), "dict"),
        (Page("abc"), "str"),
        (Page(17), "int"),
        (Page([{"id": 1}, "abc"]), "record 1"),
        (Page([[1]]), "record 0"),
        (Page([{"id": 1}, {"id": None}]), "record 1"),
        (Page([{"key": 1}]), "primary key 'id'"),
        (Page([{"id": [1]}]), "primary key 'id'"),
        (Page([{"id": 1, "tags": {"a", "b"}}]), "field tags"),
        (Page([{"id": 1, "deep": {"x": [0, b"raw"]}}]), "field deep.x.1"),
        (Page([{"id": 1, 2: 3}]), "key 2"),
        (Page([], object()), "next_token"),
        (Page([], {"at": {1, 2}}), "next_token"),
        (Page([], deleted=[{"x": 1}]), "primary key 'id'"),
        (Page([], deleted={"elsewhere": [{"id": 1}]}), "'elsewhere'"),
        (Page([], tables={"elsewhere": [{"id": 1}]}), "'elsewhere'"),
        (Page([], tables={"part": [{"id": 1}, {}]}), "record 1"),
        (Page([], cursor=object()), "cursor"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_page_that_breaks_the_contract_is_an_error_with_its_place(page: Any, said: str) -> None:
    reply = failing(lambda fetch: page)
    assert said in reply["errorMessage"]
    assert "entity thing" in reply["errorMessage"] and "page 1" in reply["errorMessage"]
    assert reply["errorType"] == "StepError"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"ID": 1, "name": "a"}, "(this one has ID, name)"),
        ({}, "(this one has no field)"),
        ({f"f{n}": n for n in range(50)}, "f18, f19 …)"),
    ],
)
def test_a_missing_key_shows_what_the_record_has_instead(row: dict[str, Any], said: str) -> None:
    assert said in failing(lambda fetch: Page([row]))["errorMessage"]


def test_a_record_left_as_bytes_that_is_no_object_is_named_by_its_index() -> None:
    for data in (b"[7]", b'[{"id": 1}, [2]]', b'[{"id": 1}, null]', b'[{"id": 1}, "x"]'):
        upstream = Upstream(lambda asked, data=data: b'{"data": ' + data + b"}")
        sync = Player(one(cursor=None), upstream).sync()
        assert f"record {data.count(b',')}" in sync.error and "JSON object" in sync.error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("colour"), "KeyError"),
        (ZeroDivisionError("division by zero"), "division by zero"),
        (RecursionError("too deep"), "too deep"),
        (MemoryError("no memory"), "no memory"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "utf-8"),
        (ValueError("half an emoji \ud83d"), "half an emoji"),
        (ValueError("x" * 10**6), "xxx"),
        (ExceptionGroup("several", [ValueError("a"), KeyError("b")]), "several"),
        (UpstreamError("the tenant is closed"), "the tenant is closed"),
        (StartOver("no position"), "no position"),
        (TokenExpired("no scroll"), "no scroll"),
        (RetryLater(9999, "not ready"), "not ready"),
        (RetryLater(float("inf"), "never ready"), "never ready"),
        (Unprintable(), "Unprintable"),
        (SystemExit("the step gave up"), "SystemExit"),
        (GeneratorExit("closed"), "GeneratorExit"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
@pytest.mark.parametrize("workers", [1, 2])
def test_whatever_a_step_raises_is_reported(error: BaseException, said: str, workers: int) -> None:
    made = source(workers=workers)
    for name in ("thing", "other"):
        made.entity(name, primary_key=["id"])(raising(error))
    reply = report(*answer(made, encoded({"state": {}, "secrets": SECRETS}), script({})))
    assert said in reply["errorMessage"]
    assert "thing" in reply["errorMessage"]


def test_of_several_errors_each_has_an_equal_share_and_short_ones_leave_theirs() -> None:
    """The long ones' ends, the short ones' whole text."""
    short, long = [f"short {n}" for n in range(6)], ["x" * 9000, "y" * 9000, "z" * 9000]
    errors = [ValueError(text) for text in (*long, *short)]
    said = json.loads(reports.report(errors, {}, Redactor()))["errorMessage"]
    lines = said.splitlines()
    assert lines[0] == "9 things are wrong:"
    assert lines[4:] == [f"- ValueError: {text}" for text in short]
    lengths = [len(line) - len("- ") for line in lines[1:]]
    assert sum(lengths) == reports.ROOM
    assert max(lengths[:3]) - min(lengths[:3]) <= 1


def test_one_error_has_8000_characters_at_the_most() -> None:
    for errors in (1, 2):
        said = reports.report([ValueError("x" * 9000)] * errors, {}, Redactor()).decode()
        assert said.count("x") == errors * (reports.LONGEST - len("ValueError: "))


# ---- the upstream's reply


def get(look: Callable[[Any], Any]) -> Callable[[Fetch], Page]:
    def step(fetch: Fetch) -> Page:
        return Page(look(fetch.get("/thing", params={"q": "a b"})))

    return step


@pytest.mark.parametrize(
    ("reply", "look", "said"),
    [
        (b'{"items": [], "total": 0}', lambda r: r.rows("data"), ["'data'", "items, total"]),
        (b'{"data": {"a": 1}}', lambda r: r.rows("data"), ["'data'", '{"a": 1}']),
        (b'{"data": null}', lambda r: r.rows("data"), ["'data'", "null"]),
        (b'{"a": 1}', lambda r: r.rows(), ['{"a": 1}']),
        (b'{"a": {"c": 1}}', lambda r: r.value("a.b"), ["'a.b'", "default=None"]),
        (
            b'{"data": null, "errors": [{"message": "field x is unknown"}]}',
            lambda r: r.value("data.x"),
            ["field x is unknown"],
        ),
        (b"<html>Sign in</html>", lambda r: r.json(), ["<html>Sign in</html>", "200", "text/html"]),
        (b"<html>Sign in</html>", lambda r: r.rows(), ["<html>Sign in</html>", "200"]),
        (b"", lambda r: r.rows(), ["empty body"]),
        (b'{"data": [1, 2', lambda r: r.rows("data"), ['{"data": [1, 2']),
        (b'{"data": ["\xff"]}', lambda r: r.rows("data"), ["utf-8"]),
        (b"[" * 50_000 + b"]" * 50_000, lambda r: r.json(), ["GET"]),
    ],
)
def test_a_reply_that_cannot_be_read_says_where_and_what_came(
    reply: bytes, look: Callable[[Any], Any], said: list[str]
) -> None:
    made = source()
    made.entity("thing", primary_key=["id"])(get(look))
    kind = "text/html" if reply[:1] == b"<" else "application/json"
    upstream = Upstream(lambda asked: Reply(body=reply, headers={"Content-Type": kind}))
    message = report(*answer(made, encoded({"state": {}, "secrets": SECRETS}), upstream))[
        "errorMessage"
    ]
    for text in ["https://api.example.com/thing?q=a+b", "entity thing", *said]:
        assert text in message
    assert len(message) < 1000


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 418, 500, 501, 502, 504, 599])
def test_a_status_that_is_no_success_quotes_the_upstream(status: int) -> None:
    upstream = Upstream(lambda asked: Reply(body=b"it's a teapot", status=status))
    reply = report(*answer(one(), encoded({"state": {}, "secrets": SECRETS}), upstream))
    for said in (str(status), "it's a teapot", "GET https://api.example.com/thing"):
        assert said in reply["errorMessage"]
    assert ("apiToken" in reply["errorMessage"]) == (status in (401, 403))


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError("refused"),
        requests.Timeout("too slow"),
        requests.exceptions.ChunkedEncodingError("cut off"),
        requests.exceptions.SSLError("certificate has expired"),
        OSError("network is unreachable"),
    ],
)
def test_a_connection_that_fails_says_why(error: Exception) -> None:
    def answers(asked: Any) -> Any:
        raise error

    reply = report(*answer(one(), encoded({"state": {}, "secrets": SECRETS}), Upstream(answers)))
    assert str(error) in reply["errorMessage"]
    assert "GET https://api.example.com/thing" in reply["errorMessage"]


@pytest.mark.parametrize("where", ["https://elsewhere.example.net/x", "http://api.example.com/x"])
def test_a_next_url_of_another_origin_is_refused_and_told_how_to_allow_it(where: str) -> None:
    made = source()

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        return Page([{"id": 1}], fetch.get(where).value("next"))

    upstream = script({})
    reply = report(*answer(made, encoded({"state": {}, "secrets": SECRETS}), upstream))
    assert "allowed_hosts" in reply["errorMessage"]
    assert upstream.asked == []


# ---- where it happened


PROJECT = {
    "fetch.py": """
        from connector import Fetch, Page, Source
        from helpers.tidy import tidy

        source = Source(base_url="https://api.example.com", workers=WORKERS)


        @source.entity("thing", primary_key=["id"])
        def thing(fetch: Fetch) -> Page:
            return Page([tidy({"id": 1})])
        """,
    "helpers/tidy.py": """
        import json


        def tidy(row):
            return json.loads("{" + row["colour"])
        """,
    "run.py": """
        import sys
        sys.path.insert(0, PROJECT)
        from fetch import source
        from connector.answer import answer
        sys.stdout.buffer.write(answer(source, b'{"state": {}}')[1])
        """,
}


def ran(folder: Path, workers: int, step: str = "") -> bytes:
    """What the project's function answers; `step` replaces what its step returns."""
    project = folder / "my connector"
    shutil.copytree(Path(connector.__file__).parent, project / "connector")
    for name, text in PROJECT.items():
        text = text.replace("PROJECT", repr(str(project))).replace("WORKERS", str(workers))
        text = text.replace('Page([tidy({"id": 1})])', step) if step else text
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(textwrap.dedent(text).lstrip(), encoding="utf-8")
    return subprocess.run(
        [sys.executable, str(project / "run.py")], cwd=folder, capture_output=True, check=True
    ).stdout


def test_an_error_inside_the_runtime_is_told_with_the_steps_own_line(tmp_path: Path) -> None:
    """The step handed on what cannot be used; where that was noticed helps nobody."""
    reply = report(200, ran(tmp_path, 1, "fetch.get(7)"))
    assert "in fetch.py, line 9" in reply["errorMessage"]
    assert reply["stackTrace"][-1][0].startswith("connector/")


@pytest.mark.parametrize("workers", [1, 4])
def test_frames_are_this_projects_with_paths_relative_to_it(tmp_path: Path, workers: int) -> None:
    """Whatever the folder in which the worker was started."""
    body = ran(tmp_path, workers)
    reply = report(200, body)
    assert reply["errorType"] == "KeyError"
    assert "helpers/tidy.py, line 5" in reply["errorMessage"]
    assert "colour" in reply["errorMessage"]
    assert reply["stackTrace"][-2:] == [
        ["fetch.py", 9, "thing", 'return Page([tidy({"id": 1})])'],
        ["helpers/tidy.py", 5, "tidy", 'return json.loads("{" + row["colour"])'],
    ]
    assert str(tmp_path) not in body.decode()


def test_the_log_says_of_a_failure_what_the_report_says(caplog: pytest.LogCaptureFixture) -> None:
    """Also of an entity whose error is not in the report, for others were read after it."""
    caplog.set_level("INFO")
    reply = failing(raising(KeyError("colour")))
    (line,) = [text for text in caplog.messages if text.startswith("event=failed ")]
    assert f'why="{reply["errorMessage"]}"' in line
