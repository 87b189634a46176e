"""An upstream with two tenants, who see their own records; the first requests of both must meet."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from handmade import served
from werkzeug import Request, Response

TOKENS = {"token-of-tenant-a": "a", "token-of-tenant-b": "b"}
ROWS = 400
MEETING_SECONDS = 60


@contextmanager
def serve() -> Iterator[str]:
    """The upstream's URL.

    No tenant's first request is answered before the other's is there, so a host that runs one
    call after the other cannot come to an end.
    """
    meeting = threading.Barrier(len(TOKENS))
    seen: set[str] = set()

    def answer(request: Request) -> Response:
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
        end = min(start + size, ROWS)
        rows = [
            {"id": number, "updated_at": "2026-01-05T08:30:00Z", "owner": tenant}
            for number in range(start, end)
        ]
        body = json.dumps({"data": rows, "next_cursor": end if end < ROWS else None})
        return Response(body, content_type="application/json")

    with served(answer) as url:
        yield url
