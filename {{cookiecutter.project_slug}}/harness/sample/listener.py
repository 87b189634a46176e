# Owned by fivetran-azfn-template: updates replace this file.
"""An HTTP server of one WSGI app on a port of this machine; it knows no upstream."""

from __future__ import annotations

import io
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.test import run_wsgi_app
from werkzeug.wsgi import get_input_stream

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HOST = "127.0.0.1"


class Seen(NamedTuple):
    """A request that was answered: method, path without the query, status."""

    method: str
    path: str
    status: int


class Listener(ThreadedWSGIServer):
    """A server of one app that knows its open connections, so that none outlives it.

    Args:
        port: Where it listens on this machine; 0 takes a free one.
        app: What answers.
        elsewhere: Whether another port will do where this one is taken.

    Attributes:
        seen: What was answered so far, oldest first.
    """

    allow_reuse_address = sys.platform != "win32"  # there, two servers would share the port

    def __init__(self, port: int, app: WSGIApplication, elsewhere: bool) -> None:
        self.seen: list[Seen] = []
        self._open: set[Any] = set()
        self._elsewhere = elsewhere
        super().__init__(HOST, port, app, _Handler)

    def server_bind(self) -> None:
        """Take the port, or another one where that will do."""
        try:
            super().server_bind()
        except OSError:
            if not self._elsewhere:
                raise
            self.server_address = (HOST, 0)
            super().server_bind()

    def process_request(self, request: Any, client_address: Any) -> None:
        """A connection has come."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """A connection has ended."""
        self._open.discard(request)
        super().shutdown_request(request)

    def disconnect(self) -> None:
        """End the connections that are open."""
        for connection in list(self._open):
            with suppress(OSError):  # the other end was quicker
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(WSGIRequestHandler):
    """Keeps the connection open between requests, as real upstreams do and Werkzeug's own does not.

    A body that is shorter than its Content-Length says ends the connection.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the body waits until the client has confirmed the head
    server: Listener

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        # What an app leaves unread would be taken for the connection's next request.
        environ["wsgi.input"] = io.BytesIO(get_input_stream(environ).read())
        chunks, status, headers = run_wsgi_app(self.server.app, environ, buffered=True)
        body = b"".join(chunks)
        code, _, reason = status.partition(" ")
        self.server.seen.append(Seen(self.command, self.path.partition("?")[0], int(code)))
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
            self.close_connection |= len(body) < headers.get("Content-Length", 0, type=int)

    def log(self, type: str, message: str, *args: Any) -> None:
        """Nothing: what was asked is in the server's `requests`."""
