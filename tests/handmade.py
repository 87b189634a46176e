"""Hand-made functions that speak the protocol or break it, in folders of their own or served."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from werkzeug import Request, Response
from werkzeug.serving import make_server

SECRET = "s3cret-Ü&+/tökén"

HEAD = """
import json
import logging
from pathlib import Path

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
HERE = Path(__file__).parent
log = logging.getLogger("connector")


def reply(body, **options):
    return func.HttpResponse(json.dumps(body), mimetype="application/json", **options)


def page(state, rows, more=False, table="thing"):
    return reply({"state": state, "insert": {table: rows}, "hasMore": more,
                  "schema": {table: {"primary_key": ["id"]}}})


@app.route(route="acme", methods=["POST"])
def acme(req: func.HttpRequest) -> func.HttpResponse:
    request = req.get_json()
    with (HERE / "requests.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(request) + "\\n")
    state = request["state"]
"""

# Ten records, three a call.
GOOD = """
at = state.get("at", 0)
rows = [{"id": n, "name": f"name {n}"} for n in range(at, min(at + 3, 10))]
return page({"at": at + len(rows)}, rows, at + len(rows) < 10)
"""


def make(folder: Path, body: str = GOOD, **connection: Any) -> Path:
    """A folder with a function_app.py whose function has this body, and a connection.json."""
    folder.mkdir(parents=True)
    code = HEAD + textwrap.indent(textwrap.dedent(body).strip(), "    ") + "\n"
    (folder / "function_app.py").write_text(code, encoding="utf-8")
    values = {"schema": "acme", "secrets": {"apiToken": SECRET}, **connection}
    (folder / "connection.json").write_text(json.dumps(values), encoding="utf-8")
    return folder


def calls(folder: Path) -> list[dict[str, Any]]:
    """What the function of a folder was called with."""
    lines = (folder / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@contextmanager
def served(handle: Callable[[Request], Response]) -> Iterator[str]:
    """The URL of a server of this machine that answers by a function."""
    server = make_server("127.0.0.1", 0, Request.application(handle), threaded=True)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
