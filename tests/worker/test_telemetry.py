"""docs/telemetry.md: its queries and its table of fields, against what is logged in the worker."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from worker.conftest import Bake, Deployment, connect
from worker.kusto import faults, operators

Deploy = Callable[..., Deployment]


def queries(project: Path) -> list[str]:
    """The queries of the page, in its order."""
    page = (project / "docs" / "telemetry.md").read_text(encoding="utf-8")
    return re.findall(r"```kusto\n(.*?)```", page, re.DOTALL)


def guides_query(project: Path) -> str:
    """The query of docs/deploy.md's command."""
    page = (project / "docs" / "deploy.md").read_text(encoding="utf-8")
    (query,) = re.findall(r'--analytics-query "([^"]*)"$', page, re.M)
    return query


def fields(project: Path) -> dict[str, set[str]]:
    """The fields that the page's table promises for each event."""
    page = (project / "docs" / "telemetry.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| `")]
    return {
        row[0].strip(" `"): {"event", "sync_id", *re.findall(r"`(\w+)`", row[2])} for row in rows
    }


def messages(deployed: Deployment) -> list[str]:
    """What the customer's log got, oldest first."""
    return [line["message"] for line in deployed.front.log() if not line["system"]]


@pytest.mark.parametrize(
    "answers",
    [{}, {"deletes": "soft_delete", "cursor_field": ""}],
    ids=["default", "soft_delete"],
)
def test_the_table_counts_what_was_delivered(deploy: Deploy, answers: dict[str, str]) -> None:
    """Rows, pages and milliseconds per sync and entity come out of the first query's columns."""
    deployed = deploy(answers, CONNECTOR_CALL_BYTES="150000")
    synced = deployed.harness("sync")
    query = queries(deployed.project)[0]
    assert 'startswith "event=page "' in query
    assert "rows = sum(rows), pages = count()" in query
    assert "by sync_id, entity" in query
    (parse,) = operators(query)
    table = [parse(text) for text in messages(deployed) if text.startswith("event=page ")]
    assert {(row["sync_id"], row["entity"]) for row in table} == {
        (synced["sync_id"], "transaction")
    }
    assert len(table) == 25
    assert sum(int(row["rows"] or 0) for row in table) == 2500
    assert all(isinstance(row[name], int) for row in table for name in ("rows", "bytes", "ms"))


def test_every_column_of_every_query_is_logged(deploy: Deploy) -> None:
    """No query asks for a field that its lines do not have, nor for a number that is none."""
    deployed = deploy()
    deployed.harness("sync")
    connect(deployed.project, {"apiToken": "token-that-is-wrong"})
    deployed.harness("sync", code=1)
    said = messages(deployed)
    for query in queries(deployed.project):
        wanted = re.findall(r'startswith "(event=\w+ )"', query) or ["event="]
        (parse,) = operators(query)
        rows = [parse(text) for text in said if text.startswith(tuple(wanted))]
        assert rows, query
        present = {name for row in rows for name, value in row.items() if value not in ("", None)}
        assert present | {"attempt"} >= set(parse.types), query


def test_every_line_has_the_fields_that_the_page_lists(deploy: Deploy) -> None:
    """Each line is of an event in the page's table, and its fields stand there, sync_id first."""
    deployed = deploy()
    deployed.harness("test")
    deployed.harness("sync")
    connect(deployed.project, {"apiToken": "token-that-is-wrong"})
    deployed.harness("sync", code=1)
    listed = fields(deployed.project)
    seen: Counter[str] = Counter()
    for text in messages(deployed):
        names = re.findall(r'(?:^| )(\w+)=(?:"(?:[^"\\]|\\.)*"|[^ "]*)(?= |$)', text)
        event = text.removeprefix("event=").partition(" ")[0]
        assert names[0] == "event", text
        assert "sync_id" in names, text
        assert set(names) <= listed[event], text
        seen[event] += 1
    assert seen["request"] > 25 and seen["page"] == 25 and seen["call"] and seen["failed"]


def test_every_event_of_the_runtime_is_listed(bake: Bake) -> None:
    """What a sync seldom logs stands in the table too, and nothing that is never logged."""
    written = set()
    writers = ("line", "log", "log_warning")
    for path in (bake() / "connector").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            if ast.unparse(node.func).rpartition(".")[2] in writers:
                constants = [n for n in ast.walk(node.args[0]) if isinstance(n, ast.Constant)]
                written |= {n.value for n in constants if isinstance(n.value, str)}
    assert written - {"step"} == set(fields(bake()))


def test_every_query_is_kusto(bake: Bake) -> None:
    """Its operators and functions are Kusto's, its columns are there at that point of it."""
    all_of_them = [*queries(bake()), guides_query(bake())]
    assert len(all_of_them) == 5
    assert [fault for query in all_of_them for fault in faults(query)] == []


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("| order by", "| orderby"),
        ("| summarize", "| summarise"),
        ("percentile(ms", "percentile(millis"),
        ("percentile(ms", "percentil(ms"),
        ("ago(", "before("),
        ("message startswith", "message beginswith"),
        ("message startswith", "text startswith"),
        ("parse-kv message", "parse-kv text"),
        ("ms: long", "ms: number"),
        ("by entity, status", "by entity, state"),
        ("order by timestamp", "order by ms"),
        ("traces", "trace"),
    ],
)
def test_what_is_no_kusto_is_found(bake: Bake, good: str, bad: str) -> None:
    """The last query is one; with another name in it, it is none."""
    query = queries(bake())[-1]
    assert good in query and faults(query) == []
    assert faults(query.replace(good, bad, 1))


def test_no_line_is_lost_to_sampling(bake: Bake) -> None:
    """What the page's sums rely on: host.json leaves traces out of it."""
    host = json.loads((bake() / "host.json").read_text(encoding="utf-8"))
    sampling = host["logging"]["applicationInsights"]["samplingSettings"]
    assert not sampling["isEnabled"] or "Trace" in sampling["excludedTypes"].split(";")


def test_quoted_values_are_read_back() -> None:
    """A text with spaces, quotes and delimiters comes back as it was, beside its neighbours."""
    from connector.log import line

    why = 'GET https://api.example.com/a?b=c answered 400: {"error": "no \\ such thing"}'
    written = line("failed", sync_id="1", entity="order", why=why, page=3)
    query = """| parse-kv message as (event: string, entity: string, why: string, page: long)
        with (pair_delimiter=" ", kv_delimiter="=", quote='"', escape="\\\\")"""
    (parse,) = operators(query)
    assert parse(written) == {"event": "failed", "entity": "order", "why": why, "page": 3}
