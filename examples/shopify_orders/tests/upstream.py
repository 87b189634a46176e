"""Shopify's list of orders, as its public documentation describes it."""

import base64
import json
from datetime import datetime, timedelta, timezone
from typing import Any

from werkzeug import Request, Response

from harness.sample import made_up

LARGEST_PAGE = 250
BUCKET = 40
ZONE = timezone(timedelta(hours=-5))  # the shop's
FIRST = datetime(2026, 1, 5, 8, 30, tzinfo=ZONE)
ORDERS: list[dict[str, Any]] = [
    {
        "id": 450789469 + number,
        "name": f"#{1001 + number}",
        "updated_at": (FIRST + timedelta(minutes=number * 7919 % 30_000)).isoformat(),
        "closed_at": FIRST.isoformat() if number % 3 == 0 else None,
        "total_price": f"{number % 400}.90",
        "line_items": [{"id": 466157049 + number, "quantity": 1 + number % 4}],
    }
    for number in range(620)
]
asked = 0


@Request.application
def app(request: Request) -> Response:
    """GET /orders.json: newest first, a page of 50 unless `limit` says another size."""
    global asked
    asked += 1
    if request.headers.get("X-Shopify-Access-Token") != made_up("accessToken"):
        return answer({"errors": "[API] Invalid API key or access token"}, 401)
    if request.path != "/orders.json":
        return answer({"errors": "Not Found"}, 404)
    # Nobody waits in these runs, so the bucket overflows at every fifth request.
    if asked % 5 == 0:
        return answer({"errors": "Exceeded 2 calls per second for api client."}, 429, wait="2.0")
    filters = request.args.to_dict()
    limit = min(int(filters.pop("limit", 50)), LARGEST_PAGE)
    last = ORDERS[-1]["id"] + 1
    if token := filters.pop("page_info", None):
        if filters:
            return answer({"errors": {name: f"{name} cannot be passed." for name in filters}}, 400)
        try:
            last, filters = json.loads(base64.urlsafe_b64decode(token))
        except ValueError:
            return answer({"errors": {"page_info": "Invalid value."}}, 400)
    chosen = [row for row in reversed(ORDERS) if row["id"] < last and is_chosen(row, filters)]
    page, link = chosen[:limit], None
    if len(chosen) > limit:
        token = base64.urlsafe_b64encode(json.dumps([page[-1]["id"], filters]).encode()).decode()
        link = f'<{request.base_url}?limit={limit}&page_info={token}>; rel="next"'
    return answer({"orders": page}, link=link)


def is_chosen(row: dict[str, Any], filters: dict[str, str]) -> bool:
    """`status` is "open" unless it is given, and `updated_at_min` is inclusive."""
    since = filters.get("updated_at_min")
    if since and datetime.fromisoformat(row["updated_at"]) < datetime.fromisoformat(since):
        return False
    return filters.get("status", "open") == "any" or row["closed_at"] is None


def answer(
    body: object, status: int = 200, *, link: str | None = None, wait: str | None = None
) -> Response:
    response = Response(json.dumps(body), status, mimetype="application/json")
    response.headers["X-Shopify-Shop-Api-Call-Limit"] = f"{BUCKET if wait else 1}/{BUCKET}"
    if link:
        response.headers["Link"] = link
    if wait:
        response.headers["Retry-After"] = wait
    return response
