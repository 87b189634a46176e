"""docs/deploy.md on OpenTelemetry, followed to the letter, with Microsoft's own exporter."""

from __future__ import annotations

import gzip
import json
import re
import time
from pathlib import Path

from handmade import served
from werkzeug import Request, Response

PATIENCE_SECONDS = 60
# Sent at once, and nothing to Microsoft about the exporter itself.
AT_ONCE = {
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "OTEL_BLRP_SCHEDULE_DELAY": "100",
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
}


def follow(project: Path) -> dict[str, str]:
    """Do in the project's files what the page says, and give the app settings that it names."""
    page = (project / "docs" / "deploy.md").read_text(encoding="utf-8")
    said = re.findall(
        r"`([^`]+)`",
        page.partition("**OpenTelemetry**")[2].partition("**azure-functions-doctor")[0],
    )
    packages = [
        text for text in said if re.fullmatch(r"[a-z-]+opentelemetry[a-z-]*|opentel[a-z-]+", text)
    ]
    code = [text for text in said if "ThreadingInstrumentor" in text]
    assert (len(packages), len(code)) == (2, 2)
    for name, lines in (("requirements.txt", packages), ("fetch.py", code)):
        whole = "\n".join([*lines, (project / name).read_text(encoding="utf-8")])
        (project / name).write_text(whole, encoding="utf-8", newline="\n")
    (member,) = (text for text in said if text.startswith('"'))
    host = json.loads((project / "host.json").read_text(encoding="utf-8"))
    host |= json.loads(f"{{{member}}}")
    (project / "host.json").write_text(json.dumps(host), encoding="utf-8", newline="\n")
    return dict(text.split("=") for text in said if re.match(r"[A-Z_]+=", text))


def test_each_line_arrives_below_its_call(deploy):
    """Every log line with the text that it has, no span of a request, and no secret."""
    items = []

    def track(request: Request) -> Response:
        """As Application Insights answers: how many items came, and how many are kept."""
        if not request.path.endswith("/track"):
            return Response(status=404)  # live metrics
        body = request.get_data()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        came = json.loads(body)
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
        end = time.monotonic() + PATIENCE_SECONDS
        while len(lines()) < len(logged) and time.monotonic() < end:
            time.sleep(0.05)
    assert sorted(line["data"]["baseData"]["message"] for line in lines()) == sorted(logged)
    tags = [line["tags"] for line in lines()]
    below = {(each["ai.operation.id"], each["ai.operation.parentId"]) for each in tags}
    assert len(below) == calls > 3
    assert not [item for item in items if item["data"]["baseType"] == "RemoteDependencyData"]
    (secret,) = json.loads((deployed.project / "connection.json").read_text())["secrets"].values()
    assert secret not in json.dumps(items)
