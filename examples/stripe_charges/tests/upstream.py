"""Stripe's charges, customers and events, as its public documentation describes them."""

import json
import re
import time
from typing import Any

from werkzeug import Request, Response

from harness.sample import made_up

FIRST = 1_767_601_800
COUNTS = {"charge": 530, "customer": 200}  # the customers fill their last page
PREFIX = {"charge": "ch", "customer": "cus", "event": "evt"}
LIMITED = 41  # every so many requests the rate limit steps in
EMPTY = 13  # every so many later pages are empty, with has_more true


def made(kind: str, number: int) -> dict[str, Any]:
    key = f"{PREFIX[kind]}_3MmlLr{number:06}"
    record: dict[str, Any] = {"id": key, "object": kind, "created": FIRST + number * 3_600}
    if kind == "charge":
        return {**record, "amount": number * 25, "currency": "eur", "description": None}
    return {**record, "name": f"Zoë Müller {number}", "email": None}


# Newest first, as Stripe lists them.
store = {
    kind: [made(kind, number) for number in range(count, 0, -1)] for kind, count in COUNTS.items()
}
store["event"] = []
asked = later = 0


@Request.application
def app(request: Request) -> Response:
    """Lists, single objects, and what changes these: POST and DELETE, as with Stripe."""
    global asked
    asked += 1
    if request.headers.get("Authorization") != f"Bearer {made_up('apiKey')}":
        return failure(401, "Invalid API Key provided: sk_test_****")
    if asked % LIMITED == 0:
        return failure(429, "Request rate limit exceeded.", code="rate_limit")
    found = re.fullmatch(r"/v1/(charge|customer|event)s(?:/(\w+))?", request.path)
    if found is None:
        return failure(404, f"Unrecognized request URL ({request.method}: {request.path}).")
    kind, key = found[1], found[2]
    if key is None:
        return listing(kind, request)
    record = next((each for each in store[kind] if each["id"] == key), None)
    if record is None:
        return failure(404, f"No such {kind}: '{key}'", code="resource_missing")
    if request.method == "POST":
        record.update(request.form)
        happened(f"{kind}.updated", record)
    elif request.method == "DELETE" and kind == "customer":
        stub = {"id": key, "object": kind, "deleted": True}
        happened(f"{kind}.deleted", record)
        record.clear()
        record.update(stub)
    return answer(record)


def happened(type: str, record: dict[str, Any]) -> None:
    """A new event; it holds the object as it is at this moment."""
    key = f"evt_1NG8Du{len(store['event']):06}"
    event = {"id": key, "object": "event", "type": type, "created": int(time.time())}
    store["event"].insert(0, {**event, "data": {"object": {**record}}})


def listing(kind: str, request: Request) -> Response:
    """10 to a page unless asked otherwise, at most 100; deleted objects are not listed."""
    global later
    size = int(request.args.get("limit", 10))
    if not 1 <= size <= 100:
        return failure(400, "limit must be between 1 and 100")
    since, types = int(request.args.get("created[gte]", 0)), request.args.getlist("types[]")
    rows = [each for each in store[kind] if not each.get("deleted")]
    if after := request.args.get("starting_after"):
        keys = [each["id"] for each in rows]
        if after not in keys:
            return failure(400, f"No such {kind}: '{after}'", code="resource_missing")
        rows = rows[keys.index(after) + 1 :]
        later += 1
    rows = [each for each in rows if each["created"] >= since]
    rows = [each for each in rows if not types or each["type"] in types]
    is_empty = bool(after) and later % EMPTY == 0
    page = [] if is_empty else rows[:size]
    more = is_empty or len(rows) > size
    return answer({"object": "list", "url": request.path, "has_more": more, "data": page})


def failure(status: int, message: str, **more: str) -> Response:
    error = {"type": "invalid_request_error", "message": message, **more}
    return answer({"error": error}, status)


def answer(body: object, status: int = 200) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json")
