"""Calls the function of the current folder with OpenTelemetry on, and prints the spans.

Run as `python spans.py UPSTREAM_URL`, the function's secrets in the app settings. Both
instrumentations are on before the function is loaded, as Azure's worker has them; the second of the
two calls meets an upstream that refuses connections.
"""

from __future__ import annotations

import json
import os
import sys

sys.path.insert(0, "")

import azure.functions as func
from opentelemetry import trace
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter,
)


def main(upstream: str) -> None:
    """Make the calls."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    RequestsInstrumentor().instrument()
    URLLib3Instrumentor().instrument()

    from connector.testing import held_clock
    from function_app import app

    function = app.get_functions()[0].get_user_function()
    replies = []
    for url in (upstream, "http://127.0.0.1:9"):
        os.environ["UPSTREAM_BASE_URL"] = url
        request = func.HttpRequest(method="POST", url="/api/x", body=b'{"state": {}}')
        with held_clock():  # retries do not sleep
            replies.append(json.loads(function(request).get_body()))
    spans = [json.loads(span.to_json()) for span in exporter.get_finished_spans()]
    print(json.dumps({"replies": replies, "spans": spans}))


if __name__ == "__main__":
    main(sys.argv[1])
