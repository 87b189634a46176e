"""docs/deploy.md on OpenTelemetry, followed to the letter, with Microsoft's own exporter."""

import gzip
import json
import re
import time

from handmade import served
from werkzeug import Response

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
