"""As Azure does it: its HttpRequest and respond(), and a real HTTP server behind the connector."""

import time
from typing import Any

import azure.functions as func
import pytest
from connector import BearerToken, Fetch, Page, Source, respond

from .faults import Faults, Visit
from .play import checked, encoded
from .scripted import SECRETS

RECORD = b'{"id":1 , "at": "2026-01-05T08:30:00Z", "n": 123456789012345678901.10, "s": "\xc3\xa9"}'


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
