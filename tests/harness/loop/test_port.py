"""The sample upstream is found again where URLs in the state say it is."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Make = Callable[..., Path]
Run = Callable[..., tuple[int, str]]

SAMPLE = """
records = 300

[entity.thing]
path = "/things"
pagination = "next_url"
rows = "data"
next = "next"
primary_key = ["id"]

[entity.thing.record]
id = 1
"""
APP = """
import json
from urllib.parse import parse_qs


def app(environ, start_response):
    page = int(parse_qs(environ["QUERY_STRING"]).get("page", ["1"])[0])
    there = f"http://{environ['HTTP_HOST']}/things?page={page + 1}"
    body = {"data": [{"id": page}], "next": there}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]
"""
FUNCTION = """
import os
import requests

url = state.get("next") or os.environ["UPSTREAM_BASE_URL"] + "/things"
try:
    body = requests.get(url, timeout=10).json()
except requests.RequestException:
    return reply({"errorMessage": "nobody answers"})
return reply({
    "state": {"next": body["next"], "calls": state.get("calls", 0) + 1},
    "insert": {"thing": body["data"]},
    "schema": {"thing": {"primary_key": ["id"]}},
    "hasMore": True,
})
"""


@pytest.fixture
def folder(project: Make) -> Path:
    made = project(FUNCTION)
    (made / "sample.toml").write_text(SAMPLE, encoding="utf-8")
    (made / "upstream.py").write_text(APP, encoding="utf-8")
    return made


@pytest.fixture
def taken() -> Iterator[Callable[[int], None]]:
    """Takes a port of this machine."""
    held: list[socket.socket] = []

    def take(port: int) -> None:
        one = socket.socket()
        held.append(one)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("127.0.0.1", port))
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # for nobody else, from now on

    yield take
    for one in held:
        one.close()


def port_in(folder: Path) -> int:
    """The port in the URL that the state holds."""
    state: Any = json.loads((folder / ".fivetran/sample/state.json").read_text(encoding="utf-8"))
    return int(state["next"].split("/")[2].partition(":")[2])


@pytest.mark.parametrize("sample", ["sample.toml", "upstream:app"])
def test_a_url_in_the_state_leads_to_the_sample_upstream_of_the_next_run(
    folder: Path, harness: Run, sample: str
) -> None:
    for _ in range(2):
        code, written = harness("sync", f"--sample={sample}", "--calls", "1")
        assert code == 0, written
    code, written = harness("peek", f"--sample={sample}")
    assert code == 0, written


def test_a_port_that_is_taken_is_told_and_another_one_stands_in(
    folder: Path, harness: Run, taken: Callable[[int], None]
) -> None:
    harness("sync", "--sample", "--calls", "1")
    port = port_in(folder)
    taken(port)
    code, written = harness("sync", "--sample", "--calls", "1")
    assert f"port {port} of the sample upstream is taken" in " ".join(written.split())
    assert code == 1, written
    assert harness("reset", "--yes", "--sample")[0] == 0
    for _ in range(2):
        code, written = harness("sync", "--sample", "--calls", "1")
        assert code == 0, written
    assert port_in(folder) != port


@pytest.mark.parametrize("text", [b"", b"no port", b"-1", b"0", b"99999", b"\xff\xfe", b"1" * 5000])
def test_a_broken_file_is_none(folder: Path, harness: Run, text: bytes) -> None:
    kept = folder / ".fivetran/sample/port"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(text)
    for _ in range(2):
        code, written = harness("sync", "--sample", "--calls", "1")
        assert code == 0, written
    assert int(kept.read_text(encoding="ascii")) == port_in(folder)


def test_a_folder_in_the_place_of_the_file_does_not_matter(folder: Path, harness: Run) -> None:
    (folder / ".fivetran/sample/port").mkdir(parents=True)
    code, written = harness("sync", "--sample", "--calls", "1")
    assert code == 0, written


def test_a_look_and_a_setup_test_write_no_port(folder: Path, harness: Run) -> None:
    harness("peek", "--sample")
    harness("test", "--sample")
    assert not (folder / ".fivetran").exists()
