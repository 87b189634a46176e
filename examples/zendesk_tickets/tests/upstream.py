"""Zendesk's incremental exports, as its public documentation describes them."""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from werkzeug import Request, Response

from harness.sample import made_up

API = "/api/v2"
FIRST = 1_767_601_800
LIMITED = 11  # every so many requests the limit of ten a minute steps in


def made(number: int, together: int, **more: object) -> dict[str, Any]:
    """A record; so many change in the same second, and updated_at does not say when."""
    stamp = datetime.fromtimestamp(FIRST - number * 7, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    changed = FIRST + number // together * 60
    return {"id": number, "updated_at": stamp, "generated_timestamp": changed, **more}


def tickets() -> Iterator[dict[str, Any]]:
    for number in range(1, 2_401):
        status = "deleted" if number % 40 == 0 else ("open", "solved")[number % 2]
        yield made(number, 1_500, subject=f"Größe {number}", status=status)


def organizations() -> Iterator[dict[str, Any]]:
    for number in range(1, 2_201):
        yield made(number, 90, name=f"Núñez & Söhne {number}")


ROWS = {"tickets": list(tickets()), "organizations": list(organizations())}
asked = 0


def now() -> int:
    """This app's clock: a hundred seconds for each request."""
    return FIRST + 1_000_000 + asked * 100


@Request.application
def app(request: Request) -> Response:
    global asked
    asked += 1
    login = request.authorization
    names = (login.username, login.password) if login else None
    if names != (made_up("user"), made_up("apiToken")):
        return answer({"error": "Couldn't authenticate you"}, 401)
    if asked % LIMITED == 0:
        return answer({"error": "APIRateLimitExceeded"}, 429, {"Retry-After": "1"})
    if request.path == f"{API}/incremental/tickets/cursor.json":
        return by_cursor(request)
    if request.path == f"{API}/incremental/organizations.json":
        return by_time(request)
    if found := re.fullmatch(rf"{API}/(tickets|organizations)/(\d+)\.json", request.path):
        return change(found[1], int(found[2]), request)
    return answer({"error": "InvalidEndpoint", "description": "Not found"}, 404)


def change(name: str, number: int, request: Request) -> Response:
    """PUT and DELETE of one record; a deleted ticket stays in the export."""
    row = next(row for row in ROWS[name] if row["id"] == number)
    more = {"status": "deleted"} if request.method == "DELETE" else json.loads(request.data)
    row.update(more, generated_timestamp=now())
    return answer({}, 200)


def exported(name: str) -> list[dict[str, Any]]:
    """Oldest change first, without those of the last minute."""
    rows = [row for row in ROWS[name] if row["generated_timestamp"] < now() - 60]
    return sorted(rows, key=place)


def place(row: dict[str, Any]) -> tuple[int, int]:
    return row["generated_timestamp"], row["id"]


def start_time(request: Request) -> int | None:
    start = request.args.get("start_time", "")
    return int(start) if start.isdigit() and int(start) < now() - 60 else None


def by_cursor(request: Request) -> Response:
    """The cursor is the place of the last ticket of a page; 1,000 to a page at most."""
    rows, start = exported("tickets"), start_time(request)
    if cursor := request.args.get("cursor"):
        found = re.fullmatch(r"(\d+)\.0\|\|(\d+)\|", b64decode(cursor).decode())
        if found is None:
            return answer({"error": "InvalidValue", "description": "cursor is invalid"}, 400)
        rows = [row for row in rows if place(row) > (int(found[1]), int(found[2]))]
    elif start is None:
        return answer({"error": "StartTimeTooRecent", "description": "Too recent"}, 422)
    else:
        rows = [row for row in rows if row["generated_timestamp"] >= start]
    page = rows[: min(int(request.args.get("per_page", 1_000)), 1_000)]
    if page:
        time, number = place(page[-1])
        cursor = b64encode(f"{time}.0||{number}|".encode()).decode()
    found_all = len(page) == len(rows)
    body = {"tickets": page, "after_cursor": cursor, "end_of_stream": found_all}
    return answer({**body, "before_cursor": None, "before_url": None})


def by_time(request: Request) -> Response:
    """`end_time` is that of the last record of the page; 1,000 to a page at most."""
    start = start_time(request)
    if start is None:
        return answer({"error": "StartTimeTooRecent", "description": "Too recent"}, 422)
    rows = [row for row in exported("organizations") if row["generated_timestamp"] >= start]
    page = rows[: min(int(request.args.get("per_page", 1_000)), 1_000)]
    end = page[-1]["generated_timestamp"] if page else None
    public = [{k: row[k] for k in row if k != "generated_timestamp"} for row in page]
    body = {"organizations": public, "count": len(page), "end_time": end}
    link = f"{request.base_url}?start_time={end}"
    return answer({**body, "next_page": link, "end_of_stream": len(page) == len(rows)})


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(body), status, headers, mimetype="application/json")
