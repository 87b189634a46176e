"""A hand-made function without the runtime, its sample, and a stage beside a project's files."""

import json
import textwrap
from collections.abc import Callable
from contextlib import ExitStack
from inspect import signature
from types import SimpleNamespace

import pytest
from harness.stage import Stage
from harness.testing import FunctionConformance

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

Changes = dict[str, str]
Staged = Callable[[dict[str, str]], Stage]
CONNECTION = json.dumps({"schema": "acme", "secrets": {"apiToken": "not to be sent"}})
PROJECT = {
    "connection.json": CONNECTION,
    "connection.example.json": CONNECTION,
    "requirements.txt": "azure-functions\nrequests\nmsgspec\n",
    "tests/test_function.py": "from harness.testing import FunctionConformance as F\n\n\n"
    "class TestF(F):\n    pass\n",
}


def replaced(changes, *texts):
    """The texts with the changes, each of which is found in one of them."""
    for old, new in changes.items():
        assert any(old in text for text in texts), old
        texts = tuple(text.replace(old, new) for text in texts)
    return list(texts)


def handmade(changes=None, body=SOUND, sample=SAMPLE):
    """The files of the hand-made function, with texts of it or of its sample replaced."""
    body, sample = replaced(changes or {}, body, sample)
    code = HEAD + textwrap.indent(body.strip(), "    ") + "\n"
    return {"function_app.py": code, "sample.toml": sample}


def run(name, stage, suite=None):
    """Run one test of the suite, with each of its parameters."""
    test = getattr(suite or FunctionConformance(), name)
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    room = stage.tables().path.with_suffix("")
    room.mkdir()
    for value in marks[0].args[1] if marks else [None]:
        arguments = {
            "stage": stage,
            "tmp_path": room,
            "request": SimpleNamespace(path=stage.folder / "tests" / "test_function.py"),
        }
        if marks:
            arguments[marks[0].args[0]] = value
        test(**{each: arguments[each] for each in signature(test).parameters})


def failures(stage):
    """The tests that fail or are skipped, and what they say."""
    found = {}
    for name in [name for name in vars(FunctionConformance) if name.startswith("test_")]:
        try:
            run(name, stage)
        except (pytest.fail.Exception, pytest.skip.Exception) as outcome:
            found[name] = str(outcome)
    return found


@pytest.fixture
def staged(tmp_path):
    """Opens a stage beside the files of a project."""
    folder, room = tmp_path / "project", tmp_path / "room"
    (folder / "tests").mkdir(parents=True)
    room.mkdir()
    with ExitStack() as stack:

        def open_(files):
            for name, text in {**PROJECT, **files}.items():
                (folder / name).write_text(text, encoding="utf-8")
            stage = Stage(folder, room, FunctionConformance().expected)
            return stack.enter_context(stage.running())

        yield open_
