"""A report by day of an advertising API: ordered with POST, polled until it is ready, and downloaded
as CSV from a presigned URL on another host. The figures of past days change, so they come again.

Replace the two hosts, the account's time zone, the columns, and lookback with the days for which
your API corrects its figures. A row that a later report leaves out stays in the table.
"""

import csv
import io
from datetime import date, timedelta
from decimal import Decimal

from connector import BearerToken, Fetch, Page, Payload, RetryLater, Source, TokenExpired

source = Source(
    base_url="https://ads.example.com/v1",
    auth=BearerToken("apiToken"),
    allowed_hosts=["reports.example.com"],
)


@source.entity(
    "campaign_day",
    primary_key=["date", "campaign_id"],
    cursor="date",
    timezone="America/New_York",
    start=Payload("startDate", default="2026-01-01"),
    lookback=timedelta(days=14),
    window=timedelta(days=30),  # the days of one report
)
def campaign_day(fetch: Fetch) -> Page:
    """Two pages for each window: the order, whose id is the next token, and the rows."""
    if fetch.token is None:
        last = date.fromisoformat(fetch.until) - timedelta(days=1)  # the API includes endDate
        order = {"startDate": fetch.since, "endDate": last}
        # A lost answer is asked for again: all it costs is a report that nobody reads.
        response = fetch.post("/reports", json=order, retry=True)
        return Page(next_token=response.value("reportId"))
    report = fetch.get(f"/reports/{fetch.token}")
    status = report.value("status")
    if status == "FAILED":
        raise TokenExpired("the report failed")
    if status != "COMPLETED":
        raise RetryLater(5, f"the report is {status}")
    # The signature in the URL is all it takes: credentials beside it are refused.
    file = fetch.get(report.value("url"), auth=False)
    table = csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"), newline=""))
    return Page([typed(row) for row in table])


def typed(row: dict[str, str]) -> dict[str, object]:
    """A row of the file, in which every value is text."""
    return {**row, "clicks": int(row["clicks"]), "cost": Decimal(row["cost"])}
