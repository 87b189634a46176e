"""The server is a real one: it keeps connections, dates its answers, and ends with its context."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import harness
import pytest
import requests


def test_a_connection_serves_many_requests(upstream):
    connections = set()
    for _ in range(3):
        with upstream.session.get(f"{upstream.server.url}/transactions", stream=True) as response:
            connections.add(response.raw.connection.sock.getsockname())
            response.content  # noqa: B018
    assert len(connections) == 1


def test_answers_carry_what_a_real_server_sends(upstream):
    headers = upstream.get().headers
    assert headers["Content-Type"] == "application/json"
    assert headers["Date"].endswith(" GMT")
    assert "Connection" not in headers


def test_requests_are_listed_with_their_status(upstream):
    upstream.get(limit=3)
    upstream.get("/orders")
    assert upstream.server.requests == [("GET", "/transactions", 200), ("GET", "/orders", 404)]


def test_requests_are_served_side_by_side(upstream):
    statuses = []
    threads = [
        threading.Thread(
            target=lambda: statuses.append(
                requests.get(f"{upstream.server.url}/transactions", timeout=10).status_code
            )
        )
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 16


def test_nothing_answers_after_the_end(serve):
    with serve() as upstream:
        url = f"{upstream.server.url}/transactions"
        session = requests.Session()
        assert session.get(url, timeout=10).status_code == 200
    with session, pytest.raises(requests.ConnectionError):
        session.get(url, timeout=10)


def test_two_servers_of_one_sample_have_records_of_their_own(serve):
    with serve(records=3) as upstream, upstream.sample.serve() as other:
        other.change(insert=2)
        assert len(upstream.server.records("transaction")) == 3
        assert len(other.records("transaction")) == 5


def test_a_head_request_is_answered_without_a_body(upstream):
    response = upstream.session.head(f"{upstream.server.url}/transactions", timeout=10)
    assert (response.status_code, response.content) == (405, b"")
    assert upstream.get().status_code == 200


def start(*options):
    """`python -m harness.sample` in a process of its own."""
    project = str(Path(harness.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-m", "harness.sample", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": project, "PYTHONUNBUFFERED": "1"},
    )


def test_it_stands_alone_and_says_how_to_use_it(serve, tmp_path):
    with serve(auth={"kind": "bearer", "secrets": ["apiToken"]}, records=3) as upstream:
        secret = upstream.sample.secrets()["apiToken"]
    process = start("--file", str(tmp_path / "sample.toml"), "--port", "0")
    with process:
        try:
            lines = [line.rstrip() for line in iter(process.stdout.readline, "Ctrl+C ends it.\n")]
            url = lines[0].removeprefix("The sample upstream is at ")
            headers = {"Authorization": f"Bearer {secret}"}
            response = requests.get(f"{url}/transactions", headers=headers, timeout=10)
        finally:
            process.terminate()
    assert response.status_code == 200
    assert lines[1:] == [
        "  GET /transactions  3 records of transaction",
        "",
        f"A function reads from it with the app setting UPSTREAM_BASE_URL={url}",
        "and these made-up secrets (it wants Authorization: Bearer <apiToken>):",
        f"  apiToken = {secret}",
        "",
    ]


def test_standing_alone_it_ends_with_the_error_of_its_file(tmp_path):
    process = start("--file", str(tmp_path / "sample.toml"))
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (
        3,
        "sample.toml: cannot be read: No such file or directory\n",
    )
