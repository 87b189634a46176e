"""docs/opentelemetry.md, followed to the letter, in Microsoft's worker with its own exporter."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from harness.sample import load
from publish.test_opentelemetry import follow
from worker import ingestion
from worker.conftest import Bake, Deployment, Fronts, connect

# Sent at once, and nothing to Microsoft about the exporter itself.
AT_ONCE = {
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "OTEL_BLRP_SCHEDULE_DELAY": "100",
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
}


def of_kind(items: list[Any], kind: str) -> list[Any]:
    """The contents of all items of a kind, each with the ids of its call."""
    return [
        {**item["data"]["baseData"], **item["tags"]}
        for item in items
        if item["data"]["baseType"] == kind
    ]


def test_each_request_and_each_line_arrives_below_its_call(
    bake: Bake, front: Fronts, tmp_path: Path
) -> None:
    """A span for every request, in none the secret; every log line with the text that it has."""
    project = shutil.copytree(bake(auth="api_key_query"), tmp_path / "project")
    settings = follow(project)
    sample = load(project)
    (secret,) = sample.secrets().values()
    connect(project, sample.secrets())
    with (
        ingestion.serve() as azure,
        sample.serve() as upstream,
        front(
            project,
            UPSTREAM_BASE_URL=upstream.url,
            CONNECTOR_CALL_BYTES="150000",
            APPLICATIONINSIGHTS_CONNECTION_STRING=azure.connection,
            **settings,
            **AT_ONCE,
        ) as app,
    ):
        assert app.capabilities["WorkerOpenTelemetryEnabled"] == "true"
        calls = Deployment(app, project, upstream).harness("sync")["calls"]
        requests = len(upstream.requests)
        logged = [line["message"] for line in app.log() if line["category"] == "connector"]
        items = azure.items(
            lambda items: (
                len(of_kind(items, "RemoteDependencyData")) >= requests
                and len(of_kind(items, "MessageData")) >= len(logged)
            )
        )
    spans, lines = of_kind(items, "RemoteDependencyData"), of_kind(items, "MessageData")
    assert {span["data"] for span in spans} == {f"{upstream.url}/transactions"}
    assert len(spans) == requests and calls > 3
    assert sorted(line["message"] for line in lines) == sorted(logged)
    below = {(span["ai.operation.id"], span["ai.operation.parentId"]) for span in spans}
    assert len(below) == calls
    assert {(line["ai.operation.id"], line["ai.operation.parentId"]) for line in lines} == below
    assert secret not in json.dumps(items)
    host = json.loads((project / "host.json").read_text(encoding="utf-8"))
    assert host["telemetryMode"] == "OpenTelemetry"  # what the host goes by
