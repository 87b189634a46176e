"""As Azure does it: its HttpRequest and respond(), and a real HTTP server behind the connector."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func
import pytest
from connector import BearerToken, Fetch, Page, Source, respond

from .play import checked, encoded
from .scripted import SECRETS

Handler = Callable[[BaseHTTPRequestHandler, str, dict[str, str]], None]


@contextmanager
def served(handler: Handler) -> Iterator[str]:
    """The URL of a real server on the loopback interface."""

    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            handler(self, parts.path, dict(parse_qsl(parts.query)))

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def send(request: BaseHTTPRequestHandler, body: Any, status: int = 200, **headers: str) -> None:
    """Answer with JSON, or with bytes as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(content)))
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(content)


def made(url: str, *names: str) -> Source:
    """A source as the template generates it."""
    source = Source(base_url=url, auth=BearerToken("apiToken"))
    for name in names or ("thing",):

        @source.entity(name, primary_key=["id"], cursor="at")
        def step(fetch: Fetch) -> Page:
            response = fetch.get(
                f"/{fetch.entity}", params={"since": fetch.since, "cursor": fetch.token}
            )
            return Page(response.rows("data"), next_token=response.value("next"))

    return source


def post(body: bytes) -> func.HttpRequest:
    """The request as Azure's worker hands it to a function."""
    return func.HttpRequest(
        method="POST",
        url="https://app.azurewebsites.net/api/acme",
        headers={"content-type": "application/json", "content-length": str(len(body))},
        body=body,
    )


def call(source: Source, **request: Any) -> dict[str, Any]:
    """One call through respond(), its reply checked against the protocol."""
    request = {"agent": "Fivetran Azure Functions Connector/x/y", "secrets": SECRETS, **request}
    response = respond(source, post(encoded({"state": {}, **request})))
    assert response.mimetype == "application/json"
    return checked(response.status_code, response.get_body())


RECORD = b'{"id":1 , "at": "2026-01-05T08:30:00Z", "n": 123456789012345678901.10, "s": "\xc3\xa9"}'


def test_a_sync_through_azures_request_and_a_real_server() -> None:
    def pages(request: BaseHTTPRequestHandler, path: str, query: dict[str, str]) -> None:
        assert request.headers["Authorization"] == "Bearer " + SECRETS["apiToken"]
        if query.get("cursor") == "b":
            return send(request, {"data": [{"id": 2, "at": "2026-01-04T08:30:00Z"}], "next": None})
        return send(request, b'{"data": [' + RECORD + b'], "next": "b"}')

    with served(pages) as url:
        response = respond(made(url), post(encoded({"state": {}, "secrets": SECRETS})))
    assert (response.status_code, response.mimetype) == (200, "application/json")
    assert RECORD in response.get_body()
    reply = checked(200, response.get_body())
    assert [row["id"] for row in reply["insert"]["thing"]] == [1, 2]
    assert reply["state"] == {"thing": "2026-01-05T08:30:00Z"}
    assert reply["hasMore"] is False


def test_a_cursor_that_is_newer_than_the_servers_own_date_is_not_committed() -> None:
    """http.server sends a Date of its own."""
    ahead = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))

    def page(request: BaseHTTPRequestHandler, path: str, query: dict[str, str]) -> None:
        rows = [{"id": 1, "at": "2026-01-01T00:00:00Z"}, {"id": 2, "at": ahead}]
        send(request, {"data": rows, "next": None})

    with served(page) as url:
        reply = call(made(url))
    assert reply["state"] == {"thing": "2026-01-01T00:00:00Z"}


def test_a_setup_test_through_azures_request() -> None:
    def page(request: BaseHTTPRequestHandler, path: str, query: dict[str, str]) -> None:
        send(request, {"data": [], "next": None})

    with served(page) as url:
        reply = call(made(url, "a", "b"), setup_test=True, sync_id="setup-test")
    assert reply == {"state": {}, "hasMore": False}


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"state": 5}'])
def test_a_body_that_is_no_request_gets_400_with_a_reason(body: bytes) -> None:
    response = respond(made("https://api.example.com"), post(body))
    assert (response.status_code, response.mimetype) == (400, "application/json")
    assert checked(400, response.get_body())["errorMessage"]


def test_an_error_is_reported_with_status_200_for_the_body_is_what_fivetran_shows() -> None:
    def refused(request: BaseHTTPRequestHandler, path: str, query: dict[str, str]) -> None:
        send(request, {"error": "wrong token " + request.headers["Authorization"]}, status=401)

    with served(refused) as url:
        reply = call(made(url))
    assert "401" in reply["errorMessage"] and "apiToken" in reply["errorMessage"]
    assert SECRETS["apiToken"] not in json.dumps(reply)


@pytest.mark.usefixtures("clock")
def test_a_server_that_is_not_there_is_reported() -> None:
    with served(lambda request, path, query: None) as url:
        pass
    reply = call(made(url), setup_test=True)
    assert url in reply["errorMessage"]


@pytest.mark.usefixtures("clock")
def test_a_server_that_cuts_the_connection_once_is_asked_again() -> None:
    cuts = [1]

    def cutting(request: BaseHTTPRequestHandler, path: str, query: dict[str, str]) -> None:
        if cuts:
            cuts.pop()
            request.close_connection = True
            request.connection.close()
            return
        send(request, {"data": [{"id": 1, "at": "2026-01-01"}], "next": None})

    with served(cutting) as url:
        assert [row["id"] for row in call(made(url))["insert"]["thing"]] == [1]


@pytest.mark.usefixtures("clock")
def test_a_body_that_breaks_off_half_way_is_asked_for_again() -> None:
    cuts = [1]

    def cutting(request: BaseHTTPRequestHandler, path: str, query: dict[str, str]) -> None:
        if cuts:
            cuts.pop()
            request.send_response(200)
            request.send_header("Content-Length", "5000")
            request.end_headers()
            request.wfile.write(b'{"data": [')
            request.close_connection = True
            return
        send(request, {"data": [{"id": 1, "at": "2026-01-01"}], "next": None})

    with served(cutting) as url:
        assert [row["id"] for row in call(made(url))["insert"]["thing"]] == [1]


def test_the_connection_is_kept_from_page_to_page_and_call_to_call() -> None:
    ports = set()

    def pages(request: BaseHTTPRequestHandler, path: str, query: dict[str, str]) -> None:
        ports.add(request.client_address[1])
        page = int(query.get("cursor", 0))
        send(
            request,
            {"data": [{"id": page, "at": "2026-01-01"}], "next": page + 1 if page < 9 else None},
        )

    with served(pages) as url:
        source = made(url)
        call(source)
        call(source)
    assert len(ports) == 1


def test_cookies_of_one_connection_are_not_sent_by_the_next() -> None:
    cookies = []

    def page(request: BaseHTTPRequestHandler, path: str, query: dict[str, str]) -> None:
        cookies.append(request.headers.get("Cookie"))
        send(request, {"data": [], "next": None}, Set_Cookie="tenant=east; Path=/")

    with served(page) as url:
        source = made(url)
        call(source)
        call(source, secrets={"apiToken": "another-tenants-token"})
    assert cookies == [None, None]


def test_a_netrc_file_does_not_replace_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    sent = []

    def page(request: BaseHTTPRequestHandler, path: str, query: dict[str, str]) -> None:
        sent.append(request.headers["Authorization"])
        send(request, {"data": [], "next": None})

    with served(page) as url:
        call(made(url))
    assert sent == ["Bearer " + SECRETS["apiToken"]]


@pytest.mark.parametrize("names", [("thing",), ("a", "b", "c")])
def test_an_upstream_that_hangs_is_reported_when_the_calls_time_is_over(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "3")
    release = threading.Event()

    def hanging(request: BaseHTTPRequestHandler, path: str, query: dict[str, str]) -> None:
        release.wait(30)
        request.close_connection = True

    with served(hanging) as url:
        try:
            reply = call(made(url, *names))
        finally:
            release.set()
    for name in names:
        assert f"entity {name}" in reply["errorMessage"]


@pytest.mark.parametrize("names", [("thing",), ("a", "b", "c")])
def test_an_upstream_that_drips_is_reported_when_the_calls_time_is_over(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    """A byte now and then: no read of the socket ever times out."""
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "3")
    release = threading.Event()

    def dripping(request: BaseHTTPRequestHandler, path: str, query: dict[str, str]) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "600")
        request.end_headers()
        try:
            while not release.wait(0.05):
                request.wfile.write(b" ")
                request.wfile.flush()
        except OSError:
            pass
        request.close_connection = True

    with served(dripping) as url:
        try:
            reply = call(made(url, *names))
        finally:
            release.set()
    for name in names:
        assert f"entity {name}" in reply["errorMessage"]
    assert "of one call" in reply["errorMessage"] or "of the call" in reply["errorMessage"]


def test_one_entity_that_hangs_does_not_keep_the_others_from_being_delivered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "2")
    release = threading.Event()

    def one_hangs(request: BaseHTTPRequestHandler, path: str, query: dict[str, str]) -> None:
        if path == "/b":
            release.wait(30)
            request.close_connection = True
            return
        send(request, {"data": [{"id": 1, "at": "2026-01-01"}], "next": None})

    with served(one_hangs) as url:
        try:
            reply = call(made(url, "a", "b", "c"))
        finally:
            release.set()
    assert set(reply["insert"]) == {"a", "c"}
    assert reply["hasMore"] is True
