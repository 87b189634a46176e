"""The function of the current folder behind HTTP, keys and routes checked as Azure's host does it.

Run as `python host.py KEY`; it prints the function's URL and serves until it is ended. The sample
upstream of the folder stands behind the function, its made-up secrets in the app settings.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import azure.functions as func
from function_app import app  # of the current folder
from harness.sample import load
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response


def main(key: str) -> None:
    """Serve until the process is ended."""
    function = app.get_functions()[0]
    handler, route = function.get_user_function(), function.get_trigger().route

    def front(environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        if request.headers.get("x-functions-key") != key:
            answer = Response(status=401)
        elif request.path != f"/api/{route}" or request.method != "POST":
            answer = Response(status=404)
        else:
            asked = func.HttpRequest(method="POST", url=request.url, body=request.get_data())
            reply = handler(asked)
            answer = Response(reply.get_body(), reply.status_code, content_type=reply.mimetype)
        return answer(environ, start_response)

    sample = load(Path())
    with sample.serve() as upstream:
        os.environ["UPSTREAM_BASE_URL"] = upstream.url
        os.environ.update(sample.secrets())
        server = make_server("127.0.0.1", 0, front, threaded=True)
        print(f"http://127.0.0.1:{server.port}/api/{route}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
