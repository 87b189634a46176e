"""What the report tells of runs and tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Make = Callable[..., Path]
Run = Callable[..., tuple[int, str]]
Report = Callable[..., Any]
SECRET = "s3cret-Ü&+/tökén"

MARKUP = "</td></script><script>document.title='owned'</script><img src=x onerror=\"a()\">'\"&lt;"
HOSTILE = f"""
bad = {MARKUP!r}
if at:
    return reply({{"errorMessage": bad, "errorType": bad, "stackTrace": [[bad, 1, bad, bad]]}})
return reply({{
    "state": {{"at": 1, bad: bad}},
    "insert": {{"thing": [{{"id": bad, "name": bad, "list": [bad], bad: 1}}]}},
    "schema": {{"thing": {{"primary_key": ["id"]}}}},
    "hasMore": True,
    bad: bad,
}})
"""
LEAKING = """
if at:
    return reply({"errorMessage": "refused " + secret, "stackTrace": [["a.py", 1, "f", secret]]})
return reply({
    "state": {"at": 1},
    "insert": {"thing": [{"id": secret, "name": "Bearer " + secret, "list": [secret]}]},
    "schema": {"thing": {"primary_key": ["id"]}},
    "hasMore": True,
})
"""
DELETING = """
if at:
    return reply({
        "state": {"at": 2}, "delete": {"thing": [{"id": 1}]},
        "schema": {"thing": {"primary_key": ["id"]}}, "hasMore": False,
    })
return reply({
    "state": {"at": 1}, "insert": {"thing": [{"id": 1}, {"id": 2}]},
    "schema": {"thing": {"primary_key": ["id"]}}, "hasMore": True,
})
"""


def test_a_report_before_any_sync_says_what_to_run(project: Make, harness: Run) -> None:
    project()
    code, written = harness("report")
    assert code == 3
    assert "nothing was synced yet" in written
    assert "python -m harness sync" in written


def test_the_top_says_how_the_last_run_went(project: Make, reported: Report) -> None:
    project()
    page = reported("sync")
    (top,) = page.all("header")
    assert "done" in top.text
    assert [tile.text for tile in page.all("dd")][::2][:2] == ["10", "4"], "rows and calls"
    assert "acme in function_app.py" in top.text


def test_a_table_has_its_columns_with_types_and_null_shares(
    project: Make, reported: Report
) -> None:
    project()
    page = reported("sync")
    assert "10 rows · key id" in page.section("table-thing")
    assert page.row("id") == "idkeySMALLINT0%"
    assert page.row("name") == "nameVARCHAR0%"
    assert page.row("maybe") == "maybeSMALLINT40%"
    assert page.row("_fivetran_synced").startswith("_fivetran_syncedFivetran’s own")


def test_a_table_shows_its_first_rows(project: Make, reported: Report) -> None:
    project()
    page = reported("sync")
    cells = [cell.text for cell in page.all("td", under="table-thing")]
    assert "The first 6 of 10 rows" in page.section("table-thing")
    assert {"name 0", "name 5", "null"} <= set(cells)
    assert "name 6" not in cells


def test_a_hashed_column_is_marked_and_its_values_are_hashes(
    project: Make, reported: Report
) -> None:
    project(hashed=["thing.email"])
    page = reported("sync")
    assert page.row("email") == "emailhashedVARCHAR0%"
    assert len(page.all("span", "hash")) == 6
    assert "@example.com" not in page.source


def test_what_is_blocked_is_named_and_shows_no_value(project: Make, reported: Report) -> None:
    project(blocked=["thing.note", "secret_table"])
    page = reported("sync")
    assert page.row("note").startswith("noteblocked: not written")
    assert "Blocked, not written: secret_table" in page.section("tables")
    assert "a private note" not in page.source


def test_rows_marked_as_deleted_are_marked(project: Make, reported: Report) -> None:
    project(DELETING)
    page = reported("sync")
    assert "2 rows, 1 of them deleted" in page.section("table-thing")
    assert "The last run: 2 new, 1 deleted." in page.section("table-thing")
    (row,) = page.all("tr", "deleted")
    assert row.text.startswith("1")


def test_the_time_line_has_a_box_for_each_call(project: Make, reported: Report) -> None:
    project()
    page = reported("sync")
    for kind in ("span-function", "span-load", "bar-rows", "bar-reply"):
        told = [box.text.splitlines()[0].split(" at ")[0] for box in page.all("rect", kind)]
        assert told == ["call 1", "call 2", "call 3", "call 4"], kind
    assert "10 rows, at most 3 rows a call" in page.section("calls")


def test_the_state_before_and_after_shows_what_differs(project: Make, reported: Report) -> None:
    project()
    page = reported("sync --calls 1", "sync")
    assert [mark.text.strip() for mark in page.all("del")] == ['"at": 3,']
    assert [mark.text.strip() for mark in page.all("ins")] == ['"at": 10,']
    assert page.section("state").count('"kept": "as it was"') == 2


def test_findings_stand_by_severity_with_rule_place_and_mend(
    project: Make, reported: Report
) -> None:
    project(
        "return reply({'state': {'token': secret}, 'hasMore': False, 'extra': 1,"
        "'insert': {'thing': [{'a': '2026-01-01T00:00:00'}]}})"
    )
    page = reported("sync")
    found = page.all("article", "finding")
    assert [finding.classes - {"finding"} for finding in found] == [
        {"error"},
        {"warning"},
        {"notice"},
        {"notice"},
    ]
    assert "secret-in-reply" in found[0].text
    assert "call 1: a secret stands in state" in found[0].text
    assert "call 1, insert.thing[0]: a 2026-01-01T00:00:00 has no offset" in found[-1].text
    assert "→ write the offset" in found[-1].text
    assert "ended with an error" in page.all("header")[0].text


def test_an_error_of_the_function_stands_at_the_top(project: Make, reported: Report) -> None:
    project(
        "return reply({'errorMessage': 'refused', 'errorType': 'Auth',"
        "'stackTrace': [['fetch.py', 12, 'thing', 'fetch.get()']]})"
    )
    page = reported("sync")
    (told,) = page.all("section", "problem")
    assert "refused" in told.text
    assert "Auth" in told.text
    assert "fetch.py:12 in thing" in told.text
    (box,) = page.all("rect", "span-lost")
    assert "refused" in box.text


def test_earlier_runs_are_listed_newest_first(project: Make, reported: Report) -> None:
    project()
    page = reported("sync --calls 1", "resync", "sync --calls 1")
    assert [cell.text for cell in page.all("td", under="runs")][1::8] == ["resync", "sync"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_run_that_was_killed_is_reported_with_the_calls_that_it_wrote(
    project: Make, reported: Report
) -> None:
    folder = project("import os, signal, time\nos.kill(os.getpid(), signal.SIGKILL)")
    command = [sys.executable, "-m", "harness", "sync"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(command, cwd=folder, env=environment, capture_output=True)
    page = reported()
    assert "it was killed" in page.all("header")[0].text


def test_data_stays_text(project: Make, reported: Report) -> None:
    """Markup in values, keys, columns, fields and errors shows as it is and makes no element."""
    project(HOSTILE)
    page = reported("sync")
    assert MARKUP in page.section("table-thing"), "in a row"
    assert MARKUP in page.all("section", "problem")[0].text, "in the error"
    assert MARKUP.replace('"', '\\"') in page.section("state"), "in the state"
    assert not page.all("script")
    assert not page.all("img")


def test_no_secret_stands_in_the_page(project: Make, reported: Report) -> None:
    folder = project(LEAKING)
    page = reported("sync")
    assert "[secret]" in page.section("table-thing")
    assert "refused [secret]" in page.source
    for form in (SECRET, json.dumps(SECRET)[1:-1], "s3cret-Ü&amp;+/tökén"):
        assert form not in page.source
    assert SECRET.encode() in (folder / ".fivetran/warehouse.duckdb").read_bytes(), "as delivered"


def test_the_page_needs_nothing_else_and_forbids_scripts(project: Make, reported: Report) -> None:
    project()
    page = reported("sync")
    names = {name for element in page.elements for name in element.attributes}
    assert not names & {"src", "href", "srcset", "action", "data"}
    assert not [name for name in names if name.startswith("on")]
    assert "url(" not in page.source and "@import" not in page.source
    (policy,) = [e for e in page.all("meta") if "http-equiv" in e.attributes]
    assert policy.attributes["content"].startswith("default-src 'none'; style-src")
    assert "prefers-color-scheme: dark" in page.all("style")[0].text


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_the_page_and_its_folder_are_for_their_owner_alone(project: Make, reported: Report) -> None:
    """The folder too where it was there before, open to others."""
    folder = project()
    home = folder / ".fivetran"
    home.mkdir(mode=0o755)
    reported("sync")
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / "report.html").stat().st_mode & 0o777 == 0o600


def test_out_names_the_file(project: Make, harness: Run) -> None:
    folder = project()
    harness("sync")
    code, written = harness("report", "--out", "shown/page.html", "--json")
    assert code == 0, written
    result = json.loads(written)
    assert Path(result["file"]) == Path("shown/page.html")
    assert (result["tables"], result["runs"]) == (["thing"], 1)
    assert (folder / "shown/page.html").read_text("utf-8").startswith("<!doctype html>")


def test_a_file_that_cannot_be_written_is_wrong_usage(project: Make, harness: Run) -> None:
    project()
    harness("sync")
    code, written = harness("report", "--out", "connection.json/page.html")
    assert code == 3
    assert "cannot be written" in written


def test_a_reset_forgets_the_runs(project: Make, reported: Report) -> None:
    project()
    page = reported("sync", "reset --yes")
    assert "No run is on record" in page.source
    assert "There are none yet." in page.section("tables")
