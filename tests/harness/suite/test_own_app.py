"""The suite with an upstream of the project's own, with more secrets, and of published files."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from harness.cli import main
from harness.sample import made_up
from harness.stage import Stage
from harness.testing import FunctionConformance

from .conftest import HEAD, Changes, Staged, names, replaced, run

# The token is the id of the last record of a project: no sample.toml can say so.
APP = """
import json

from harness.sample import made_up
from werkzeug import Request, Response

ROWS = {key: [{"id": n, "project": key, "title": f"issue {n}"} for n in range(first, first + 40)]
        for key, first in {"A": 1, "B": 101, "C": 201}.items()}
ASKED = []


@Request.application
def app(request):
    if request.headers.get("Authorization") != "Bearer " + made_up("apiToken"):
        return Response("{}", 401)
    ASKED.append(request.path)
    if request.path == "/projects":
        body = sorted(ROWS)
    else:
        rows = ROWS[request.path.split("/")[2]]
        body = [row for row in rows if row["id"] > int(request.args["after"])][:15]
    return Response(json.dumps(body), mimetype="application/json")
"""
FUNCTION = """
if "apiToken" not in secrets:
    return reply({"errorMessage": "the secret apiToken is missing"})


def get(path, **params):
    for _ in range(6):
        try:
            headers = {"Authorization": "Bearer " + secrets["apiToken"]}
            url = os.environ["UPSTREAM_BASE_URL"] + path
            answer = requests.get(url, params=params, headers=headers, timeout=10)
        except requests.RequestException:
            continue
        if answer.status_code == 429:
            sleep(int(answer.headers["Retry-After"]))
        if answer.status_code in (200, 401):
            return answer.json()
    return None


keys = get("/projects")
if not keys:
    return reply({"errorMessage": "the upstream does not answer"})
if request.get("setup_test"):
    return reply({"state": state, "hasMore": False})
at, after = state.get("at", 0), state.get("after", 0)
rows = get(f"/projects/{keys[at]}/issues", after=after)
if rows is None:
    return reply({"errorMessage": "the upstream does not answer"})
going_on = {"at": at, "after": rows[-1]["id"]} if rows else {"at": at + 1, "after": 0}
done = going_on["at"] == len(keys)
return reply({
    "state": {} if done else going_on,
    "insert": {"issue": rows},
    "schema": {"issue": {"primary_key": ["id"]}},
    "hasMore": not done,
})
"""
THROTTLED = {
    "ASKED.append(request.path)\n": "ASKED.append(request.path)\n"
    "    if len(ASKED) % 3 == 0:\n"
    '        return Response("", 429, {"Retry-After": "3600"})\n'
}
SKIPPED = {  # they would change its records or pages
    "test_changes_arrive_with_the_next_sync": r"tests\.upstream:app are not the suite's to change",
    "test_a_short_page_is_not_the_last": r"tests\.upstream:app has no pages",
}
OTHERS = ("test_any_cut_gives_the_same_tables", *SKIPPED)


def indented(body: str) -> str:
    return "from time import sleep\n" + HEAD + body.replace("\n", "\n    ").rstrip() + "\n"


@pytest.fixture
def own(folder: Path, stage: Callable[[], Stage]) -> Staged:
    """Opens a stage for the function with the app, with texts of the two replaced."""

    def open_(changes: Changes | None = None) -> Stage:
        function, app = replaced(changes or {}, FUNCTION, APP)
        (folder / "function_app.py").write_text(indented(function), encoding="utf-8")
        (folder / "sample.toml").write_text('upstream = "tests.upstream:app"\n', encoding="utf-8")
        (folder / "tests" / "upstream.py").write_text(app, encoding="utf-8")
        return stage()

    return open_


@pytest.mark.parametrize("name", names(OTHERS))
def test_a_sound_function_passes_with_an_app_of_ones_own(own: Staged, name: str) -> None:
    run(name, own())


@pytest.mark.parametrize("name", SKIPPED)
def test_what_would_change_the_records_of_an_app_is_skipped(own: Staged, name: str) -> None:
    with pytest.raises(pytest.skip.Exception, match=SKIPPED[name]):
        run(name, own())


@pytest.mark.parametrize(
    ("changes", "name", "says"),
    [
        (
            {"> int(request": "> 1000 + int(request"},
            "test_sync_delivers_every_record",
            r"no row.*tests\.upstream:app",
        ),
        (
            {"going_on = {": "app.last, last = [at, after], getattr(app, 'last', None)\n"
             "rows = rows[1:] if last == [at, after] else rows\ngoing_on = {"},
            "test_a_bad_network_changes_nothing",
            r"issue: the record id='\d+' is missing \(in all: \d+ missing\)",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_found_with_an_app_of_ones_own(
    own: Staged, changes: Changes, name: str, says: str
) -> None:
    stage = own(changes)
    with pytest.raises(pytest.fail.Exception, match=says):
        run(name, stage)


def test_a_walk_that_may_have_ended_too_early_is_a_warning(own: Staged) -> None:
    logs = 'logging.getLogger().warning("event=maybe_truncated entity=issue page=3 why=full")\n'
    with pytest.warns(UserWarning, match="issue: page 3 was the last one: full"):
        run("test_no_rule_is_broken", own({"going_on = {": f"{logs}going_on = {{"}))


def test_nobody_waits_through_the_throttles_of_an_app(own: Staged) -> None:
    """Hours of them: the test would not end."""
    before, stage = time.monotonic(), own(THROTTLED)
    run("test_sync_delivers_every_record", stage)
    assert any(seen.status == 429 for seen in stage.server.requests)
    assert time.monotonic() - before < 60


def test_the_command_line_takes_the_same_app(own: Staged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own().folder)
    assert main(["sync", "--sample"]) == 0
    assert main(["sync", "--chaos", "7"]) == 0


@pytest.mark.parametrize("file", ["connection.json", "connection.example.json"])
def test_a_secret_that_only_a_connection_names_is_made_up(
    folder: Path, handmade: Staged, file: str
) -> None:
    connection = {"schema": "acme", "secrets": {"apiToken": "x", "accountId": "y"}}
    (folder / file).write_text(json.dumps(connection), encoding="utf-8")
    stage = handmade(
        {'if "apiToken" not': 'if secrets.get("accountId", "") < "a" or "apiToken" not'}
    )
    secrets = {name: made_up(name) for name in ("apiToken", "accountId")}
    assert stage.connection.secrets == secrets
    run("test_sync_delivers_every_record", stage)


def test_a_payload_key_that_the_example_lacks_is_named_with_its_file(handmade: Staged) -> None:
    needs = (
        'if "region" not in request.get("customPayload", {}):\n    return reply({"errorMessage": '
        "\"the payload key 'region' is missing: write it in connection.json\"})\nnow ="
    )
    stage = handmade({"now =": needs})
    with pytest.raises(pytest.fail.Exception, match=r"missing into connection\.example\.json"):
        run("test_sync_delivers_every_record", stage)


PUBLISHED: dict[str, tuple[dict[str, str], str]] = {
    "a package of requirements-dev.txt": (
        {"function_app.py": "import fetch\n", "fetch.py": "import duckdb\n"},
        r"No module named 'duckdb' \(fetch.py, line 1\); .*requirements-dev.txt alone",
    ),
    "a module that .funcignore leaves out": (
        {"function_app.py": "import tests.extra\n", "tests/extra.py": ""},
        r"No module named 'tests' \(function_app.py, line 1\); .*be in .funcignore",
    ),
    "a data file that .funcignore leaves out": (
        {"function_app.py": "open(__file__.replace('function_app.py', 'a.toml'))", "a.toml": ""},
        r"No such file.*a.toml.*\(function_app.py, line 1\); .*be in .funcignore",
    ),
    "nothing else": (
        {"function_app.py": "import azure.functions, requests, urllib3, extra", "extra.py": ""},
        "^$",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PUBLISHED)
def test_what_is_published_imports_with_requirements_alone(
    folder: Path, tmp_path: Path, case: str
) -> None:
    files, says = PUBLISHED[case]
    (folder / ".funcignore").write_text("# left out\ntests/\n*.toml\n.venv\n", encoding="utf-8")
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    project: Any = SimpleNamespace(path=folder / "tests" / "test_function.py")
    try:
        FunctionConformance().test_published_files_import(project, tmp_path)
        problem = ""
    except pytest.fail.Exception as failed:
        problem = str(failed)
    assert re.search(says, problem), problem
