"""GitHub's list of issues of a repository, as its public documentation describes it."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from werkzeug import Request, Response

from harness.sample import made_up

FIRST = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
REPOSITORIES = {"octo/app": 1001, "octo/docs": 1002, "octo/fork": 1003, "octo/new": 1004}
TURNED_OFF = {"octo/fork"}
COUNTS = {"octo/app": 640, "octo/docs": 200, "octo/new": 0}  # octo/docs fills its last page
LIMITED = 37  # every so many requests GitHub's secondary rate limit steps in
asked = 0


def made(name: str, number: int) -> dict[str, Any]:
    """An issue; every third one is a pull request."""
    created = FIRST + timedelta(hours=number)
    updated = created + timedelta(minutes=number * 7919 % 100_000)
    found = {
        "id": REPOSITORIES[name] * 1_000_000 + number,
        "number": number,
        "repository_url": f"https://api.github.com/repos/{name}",
        "title": f"Größe {number} is wrong",
        "state": ("open", "closed")[number % 2],
        "labels": [{"id": 7, "name": "bug"}] if number % 5 else [],
        "created_at": stamp(created),
        "updated_at": stamp(updated),
    }
    if number % 3 == 0:
        url = f"https://api.github.com/repos/{name}/pulls/{number}"
        found["pull_request"] = {"url": url, "merged_at": None}
    return found


def stamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


ISSUES = {
    name: [made(name, number) for number in range(1, count + 1)] for name, count in COUNTS.items()
}


@Request.application
def app(request: Request) -> Response:
    """The first page is asked for by name; the later ones, in the Link header, are by number."""
    global asked
    asked += 1
    if request.headers.get("Authorization") != f"Bearer {made_up('githubToken')}":
        return failure(401, "Bad credentials")
    if asked % LIMITED == 0:
        why = "You have exceeded a secondary rate limit. Please wait before you try again."
        return failure(403, why, {"Retry-After": "1"})
    if request.method == "PATCH":
        return change(request)
    names = {f"/repos/{name}/issues": name for name in REPOSITORIES}
    names |= {f"/repositories/{number}/issues": name for name, number in REPOSITORIES.items()}
    name = names.get(request.path)
    if name is None:
        return failure(404, "Not Found")
    if name in TURNED_OFF:
        return failure(410, "Issues are disabled for this repo")
    return issues(name, request)


def change(request: Request) -> Response:
    """An issue gets another title, or is closed."""
    found = re.fullmatch(r"/repos/(octo/\w+)/issues/(\d+)", request.path)
    if found is None:
        return failure(404, "Not Found")
    issue = ISSUES[found[1]][int(found[2]) - 1]
    issue.update(json.loads(request.data), updated_at=stamp(datetime.now(UTC)))
    return answer(issue)


def issues(name: str, request: Request) -> Response:
    """Open ones, newest first, 30 to a page, unless asked otherwise; `since` is inclusive."""
    args = request.args
    since, state = args.get("since", ""), args.get("state", "open")
    if since and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", since):
        return failure(422, "Validation Failed")
    if args.get("sort", "created") != "created":
        return failure(422, "this app sorts by creation alone")
    found = [each for each in ISSUES[name] if each["updated_at"] >= since]
    found = [each for each in found if state in ("all", each["state"])]
    if args.get("direction", "desc") == "desc":
        found.reverse()
    page, size = int(args.get("page", 1)), min(int(args.get("per_page", 30)), 100)
    last = max(1, -(-len(found) // size))
    url = f"{request.host_url}repositories/{REPOSITORIES[name]}/issues"
    pages = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
    if page == 1:
        del pages["prev"], pages["first"]
    if page >= last:
        del pages["next"], pages["last"]
    links = (
        f'<{url}?{urlencode({**args, "page": number})}>; rel="{rel}"'
        for rel, number in pages.items()
    )
    rows = found[(page - 1) * size : page * size]
    return answer(rows, headers={"Link": ", ".join(links)} if pages else {})


def failure(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    body = {"message": message, "documentation_url": "https://docs.github.com/rest"}
    return answer({**body, "status": str(status)}, status, headers)


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(body), status, headers, mimetype="application/json")
