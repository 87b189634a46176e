"""What Application Insights takes telemetry with, on this machine."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response
from worker.tenants import Quiet

PATIENCE_SECONDS = 60


class Ingestion:
    """Keeps each item that it is sent.

    Attributes:
        connection: The connection string that leads to it.
    """

    def __init__(self) -> None:
        self.connection = ""
        self._items: list[Any] = []
        self._more = threading.Condition()

    def take(self, request: Request) -> Response:
        """Answer as the service does: how many items came, and how many are kept."""
        if not request.path.endswith("/track"):
            return Response(status=404)  # live metrics
        body = request.get_data()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        items = json.loads(body)
        with self._more:
            self._items += items
            self._more.notify_all()
        said = {"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []}
        return Response(json.dumps(said), content_type="application/json")

    def items(self, enough: Callable[[list[Any]], bool]) -> list[Any]:
        """What has come, once that is enough; or in the end whatever has come."""
        with self._more:
            self._more.wait_for(lambda: enough(self._items), PATIENCE_SECONDS)
            return list(self._items)


@contextmanager
def serve() -> Iterator[Ingestion]:
    """The service, while it runs."""
    service = Ingestion()
    server = make_server(
        "127.0.0.1", 0, Request.application(service.take), threaded=True, request_handler=Quiet
    )
    url = f"http://127.0.0.1:{server.port}/"
    key = "00000000-0000-0000-0000-000000000001"
    service.connection = f"InstrumentationKey={key};IngestionEndpoint={url};LiveEndpoint={url}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
