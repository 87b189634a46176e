"""The lines of a log: one for each request, page, error and call, whatever comes of the call."""

import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from connector import BearerToken, Fetch, OAuth2ClientCredentials, Page, UpstreamError, oauth
from connector.answer import answer

from .calls import SECRETS, reading, source
from .faults import Faults

SYNC = str(uuid4())


@pytest.fixture
def server() -> Iterator[Faults]:
    oauth._kept.clear()
    with Faults() as faults:
        yield faults
    oauth._kept.clear()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    """The runtime's lines of one call, as dicts; `level` beside the fields."""
    caplog.set_level(logging.INFO)

    def lines(made: Any, body: bytes = b"", **request: Any) -> list[dict[str, str]]:
        caplog.clear()
        sent = {"agent": "test", "state": {}, "secrets": SECRETS, "sync_id": SYNC, **request}
        _, reply = answer(made, body or json.dumps(sent).encode())
        found = []
        for record in caplog.records:
            if record.name == "connector":
                words = record.getMessage().split(" why=")[0].split(" ")
                found.append({**dict(word.split("=", 1) for word in words)})
                found[-1]["level"] = record.levelname
        assert found[-1]["event"] == "call" and found[-1]["bytes"] == str(len(reply))
        return found

    return lines


def events(found: list[dict[str, str]]) -> list[str]:
    return [line["event"] for line in found]


def test_the_request_for_a_token_is_logged_where_it_was_needed(server: Faults, lines: Any) -> None:
    auth = OAuth2ClientCredentials("/oauth/token", "id", "secret")
    secrets = {"id": "the-client-id", "secret": "the-client-secret"}
    found = lines(reading(server.url, "/guarded", auth=auth), secrets=secrets)
    assert events(found) == ["request", "request", "page", "call"]
    assert found[0]["url"].endswith("/oauth/token")
    assert [line["sync_id"] for line in found] == [SYNC] * 4
    assert [line["entity"] for line in found[:3]] == ["thing"] * 3


def test_each_hop_of_a_redirect_has_a_line_of_its_own(server: Faults, lines: Any) -> None:
    found = lines(reading(server.url, "/hop?to=/hop?to=/rows"))
    assert events(found) == ["request"] * 3 + ["page", "call"]
    assert [line["status"] for line in found[:3]] == ["302", "302", "200"]
    assert found[2]["url"] == f"{server.url}/rows"


def test_a_setup_test_has_a_line_for_each_page_and_one_for_the_call(
    server: Faults, lines: Any
) -> None:
    made = reading(server.url, "/rows")
    made.entity("other", primary_key=["id"])(lambda fetch: Page([{"id": 1}], "more"))
    found = lines(made, setup_test=True, sync_id="setup-test")
    assert events(found) == ["request", "trial_page", "trial_page", "call"]
    assert {line["sync_id"] for line in found} == {"setup-test"}
    thing, other, call = found[1:]
    assert (thing["entity"], thing["page"], thing["rows"], thing["more"]) == (
        "thing",
        "1",
        "2",
        "false",
    )
    assert (other["entity"], other["rows"], other["count"], other["more"]) == (
        "other",
        "1",
        "1",
        "true",
    )
    assert (call["rows"], call["pages"], call["hasMore"]) == ("0", "0", "false")
    assert all("ms" in line and "bytes" in line for line in found)


@pytest.mark.parametrize("setup_test", [False, True])
def test_each_of_several_errors_has_a_line_and_the_call_one(
    server: Faults, lines: Any, setup_test: bool
) -> None:
    made = source(server.url)

    def broken(fetch: Fetch) -> Page:
        raise UpstreamError("broken") if fetch.entity != "c" else KeyError("broken")

    for name in "abc":
        made.entity(name, primary_key=["id"])(lambda fetch: broken(fetch))
    found = lines(made, setup_test=setup_test)
    assert [event for event in events(found) if event != "failed"] == ["error"] * 3 + ["call"]
    errors = [line for line in found if line["event"] == "error"]
    assert [line.get("entity") for line in errors] == ["a", "b", None]
    assert [line["error"] for line in errors] == ["UpstreamError", "UpstreamError", "KeyError"]
    assert {line["level"] for line in errors} == {"ERROR"}
    assert {line["sync_id"] for line in found} == {SYNC}


@pytest.mark.parametrize("body", [b"nonsense", b"[]", b'{"secrets": {}}'])
def test_a_body_that_is_no_request_is_logged_as_an_error(
    server: Faults, lines: Any, body: bytes
) -> None:
    found = lines(reading(server.url, "/rows"), body)
    assert events(found) == ["error", "call"]
    assert (found[0]["error"], found[0]["level"]) == ("RequestError", "ERROR")
    assert (found[1]["rows"], found[1]["hasMore"]) == ("0", "false")


def test_a_call_that_delivers_has_one_line_and_not_two(server: Faults, lines: Any) -> None:
    found = lines(reading(server.url, "/rows", auth=BearerToken("apiToken")))
    assert events(found) == ["request", "page", "call"]
    assert (found[-1]["rows"], found[-1]["pages"]) == ("2", "1")
