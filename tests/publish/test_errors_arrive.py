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


def raising(error: BaseException) -> Callable[[Fetch], Page]:
    def step(fetch: Fetch) -> Page:
        raise error

    return step


def reading(fetch: Fetch) -> Page:
    """As a generated step reads."""
    response = fetch.get("/things", params={"token": fetch.token})
    return Page(response.rows("data"), next_token=response.value("next"))


HTML = (200, {"Content-Type": "text/html"}, b"<html>Sign in</html>")
SECRETS = {"apiToken": "made-up-token-1"}
REFUSED = (400, {}, b'{"error": "invalid_client"}')
ELSEWHERE = (302, {"Location": "https://elsewhere.example.net/"}, b"")
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    # phrase on the page: (errorType, what provokes it)
    "or write it in connection.json under secrets": ("MissingSetting", {"secrets": {}}),
    "or in connection.json under customPayload": (
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
    "got no complete response (attempt …)": ("UpstreamError", {"base_url": "http://127.0.0.1:9"}),
    "has no …: …; if the upstream leaves it out on the last page": (
        "UpstreamError",
        {"reply": (200, {}, b'{"items": []}')},
    ),
    ". It says …": ("UpstreamError", {"reply": (200, {}, b'{"error": "missing_scope"}')}),
    "is not a list of records": ("UpstreamError", {"reply": (200, {}, b'{"data": 7}')}),
    "one object: if it is the one record, wrap it": (
        "UpstreamError",
        {"reply": (200, {}, b'{"data": {"id": 1}, "next": null}')},
    ),
    "with …, which is …": ("UpstreamError", {"reply": HTML}),
    "not JSON (…)": ("UpstreamError", {"reply": (200, {}, b'{"data": [{"id": NaN}]}')}),
    "credentials are sent only there": ("WrongOrigin", {"reply": ELSEWHERE}),
    "redirects elsewhere:": ("WrongOrigin", {"reply": ELSEWHERE}),
    "check the secrets … and …": (
        "UpstreamError",
        {"auth": OAuth2ClientCredentials("/token", "apiToken", "apiToken"), "reply": REFUSED},
    ),
    "; the time of this call is over": (
        "DeadlineExceeded",
        {"reply": (502, {}, b""), "env": {"CONNECTOR_CALL_SECONDS": "1"}},
    ),
    "…: asked to wait … s": (
        "RateLimited",
        {"reply": (429, {"Retry-After": "4000"}, b"slow down"), "setup_test": True},
    ),
    "the upstream asked to come back later": ("RetryLater", {"step": raising(RetryLater(4000))}),
    "the next sync asks again, in … at the earliest": (
        "RetryLater",
        {"step": raising(RetryLater(4000))},
    ),
    "the same request gave the same page again": (
        "StepError",
        {"reply": (200, {}, b'{"data": [{"id": 1}], "next": 2}')},
    ),
    "every record needs it (this one has …)": ("StepError", {"step": fixed(Page([{"key": 1}]))}),
    "a value of type … cannot be sent as JSON": (
        "StepError",
        {"step": fixed(Page([{"id": 1, "tags": {1}}]))},
    ),
    "the cursor …: …": ("StepError", {"step": fixed(Page([{"id": 1, "at": 5}])), "cursor": "at"}),
    "a strptime form such as": (
        "StepError",
        {"step": fixed(Page([{"id": 1, "at": "05.01.2026"}])), "cursor": "at"},
    ),
    "the step raised …(…)": ("StepError", {"step": raising(SystemExit(3))}),
    "in the state has an unknown shape": ("StateError", {"state": {"_sync": []}}),
    "in the state is of version …, and this connector knows version": (
        "StateError",
        {"state": {"_sync": {"version": 1}}},
    ),
    "in the state is not a cursor:": ("StateError", {"state": {"thing": 17}, "cursor": "at"}),
    "the app setting … is …; it must be a number of … up to …": (
        "SourceError",
        {"env": {"CONNECTOR_CALL_SECONDS": "600"}},
    ),
    "a header cannot be sent: was the wrong text pasted as a secret?": (
        "UpstreamError",
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
    "the body is JSON but not an object": ("RequestError", {"body": b"[]"}),
    "the request has no state": ("RequestError", {"body": b"{}"}),
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


def test_an_error_of_another_kind_has_its_place_first(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the page says: entity, page, type, file and line."""
    reply = report(serve, monkeypatch, step=raising(KeyError("amount")))
    assert reply["errorType"] == "KeyError"
    pattern = "entity thing, page 1: KeyError in .+, line [0-9]+: 'amount'"
    assert re.fullmatch(pattern, reply["errorMessage"])


def test_an_error_report_moves_nothing(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"thing": "2026-01-01T00:00:00Z", "other": [1]}
    reply = report(serve, monkeypatch, reply=HTML, cursor="at", state=state)
    assert reply["state"] == state and "insert" not in reply
