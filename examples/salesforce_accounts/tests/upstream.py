"""Salesforce's token endpoint and queryAll for accounts, as its public documentation describes it."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from werkzeug import Request, Response

from harness.sample import made_up

API = "/services/data/v67.0"
BATCH = 200  # records; Salesforce gives up to 2,000, or fewer
USES = 7  # requests until a session expires
QUERY = re.compile(r"SELECT ([\w, ]+) FROM Account WHERE SystemModstamp >= (\S+)")
FIRST = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
ACCOUNTS: list[dict[str, Any]] = [
    {
        "Id": f"001RM0000{number:06}IAA",
        "IsDeleted": number % 10 == 9,
        "SystemModstamp": FIRST + timedelta(minutes=number * 7919 % 300_000),
        "Name": f"Núñez & Söhne {number}",
        "Industry": ("Energy", "Retail", None)[number % 3],
        "AnnualRevenue": number * 1250.5,
    }
    for number in range(730)
]
sessions: dict[str, int] = {}  # requests left
results: list[list[dict[str, Any]]] = []  # of a query, by locator


@Request.application
def app(request: Request) -> Response:
    """The token endpoint, a query, or the next batch of an earlier query."""
    if request.path == "/services/oauth2/token":
        return token(request)
    session = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if sessions.get(session, 0) < 1:
        return failure(401, "INVALID_SESSION_ID", "Session expired or invalid")
    sessions[session] -= 1
    if request.path == f"{API}/queryAll":
        return query(request.args.get("q", ""))
    if found := re.fullmatch(rf"{API}/query/0r8xx(\d+)AAA-(\d+)", request.path):
        return batch(int(found[1]), int(found[2]))
    return failure(404, "NOT_FOUND", "The requested resource does not exist")


def token(request: Request) -> Response:
    """Client credentials, in the body; a session has no `expires_in`."""
    form = request.form
    if form.get("grant_type") != "client_credentials":
        return answer({"error": "unsupported_grant_type"}, 400)
    client = {name: form.get(name) for name in ("client_id", "client_secret")}
    if client != {"client_id": made_up("clientId"), "client_secret": made_up("clientSecret")}:
        why = "invalid client credentials"
        return answer({"error": "invalid_client", "error_description": why}, 400)
    session = f"00DRM000000Example!AQ4AQ{len(sessions):06}"
    sessions[session] = USES
    url = request.host_url.rstrip("/")
    return answer({"access_token": session, "token_type": "Bearer", "instance_url": url})


def query(soql: str) -> Response:
    """The first batch of a query; the time filter is inclusive, its value has no quotes."""
    found = QUERY.fullmatch(soql)
    try:
        since = datetime.fromisoformat(found[2]) if found else None
    except ValueError:
        since = None
    if found is None or since is None:
        return failure(400, "MALFORMED_QUERY", f"unexpected token in {soql!r}")
    fields = found[1].split(", ")
    if unknown := set(fields) - ACCOUNTS[0].keys():
        return failure(400, "INVALID_FIELD", f"No such column {unknown.pop()!r} on Account")
    chosen = [row for row in ACCOUNTS if row["SystemModstamp"] >= since]
    results.append([record(row, fields) for row in chosen])
    return batch(len(results) - 1, 0)


def record(row: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    stamp = row["SystemModstamp"].strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    url = f"{API}/sobjects/Account/{row['Id']}"
    chosen = {field: {**row, "SystemModstamp": stamp}[field] for field in fields}
    return {"attributes": {"type": "Account", "url": url}, **chosen}


def batch(locator: int, start: int) -> Response:
    """`nextRecordsUrl` says query, also after queryAll, and is not there in the last batch."""
    if locator >= len(results):
        return failure(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    found, end = results[locator], start + BATCH
    body: dict[str, Any] = {"totalSize": len(found), "done": end >= len(found)}
    if end < len(found):
        body["nextRecordsUrl"] = f"{API}/query/0r8xx{locator:010}AAA-{end}"
    return answer({**body, "records": found[start:end]})


def failure(status: int, code: str, message: str) -> Response:
    return answer([{"message": message, "errorCode": code}], status)


def answer(body: object, status: int = 200) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json")
