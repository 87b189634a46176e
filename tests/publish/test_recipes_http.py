"""All steps of docs/fetch.md in one sync, over HTTP."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import Any

import connector
import pytest
from connector import Page, Source
from connector.testing import held_clock
from harness.sample import Sample, made_up
from harness.sample.spec import Spec
from publish.pages import URL, sync
from werkzeug import Request
from werkzeug import Response as Answer


def pair(request: Request, rows: list[Any], token: str = "cursor") -> tuple[list[Any], Any]:
    """Two rows from where a token says, and the next token."""
    start = int(request.args.get(token, 0))
    return rows[start : start + 2], start + 2 if start + 2 < len(rows) else None


class Api:
    """The upstream of fetch.md's examples; each list has five records, two to a page."""

    def __init__(self) -> None:
        self.polls = 0
        self.asked: list[tuple[str, str]] = []

    def app(self) -> Any:
        return Request.application(self.answer)

    def answer(self, request: Request) -> Answer:
        self.asked.append((request.path, request.query_string.decode()))
        if request.headers.get("Authorization") != "Bearer " + made_up("apiToken"):
            return Answer("who are you?", 401)
        name = request.path.strip("/").replace("/", "_")
        found = re.fullmatch(r"projects_(\d)_issues", name)
        reply = self.issues(request, int(found[1])) if found else getattr(self, name)(request)
        if isinstance(reply, Answer):
            return reply
        return Answer(json.dumps(reply), mimetype="application/json")

    def five(self, key: str = "id", at: str = "updated_at") -> list[dict[str, Any]]:
        return [{key: n, at: f"2026-01-0{n}T00:00:00Z"} for n in range(1, 6)]

    def transactions(self, request: Request) -> Any:
        rows, token = pair(request, self.five())
        return {"data": rows, "next_cursor": token}

    def customers(self, request: Request) -> Any:
        page = int(request.args["page"])
        return {"data": self.five()[2 * page - 2 : 2 * page]}

    def products(self, request: Request) -> Any:
        return {"data": pair(request, self.five(), "offset")[0]}

    def commits(self, request: Request) -> Answer:
        rows = [
            {"sha": str(n), "commit": {"committer": {"date": f"2026-01-0{n}T00:00:00Z"}}}
            for n in range(1, 6)
        ]
        rows, token = pair(request, rows)
        link = {"Link": f'<{request.base_url}?cursor={token}>; rel="next"'} if token else {}
        return Answer(json.dumps(rows), mimetype="application/json", headers=link)

    def tickets(self, request: Request) -> Any:
        rows, token = pair(request, self.five())
        return {"data": rows, "next": token and f"{request.base_url}?cursor={token}"}

    def countries(self, request: Request) -> Any:
        return {"data": self.five("code")}

    def suppliers(self, request: Request) -> Any:
        rows = self.customers(request)["data"]
        return {"data": rows} if rows else Answer("no such page", 404)

    def charges(self, request: Request) -> Any:
        rows = [{"id": n, "created": 1_767_000_000 + n} for n in range(5, 0, -1)]
        rows = [row for row in rows if row["id"] < int(request.args.get("starting_after", 9))]
        return {"data": rows[:2], "has_more": len(rows) > 2}

    def projects(self, request: Request) -> Any:
        page = int(request.args["page"])
        return {"data": [{"id": page}] if page < 4 else []}

    def issues(self, request: Request, project: int) -> Any:
        rows = [{"id": 10 * project + row["id"], **row_at(row)} for row in self.five()]
        page = int(request.args["page"])
        return {"data": rows[2 * page - 2 : 2 * page] if project != 2 else []}

    def contacts_search(self, request: Request) -> Any:
        sent = json.loads(request.data)
        assert sent["updatedAfter"] >= "2015"
        start = sent["after"] or 0
        reply: dict[str, Any] = {"results": self.five(at="updatedAt")[start : start + 2]}
        return {**reply, "paging": {"next": start + 2}} if start < 4 else reply

    def deals_search(self, request: Request) -> Any:
        sent = json.loads(request.data)
        since = sent["updatedFrom"] or ""
        rows = [row for row in self.five(at="updatedAt") if row["updatedAt"] >= since]
        return {"results": rows[: sent["limit"]]}

    def graphql(self, request: Request) -> Any:
        sent = json.loads(request.data)["variables"]
        start = sent["after"] or 0
        info = {"hasNextPage": start < 4, "endCursor": start + 2}
        rows = self.five(at="updatedAt")[start : start + 2]
        return {"data": {"invoices": {"nodes": rows, "pageInfo": info}}}

    def exports(self, request: Request) -> Any:
        return {"id": "j1"}

    def exports_j1(self, request: Request) -> Any:
        self.polls += 1
        done = self.polls > 2
        return {"status": "done" if done else "running", "url": f"{request.host_url}files"}

    def files(self, request: Request) -> Any:
        return self.five(at="at")

    def events(self, request: Request) -> Any:
        after = int(request.args.get("after", 0))
        rows = [row for row in self.five() if row["id"] > after][:2]
        return {"events": rows, "position": rows[-1]["id"] if rows else after}

    def purchases(self, request: Request) -> Any:
        rows, token = pair(request, self.five())
        return {"data": [{**row, "lines": [{"line": 1}]} for row in rows], "next_cursor": token}

    def accounts(self, request: Request) -> Any:
        rows, token = pair(request, self.five())
        return {
            "data": [{**row, "is_deleted": row["id"] == 2} for row in rows],
            "next_cursor": token,
        }

    def accounts_deleted(self, request: Request) -> Any:
        return {"data": [{"id": 4, "deleted_at": "2026-01-09T00:00:00Z"}], "next_cursor": None}

    def employees(self, request: Request) -> Any:
        return self.customers(request)


def row_at(row: dict[str, Any]) -> dict[str, Any]:
    return {"updated_at": row["updated_at"]}


FIVE = {(n,) for n in range(1, 6)}


def test_all_steps_of_the_page_sync_over_http(
    page: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every record arrives, deleted ones go, and the state at rest is a position per entity."""
    api = Api()
    secrets = {"apiToken": made_up("apiToken")}
    with (
        Sample(Spec(upstream="api"), secrets, api.app()).serve() as server,
        held_clock(1_770_000_000),
    ):
        monkeypatch.setenv("UPSTREAM_BASE_URL", server.url)
        state, tables = sync(page["source"], {}, secrets)
    kept: dict[str, set[Any]] = dict.fromkeys(page["source"].entities, FIVE)
    del kept["account_deletion"]
    kept |= {
        "commit": {(str(n),) for n in range(1, 6)},
        "issue": {(10 * project + n,) for project in (1, 3) for n in range(1, 6)},
        "account": FIVE - {(2,), (4,)},
        "purchase_line": {(n, 1) for n in range(1, 6)},
    }
    assert tables == kept
    assert api.polls == 3
    last = "2026-01-05T00:00:00Z"
    assert state == {
        **dict.fromkeys(("transaction", "customer", "commit", "ticket", "issue"), last),
        **dict.fromkeys(("contact", "deal", "invoice", "visit", "purchase", "account"), last),
        "account_deletion": state["account_deletion"],
        "charge": 1_767_000_005,
        "event": 5,
        "employee": {"rows": 5},
    }
    api.asked.clear()
    with (
        Sample(Spec(upstream="api"), secrets, api.app()).serve() as server,
        held_clock(1_770_003_600),
    ):
        monkeypatch.setenv("UPSTREAM_BASE_URL", server.url)
        again, _ = sync(page["source"], state, secrets)
    assert again["event"] == 5
    assert ("/events", "after=5") in api.asked
    assert ("/commits", "since=2026-01-04T23%3A55%3A00Z") in api.asked


def test_the_auth_function_of_the_page_signs(
    page: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its signature is that of the request as it is sent."""
    secret = "a-made-up-key-1"
    seen = []

    @Request.application
    def app(request: Request) -> Answer:
        text = f"{request.method} {request.full_path}".rstrip("?")
        made = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        seen.append(request.headers.get("X-Signature") == made)
        return Answer("[]", mimetype="application/json")

    bank = page["bank"]
    bank.entity("thing")(lambda fetch: Page(fetch.get("/things", params={"n": 1}).rows()))
    with Sample(Spec(upstream="app"), app=app).serve() as server:
        monkeypatch.setenv("UPSTREAM_BASE_URL", server.url)
        sync(bank, {}, {"signingKey": secret})
    assert seen == [True]


def test_the_auth_classes_send_what_the_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Header, prefix and parameter of a key; name and password."""
    seen: list[Any] = []

    @Request.application
    def app(request: Request) -> Answer:
        seen.append((request.headers.get("X-Api-Key"), request.args.get("key")))
        seen.append(request.headers.get("Authorization"))
        return Answer("[]", mimetype="application/json")

    secrets = {"one": "secret-value-1", "two": "secret-value-2"}
    pair_of = base64.b64encode(b"secret-value-1:secret-value-2").decode()
    for auth, sent in (
        (connector.ApiKey("one", header="X-Api-Key", prefix="Token "), "Token secret-value-1"),
        (connector.ApiKey("one", param="key"), "secret-value-1"),
        (connector.BasicAuth("one", "two"), f"Basic {pair_of}"),
    ):
        made = Source(base_url=URL, auth=auth)
        made.entity("thing")(lambda fetch: Page(fetch.get("/things").rows()))
        with Sample(Spec(upstream="app"), app=app).serve() as server:
            monkeypatch.setenv("UPSTREAM_BASE_URL", server.url)
            sync(made, {}, secrets)
        assert sent in str(seen)
        seen.clear()
