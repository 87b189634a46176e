"""A function app behind HTTP, keys and routes checked as Azure's host does it, run by its worker.

Run with Python 3.13 as `python -I front.py APP PACKAGES PROTOS LOG`, the app's settings as the
environment, the function key beside them as FRONT_KEY. What lies between this file and the function
is Microsoft's worker library; every message goes to it and comes back as the bytes that the host
would put on its wire. As on Flex Consumption, the worker has started without an app before it gets
this one and its settings. It prints one line of JSON (`url`, `python`, `capabilities`, or `error`)
and serves until stdin ends. The log gets one JSON object per line of what the host would be sent.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import sys
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

APP, PACKAGES, PROTOS, LOG = (Path(argument).resolve() for argument in sys.argv[1:5])
sys.path.append(str(PROTOS))

import azure_functions_runtime as runtime  # noqa: E402

from tests import protos  # noqa: E402

SYSTEM = ("azure.functions", "azure_functions_runtime")  # never the customer's


class Refused(Exception):
    """The worker could not load the app."""


class HostLog(logging.Handler):
    """Writes what the host would be sent, with the invocation that the writing thread is of."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("a", encoding="utf-8", newline="\n")

    def emit(self, record: logging.LogRecord) -> None:
        line = {
            "invocation_id": runtime.invocation_id_cv.get() or "",
            "category": record.name,
            "message": self.format(record),
            "system": record.name.startswith(SYSTEM),
        }
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


@dataclass(frozen=True)
class Route:
    """An HTTP trigger as the worker described it."""

    function_id: str
    parameter: str
    path: str
    methods: frozenset[str]
    level: str


class Worker:
    """Microsoft's worker library with an event loop of its own, as the host's proxy runs it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.capabilities: dict[str, str] = {}

    def ask(self, kind: str, content: Any) -> Any:
        """One message to the worker and its answer, both through their wire format."""
        message = protos.StreamingMessage(request_id=uuid.uuid4().hex, **{kind: content})
        properties = {"protos": protos, "host": "127.0.0.1"}
        asked = SimpleNamespace(request=wire(message), properties=properties)
        answer = getattr(runtime, kind)(asked)
        return wire(asyncio.run_coroutine_threadsafe(answer, self._loop).result())

    def load(self, settings: Mapping[str, str]) -> list[Route]:
        """Start on an empty folder, then get the app and its settings, index and load it."""
        nothing = APP.with_name("placeholder")
        nothing.mkdir()
        initial = protos.WorkerInitRequest(
            host_version="4.1046.100", function_app_directory=str(nothing)
        )
        started = checked(self.ask("worker_init_request", initial))
        own = protos.FunctionEnvironmentReloadRequest(
            environment_variables=settings, function_app_directory=str(APP)
        )
        specialized = checked(self.ask("function_environment_reload_request", own))
        self.capabilities = {**started.capabilities, **specialized.capabilities}
        runtime.start_threadpool_executor()
        wanted = protos.FunctionsMetadataRequest(function_app_directory=str(APP))
        found = checked(self.ask("functions_metadata_request", wanted))
        routes = []
        for function in found.function_metadata_results:
            load = protos.FunctionLoadRequest(function_id=function.function_id, metadata=function)
            checked(self.ask("function_load_request", load))
            routes += [route_of(function, json.loads(text)) for text in function.raw_bindings]
        return [route for route in routes if route is not None]

    def invoke(self, route: Route, http: Any) -> tuple[int, dict[str, str], bytes]:
        """Call a function: status, headers and body; a failed one is a 500 without a body."""
        parameter = protos.ParameterBinding(name=route.parameter, data=protos.TypedData(http=http))
        request = protos.InvocationRequest(
            invocation_id=str(uuid.uuid4()), function_id=route.function_id, input_data=[parameter]
        )
        request.trace_context.trace_parent = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
        answer = self.ask("invocation_request", request)
        if answer.result.status != protos.StatusResult.Success:
            print(answer.result.exception.message, file=sys.stderr, flush=True)
            return 500, {}, b""
        if answer.return_value.WhichOneof("data") != "http":
            return 500, {}, b""
        reply = answer.return_value.http
        body = getattr(reply.body, reply.body.WhichOneof("data") or "bytes")
        return (
            int(reply.status_code),
            dict(reply.headers),
            body.encode() if isinstance(body, str) else body,
        )


def wire(message: Any) -> Any:
    """A message after its way over the wire."""
    return type(message).FromString(message.SerializeToString())


def checked(answer: Any) -> Any:
    """An answer of the worker's, unless it reports a failure."""
    if answer.result.status != protos.StatusResult.Success:
        raise Refused(answer.result.exception.message)
    return answer


def route_of(function: Any, binding: dict[str, Any]) -> Route | None:
    """The route that a binding asks for, None where it is no HTTP trigger."""
    if binding["type"] != "httpTrigger":
        return None
    host = json.loads((APP / "host.json").read_text(encoding="utf-8"))
    prefix = host.get("extensions", {}).get("http", {}).get("routePrefix", "api")
    return Route(
        function.function_id,
        binding["name"],
        f"/{prefix}/{binding.get('route') or function.name}".lower(),
        frozenset(method.upper() for method in binding.get("methods", ["GET", "POST"])),
        binding.get("authLevel", "FUNCTION").upper(),
    )


class Handler(BaseHTTPRequestHandler):
    """One request: route and method, then the key, then the function."""

    protocol_version = "HTTP/1.1"
    worker: Worker
    routes: list[Route]
    key: str

    def answer(self) -> None:
        """Answer as the host does."""
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))  # keys with empty values are dropped
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        for route in self.routes:
            if parts.path.lower() == route.path and self.command in route.methods:
                break
        else:
            return self.reply(404)
        given = self.headers.get("x-functions-key", query.get("code"))
        if route.level != "ANONYMOUS" and given != self.key:
            return self.reply(401)
        http = protos.RpcHttp(
            method=self.command,
            url=f"http://{self.headers['Host']}{self.path}",
            headers={name.lower(): value for name, value in self.headers.items()},
            query=query,
            body=protos.TypedData(bytes=body) if body else None,
        )
        return self.reply(*self.worker.invoke(route, http))

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def reply(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        """Send a reply."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the log is the worker's."""


def main() -> None:
    """Load the app, serve it, and end with stdin."""
    sys.path.insert(0, str(PACKAGES))
    settings = dict(os.environ)
    Handler.key = settings.pop("FRONT_KEY")
    os.environ.clear()
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(HostLog(LOG))
    worker = Worker()
    try:
        routes = worker.load(settings)
    except Refused as error:
        print(json.dumps({"error": str(error)}), flush=True)
        sys.exit(1)
    Handler.worker, Handler.routes = worker, routes
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ready = {
        "url": f"http://127.0.0.1:{server.server_port}{routes[0].path}",
        "python": ".".join(map(str, sys.version_info[:2])),
        "capabilities": worker.capabilities,
    }
    print(json.dumps(ready), flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
