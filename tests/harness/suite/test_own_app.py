"""The suite with an upstream of the project's own, a WSGI app."""

import time

import pytest
from harness.cli import main

from .conftest import SOUND, failures, handmade, replaced, run

APP = """
import json

from harness.sample import made_up
from werkzeug import Request, Response

ROWS = [{"id": n, "name": f"name {n}"} for n in range(1, 101)]
ASKED = []


@Request.application
def app(request):
    if request.headers.get("Authorization") != "Bearer " + made_up("apiToken"):
        return Response("{}", 401)
    ASKED.append(request.path)
    last = 20 * int(request.args["page"])
    return Response(json.dumps({"data": ROWS[last - 20 : last]}), mimetype="application/json")
"""
THROTTLED = {
    "ASKED.append(request.path)\n": "ASKED.append(request.path)\n"
    "    if len(ASKED) % 3 == 0:\n"
    '        return Response("", 429, {"Retry-After": "3600"})\n',
    "    if answer.status_code == 200": "    if answer.status_code == 429:\n"
    '        time.sleep(int(answer.headers["Retry-After"]))\n'
    "    if answer.status_code == 200",
    "rows = None\n": "import time\nrows = None\n",
}
SKIPPED = {
    "test_changes_arrive_with_the_next_sync": "cannot change the records of tests.upstream:app",
    "test_a_short_page_is_not_the_last": "tests.upstream:app has no pages",
}


def own(changes=None):
    """The files of the function and its app, with texts of the two replaced."""
    function, app = replaced(changes or {}, SOUND, APP)
    files = handmade({}, function, 'upstream = "tests.upstream:app"\n')
    return {**files, "tests/upstream.py": app}


def test_a_sound_function_passes_and_what_would_change_its_records_is_skipped(staged):
    found = failures(staged(own()))
    assert found.keys() == SKIPPED.keys()
    assert all(says in found[name] for name, says in SKIPPED.items())


@pytest.mark.parametrize(
    ("changes", "name", "says"),
    [
        (
            {"range(1, 101)": "range(0)"},
            "test_sync_delivers_every_record",
            r"no row.*tests\.upstream:app",
        ),
        (
            {"going_on = {": "app.last, last = page, getattr(app, 'last', None)\n"
             "rows = rows[1:] if last == page else rows\ngoing_on = {"},
            "test_a_bad_network_changes_nothing",
            r"thing: the record id='\d+' is missing \(in all: \d+ missing\)",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_found(staged, changes, name, says):
    stage = staged(own(changes))
    with pytest.raises(pytest.fail.Exception, match=says):
        run(name, stage)


def test_a_walk_that_may_have_ended_too_early_is_a_warning(staged):
    logs = 'logging.getLogger().warning("event=maybe_truncated entity=thing page=3 why=full")\n'
    with pytest.warns(UserWarning, match="thing: page 3 was the last one: full"):
        run("test_no_rule_is_broken", staged(own({"going_on = {": f"{logs}going_on = {{"})))


def test_nobody_waits_through_its_throttles(staged):
    """Hours of them: the test would not end."""
    before, stage = time.monotonic(), staged(own(THROTTLED))
    run("test_sync_delivers_every_record", stage)
    assert any(seen.status == 429 for seen in stage.server.requests)
    assert time.monotonic() - before < 60


def test_the_command_line_takes_the_same_app(staged, monkeypatch):
    monkeypatch.chdir(staged(own()).folder)
    assert main(["sync", "--sample"]) == 0
    assert main(["sync", "--chaos", "7"]) == 0
