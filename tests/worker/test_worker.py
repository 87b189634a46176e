"""Baked projects on Microsoft's own worker, and what docs/deploy.md says of their logs."""

import json
import re
from collections import Counter

import duckdb
import requests
from publish.pages import quoted, table


def rows(deployed, columns="id, note", where="TRUE"):
    """Columns of the table that the project's syncs filled."""
    path = deployed.project / ".fivetran" / "warehouse.duckdb"
    with duckdb.connect(str(path), read_only=True) as tables:
        query = f"SELECT {columns} FROM acme_connector.transaction WHERE {where}"
        return set(tables.execute(query).fetchall())


def upstreams(deployed):
    """Id and note of each record that the upstream has now."""
    return {(row["id"], row["note"]) for row in deployed.upstream.records("transaction")}


def page(project):
    text = (project / "docs" / "deploy.md").read_text("utf-8")
    return text.partition("## Logs and telemetry")[2]


def fields(project):
    """The fields that the page's table promises for each event."""
    found = [row for row in table(page(project)) if len(row) == 3]
    return {quoted(row[0])[0]: {"event", "sync_id", *quoted(row[2])} for row in found}


def parsed(line):
    """The pairs of a line; a quoted value is read as JSON."""
    pairs = re.findall(r'(?:^| )(\w+)=("(?:[^"\\]|\\.)*"|[^ "]*)(?= |$)', line)
    return {name: json.loads(text) if text.startswith('"') else text for name, text in pairs}


def test_a_default_project_is_called_as_fivetran_calls_it(deploy):
    """Loaded on Python 3.13, at the function's name below /api, for POST and with its key. It syncs
    in several calls and again after changes; a wrong secret is reported and shown nowhere."""
    deployed = deploy()
    trigger = deployed.ready["trigger"]
    assert (trigger["methods"], trigger["authLevel"]) == (["POST"], "FUNCTION")
    assert deployed.ready["url"].endswith("/api/acme_connector")
    assert deployed.ready["python"] == "3.13"
    right = json.loads((deployed.project / "connection.json").read_text("utf-8"))["secrets"]
    request = {"state": {}, "setup_test": True, "sync_id": "setup-test", "secrets": right}
    answer = requests.post(deployed.ready["url"], json=request, timeout=60)
    assert (answer.status_code, answer.json()) == (200, {"state": {}, "hasMore": False})
    assert answer.headers["Content-Type"].partition(";")[0] == "application/json"

    synced = deployed.harness("sync")
    assert rows(deployed) == upstreams(deployed)
    deployed.connect({"apiToken": "token-that-is-wrong"})
    error = deployed.harness("sync", code=1)["error"]["message"]
    assert "401" in error and "apiToken" in error
    assert "token-that-is-wrong" not in error + deployed.log_file.read_text("utf-8")

    log = deployed.log()
    lines, listed = [parsed(line["message"]) for line in log], fields(deployed.project)
    for line in lines:
        assert "sync_id" in line and line.keys() <= listed[line["event"]], line
    seen = Counter(line["event"] for line in lines)
    assert seen["request"] > 25 and seen["call"] > 5 and seen["trial_page"] == 1
    assert seen["failed"] and seen["error"]
    # Entities are read in threads of their own, and no line is lost to its invocation.
    assert {line["category"] for line in log} == {"connector"}
    assert len({line["invocation_id"] for line in log} - {""}) == seen["call"]
    pages = [line for line in lines if line["event"] == "page"]
    assert {(line["sync_id"], line["entity"]) for line in pages} == {
        (synced["sync_id"], "transaction")
    }
    assert sum(int(line["rows"]) for line in pages) == synced["rows"] == 2500
    assert all(int(line["bytes"]) > 0 and int(line["ms"]) >= 0 for line in pages)

    deployed.connect(right)
    before = upstreams(deployed)
    deployed.upstream.change(insert=5, update=7, delete=3, seed=1)
    assert deployed.harness("resync")["unseen"] == {"transaction": 3}
    assert rows(deployed, where="NOT _fivetran_deleted") == upstreams(deployed)
    gone = {number for number, _ in before} - {number for number, _ in upstreams(deployed)}
    assert {row[0] for row in rows(deployed, "id", "_fivetran_deleted")} == gone


def test_every_event_of_the_runtime_is_listed(bake):
    """What a sync seldom logs stands in the table too, and nothing that is never logged."""
    code = [path.read_text("utf-8") for path in bake().glob("connector/**/*.py")]
    written = {
        event
        for text in code
        for call in re.findall(r'\b(?:line|log|log_warning)\(\s*("\w+"(?: if [^,]+)?)', text)
        for event in re.findall(r'"(\w+)"', call)
    }
    assert written - {"step"} == set(fields(bake()))


def test_no_line_is_left_out_of_the_sums_that_the_page_shows(bake):
    host = json.loads((bake() / "host.json").read_text("utf-8"))
    sampling = host["logging"]["applicationInsights"]["samplingSettings"]
    assert "Trace" in sampling["excludedTypes"].split(";")
