"""Charges and customers of Stripe; the id of the last record is the token of the next page. Stripe's
lists know when a record was created and not when it changed: read by `created` alone, the tables
would go stale. So `change` reads /v1/events too, which Stripe keeps for 30 days.

It needs the secret `apiKey` (a restricted key that reads charges, customers and events). For other
objects, add their event types, a table of `change` and a list.
"""

from datetime import timedelta
from typing import Any

from connector import BearerToken, Fetch, Page, Response, RetryLater, Source, UpstreamError

TYPES = ["charge.captured", "charge.expired", "charge.failed", "charge.pending"]
TYPES += ["charge.refunded", "charge.succeeded", "charge.updated"]
TYPES += ["customer.created", "customer.deleted", "customer.updated"]

source = Source(
    base_url="https://api.stripe.com",
    auth=BearerToken("apiKey"),
    headers={"Stripe-Version": "2025-03-31.basil"},
)


def following(response: Response) -> Any:
    """The next page starts after the last record; an empty page may not be the last one."""
    if not response.value("has_more"):
        return None
    records = response.value("data")
    if not records:
        raise RetryLater(2, "Stripe gave an empty page and says that there are more records")
    return records[-1]["id"]


# It stands before the lists, so it is read before them: what changes meanwhile is in the next sync.
@source.entity("change", tables={"charge": ["id"], "customer": ["id"]}, page_size=20)
def change(fetch: Fetch) -> Page:
    """Read each object again that an event is about.

    Events come newest first, so an event on a later page may have an older version of an object.
    The objects themselves are always of today, and of this API version.
    """
    started = int(fetch.started.timestamp())
    since = started if fetch.since is None else fetch.since
    if started - since > timedelta(days=29).total_seconds():
        raise UpstreamError("Stripe has no events of the time before 30 days: do a re-sync")
    response = fetch.get(
        "/v1/events",
        params={
            "types[]": TYPES,
            "created[gte]": since - 300,  # events may be listed late, and clocks differ
            "starting_after": fetch.token,
            "limit": fetch.page_size,
        },
    )
    changed = [event["data"]["object"] for event in response.value("data")]
    rows: dict[str, list[Any]] = {"charge": [], "customer": []}
    deleted: dict[str, list[Any]] = {"customer": []}
    for kind, key in sorted({(each["object"], each["id"]) for each in changed}):
        record = fetch.get(f"/v1/{kind}s/{key}").json()
        (deleted if record.get("deleted") else rows)[kind].append(record)
    return Page(tables=rows, deleted=deleted, next_token=following(response), cursor=started)


def created(fetch: Fetch, path: str) -> Page:
    """One page of records created since the cursor, newest first."""
    response = fetch.get(
        path,
        params={
            "created[gte]": fetch.since,
            "starting_after": fetch.token,
            "limit": fetch.page_size,
        },
    )
    return Page(response.rows("data"), next_token=following(response))


@source.entity("charge", primary_key=["id"], cursor="created", cursor_type="epoch")
def charge(fetch: Fetch) -> Page:
    return created(fetch, "/v1/charges")


@source.entity("customer", primary_key=["id"], cursor="created", cursor_type="epoch")
def customer(fetch: Fetch) -> Page:
    return created(fetch, "/v1/customers")
