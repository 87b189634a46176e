"""Takes Azure's request and returns Azure's response."""

from __future__ import annotations

import azure.functions as func

from connector.source import Source
from connector.sync.handler import handle


def respond(source: Source, req: func.HttpRequest) -> func.HttpResponse:
    """Answer one call from Fivetran.

    Args:
        source: The source that fetch.py declares.
        req: The request as Azure Functions passes it; its body is read as bytes.

    Returns:
        JSON with status 200, also for an error report, or 400 for a body that is not a request of
        the protocol. It raises nothing: an unhandled exception would reach Fivetran as a 500 with
        an empty body.
    """
    status, body = handle(source, req.get_body())
    return func.HttpResponse(body, status_code=status, mimetype="application/json")
