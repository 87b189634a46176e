"""Django REST framework with its Token scheme: `customer` is read with CursorPagination and a filter,
`station` by page number, where a page past the end is 404 and deleted rows just vanish.

Replace base_url, the paths, and modified__gte with your API's filter. Where a station is deleted
while the list is read, the others move up one place: one may slip past and be marked as deleted
until the next sync.
"""

from connector import ApiKey, Fetch, Page, Source

source = Source(
    base_url="https://api.example.com/api/v1",
    auth=ApiKey("apiToken", header="Authorization", prefix="Token "),
)


@source.entity("customer", primary_key=["id"], cursor="modified")
def customer(fetch: Fetch) -> Page:
    """One page of customers changed since the cursor; `next` is a whole URL, null on the last."""
    response = fetch.follow(
        "/customers/", params={"modified__gte": fetch.since, "page_size": fetch.page_size}
    )
    return Page(response.rows("results"), next_token=response.value("next"))


@source.entity("station", primary_key=["id"], soft_delete=True)
def station(fetch: Fetch) -> Page:
    """One page of all stations; soft_delete marks those that no longer come."""
    page = fetch.token or 1
    response = fetch.get(
        "/stations/",
        params={"ordering": "id", "page": page, "page_size": fetch.page_size},
        ok=[404] if page > 1 else [],
    )
    if response.status_code == 404:  # the last stations were deleted since the page before
        return Page()
    return Page(response.rows("results"), next_token=page + 1 if response.value("next") else None)
