"""Logs and telemetry in docs/deploy.md: its table of events and its queries, against a real log."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from publish.conftest import Bake
from publish.pages import fenced, quoted, table
from worker.conftest import Deployment, connect


def page(project: Path) -> str:
    text = (project / "docs" / "deploy.md").read_text(encoding="utf-8")
    return text.partition("## Logs and telemetry")[2]


def fields(project: Path) -> dict[str, set[str]]:
    """The fields that the page's table promises for each event."""
    rows = [row for row in table(page(project)) if len(row) == 3]
    return {quoted(row[0])[0]: {"event", "sync_id", *quoted(row[2])} for row in rows}


def parsed(line: str) -> dict[str, str]:
    """The pairs of a line; a quoted value is read as JSON."""
    pairs = re.findall(r'(?:^| )(\w+)=("(?:[^"\\]|\\.)*"|[^ "]*)(?= |$)', line)
    return {name: json.loads(text) if text.startswith('"') else text for name, text in pairs}


def test_every_line_has_the_fields_that_the_page_lists(deploy: Callable[..., Deployment]) -> None:
    """Each line is of an event in the table; the lines of pages count what was delivered."""
    deployed = deploy(CONNECTOR_CALL_BYTES="150000")
    deployed.harness("test")
    synced = deployed.harness("sync")
    connect(deployed.project, {"apiToken": "token-that-is-wrong"})
    deployed.harness("sync", code=1)
    lines = [parsed(line["message"]) for line in deployed.front.log() if not line["system"]]
    listed = fields(deployed.project)
    for line in lines:
        assert "sync_id" in line and line.keys() <= listed[line["event"]], line
    seen = Counter(line["event"] for line in lines)
    assert seen["request"] > 25 and seen["call"] and seen["failed"] and seen["error"]
    pages = [line for line in lines if line["event"] == "page"]
    assert {(line["sync_id"], line["entity"]) for line in pages} == {
        (synced["sync_id"], "transaction")
    }
    assert sum(int(line["rows"]) for line in pages) == synced["rows"] == 2500
    assert all(int(line["bytes"]) > 0 and int(line["ms"]) >= 0 for line in pages)


def test_every_event_of_the_runtime_is_listed(bake: Bake) -> None:
    """What a sync seldom logs stands in the table too, and nothing that is never logged."""
    code = [path.read_text(encoding="utf-8") for path in bake().glob("connector/**/*.py")]
    written = {
        event
        for text in code
        for call in re.findall(r'\b(?:line|log|log_warning)\(\s*("\w+"(?: if [^,]+)?)', text)
        for event in re.findall(r'"(\w+)"', call)
    }
    assert written - {"step"} == set(fields(bake()))


def test_every_query_asks_for_what_is_logged(bake: Bake) -> None:
    """Each parse-kv takes fields of its events, and traces are not sampled."""
    queries = fenced(page(bake()), "kusto")
    assert len(queries) == 3
    for query in queries:
        events = re.findall(r'startswith "event=(\w+) "', query)
        for columns in re.findall(r"parse-kv message as \(([^)]*)\)", query):
            names = set(re.findall(r"(\w+): (?:string|long)", columns))
            assert names and all(names <= fields(bake())[event] for event in events), query
    host = json.loads((bake() / "host.json").read_text(encoding="utf-8"))
    sampling = host["logging"]["applicationInsights"]["samplingSettings"]
    assert "Trace" in sampling["excludedTypes"].split(";")
