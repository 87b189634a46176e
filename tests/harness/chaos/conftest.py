"""Projects with a function and a sample.toml, and a bench that plays chaos with them."""

from __future__ import annotations

import compileall
import json
import shutil
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import harness
import pytest
from harness.bench import Bench

GENERATED = Path(harness.__file__).parents[1]

SAMPLE = """
records = 250

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
nulls = []

[entity.thing.record]
id = 1
updated_at = "2026-01-05T08:30:00.000000Z"
name = "a name"
price = 10.50
"""

HEAD = """
import json
import os
from datetime import UTC, datetime

import azure.functions as func
import requests

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


def reply(body):
    return func.HttpResponse(json.dumps(body), mimetype="application/json")


@app.route(route="acme", methods=["POST"])
def acme(req: func.HttpRequest) -> func.HttpResponse:
    request = req.get_json()
    state = request["state"]
"""

# Without the template's runtime: a page a call, positions by creation, from the start of the walk
# before on.
SOUND = """
now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
since, page, started = state.get("since"), state.get("page", 1), state.get("started", now)
params = {"page": page, "limit": 40, "updated_since": since}
rows = None
for _ in range(6):
    try:
        answer = requests.get(
            os.environ["UPSTREAM_BASE_URL"] + "/things",
            params=params,
            headers={"Authorization": "Bearer " + request["secrets"]["apiToken"]},
            timeout=10,
        )
        if answer.status_code != 200:
            continue
        rows = answer.json()["data"]
        break
    except requests.RequestException:
        continue
if rows is None:
    return reply({"errorMessage": "the upstream does not answer"})
going_on = {"since": since, "page": page + 1, "started": started}
ended = {"since": started}
return reply({
    "state": going_on if rows else ended,
    "insert": {"thing": rows},
    "schema": {"thing": {"primary_key": ["id"]}},
    "hasMore": bool(rows),
})
"""

Opened = Callable[..., Bench]


def write(folder: Path, sample: str, files: dict[str, str]) -> None:
    """Writes a project into a folder that is there already."""
    connection = {"schema": "acme", "secrets": {"apiToken": "not to be sent"}}
    files = {**files, "sample.toml": sample, "connection.json": json.dumps(connection)}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def by_hand(body: str) -> str:
    """A function_app.py without the runtime."""
    return HEAD + textwrap.indent(body.strip(), "    ") + "\n"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Opens a bench for the hand-made function, with texts of it or of its sample replaced."""
    with ExitStack() as stack:

        def open_(changes: dict[str, str] | None = None, sample: str = SAMPLE) -> Bench:
            body = SOUND
            for old, new in (changes or {}).items():
                assert old in body or old in sample, old
                body, sample = body.replace(old, new), sample.replace(old, new)
            folder, room = tmp_path / "project", tmp_path / "room"
            folder.mkdir()
            room.mkdir()
            write(folder, sample, {"function_app.py": by_hand(body)})
            return stack.enter_context(Bench.opened(folder, room))

        yield open_


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the template's runtime, compiled once: it is imported anew many times."""
    folder = tmp_path_factory.mktemp("runtime")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(GENERATED / "connector", folder / "connector", ignore=ignored)
    compileall.compile_dir(folder / "connector", quiet=1)
    return folder
