"""An upstream with two tenants, who see their own records; the first requests of both must meet."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

TOKENS = {"token-of-tenant-a": "a", "token-of-tenant-b": "b"}
ROWS = 400
MEETING_SECONDS = 60


def records(tenant: str) -> list[dict[str, object]]:
    """What a tenant has."""
    return [
        {"id": number, "updated_at": "2026-01-05T08:30:00Z", "owner": tenant}
        for number in range(ROWS)
    ]


class Quiet(WSGIRequestHandler):
    """Logs no request."""

    def log(self, type: str, message: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def serve() -> Iterator[str]:
    """The upstream's URL.

    No tenant's first request is answered before the other's is there, so a host that runs one
    call after the other cannot come to an end.
    """
    meeting = threading.Barrier(len(TOKENS))
    seen: set[str] = set()

    @Request.application
    def app(request: Request) -> Response:
        tenant = TOKENS.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if tenant is None:
            return Response(status=401)
        if tenant not in seen:
            seen.add(tenant)
            with suppress(threading.BrokenBarrierError):
                meeting.wait(MEETING_SECONDS)
        if meeting.broken:
            return Response("the other tenant did not come", status=400)
        start, size = int(request.args.get("cursor", 0)), int(request.args["limit"])
        page = records(tenant)[start : start + size]
        after = start + size if start + size < ROWS else None
        body = json.dumps({"data": page, "next_cursor": after})
        return Response(body, content_type="application/json")

    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
