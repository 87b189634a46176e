"""As Azure does it: its HttpRequest and respond(), and a real HTTP server behind the connector."""

import json
import time
from collections.abc import Iterator
from typing import Any

import azure.functions as func
import pytest
from connector import BearerToken, Fetch, Page, Source, respond

from .faults import Faults, Visit
from .play import checked, encoded
from .scripted import SECRETS

RECORD = b'{"id":1 , "at": "2026-01-05T08:30:00Z", "n": 123456789012345678901.10, "s": "\xc3\xa9"}'


@pytest.fixture
def server() -> Iterator[Faults]:
    with Faults() as faults:
        yield faults


def made(server: Faults, *paths: str) -> Source:
    """A source as the template generates it, with an entity for each path."""
    source = Source(base_url=server.url, auth=BearerToken("apiToken"))
    for index, path in enumerate(paths):

        @source.entity(f"thing_{index}", primary_key=["id"], cursor="at")
        def step(fetch: Fetch, path: str = path) -> Page:
            response = fetch.get(path, params={"since": fetch.since, "cursor": fetch.token})
            return Page(response.rows("data"), next_token=response.value("next", default=None))

    return source


def post(source: Source, body: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to a request as Azure's worker hands it to a function."""
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    url = "https://app.azurewebsites.net/api/acme"
    response = respond(source, func.HttpRequest("POST", url, headers=headers, body=body))
    assert response.mimetype == "application/json"
    return response.status_code, response.get_body()


def call(source: Source, **request: Any) -> dict[str, Any]:
    """One call, its reply checked against the protocol."""
    members = {"agent": "Fivetran Azure Functions Connector/x/y", "state": {}, "secrets": SECRETS}
    return checked(*post(source, encoded({**members, **request})))


def test_a_sync_is_answered_with_the_upstreams_own_bytes(server: Faults) -> None:
    def pages(visit: Visit) -> None:
        assert visit.headers["Authorization"] == "Bearer " + SECRETS["apiToken"]
        if visit.params.get("cursor") == "b":
            return visit.reply('{"data": [{"id": 2, "at": "2026-01-04T08:30:00Z"}], "next": null}')
        return visit.reply(b'{"data": [' + RECORD + b'], "next": "b"}')

    server.routes["/things"] = pages
    status, body = post(made(server, "/things"), encoded({"state": {}, "secrets": SECRETS}))
    assert status == 200 and RECORD in body
    reply = checked(status, body)
    assert [row["id"] for row in reply["insert"]["thing_0"]] == [1, 2]
    assert reply["state"] == {"thing_0": "2026-01-05T08:30:00Z"}
    assert reply["hasMore"] is False


def test_a_cursor_that_is_newer_than_the_servers_own_date_is_not_committed(server: Faults) -> None:
    def page(visit: Visit) -> None:
        rows = [{"id": 1, "at": "2020-01-01T00:00:00Z"}, {"id": 2, "at": iso(-1800)}]
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() - 3600))
        visit.reply(json.dumps({"data": rows}), Date=date)

    def iso(off: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + off))

    server.routes["/things"] = page
    assert call(made(server, "/things"))["state"] == {"thing_0": "2020-01-01T00:00:00Z"}


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"state": 5}'])
def test_a_body_that_is_no_request_gets_400_with_a_reason(server: Faults, body: bytes) -> None:
    status, reply = post(made(server, "/rows"), body)
    assert status == 400 and checked(400, reply)["errorMessage"]


def test_an_error_is_reported_with_status_200_for_the_body_is_what_fivetran_shows(
    server: Faults,
) -> None:
    server.routes["/things"] = lambda visit: visit.reply(visit.headers["Authorization"], 401)
    reply = call(made(server, "/things"))
    assert "401" in reply["errorMessage"] and "apiToken" in reply["errorMessage"]
    assert SECRETS["apiToken"] not in json.dumps(reply)


@pytest.mark.parametrize("path", ["/silent", "/drip"])
@pytest.mark.parametrize("count", [1, 3])
def test_an_upstream_that_hangs_or_drips_is_reported_when_the_calls_time_is_over(
    server: Faults, monkeypatch: pytest.MonkeyPatch, path: str, count: int
) -> None:
    """Azure ends a call after 230 seconds, and Fivetran would see a 500 without a body."""
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "1")
    began = time.monotonic()
    message = call(made(server, *[path] * count))["errorMessage"]
    assert all(f"entity thing_{index}" in message for index in range(count))
    assert "of one call" in message or "of the call" in message
    assert time.monotonic() - began < 3
