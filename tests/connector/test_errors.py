"""Every error path: a reply of the protocol that says what happened, where, and what to do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import connector
import pytest
from connector import Page, codec
from connector.response import Rows
from connector.sync.handler import handle

from .play import Player, checked, encoded, report
from .scripted import SECRETS, one, script, stepping

pytestmark = pytest.mark.usefixtures("clock")


def raw(text):
    """Records that stay the upstream's bytes."""
    return Rows(codec.well_formed(text))


WRONG_PAGES = [
    (None, "NoneType"),
    ([{"id": 1}], "list"),
    (Page({"id": 1}), "dict"),
    (Page(raw(b"[7]")), "record 0: a record of thing is not a JSON object"),
    (Page(raw(b'[{"id": 1}, [2]]')), "record 1: a record of thing is not a JSON object"),
    (Page([{"key": 1, "name": "a"}]), "(this one has key, name)"),
    (Page([{"\ufeffid": 1, "name": "a"}]), r"(this one has '\ufeffid', name)"),
    (Page([{"id": n} for n in range(2500)] + [{"id": None}]), "record 2500"),
    (Page([{f"f{n}": n for n in range(50)}]), "f18, f19 …)"),
    (Page([{"id": [1]}]), "primary key 'id'"),
    (Page([{"id": 1, "deep": {"x": [0, b"raw"]}}]), "field deep.x.1"),
    (Page([{"id": 1, 2: 3}]), "key 2"),
    (Page([], object()), "next_token"),
    (Page([], float("nan")), "next_token"),
    (Page([], deleted=[{"x": 1}]), "primary key 'id'"),
    (Page([], deleted={"elsewhere": [{"id": 1}]}), "'elsewhere'"),
    (Page([], tables={"elsewhere": [{"id": 1}]}), "'elsewhere'"),
    (Page([], tables={"part": [{"id": 1}, {}]}), "record 1"),
    (Page([], tables={"thing": [{"id": 1}]}), "'thing'"),
    (Page([], deleted={"part": [{"x": 1}]}), "primary key 'id'"),
    (Page([], cursor=object()), "cursor"),
    (Page([], cursor={"a": float("nan")}), "Page(cursor=) is not a JSON value"),
]


@pytest.mark.parametrize("page, text", WRONG_PAGES, ids=range(len(WRONG_PAGES)))
def test_a_page_that_breaks_the_contract_is_an_error_with_its_place(page, text):
    sync = Player(stepping(lambda fetch: page, tables={"part": ["id"]}), script({})).sync()
    assert text in sync.error and "entity thing, page 1" in sync.error
    assert sync.report["errorType"] == "StepError"


FETCH = """
from connector import Page, Source
from helpers.tidy import tidy
source = Source(base_url="https://api.example.com", workers=WORKERS)
@source.entity("thing", primary_key=["id"])
def thing(fetch):
    return Page(STEP)
"""
TIDY = """
def tidy(row):
    return int(row["colour"])
"""
RUN = """
import sys, fetch
from connector.sync.handler import handle
sys.stdout.buffer.write(handle(fetch.source, b'{"state": {}}')[1])
"""


@pytest.mark.parametrize("step, workers", [("[tidy({})]", 4), ("fetch.get(7)", 1)])
def test_frames_are_this_projects_with_paths_relative_to_it(tmp_path, step, workers):
    """Whatever the folder in which the worker was started. Of an error inside the runtime the
    message names the step's own line: it passed on what cannot be used."""
    project = tmp_path / "my connector"
    shutil.copytree(Path(connector.__file__).parent, project / "connector")
    (project / "helpers").mkdir()
    (project / "helpers" / "tidy.py").write_text(TIDY, encoding="utf-8")
    text = FETCH.replace("WORKERS", str(workers)).replace("STEP", step)
    (project / "fetch.py").write_text(text, encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(project)}
    command = [sys.executable, "-c", RUN]
    body = subprocess.run(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, check=True).stdout
    assert str(tmp_path) not in body.decode()
    reply, line = report(200, body), ["fetch.py", 7, "thing", f"return Page({step})"]
    assert line in reply["stackTrace"]
    if step == "fetch.get(7)":
        assert "in fetch.py, line 7" in reply["errorMessage"]
        assert reply["stackTrace"][-1][0].startswith("connector/")
    else:
        assert "in helpers/tidy.py, line 3: 'colour'" in reply["errorMessage"]
        tidy = ["helpers/tidy.py", 3, "tidy", 'return int(row["colour"])']
        assert (reply["errorType"], reply["stackTrace"][-2:]) == ("KeyError", [line, tidy])


STATE = {"thing": "2020-01-01", "other": {"x": [1, None, "ü"]}}


def malformed(**members):
    """Whoever takes a report's state for the new one would read everything again."""
    return encoded({"state": STATE, "secrets": SECRETS, **members}), STATE, *members


NO_REQUESTS = [
    *((body, {}, "JSON") for body in (b"", b"hello", b'{"state": {}', b'{"state": "\xfc"}')),
    (b"[" * 100_000 + b"]" * 100_000, {}, "JSON"),
    (b"[]", {}, "object"),
    (b"null", {}, "object"),
    (b"{}", {}, "state"),
    (b'{"state": []}', {}, "state"),
    malformed(secrets="x"),
    malformed(secrets=["made-up-key"]),
    malformed(setup_test=1),
    malformed(customPayload=[1]),
]


@pytest.mark.parametrize("body, state, text", NO_REQUESTS, ids=range(len(NO_REQUESTS)))
def test_a_body_that_is_no_request_of_the_protocol_gets_400_and_the_reason(body, state, text):
    reply = report(*handle(one(), body, script({None: []})), status=400)
    assert text in reply["errorMessage"] and reply["state"] == state


@pytest.mark.parametrize("extra", [b"", b' "sync_id": 17,', b' "unknown": {"a": [1]},'])
def test_a_request_may_have_more_fields_than_are_known(extra):
    body = b'\xef\xbb\xbf{"agent": "x", %b "state": {}, "secrets": {"apiToken": "made-up-token-1"}}'
    assert "errorMessage" not in checked(*handle(one(), body % extra, script({None: []})))


def test_a_missing_secret_is_named_with_every_place_where_it_can_be_given(monkeypatch):
    monkeypatch.delenv("apiToken", raising=False)
    reply = report(*handle(one(), b'{"state": {}}', script({None: []})))
    for text in ("'apiToken'", "setup form", "app setting", "connection.json"):
        assert text in reply["errorMessage"]
