"""Products of a GraphQL API: one POST with a query and its variables, and pageInfo in the reply.
Errors come with status 200, beside no data or a part of it, so the step looks for them.

Replace base_url and PRODUCTS, and THROTTLED with what your API calls a rate limit. Products that
are deleted stay in the table, because this query does not tell them.
"""

from connector import BearerToken, Fetch, Page, RetryLater, Source, UpstreamError

THROTTLED = "THROTTLED"
PRODUCTS = """
query Products($since: DateTime, $after: String, $first: Int!) {
  products(updatedSince: $since, after: $after, first: $first) {
    nodes { id updatedAt title status price { amount currency } }
    pageInfo { hasNextPage endCursor }
  }
}
"""

source = Source(base_url="https://api.example.com", auth=BearerToken("apiToken"))


@source.entity("product", primary_key=["id"], cursor="updatedAt")
def product(fetch: Fetch) -> Page:
    """One page of products changed since the cursor; a query creates nothing, so it is retried."""
    variables = {"since": fetch.since, "after": fetch.token, "first": fetch.page_size}
    response = fetch.post("/graphql", json={"query": PRODUCTS, "variables": variables}, retry=True)
    if errors := response.value("errors", default=None):
        if any(error.get("extensions", {}).get("code") == THROTTLED for error in errors):
            raise RetryLater(10, "the GraphQL API has a rate limit")
        raise UpstreamError(f"GraphQL: {errors}")
    info = response.value("data.products.pageInfo")
    return Page(
        response.rows("data.products.nodes"),
        next_token=info["endCursor"] if info["hasNextPage"] else None,
    )
