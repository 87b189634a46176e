"""Projects whose function is hand-made, or the template's runtime, and a stage beside each."""

from __future__ import annotations

import compileall
import json
import shutil
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import harness
import pytest
from harness.stage import Stage
from harness.testing import FunctionConformance

GENERATED = Path(harness.__file__).parents[1]

SAMPLE = """
records = 120

[auth]
kind = "bearer"
secrets = ["apiToken"]

[entity.thing]
path = "/things"
pagination = "page_number"
rows = "data"
token = "page"
size = "limit"
since = "updated_since"
primary_key = ["id"]
cursor = "updated_at"

[entity.thing.record]
id = 1
updated_at = "2026-01-05T08:30:00.000000Z"
name = "a name"
booked_on = "2026-01-04T00:00:00Z"
lat = 36.3
score = 90.39646779001665
"""

HEAD = """
import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

import azure.functions as func
import requests

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


def reply(body):
    return func.HttpResponse(json.dumps(body), mimetype="application/json")


@app.route(route="acme", methods=["POST"])
def acme(req: func.HttpRequest) -> func.HttpResponse:
    request = req.get_json()
    state, secrets = request["state"], request["secrets"]
"""

# Without the runtime: a page a call, by creation; the next sync reads from when this one began.
SOUND = """
if "apiToken" not in secrets:
    return reply({"errorMessage": "the secret apiToken is missing"})
now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
since, page, started = state.get("since"), state.get("page", 1), state.get("started", now)
params = {"page": page, "limit": 20, "updated_since": since}
headers = {"Authorization": "Bearer " + secrets["apiToken"]}
rows = None
for _ in range(6):
    try:
        url = os.environ["UPSTREAM_BASE_URL"] + "/things"
        answer = requests.get(url, params=params, headers=headers, timeout=10)
    except requests.RequestException:
        continue
    if answer.status_code == 200:
        rows = answer.json()["data"]
        break
if rows is None:
    return reply({"errorMessage": "the upstream does not answer"})
if request.get("setup_test"):
    return reply({"state": state, "hasMore": False})
going_on = {"since": since, "page": page + 1, "started": started}
ended = {"since": started}
return reply({
    "state": going_on if rows else ended,
    "insert": {"thing": rows},
    "schema": {"thing": {"primary_key": ["id"]}},
    "hasMore": bool(rows),
})
"""

FUNCTION = """
import azure.functions as func

from connector import respond
from fetch import source

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route(route="acme", methods=["POST"])
def acme(req: func.HttpRequest) -> func.HttpResponse:
    return respond(source, req)
"""

Changes = dict[str, str]
Staged = Callable[..., Stage]


def same(entity: str, record: dict[str, Any]) -> dict[str, Any] | None:
    """What a function delivers that changes nothing."""
    return record


def names(besides: tuple[str, ...] = ()) -> list[str]:
    """The suite's tests, in its order."""
    found = [name for name in vars(FunctionConformance) if name.startswith("test_")]
    return [name for name in found if name not in besides]


def run(name: str, stage: Stage, suite: FunctionConformance | None = None) -> None:
    """Run one test of the suite, with each of its parameters."""
    test = getattr(suite or FunctionConformance(), name)
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    room = stage.tables().path.with_suffix("")
    room.mkdir()
    for value in marks[0].args[1] if marks else [None]:
        arguments: dict[str, Any] = {
            "stage": stage,
            "tmp_path": room,
            "request": SimpleNamespace(path=stage.folder / "tests" / "test_function.py"),
        }
        if marks:
            arguments[marks[0].args[0]] = value
        test(**{each: arguments[each] for each in signature(test).parameters})


def failures(stage: Stage, besides: tuple[str, ...] = ()) -> dict[str, str]:
    """The tests that fail, and what they say."""
    found = {}
    for name in names(besides):
        try:
            run(name, stage)
        except pytest.fail.Exception as failed:
            found[name] = str(failed)
        except pytest.skip.Exception:
            pass
    return found


def replaced(changes: Changes, *texts: str) -> list[str]:
    """The texts with the changes, each of which is found in one of them."""
    for old, new in changes.items():
        assert any(old in text for text in texts), old
        texts = tuple(text.replace(old, new) for text in texts)
    return list(texts)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The project's folder, with a connection."""
    folder = tmp_path / "project"
    (folder / "tests").mkdir(parents=True)
    connection = {"schema": "acme", "secrets": {"apiToken": "not to be sent"}}
    for name in ("connection.json", "connection.example.json"):
        (folder / name).write_text(json.dumps(connection), encoding="utf-8")
    (folder / "requirements.txt").write_text("azure-functions\nrequests\nmsgspec\n", "utf-8")
    return folder


@pytest.fixture
def stage(folder: Path, tmp_path: Path) -> Iterator[Callable[[], Stage]]:
    """Opens a stage beside what stands in the folder."""
    with ExitStack() as stack:

        def open_() -> Stage:
            room = tmp_path / "room"
            room.mkdir()
            return stack.enter_context(Stage(folder, room, same).running())

        yield open_


@pytest.fixture
def handmade(folder: Path, stage: Callable[[], Stage]) -> Staged:
    """Opens a stage for the hand-made function, with texts of it or of its sample replaced."""

    def open_(changes: Changes | None = None, head: str = "") -> Stage:
        body, sample = replaced(changes or {}, SOUND, SAMPLE)
        code = head + HEAD + textwrap.indent(body.strip(), "    ") + "\n"
        (folder / "function_app.py").write_text(code, encoding="utf-8")
        (folder / "sample.toml").write_text(sample, encoding="utf-8")
        return stage()

    return open_


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template's runtime, compiled once: it is imported anew many times."""
    folder = tmp_path_factory.mktemp("runtime") / "connector"
    shutil.copytree(GENERATED / "connector", folder, ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(folder, quiet=1)
    return folder


@pytest.fixture
def with_runtime(folder: Path, stage: Callable[[], Stage], runtime: Path) -> Staged:
    """Opens a stage for the template's runtime with these steps and this sample."""

    def open_(fetch: str, sample: str) -> Stage:
        shutil.copytree(runtime, folder / "connector")
        texts = {"function_app.py": FUNCTION, "fetch.py": fetch, "sample.toml": sample}
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        return stage()

    return open_
