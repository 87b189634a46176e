"""dlt's REST client: iteration over pages of decoded records, without a reply."""

from __future__ import annotations

from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

from benchmarks.meter import Meter, Task


def run(task: Task, meter: Meter) -> None:
    """Iterate over every page."""
    client = RESTClient(
        base_url=task.base_url,
        auth=BearerTokenAuth("a-token-of-24-characters"),
        paginator=JSONResponseCursorPaginator("next_cursor", "cursor"),
        data_selector="data",
    )
    for page in client.paginate("/transactions", params={"limit": task.page_size}):
        meter.deliver(page)
