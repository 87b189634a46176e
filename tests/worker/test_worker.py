"""Baked projects on Microsoft's own worker: Python 3.13, real messages, synced over HTTP."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import requests
from publish.conftest import Bake
from worker import tenants
from worker.conftest import KEY, Deployment, Fronts, connect, start_harness

Deploy = Callable[..., Deployment]

ANSWERS = {
    "default": {},
    "oauth2": {"auth": "oauth2_client_credentials"},
    "api_key_query-next_url-records": {
        "auth": "api_key_query",
        "pagination": "next_url",
        "deletes": "records",
    },
}
every_answer = pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS.keys())
SETUP_TEST = {"agent": "test", "state": {}, "setup_test": True, "sync_id": "setup-test"}


def rows(project: Path, columns: str, where: str = "TRUE") -> set[tuple[Any, ...]]:
    """Columns of the table that the project's syncs filled."""
    path = project / ".fivetran" / "warehouse.duckdb"
    with duckdb.connect(str(path), read_only=True) as tables:
        query = f"SELECT {columns} FROM acme_connector.transaction WHERE {where}"
        return set(tables.execute(query).fetchall())


def upstreams(deployed: Deployment) -> set[tuple[Any, ...]]:
    """Id and note of each record that the upstream has now."""
    return {(row["id"], row["note"]) for row in deployed.upstream.records("transaction")}


@every_answer
def test_a_sync_of_several_calls_brings_every_row(deploy: Deploy, answers: dict[str, str]) -> None:
    """Indexed, loaded and invoked by the worker on Python 3.13, at the address that Fivetran calls.

    A small reply budget cuts the sync into calls. Entities are read in threads of their own, and
    none of their lines is lost to the invocation.
    """
    deployed = deploy(answers, CONNECTOR_CALL_BYTES="150000")
    assert deployed.front.url.endswith("/api/acme_connector")
    assert deployed.front.python == "3.13"
    assert deployed.harness("test")["tries"] == 1
    synced = deployed.harness("sync")
    assert synced["calls"] > 3
    assert synced["rows"] == 2500
    assert rows(deployed.project, "id, note") == upstreams(deployed)
    lines = [line for line in deployed.front.log() if not line["system"]]
    assert len(lines) > 25
    assert all(line["category"] == "connector" and line["invocation_id"] for line in lines)


def test_a_resync_marks_what_is_gone(deploy: Deploy) -> None:
    """What the upstream no longer has when everything is read again is marked as deleted."""
    deployed = deploy()
    deployed.harness("sync")
    before = upstreams(deployed)
    deployed.upstream.change(insert=5, update=7, delete=3, seed=1)
    resynced = deployed.harness("resync")
    assert resynced["unseen"] == {"transaction": 3}
    assert rows(deployed.project, "id, note", "NOT _fivetran_deleted") == upstreams(deployed)
    assert {row[0] for row in rows(deployed.project, "id", "_fivetran_deleted")} == {
        number for number, _ in before
    } - {number for number, _ in upstreams(deployed)}


def test_a_wrong_secret_is_reported_and_the_next_sync_goes_on(deploy: Deploy) -> None:
    """The report reaches the harness, its secret reaches no log, and the next sync goes on."""
    deployed = deploy()
    right = json.loads((deployed.project / "connection.json").read_text(encoding="utf-8"))
    connect(deployed.project, {"apiToken": "token-that-is-wrong"})
    error = deployed.harness("sync", code=1)["error"]["message"]
    assert "401" in error and "apiToken" in error
    assert "token-that-is-wrong" not in error + deployed.front.log_file.read_text("utf-8")
    connect(deployed.project, right["secrets"])
    assert deployed.harness("sync")["rows"] == 2500


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "", {"x-functions-key": KEY}, 200),
        ("POST", f"?code={KEY}", {}, 200),
        ("POST", f"?code={KEY}", {"x-functions-key": "wrong"}, 401),
        ("POST", "", {}, 401),
        ("GET", "", {"x-functions-key": KEY}, 404),
        ("POST", "_too", {"x-functions-key": KEY}, 404),
    ],
    ids=["key in header", "key in query", "header wins", "no key", "wrong method", "wrong route"],
)
def test_key_route_and_method_are_those_of_fivetran(
    deployed: Deployment, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """The function answers POST on its name below /api, with its key, and nothing else."""
    secrets = json.loads((deployed.project / "connection.json").read_text("utf-8"))["secrets"]
    body = {**SETUP_TEST, "secrets": secrets}
    url = deployed.front.url + path
    answer = requests.request(method, url, json=body, headers=headers, timeout=60)
    assert answer.status_code == status
    if status == 200:
        assert answer.headers["Content-Type"].partition(";")[0] == "application/json"
        assert answer.json() == {"state": {}, "hasMore": False}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"state": 1}', '{"ä'.encode("latin-1")])
def test_a_body_that_is_no_request_is_explained(deployed: Deployment, body: bytes) -> None:
    """It gets 400 with an error report, where an unhandled exception would be an empty 500."""
    answer = requests.post(
        deployed.front.url, data=body, headers={"x-functions-key": KEY}, timeout=60
    )
    assert answer.status_code == 400
    assert answer.json()["errorMessage"]


def test_two_connections_at_once_do_not_meet(bake: Bake, front: Fronts, tmp_path: Path) -> None:
    """Side by side in one process, each gets its own tenant's rows, and its own log lines."""
    projects = {}
    for token, tenant in tenants.TOKENS.items():
        projects[tenant] = shutil.copytree(bake(), tmp_path / tenant)
        connect(projects[tenant], {"apiToken": token})
    with tenants.serve() as url, front(bake(), UPSTREAM_BASE_URL=url) as app:
        running = {
            tenant: start_harness(project, app, "sync") for tenant, project in projects.items()
        }
        said = {tenant: process.communicate()[0] for tenant, process in running.items()}
        log = app.log()
    for tenant, project in projects.items():
        assert json.loads(said[tenant])["rows"] == tenants.ROWS
        assert rows(project, "owner") == {(tenant,)}
    syncs = {json.loads(text)["sync_id"] for text in said.values()}
    calls = [
        (line["invocation_id"], sync)
        for line in log
        for sync in syncs
        if f"sync_id={sync}" in line["message"]
    ]
    assert {sync for _, sync in calls} == syncs
    assert len(set(calls)) == len({invocation for invocation, _ in calls})
    assert not any(token in json.dumps(log) for token in tenants.TOKENS)
