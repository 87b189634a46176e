"""docs/errors.md: written from its catalogue, which has a row for every error of the runtime."""

from __future__ import annotations

import ast
import json
import re
import runpy
from collections.abc import Callable, Iterator
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
    errors,
    respond,
)
from connector.testing import held_clock
from handmade import served
from publish.conftest import GENERATED, ROOT
from werkzeug import Request, Response

PAGE = runpy.run_path(str(ROOT / "scripts" / "errors_page.py"))
SECTIONS = PAGE["sections"]()
KINDS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.ConnectorError)
}
GAP = "…"
SAID = [text for part in SECTIONS for row in part.get("rows", ()) for text in row[0]]


def texts(node: ast.AST) -> Iterator[str]:
    """The texts below a node of Python code, with `…` for each value in them."""
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else GAP for part in node.values]
        yield re.sub(f"{GAP}+", GAP, "".join(map(str, parts)))
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from texts(part.value)
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    for child in ast.iter_child_nodes(node):
        yield from texts(child)


def makes_an_error(node: ast.AST) -> bool:
    callee = node.func if isinstance(node, ast.Call) else None
    return (
        isinstance(node, ast.Raise) or getattr(callee, "attr", getattr(callee, "id", "")) in KINDS
    )


def test_every_message_has_a_row_and_every_row_a_message() -> None:
    written, raised = set(), set()
    for path in sorted((GENERATED / "connector").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        written |= set(texts(tree))
        if path.name != "testing.py":
            errors = [node for node in ast.walk(tree) if makes_an_error(node)]
            raised |= {(path.name, text) for node in errors for text in texts(node)}
    worded = {(name, text) for name, text in raised if re.search(r"\w\w[,;:)]? \S*\w\w", text)}
    assert len(worded) > 80
    assert [one for one in worded if not any(said in one[1] for said in SAID)] == []
    assert [said for said in SAID if not any(said in text for text in written)] == []


def test_the_page_is_the_catalogue_s() -> None:
    assert PAGE["PAGE"].read_text(encoding="utf-8") == PAGE["page"]()
    headings = " ".join(part["heading"] for part in SECTIONS)
    assert set(re.findall(r"\w+", headings)) >= KINDS


# ---- as they arrive


def raising(error: BaseException) -> Callable[[Fetch], Page]:
    def step(fetch: Fetch) -> Page:
        raise error

    return step


def reading(fetch: Fetch) -> Page:
    """As a generated step reads."""
    response = fetch.get("/things", params={"token": fetch.token})
    return Page(response.rows("data"), next_token=response.value("next"))


def reply(body: str, status: int = 200, **headers: str) -> dict[str, Any]:
    return {"reply": Response(body, status, headers, content_type="application/json")}


def step(page: Page, **options: Any) -> dict[str, Any]:
    return {"step": lambda fetch: page, **options}


ELSEWHERE = reply("", 302, Location="https://elsewhere.example.net/")
SECRETS = {"apiToken": "made-up-token-1"}
OAUTH = {"auth": OAuth2ClientCredentials("/token", "apiToken", "apiToken")}
# What the page has a row for, its errorType, and what provokes it.
ARRIVING: list[tuple[str, str, dict[str, Any]]] = [
    ("or write it in connection.json under secrets", "MissingSetting", {"secrets": {}}),
    ("… things are wrong:", "MissingSetting", {"payload": ["a", "b"], "setup_test": True}),
    ("(check the secrets …)", "UpstreamError", reply("no such token", 401)),
    ("not JSON (…)", "UpstreamError", reply('{"data": [{"id": NaN}]}')),
    (
        "check the secrets … and …",
        "UpstreamError",
        reply('{"error": "invalid_client"}', 400) | OAUTH,
    ),
    ("credentials are sent only there", "WrongOrigin", ELSEWHERE),
    (
        "; the time of this call is over",
        "DeadlineExceeded",
        reply("", 502) | {"env": {"CONNECTOR_CALL_SECONDS": "1"}},
    ),
    (
        "…: must wait … s",
        "RateLimited",
        reply("slow", 429, **{"Retry-After": "4000"}) | {"setup_test": True},
    ),
    (
        "the next sync asks again, in … at the earliest",
        "RetryLater",
        {"step": raising(RetryLater(4000))},
    ),
    (
        "the same request gave the same page again",
        "StepError",
        reply('{"data": [{"id": 1}], "next": 2}'),
    ),
    (
        "a strptime form such as",
        "StepError",
        step(Page([{"id": 1, "at": "5.1.2026"}]), cursor="at"),
    ),
    ("in the state has an unknown shape", "StateError", {"state": {"_sync": []}}),
    (
        "the app setting … is …; it must be a number of … up to …",
        "SourceError",
        {"env": {"CONNECTOR_CALL_SECONDS": "600"}},
    ),
    ("the request has no state", "RequestError", {"body": b"{}"}),
]


def report(monkeypatch: pytest.MonkeyPatch, case: dict[str, Any]) -> dict[str, Any]:
    """The last reply of a sync."""
    answer = case.get("reply") or reply('{"data": [], "next": null}')["reply"]
    request = {
        "agent": "test",
        "state": case.get("state", {}),
        "secrets": case.get("secrets", SECRETS),
        "setup_test": case.get("setup_test", False),
    }
    for name, value in case.get("env", {}).items():
        monkeypatch.setenv(name, value)

    def serve(asked: Request) -> Response:
        return Response(answer.data, answer.status, answer.headers)

    with served(serve) as url, held_clock():  # retries do not sleep
        source = Source(
            base_url=case.get("base_url", url),
            auth=case.get("auth", BearerToken("apiToken")),
            payload=case.get("payload", ()),
            workers=1,
        )
        source.entity("thing", primary_key=["id"], cursor=case.get("cursor"))(
            lambda fetch: case.get("step", reading)(fetch)
        )
        while True:
            body = case.get("body", json.dumps(request).encode())
            response = respond(source, func.HttpRequest("POST", "/api/thing", body=body))
            assert response.status_code == (400 if "body" in case else 200)
            last: dict[str, Any] = json.loads(response.get_body())
            if not last["hasMore"]:
                return last
            request["state"] = last["state"]


@pytest.mark.parametrize(("said", "kind", "case"), ARRIVING, ids=[kind for _, kind, _ in ARRIVING])
def test_an_error_arrives_in_the_words_and_with_the_type_of_its_row(
    monkeypatch: pytest.MonkeyPatch, said: str, kind: str, case: dict[str, Any]
) -> None:
    found = report(monkeypatch, case)
    assert found["errorType"] == kind
    assert re.search(".+?".join(map(re.escape, said.split(GAP))), found["errorMessage"])
    (heading,) = {
        part["heading"] for part in SECTIONS if any(said in row[0] for row in part.get("rows", ()))
    }
    assert kind in heading or heading == "In a message of any type"
