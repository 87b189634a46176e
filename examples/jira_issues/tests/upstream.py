"""Jira Cloud's search by JQL, as its public documentation describes it."""

import json
import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from werkzeug import Request, Response

from harness.sample import made_up

ZONE = ZoneInfo("America/Los_Angeles")  # of the user who asks
LAST = datetime(2026, 3, 8, 10, 2, tzinfo=UTC)  # two minutes after the clocks went forward there
LIMITED = 31  # every so many requests the rate limit steps in
JQL = re.compile(
    r'updated >= "(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d)" ORDER BY created ASC, key ASC', re.I
)
asked = 0


def made(number: int) -> dict[str, Any]:
    """An issue; a hundred of them changed in the minutes before LAST."""
    changed = LAST - timedelta(seconds=(number - 1) * 10, hours=number // 100 * 7)
    fields = {
        "summary": f"Größe {number} is wrong",
        "issuetype": {"id": "10001", "name": "Bug"},
        "status": {"id": "3", "name": "In Progress"},
        "priority": None,
        "assignee": {"accountId": f"5b10a2844c20165700ede{number % 5}", "displayName": "Ana"},
        "labels": ["ui"] if number % 3 else [],
        "created": LAST - timedelta(days=800 - number, hours=1),
        "updated": changed,
    }
    return {"id": str(10_000 + number), "key": f"APP-{number}", "fields": fields}


ISSUES = [made(number) for number in range(1, 731)]


@Request.application
def app(request: Request) -> Response:
    """Without credentials nobody sees an issue; with wrong ones Jira answers 401."""
    global asked
    asked += 1
    login = request.authorization
    if login and (login.username, login.password) != (made_up("email"), made_up("apiToken")):
        why = "Client must be authenticated to access this resource."
        return Response(why, 401, {"X-Seraph-LoginReason": "AUTHENTICATED_FAILED"})
    if asked % LIMITED == 0:
        reset = (datetime.now(UTC) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return answer({}, 429, {"Retry-After": "1", "X-RateLimit-Reset": reset})
    if (request.method, request.path) == ("GET", "/rest/api/3/search/jql"):
        return search(request, ISSUES if login else [])
    for each in ISSUES:
        if (request.method, request.path) == ("PUT", f"/rest/api/3/issue/{each['key']}"):
            each["fields"].update(json.loads(request.data)["fields"], updated=datetime.now(UTC))
            return Response(status=204)
    return answer({"errorMessages": ["dead link"], "errors": {}}, 404)


def search(request: Request, visible: list[dict[str, Any]]) -> Response:
    """50 to a page unless asked otherwise; no fields unless asked for; a token fits one search."""
    args = request.args
    found = JQL.fullmatch(args.get("jql", ""))
    if found is None:
        return refused("Unbounded JQL queries are not allowed here, or this one cannot be parsed.")
    # A time that a clock change leaves out is taken as an hour later.
    since = datetime(*map(int, found.groups()), tzinfo=ZONE)  # type: ignore[misc, arg-type]
    start = 0
    if token := args.get("nextPageToken"):
        place, _, jql = b64decode(token).decode().partition(" ")
        if jql != args["jql"]:
            return refused("The provided next page token is invalid or expired.")
        start = int(place)
    rows = [each for each in visible if each["fields"]["updated"] >= since]
    rows = [each for each in rows if int(each["id"]) > start]
    page = rows[: min(int(args.get("maxResults", 50)), 100)]
    names = args.get("fields", "").split(",")
    body: dict[str, Any] = {"issues": [shown(each, names) for each in page]}
    if len(rows) > len(page):
        token = b64encode(f"{page[-1]['id']} {args['jql']}".encode()).decode()
        return answer({**body, "nextPageToken": token, "isLast": False})
    return answer({**body, "isLast": True})


def shown(issue: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """With the times in the zone of the user who asks."""
    link = f"https://acme.atlassian.net/rest/api/3/issue/{issue['id']}"
    found: dict[str, Any] = {"id": issue["id"], "key": issue["key"], "self": link, "fields": {}}
    for name in names:
        value = issue["fields"].get(name)
        if isinstance(value, datetime):
            local = value.astimezone(ZONE)
            value = f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond // 1000:03}{local:%z}"
        found["fields"][name] = value
    return found


def refused(why: str) -> Response:
    return answer({"errorMessages": [why], "errors": {}}, 400)


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(body), status, headers, mimetype="application/json")
