"""A function app behind HTTP, run by Microsoft's worker library as Azure's host runs it.

Run with Python 3.13 as `python -I front.py APP PACKAGES PROTOS LOG`, the app's settings as the
environment. Every message goes to the worker and comes back as the bytes that the host would put
on its wire; as on Flex Consumption, the worker starts without an app and gets this one later. It
prints one line of JSON about the app (or its `error`) and serves until stdin ends. The log gets one
JSON object per line of what the host would be sent.
"""

import asyncio
import json
import logging
import os
import secrets
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

APP, PACKAGES, PROTOS, LOG = (Path(argument).resolve() for argument in sys.argv[1:5])
sys.path.append(str(PROTOS))

import azure_functions_runtime as runtime  # noqa: E402

from tests import protos  # noqa: E402

LOOP = asyncio.new_event_loop()


class HostLog(logging.StreamHandler):
    """Writes what the host would be sent, with the invocation that the writing thread is of."""

    def format(self, record):
        line = {
            "invocation_id": runtime.invocation_id_cv.get() or "",
            "category": record.name,
            "message": super().format(record),
            # Never the customer's:
            "system": record.name.startswith(("azure.functions", "azure_functions_runtime")),
        }
        return json.dumps(line)


def wire(message):
    """A message after its way over the wire."""
    return type(message).FromString(message.SerializeToString())


def ask(kind, **content):
    """One message to the worker and its answer; RuntimeError if that reports a failure."""
    made = getattr(protos, kind.title().replace("_", ""))(**content)
    message = wire(protos.StreamingMessage(request_id=uuid.uuid4().hex, **{kind: made}))
    asked = SimpleNamespace(request=message, properties={"protos": protos, "host": "127.0.0.1"})
    future = asyncio.run_coroutine_threadsafe(getattr(runtime, kind)(asked), LOOP)
    answer = wire(future.result())
    if answer.result.status != protos.StatusResult.Success:
        raise RuntimeError(answer.result.exception.message)
    return answer


def load(settings):
    """Start on an empty folder, then get the app and its settings, index and load it.

    Its one function is put into Function, and what the worker said about it is returned.
    """
    nothing, app = APP.with_name("placeholder"), {"function_app_directory": str(APP)}
    nothing.mkdir()
    host = {"host_version": "4.1046.100", "function_app_directory": str(nothing)}
    started = ask("worker_init_request", **host)
    reload = "function_environment_reload_request"
    specialized = ask(reload, environment_variables=settings, **app)
    runtime.start_threadpool_executor()
    (function,) = ask("functions_metadata_request", **app).function_metadata_results
    ask("function_load_request", function_id=function.function_id, metadata=function)
    bindings = [json.loads(text) for text in function.raw_bindings]
    (trigger,) = [each for each in bindings if each["type"] == "httpTrigger"]
    Function.id, Function.parameter = function.function_id, trigger["name"]
    return {
        "python": ".".join(map(str, sys.version_info[:2])),
        "capabilities": {**started.capabilities, **specialized.capabilities},
        "trigger": trigger,
    }


class Function(BaseHTTPRequestHandler):
    """One request of the function."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        """Answer as the host does: a function that fails is a 500 without a body."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        http = {
            "method": self.command,
            "url": f"http://{self.headers['Host']}{self.path}",
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": {"bytes": body},
        }
        trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
        status, headers, answer = 500, {}, b""
        try:
            invoked = ask(
                "invocation_request",
                invocation_id=str(uuid.uuid4()),
                function_id=self.id,
                input_data=[{"name": self.parameter, "data": {"http": http}}],
                trace_context={"trace_parent": trace},
            )
            reply = invoked.return_value.http
            status, headers = int(reply.status_code), reply.headers
            answer = getattr(reply.body, reply.body.WhichOneof("data"))
        except RuntimeError as error:
            print(error, file=sys.stderr, flush=True)
        answer = answer.encode() if isinstance(answer, str) else answer
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(answer))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        """Nothing: the log is the worker's."""


if __name__ == "__main__":
    sys.path.insert(0, str(PACKAGES))
    threading.Thread(target=LOOP.run_forever, daemon=True).start()
    settings = dict(os.environ)
    os.environ.clear()
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger().addHandler(HostLog(LOG.open("a", encoding="utf-8")))
    try:
        ready = load(settings)
    except RuntimeError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        sys.exit(1)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Function)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/api/{ready['trigger']['route']}"
    print(json.dumps({"url": url, **ready}), flush=True)
    sys.stdin.read()
    os._exit(0)
