"""docs/deploy.md on OpenTelemetry, followed to the letter, with Microsoft's own exporter."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import threading
from pathlib import Path
from typing import Any

from handmade import served
from harness.sample import load
from publish.conftest import Bake
from werkzeug import Request, Response
from worker.conftest import Deployment, Fronts, connect

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


class Ingestion:
    """Keeps what Application Insights would be sent."""

    def __init__(self) -> None:
        self._items: list[Any] = []
        self._more = threading.Condition()

    def take(self, request: Request) -> Response:
        """Answer as the service does: how many items came, and how many are kept."""
        if not request.path.endswith("/track"):
            return Response(status=404)  # live metrics
        body = request.get_data()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        items = json.loads(body)
        with self._more:
            self._items += items
            self._more.notify_all()
        said = {"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []}
        return Response(json.dumps(said), content_type="application/json")

    def lines(self, count: int) -> list[Any]:
        """The log lines, once there are so many; or in the end whatever has come."""
        with self._more:
            self._more.wait_for(lambda: len(self._lines()) >= count, PATIENCE_SECONDS)
            return self._lines()

    def _lines(self) -> list[Any]:
        kinds = [item["data"]["baseType"] for item in self._items]
        assert "RemoteDependencyData" not in kinds, "a request has a span"
        return [
            item for item, kind in zip(self._items, kinds, strict=True) if kind == "MessageData"
        ]


def test_each_line_arrives_below_its_call(bake: Bake, front: Fronts, tmp_path: Path) -> None:
    """Every log line with the text that it has, no span of a request, and no secret."""
    project = shutil.copytree(bake(auth="api_key_query"), tmp_path / "project")
    settings = follow(project)
    sample, azure = load(project), Ingestion()
    (secret,) = sample.secrets().values()
    connect(project, sample.secrets())
    key = "InstrumentationKey=00000000-0000-0000-0000-000000000001"
    with served(azure.take) as url, sample.serve() as upstream:
        connection = f"{key};IngestionEndpoint={url}/;LiveEndpoint={url}/"
        given = {"APPLICATIONINSIGHTS_CONNECTION_STRING": connection, **settings, **AT_ONCE}
        given |= {"UPSTREAM_BASE_URL": upstream.url, "CONNECTOR_CALL_BYTES": "150000"}
        with front(project, **given) as app:
            assert app.capabilities["WorkerOpenTelemetryEnabled"] == "true"
            calls = Deployment(app, project, upstream).harness("sync")["calls"]
            logged = [line["message"] for line in app.log() if line["category"] == "connector"]
            lines = azure.lines(len(logged))
    assert sorted(line["data"]["baseData"]["message"] for line in lines) == sorted(logged)
    below = {
        (line["tags"]["ai.operation.id"], line["tags"]["ai.operation.parentId"]) for line in lines
    }
    assert len(below) == calls > 3
    assert secret not in json.dumps(lines)
