"""HubSpot's contact search and list of contacts, as its public documentation describes them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from werkzeug import Request, Response

from harness.sample import made_up

CONTACTS = "/crm/v3/objects/contacts"
RESULTS = 1_000  # of one search; HubSpot gives 10,000
FIRST = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
LIMITED = 29  # every so many requests the rate limit steps in
COMPARE = {"GT": "__gt__", "GTE": "__ge__", "LT": "__lt__", "LTE": "__le__", "EQ": "__eq__"}
asked = 0


def made(number: int) -> dict[str, Any]:
    """A contact; every twentieth is in the recycle bin, and many changed in one import."""
    changed = FIRST + timedelta(hours=number % 7 * 40, milliseconds=number % 3)
    return {
        "hs_object_id": str(number * 51),
        "createdate": stamp(FIRST - timedelta(days=number % 900)),
        "email": f"contact{number}@example.com",
        "firstname": "Zoë",
        "lastname": f"Müller {number}",
        "lifecyclestage": ("lead", "customer")[number % 2],
        "lastmodifieddate": stamp(changed),
        "archived": number % 20 == 0,
    }


def stamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03}Z"


def number_of(value: str) -> int:
    """An id, or a time: milliseconds since 1970, or ISO 8601."""
    if "T" in value:
        return round(datetime.fromisoformat(value).timestamp() * 1000)
    return int(value)


ROWS = [made(number) for number in range(1, 1_251)]


@Request.application
def app(request: Request) -> Response:
    global asked
    asked += 1
    if request.headers.get("Authorization") != f"Bearer {made_up('accessToken')}":
        return failure(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
    if asked % LIMITED == 0:
        return failure(429, "RATE_LIMITS", "You have reached your secondly limit.")
    if (request.method, request.path) == ("POST", f"{CONTACTS}/search"):
        return search(json.loads(request.data))
    if (request.method, request.path) == ("GET", CONTACTS):
        return listing(request)
    for row in ROWS:
        if request.path == f"{CONTACTS}/{row['hs_object_id']}":
            return change(row, request)
    return failure(404, "OBJECT_NOT_FOUND", "resource not found")


def change(row: dict[str, Any], request: Request) -> Response:
    """A deleted contact goes to the recycle bin."""
    if request.method == "DELETE":
        row["archived"] = True
    elif request.method == "PATCH":
        row.update(json.loads(request.data)["properties"])
        row["lastmodifieddate"] = stamp(datetime.now(UTC))
    return Response(status=204)


def search(body: dict[str, Any]) -> Response:
    """10 to a page unless asked otherwise, at most 200; `after` counts results."""
    size, start = int(body.get("limit", 10)), int(body.get("after", 0))
    if size > 200:
        return failure(400, "VALIDATION_ERROR", "limit must be at most 200")
    if start + size > RESULTS:
        return failure(400, "VALIDATION_ERROR", f"a search ends after {RESULTS} results")
    (group,), (sort,) = body["filterGroups"], body["sorts"]
    rows = [row for row in ROWS if not row["archived"]]
    for each in group["filters"]:
        name, compare = each["propertyName"], COMPARE[each["operator"]]
        limit = number_of(each["value"])
        rows = [row for row in rows if getattr(number_of(row[name]), compare)(limit)]
    rows.sort(key=lambda row: number_of(row[sort["propertyName"]]))
    if sort["direction"] == "DESCENDING":
        rows.reverse()
    names = {*body.get("properties", ()), "createdate", "hs_object_id", "lastmodifieddate"}
    found = {"total": len(rows), "results": [record(row, names) for row in rows[start:][:size]]}
    if start + size < len(rows):
        found["paging"] = {"next": {"after": str(start + size)}}
    return answer(found)


def listing(request: Request) -> Response:
    """10 to a page unless asked otherwise, at most 100, by id; `after` is the next one's id."""
    size, after = int(request.args.get("limit", 10)), int(request.args.get("after", 0))
    if size > 100:
        return failure(400, "VALIDATION_ERROR", "limit must be at most 100")
    archived = request.args.get("archived") == "true"
    rows = [row for row in ROWS if row["archived"] == archived]
    rows = [row for row in rows if int(row["hs_object_id"]) >= after]
    found: dict[str, Any] = {"results": [record(row, set(row)) for row in rows[:size]]}
    if rows[size:]:
        link = f"{request.base_url}?after={rows[size]['hs_object_id']}"
        found["paging"] = {"next": {"after": rows[size]["hs_object_id"], "link": link}}
    return answer(found)


def record(row: dict[str, Any], names: set[str]) -> dict[str, Any]:
    found = {
        "id": row["hs_object_id"],
        "properties": {name: row.get(name) for name in sorted(names - {"archived"})},
        "createdAt": row["createdate"],
        "updatedAt": row["lastmodifieddate"],
        "archived": row["archived"],
    }
    return {**found, "archivedAt": row["lastmodifieddate"]} if row["archived"] else found


def failure(status: int, category: str, message: str) -> Response:
    body = {"status": "error", "message": message, "category": category}
    return answer({**body, "correlationId": "aeb5f871-7f07-4993-9211-075dc63e7cbf"}, status)


def answer(body: object, status: int = 200) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json")
