"""Errors as they arrive in a reply stand in docs/errors.md under their errorType."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import azure.functions as func
import pytest
from connector import (
    BearerToken,
    Fetch,
    OAuth2ClientCredentials,
    Page,
    RetryLater,
    Source,
    StartOver,
    TokenExpired,
    errors,
    respond,
)
from connector.testing import held_clock
from publish.wording import GAP, PAGE, rows_of


def fixed(page: Page) -> Callable[[Fetch], Page]:
    return lambda fetch: page


def raising(error: Exception) -> Callable[[Fetch], Page]:
    def step(fetch: Fetch) -> Page:
        raise error

    return step


def reading(fetch: Fetch) -> Page:
    """As a generated step reads."""
    response = fetch.get("/things", params={"token": fetch.token})
    return Page(response.rows("data"), next_token=response.value("next"))


HTML = (200, {"Content-Type": "text/html"}, b"<html>Sign in</html>")
PARIS = [{"id": 1, "at": "2026-01-01T00:00:00Z"}]
SECRETS = {"apiToken": "made-up-token-1"}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    # phrase on the page: (errorType, what provokes it)
    "is missing or blank: type it in Fivetran's setup form under secrets": (
        "MissingSetting",
        {"secrets": {}},
    ),
    "is missing or blank: type it in Fivetran's setup form under custom payload": (
        "MissingSetting",
        {"payload": ["region"], "setup_test": True},
    ),
    "is a Key Vault reference that Azure could not resolve": (
        "MissingSetting",
        {"secrets": {"apiToken": "@Microsoft.KeyVault(SecretUri=https://x)"}},
    ),
    "… things are wrong:": ("MissingSetting", {"payload": ["a", "b"], "setup_test": True}),
    "(check the secrets …)": ("UpstreamError", {"reply": (401, {}, b"no such token")}),
    "answered … …": ("UpstreamError", {"reply": (500, {}, b"oops")}),
    "got no whole reply (attempt …)": ("UpstreamError", {"base_url": "http://127.0.0.1:9"}),
    "the reply to … … has no …:": ("UpstreamError", {"reply": (200, {}, b'{"items": []}')}),
    "; if the upstream leaves it out on the last page, write default=None": (
        "UpstreamError",
        {"reply": (200, {}, b'{"data": []}')},
    ),
    "is no list of records but starts": ("UpstreamError", {"reply": (200, {}, b'{"data": 7}')}),
    ", which is no JSON (": ("UpstreamError", {"reply": HTML}),
    ", where the credentials belong": (
        "UpstreamError",
        {"reply": (302, {"Location": "https://elsewhere.example.net/"}, b"")},
    ),
    "redirects elsewhere:": (
        "UpstreamError",
        {"reply": (302, {"Location": "https://elsewhere.example.net/"}, b"")},
    ),
    "gave no token: … (check the secrets … and …)": (
        "UpstreamError",
        {
            "auth": OAuth2ClientCredentials("/token", "apiToken", "apiToken"),
            "reply": (400, {}, b'{"error": "invalid_client"}'),
        },
    ),
    "; the time of this call is over": (
        "DeadlineExceeded",
        {"reply": (502, {}, b""), "env": {"CONNECTOR_CALL_SECONDS": "1"}},
    ),
    "…, to be asked again in … s": (
        "RateLimited",
        {"reply": (429, {"Retry-After": "4000"}, b"slow down")},
    ),
    ": the next sync asks again, at the earliest in … minutes": (
        "RateLimited",
        {"reply": (429, {"Retry-After": "4000"}, b"slow down")},
    ),
    "the upstream asked to come back later": ("RetryLater", {"step": raising(RetryLater(4000))}),
    "this page holds the same records as the page before it": (
        "StepError",
        {"reply": (200, {}, b'{"data": [{"id": 1}], "next": 2}')},
    ),
    "is missing: every record needs it": ("StepError", {"step": fixed(Page([{"key": 1}]))}),
    "field …: …": ("StepError", {"step": fixed(Page([{"id": 1, "tags": {1}}]))}),
    "is a number: say what it counts with cursor_type=": (
        "StepError",
        {"step": fixed(Page([{"id": 1, "at": 5}])), "cursor": "at"},
    ),
    "where the walk began: write start= as the upstream writes cursors": (
        "StepError",
        {"step": fixed(Page(PARIS)), "cursor": "at", "start": "yesterday"},
    ),
    "in the state is …, not an object": ("StateError", {"state": {"_sync": []}}),
    "the state of … is no cursor of this entity:": (
        "StateError",
        {"state": {"thing": 17}, "cursor": "at"},
    ),
    "the app setting CONNECTOR_CALL_SECONDS is …; it is a number": (
        "SourceError",
        {"env": {"CONNECTOR_CALL_SECONDS": "600"}},
    ),
    "cannot be sent, its character … is a line break": (
        "SourceError",
        {"secrets": {"apiToken": "made-up\r\ntoken"}},
    ),
    "a secret stands in the state (": (
        "StateError",
        {
            "state": {"other": SECRETS["apiToken"]},
            "step": fixed(Page()),
            "setup_test": True,
        },
    ),
    "the body is JSON but no object": ("RequestError", {"body": b"[]"}),
    "the request has no state": ("RequestError", {"body": b"{}"}),
    "entity …, page …": ("KeyError", {"step": raising(KeyError("amount"))}),
    "in …, line …": ("ValueError", {"step": raising(ValueError("half a number"))}),
}


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[[tuple[int, dict[str, str], bytes]], str]]:
    """`serve(reply)` gives the URL of an API that answers everything with this reply."""
    reply: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = reply[-1]
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def serve(answer: tuple[int, dict[str, str], bytes]) -> str:
        reply.append(answer)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    server.shutdown()
    server.server_close()
    thread.join()


def report(serve: Any, monkeypatch: pytest.MonkeyPatch, **case: Any) -> dict[str, Any]:
    """What the function answers to the last call of a sync."""
    url = case.get("base_url") or serve(case.get("reply", (200, {}, b'{"data": [], "next": null}')))
    source = Source(
        base_url=url,
        auth=case.get("auth", BearerToken("apiToken")),
        payload=case.get("payload", ()),
        workers=1,
    )
    options = {name: case[name] for name in ("cursor", "start") if name in case}
    step = case.get("step", reading)
    source.entity("thing", primary_key=["id"], **options)(lambda fetch: step(fetch))
    for name, value in case.get("env", {}).items():
        monkeypatch.setenv(name, value)
    request = {
        "agent": "test",
        "state": case.get("state", {}),
        "secrets": case.get("secrets", SECRETS),
        "setup_test": case.get("setup_test", False),
    }
    reply: dict[str, Any] = {"hasMore": True}
    with held_clock():  # retries do not sleep
        while reply["hasMore"]:
            body = case.get("body", json.dumps(request).encode())
            response = respond(source, func.HttpRequest("POST", "/api/thing", body=body))
            assert response.status_code == (400 if "body" in case else 200)
            reply = json.loads(response.get_body())
            request["state"] = reply["state"]
    return reply


@pytest.mark.parametrize("phrase", CASES)
def test_what_arrives_is_found_on_the_page(
    serve: Any, monkeypatch: pytest.MonkeyPatch, phrase: str
) -> None:
    """The errorMessage holds the phrase, which stands in the section of its errorType."""
    kind, case = CASES[phrase]
    reply = report(serve, monkeypatch, **case)
    assert reply["errorType"] == kind
    assert re.search(".+?".join(map(re.escape, phrase.split(GAP))), reply["errorMessage"])
    sections = [row.kinds for row in rows_of(PAGE.read_text("utf-8")) if phrase in row.phrases]
    assert sections and all(kind in kinds or not kinds for kinds in sections)


@pytest.mark.parametrize("error", [TokenExpired("no scroll"), StartOver("no position")])
def test_what_a_step_raises_has_its_type_and_words(
    serve: Any, monkeypatch: pytest.MonkeyPatch, error: errors.ConnectorError
) -> None:
    reply = report(serve, monkeypatch, step=raising(error))
    assert (reply["errorType"], reply["errorMessage"]) == (
        type(error).__name__,
        f"entity thing, page 1: {error.why}",
    )


def test_an_error_report_moves_nothing(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"thing": "2026-01-01T00:00:00Z", "other": [1]}
    reply = report(serve, monkeypatch, reply=HTML, cursor="at", state=state)
    assert reply["state"] == state and "insert" not in reply
