"""An advertising API with reports by day, made like the common ones. The files, which such an API
keeps on another host, are here too.
"""

import csv
import io
import json
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from werkzeug import Request, Response

from harness.sample import made_up

LONGEST_REPORT = 31  # days
NAMES = ("Brand", 'Spring "sale", north', "two\nlines")
reports: dict[str, tuple[date, date]] = {}
polled: dict[str, int] = {}


@Request.application
def app(request: Request) -> Response:
    """An order, the status of a report, or its file."""
    _, kind, name = [*request.path.split("/"), ""][:3]
    if kind == "files":
        return file(request, name.removesuffix(".csv"))
    if request.headers.get("Authorization") != f"Bearer {made_up('apiToken')}":
        return failure(401, "UNAUTHORIZED")
    if kind == "reports" and request.method == "POST":
        return order(request)
    if kind == "reports" and name in reports:
        return status(request, name)
    return failure(404, "NOT_FOUND")


def order(request: Request) -> Response:
    """Of at most 31 days, both ends included, none of them in the future."""
    try:
        sent = json.loads(request.data)
        first, last = (date.fromisoformat(sent[name]) for name in ("startDate", "endDate"))
    except (ValueError, KeyError, TypeError):
        return failure(400, "startDate and endDate are days")
    if not first <= last <= datetime.now(ZoneInfo("America/New_York")).date():
        return failure(400, "endDate is before startDate or in the future")
    if (last - first).days >= LONGEST_REPORT:
        return failure(400, f"a report has at most {LONGEST_REPORT} days")
    name = f"r-{1 + len(reports)}"
    reports[name] = first, last
    return answer({"reportId": name, "status": "PENDING"}, 202)


def status(request: Request, name: str) -> Response:
    """Every tenth report is late, others are ready at once; each URL has a signature of its own."""
    polled[name] = polled.get(name, 0) + 1
    if name.endswith("1") and polled[name] == 1:
        return answer({"reportId": name, "status": "PROCESSING"})
    url = f"{request.host_url}files/{name}.csv?X-Amz-Signature={name}-{polled[name]}"
    return answer({"reportId": name, "status": "COMPLETED", "url": url})


def file(request: Request, name: str) -> Response:
    """The newest URL alone is valid; S3 refuses credentials beside the signature."""
    if "Authorization" in request.headers:
        return Response("<Error><Code>InvalidArgument</Code></Error>", 400, mimetype="text/xml")
    if request.args.get("X-Amz-Signature") != f"{name}-{polled.get(name)}":
        return Response("<Error><Code>AccessDenied</Code></Error>", 403, mimetype="text/xml")
    first, last = reports[name]
    table = io.StringIO(newline="")
    rows = csv.writer(table)
    rows.writerow(["date", "campaign_id", "campaign", "clicks", "cost"])
    for past in range((last - first).days + 1):
        day = first + timedelta(days=past)
        for number, campaign in enumerate(NAMES):
            clicks = day.toordinal() * (number + 7) % 1000
            if clicks > 100:  # days without clicks are left out
                rows.writerow([day, f"c-{number}", campaign, clicks, f"{clicks * 0.37:.2f}"])
    return Response(table.getvalue().encode("utf-8-sig"), mimetype="text/csv")


def failure(status: int, message: str) -> Response:
    return answer({"message": message}, status)


def answer(body: object, status: int = 200) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json")
