"""Tickets and organizations of Zendesk, by its incremental exports. Tickets have a cursor of their own;
organizations only an `end_time`, whose records come again with the next page and become one row.

It needs the payload key `subdomain` (of SUBDOMAIN.zendesk.com), the secrets `user` (EMAIL/token)
and `apiToken`. Zendesk allows ten of these requests a minute and leaves out the last minute.
Deleted tickets are deleted; deleted organizations stay, because no export tells them.
"""

from connector import BasicAuth, Fetch, Page, Source, UpstreamError

EXPORTS = "/api/v2/incremental"

source = Source(
    base_url="https://{subdomain}.zendesk.com",
    auth=BasicAuth("user", "apiToken"),
)


@source.entity("ticket", primary_key=["id"], page_size=1000)
def ticket(fetch: Fetch) -> Page:
    """One page of tickets behind the cursor.

    Its time of change is no cursor: what the system changes leaves `updated_at` as it was.
    """
    position = fetch.token or fetch.since
    response = fetch.get(
        f"{EXPORTS}/tickets/cursor.json",
        params={
            "cursor": position,
            "start_time": None if position else 0,
            "per_page": fetch.page_size,
        },
    )
    rows = response.rows("tickets")
    after = response.value("after_cursor") or position
    return Page(
        rows,
        next_token=None if response.value("end_of_stream") else after,
        deleted=[row for row in rows if row["status"] == "deleted"],
        cursor=after,
    )


@source.entity("organization", primary_key=["id"], page_size=1000)
def organization(fetch: Fetch) -> Page:
    """One page of organizations changed at the start time or later."""
    start = fetch.token or fetch.since or 0
    response = fetch.get(
        f"{EXPORTS}/organizations.json",
        params={"start_time": start, "per_page": fetch.page_size},
    )
    rows = response.rows("organizations")
    end = response.value("end_time") or start
    if response.value("end_of_stream"):
        return Page(rows, cursor=end)
    if end == start:
        raise UpstreamError(f"more organizations changed in the second {end} than one page holds")
    return Page(rows, next_token=end, cursor=end)
