# Owned by fivetran-azfn-template: updates replace this file.
"""The one adapter to Azure Functions: an HTTP request in, an HTTP response out."""

from __future__ import annotations

import azure.functions as func

from connector.answer import answer
from connector.source import Source


def respond(source: Source, req: func.HttpRequest) -> func.HttpResponse:
    """Answer one call of Fivetran's.

    Args:
        source: The source that fetch.py declares.
        req: The request that Azure hands over; its body is read as bytes.

    Returns:
        JSON with status 200, also for an error report, or 400 for a body that is no request of
        the protocol. It raises nothing: an unhandled exception would reach Fivetran as a 500 with
        an empty body.
    """
    status, body = answer(source, req.get_body())
    return func.HttpResponse(body, status_code=status, mimetype="application/json")
