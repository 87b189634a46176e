"""Orders of a Shopify shop. The next page is a URL in the Link header, with page_info and limit:
beside page_info Shopify refuses any other parameter. Above two requests a second it answers 429.

It needs the payload key `shop` (of SHOP.myshopify.com), the secret `accessToken` and, for orders of
more than 60 days ago, the scope read_all_orders. Orders that are deleted in Shopify stay in the
table, because this list does not tell them.
"""

from connector import ApiKey, Fetch, Page, Source

source = Source(
    base_url="https://{shop}.myshopify.com/admin/api/2026-10",
    auth=ApiKey("accessToken", header="X-Shopify-Access-Token"),
)


@source.entity("orders", primary_key=["id"], cursor="updated_at", page_size=250)
def orders(fetch: Fetch) -> Page:
    """One page of orders changed since the cursor; by default Shopify lists open ones only."""
    response = fetch.follow(
        "/orders.json",
        params={"status": "any", "updated_at_min": fetch.since, "limit": fetch.page_size},
    )
    return Page(response.rows("orders"), next_token=response.link("next"))
