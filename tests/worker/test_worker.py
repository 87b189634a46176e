"""Baked projects on Microsoft's own worker, and what docs/deploy.md says of their logs."""

import gzip
import json
import re
import time
from collections import Counter

import duckdb
import requests
from handmade import served
from publish.pages import quoted, table
from werkzeug import Response


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
    assert all(line["invocation_id"] for line in log)
    assert len({line["invocation_id"] for line in log}) == seen["call"]
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


# ---- OpenTelemetry, with Microsoft's own exporter

# Sent at once, and nothing to Microsoft about the exporter itself.
AT_ONCE = {
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "OTEL_BLRP_SCHEDULE_DELAY": "100",
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
}


def follow(project):
    """Do in the project's files what the page says, and give the app settings that it names."""
    page = (project / "docs" / "deploy.md").read_text("utf-8")
    page = page.partition("**OpenTelemetry**")[2].partition("**azure-functions-doctor")[0]
    said = [text for text in re.findall(r"`([^`]+)`", page) if not text.endswith((".json", ".txt"))]
    (member,) = (text for text in said if text.startswith('"'))
    settings = [text for text in said if re.match(r"[A-Z_]+=", text)]
    code = [text for text in said if "ThreadingInstrumentor" in text]
    packages = {*said} - {member, "fetch.py", *settings, *code}
    assert (len(packages), len(code), len(settings)) == (2, 2, 3)
    for name, lines in (("requirements.txt", packages), ("fetch.py", code)):
        path = project / name
        path.write_text("\n".join([*lines, path.read_text("utf-8")]), encoding="utf-8")
    host = json.loads((project / "host.json").read_text("utf-8")) | json.loads(f"{{{member}}}")
    (project / "host.json").write_text(json.dumps(host), encoding="utf-8")
    return dict(text.split("=") for text in settings)


def test_each_line_arrives_below_its_call(deploy):
    """Every log line with the text that it has, no span of a request, and no secret."""
    items = []

    def track(request):
        """As Application Insights answers: how many items came, and how many are kept."""
        if not request.path.endswith("/track"):
            return Response(status=404)  # live metrics
        body, packed = request.get_data(), request.headers.get("Content-Encoding") == "gzip"
        came = json.loads(gzip.decompress(body) if packed else body)
        items.extend(came)
        said = {"itemsReceived": len(came), "itemsAccepted": len(came), "errors": []}
        return Response(json.dumps(said), content_type="application/json")

    def lines():
        return [item for item in items if item["data"]["baseType"] == "MessageData"]

    with served(track) as url:
        key = "InstrumentationKey=00000000-0000-0000-0000-000000000001"
        connection = f"{key};IngestionEndpoint={url}/;LiveEndpoint={url}/"
        settings = {"APPLICATIONINSIGHTS_CONNECTION_STRING": connection, **AT_ONCE}
        deployed = deploy(lambda project: settings | follow(project), auth="api_key_query")
        assert deployed.ready["capabilities"]["WorkerOpenTelemetryEnabled"] == "true"
        calls = deployed.harness("sync")["calls"]
        logged = [each["message"] for each in deployed.log() if each["category"] == "connector"]
        end = time.monotonic() + 60
        while len(lines()) < len(logged) and time.monotonic() < end:
            time.sleep(0.05)
    assert sorted(line["data"]["baseData"]["message"] for line in lines()) == sorted(logged)
    tags = [line["tags"] for line in lines()]
    below = {(each["ai.operation.id"], each["ai.operation.parentId"]) for each in tags}
    assert len(below) == calls > 3
    assert "RemoteDependencyData" not in {item["data"]["baseType"] for item in items}
    form = json.loads((deployed.project / "connection.json").read_text("utf-8"))
    assert not [key for key in form["secrets"].values() if key in json.dumps(items)]
