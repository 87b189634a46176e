"""The lines of a log: one for each request, page, error and call, whatever the call ends with."""

import json
import logging
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from connector import OAuth2ClientCredentials, Page
from connector.sync.handler import handle

from .calls import SECRETS, reading, source
from .faults import Faults

SYNC = str(uuid4())
Lines = Callable[..., list[dict[str, str]]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    """The runtime's lines of one call, as dicts; `level` beside the fields."""
    caplog.set_level(logging.INFO)

    def lines(made: Any, body: bytes = b"", **request: Any) -> list[dict[str, str]]:
        caplog.clear()
        sent = {"agent": "test", "state": {}, "secrets": SECRETS, "sync_id": SYNC, **request}
        _, reply = handle(made, body or json.dumps(sent).encode())
        found = []
        for record in caplog.records:
            if record.name == "connector":
                words = record.getMessage().split(" why=")[0].split(" ")
                found.append({**dict(word.split("=", 1) for word in words)})
                found[-1]["level"] = record.levelname
        assert found[-1]["event"] == "call" and found[-1]["bytes"] == str(len(reply))
        return found

    return lines


def _columns(found: list[dict[str, str]], *names: str) -> list[tuple[str | None, ...]]:
    return [tuple(line.get(name) for name in names) for line in found]


def test_a_call_has_a_line_for_each_request_and_page(server: Faults, lines: Lines) -> None:
    oauth = OAuth2ClientCredentials("/oauth/token", "id", "secret")
    secrets = {"id": "the-client-id", "secret": "the-client-secret"}
    found = lines(reading(server.url, "/hop?to=/guarded", auth=oauth), secrets=secrets)
    assert _columns(found, "event", "sync_id", "entity", "page", "status", "rows") == [
        # The request for a token is logged where the token was needed.
        *(("request", SYNC, "thing", "1", status, None) for status in ("200", "302", "200")),
        ("page", SYNC, "thing", "1", None, "2"),
        ("call", SYNC, None, None, None, "2"),
    ]
    assert found[0]["url"] == f"{server.url}/oauth/token"
    assert found[2]["url"] == f"{server.url}/guarded"
    assert all("ms" in line and "bytes" in line for line in found)


def test_a_setup_test_has_a_line_for_each_page(server: Faults, lines: Lines) -> None:
    made = reading(server.url, "/rows")
    made.entity("other", primary_key=["id"])(lambda fetch: Page([{"id": 1}], "more"))
    found = lines(made, setup_test=True, sync_id="setup-test")
    assert {line["sync_id"] for line in found} == {"setup-test"}
    assert _columns(found, "event", "entity", "rows", "count", "more", "hasMore") == [
        ("request", "thing", None, None, None, None),
        ("trial_page", "thing", "2", "2", "false", None),
        ("trial_page", "other", "1", "1", "true", None),
        ("call", None, "0", None, None, "false"),
    ]


@pytest.mark.parametrize("setup_test", [False, True])
def test_each_of_several_errors_has_a_line(server: Faults, lines: Lines, setup_test: bool) -> None:
    made = source(server.url)
    for name in "ab":
        made.entity(name, primary_key=["id"])(lambda fetch: {}["broken"])
    found = [line for line in lines(made, setup_test=setup_test) if line["event"] != "failed"]
    assert _columns(found, "event", "entity", "error", "level", "sync_id") == [
        *(("error", name, "KeyError", "ERROR", SYNC) for name in "ab"),
        ("call", None, None, "INFO", SYNC),
    ]


@pytest.mark.parametrize("body", [b"nonsense", b"[]", b'{"secrets": {}}'])
def test_a_body_that_is_not_a_request_is_logged_as_an_error(lines: Lines, body: bytes) -> None:
    found = lines(source("https://api.example.com"), body)
    assert _columns(found, "event", "error", "level", "rows", "hasMore") == [
        ("error", "RequestError", "ERROR", None, None),
        ("call", None, "INFO", "0", "false"),
    ]
