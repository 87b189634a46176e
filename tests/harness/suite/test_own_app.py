"""The suite with an upstream of the project's own, a WSGI app."""

from __future__ import annotations

import time

import pytest
from harness.cli import main

from .conftest import Changes, Staged, handmade, names, replaced, run

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
from time import sleep

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


def own(changes: Changes | None = None) -> dict[str, str]:
    """The files of the function and its app, with texts of the two replaced."""
    function, app = replaced(changes or {}, FUNCTION, APP)
    files = handmade({}, function, 'upstream = "tests.upstream:app"\n')
    return {**files, "tests/upstream.py": app}


@pytest.mark.parametrize("name", names(OTHERS))
def test_a_sound_function_passes(staged: Staged, name: str) -> None:
    run(name, staged(own()))


@pytest.mark.parametrize("name", SKIPPED)
def test_what_would_change_its_records_is_skipped(staged: Staged, name: str) -> None:
    with pytest.raises(pytest.skip.Exception, match=SKIPPED[name]):
        run(name, staged(own()))


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
def test_a_fault_is_found(staged: Staged, changes: Changes, name: str, says: str) -> None:
    stage = staged(own(changes))
    with pytest.raises(pytest.fail.Exception, match=says):
        run(name, stage)


def test_a_walk_that_may_have_ended_too_early_is_a_warning(staged: Staged) -> None:
    logs = 'logging.getLogger().warning("event=maybe_truncated entity=issue page=3 why=full")\n'
    with pytest.warns(UserWarning, match="issue: page 3 was the last one: full"):
        run("test_no_rule_is_broken", staged(own({"going_on = {": f"{logs}going_on = {{"})))


def test_nobody_waits_through_its_throttles(staged: Staged) -> None:
    """Hours of them: the test would not end."""
    before, stage = time.monotonic(), staged(own(THROTTLED))
    run("test_sync_delivers_every_record", stage)
    assert any(seen.status == 429 for seen in stage.server.requests)
    assert time.monotonic() - before < 60


def test_the_command_line_takes_the_same_app(
    staged: Staged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(staged(own()).folder)
    assert main(["sync", "--sample"]) == 0
    assert main(["sync", "--chaos", "7"]) == 0
