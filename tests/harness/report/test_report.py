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
from handmade import SECRET

Make = Callable[..., Path]
Run = Callable[..., tuple[int, str]]
Report = Callable[..., Any]


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
    "insert": {"thing": [{"id": secret, "name": "Bearer " + secret, "list": [secret],
                          "cut": "x" * 112 + secret}]},
    "schema": {"thing": {"primary_key": ["id"]}},
    "hasMore": True,
})
"""


def test_the_last_run_its_tables_and_the_state_are_shown(project: Make, reported: Report) -> None:
    project(blocked=["thing.note", "secret_table"], hashed=["thing.email"])
    page = reported("sync --calls 3")
    (top,) = page.all("header")
    assert "stopped by --calls" in top.text and "function_app.py" in top.text
    assert [tile.text for tile in page.all("dd")][::2][:2] == ["9", "3"], "rows and calls"
    assert "9 rows · key id" in page.section("table-thing")
    assert page.row("id") == "idkeySMALLINT0%"
    assert page.row("maybe") == "maybeSMALLINT33%"
    assert page.row("email") == "emailhashedVARCHAR0%"
    assert page.row("note").startswith("noteblocked: not written")
    assert page.row("_fivetran_synced").startswith("_fivetran_syncedadded by Fivetran")
    assert "Blocked, not written: secret_table" in page.section("tables")
    assert "The first 6 of 9 rows" in page.section("table-thing")
    cells = [cell.text for cell in page.all("td", under="table-thing")]
    assert {"name 0", "name 5", "null"} <= set(cells) and "name 6" not in cells
    assert len(page.all("span", "hash")) == 6
    assert "@example.com" not in page.source and "a private note" not in page.source
    assert '"at": 9' in page.section("state")
    places = [
        [(box.attributes["x"], box.attributes["width"]) for box in page.all("rect", kind)]
        for kind in ("span-function", "bar-rows", "bar-reply")
    ]
    assert len(places[0]) == 3 and places[0] == places[1] == places[2]


def test_deleted_rows_are_marked_and_the_columns_of_a_wide_table_are_folded(
    project: Make, reported: Report
) -> None:
    project("""
        rows = [{"id": n, **{f"c{i}": i for i in range(40)}} for n in (1, 2)]
        done = {"delete": {"thing": [{"id": 1}]}} if at else {"insert": {"thing": rows}}
        return reply({"state": {"at": at + 1}, "hasMore": not at,
                      "schema": {"thing": {"primary_key": ["id"]}}, **done})
    """)
    page = reported("sync")
    assert "2 rows, 1 of them deleted" in page.section("table-thing")
    (row,) = page.all("tr", "deleted")
    assert row.text.startswith("1")
    assert "43 columns" in [each.text for each in page.all("summary", under="table-thing")]


def test_the_file_is_named_or_the_command_says_why_there_is_none(
    project: Make, harness: Run, reported: Report
) -> None:
    folder = project()
    code, written = harness("report")
    assert code == 3 and "nothing was synced yet" in written and "harness sync" in written
    harness("sync")
    code, written = harness("report", "--out", "shown/page.html", "--json")
    assert (code, Path(json.loads(written)["file"])) == (0, Path("shown/page.html"))
    assert (folder / "shown/page.html").read_text("utf-8").startswith("<!doctype html>")
    code, written = harness("report", "--out", "connection.json/page.html")
    assert code == 3 and "cannot be written" in written
    page = reported("reset --yes")
    assert "No run is recorded yet" in page.source and "No tables yet." in page.source


def test_the_page_needs_nothing_else_and_forbids_scripts(project: Make, reported: Report) -> None:
    project()
    page = reported("sync")
    names = {name for element in page.elements for name in element.attributes}
    assert not names & {"src", "href", "srcset", "action", "data"}
    assert not [name for name in names if name.startswith("on")]
    assert "url(" not in page.source and "@import" not in page.source
    (policy,) = [e for e in page.all("meta") if "http-equiv" in e.attributes]
    assert policy.attributes["content"].startswith("default-src 'none'; style-src")


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
    for form in (SECRET[:6], json.dumps(SECRET)[1:-1], "s3cret-Ü&amp;+/tökén"):
        assert form not in page.source
    assert SECRET.encode() in (folder / ".fivetran/warehouse.duckdb").read_bytes(), "as delivered"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_the_page_and_its_folder_are_for_their_owner_alone(project: Make, reported: Report) -> None:
    """The folder too where it was there before, open to others."""
    folder = project()
    home = folder / ".fivetran"
    home.mkdir(mode=0o755)
    reported("sync")
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / "report.html").stat().st_mode & 0o777 == 0o600


def test_a_run_of_many_calls_has_a_bar_for_several(project: Make, reported: Report) -> None:
    project("""
        return reply({"state": {"at": at + 1}, "insert": {"thing": [{"id": at}]},
                      "schema": {"thing": {"primary_key": ["id"]}}, "hasMore": at < 259})
    """)
    page = reported("sync")
    assert 100 <= len(page.all("rect", "bar-rows")) <= 250
    assert page.all("rect", "bar-rows")[0].text.startswith("calls 1 to 2")


def test_findings_stand_by_severity_with_place_and_advice(project: Make, reported: Report) -> None:
    project(
        "return reply({'state': {'token': secret}, 'hasMore': False, 'extra': 1,"
        "'insert': {'thing': [{'a': '2026-01-01T00:00:00'}]}})"
    )
    page = reported("sync")
    found = page.all("article", "finding")
    severities = [next(iter(each.classes - {"finding"})) for each in found]
    assert severities == sorted(severities, key=["error", "warning", "notice"].index)
    assert "secret-in-reply" in found[0].text
    assert "Fivetran" in found[0].text
    assert "→" in found[0].text
    assert page.all("header")[0].text.count("done") == 0


def test_a_failed_run_shows_its_calls_and_its_error(project: Make, reported: Report) -> None:
    project(
        "if at == 6:\n    return reply({'errorMessage': 'refused'})\n"
        "return reply({'state': {'at': at + 3}, 'insert': {'thing': [{'id': at}]},"
        "'schema': {'thing': {'primary_key': ['id']}}, 'hasMore': True})"
    )
    page = reported("sync")
    (problem,) = page.all("section", "problem")
    assert "refused" in problem.text
    (box,) = page.all("rect", "span-lost")
    assert "refused" in box.text
    assert len(page.all("rect", "span-function")) == 2


def test_earlier_runs_can_be_opened(project: Make, reported: Report) -> None:
    """The newest first, each with its calls and findings; a setup test is a run too."""
    project()
    page = reported("test", "resync", "sync --calls 1")
    runs = [each.text.split("·")[1].split()[0] for each in page.all("summary", under="runs")]
    assert runs == ["resync", "test"]
    assert len(page.all("table", "numbers", under="runs")) == 2


def test_rows_that_a_resync_did_not_bring_are_counted(project: Make, reported: Report) -> None:
    folder = project()
    page = reported("sync")
    code = folder / "function_app.py"
    code.write_text(code.read_text("utf-8").replace("10)", "8)").replace("< 10", "< 8"), "utf-8")
    page = reported("resync")
    assert "thing: 2 rows did not come again: marked as deleted" in page.source.replace(
        "<code>", ""
    ).replace("</code>", "")
