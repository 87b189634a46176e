# Owned by fivetran-azfn-template: updates replace this file.
"""The sample upstream on a port of this machine: start it, change its records, see who asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.test import run_wsgi_app

from harness.sample.app import App
from harness.sample.auth import Guard
from harness.sample.file import load
from harness.sample.spec import Spec
from harness.sample.store import Change, Store

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.02


class Seen(NamedTuple):
    """A request that was answered: method, path without the query, status."""

    method: str
    path: str
    status: int


class Sample:
    """An upstream as sample.toml describes it, not yet running.

    Attributes:
        spec: What the file says.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._guard = Guard(spec.auth)

    @classmethod
    def load(cls, path: Path) -> Sample:
        """Reads sample.toml.

        Raises:
            SampleError: It cannot be read or breaks a rule; the text says file, entry and rule.
        """
        return cls(load(path))

    def secrets(self) -> dict[str, str]:
        """Made-up values for the names in [auth]'s secrets; the upstream accepts these alone."""
        return dict(self._guard.secrets)

    def wanted(self) -> str:
        """What each request must carry, with the names of the secrets for their values."""
        return self._guard.wanted

    @contextmanager
    def serve(self, port: int = 0) -> Iterator[Server]:
        """A running server with records of its own; it ends with the context.

        Args:
            port: Where it listens on 127.0.0.1; 0 takes a free one.
        """
        stores = {
            entity.name: Store(entity, self.spec.records) for entity in self.spec.entities.values()
        }
        listener = _Listener(_HOST, port, App(self.spec, stores, self._guard), _Handler)
        thread = threading.Thread(
            target=listener.serve_forever, args=(_POLL_SECONDS,), name="sample", daemon=True
        )
        thread.start()
        try:
            yield Server(listener, stores)
        finally:
            listener.shutdown()
            thread.join()
            listener.disconnect()


class Server:
    """A running upstream.

    Attributes:
        url: Where it is, without a slash at the end.
        requests: What was answered so far, oldest first.
    """

    def __init__(self, listener: _Listener, stores: dict[str, Store]) -> None:
        self.url = f"http://{_HOST}:{listener.port}"
        self.requests = listener.seen
        self._stores = stores

    def records(self, entity: str) -> list[dict[str, Any]]:
        """The live records of an entity in the order of their creation; not to be changed."""
        return self._stores[entity].records()

    def change(
        self, *, insert: int = 0, update: int = 0, delete: int = 0, seed: int = 0
    ) -> dict[str, Change]:
        """Inserts, updates and deletes so many records of every entity.

        Args:
            seed: Chooses which ones.

        Returns:
            What was done, by entity.
        """
        return {
            name: store.change(insert, update, delete, seed) for name, store in self._stores.items()
        }


class _Listener(ThreadedWSGIServer):
    """Knows its open connections, so that none outlives it."""

    def __init__(self, host: str, port: int, app: App, handler: type[_Handler]) -> None:
        self.seen: list[Seen] = []
        self._open: set[Any] = set()
        super().__init__(host, port, app, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def disconnect(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):  # the other end was quicker
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(WSGIRequestHandler):
    """Keeps the connection open between requests, as real upstreams do and Werkzeug's own does not.

    The app must read the body of each request, or its rest is taken for the next one.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the body waits until the client has confirmed the head
    server: _Listener

    def run_wsgi(self) -> None:
        chunks, status, headers = run_wsgi_app(self.server.app, self.make_environ(), buffered=True)
        body = b"".join(chunks)
        code, _, reason = status.partition(" ")
        self.server.seen.append(Seen(self.command, self.path.partition("?")[0], int(code)))
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log(self, type: str, message: str, *args: Any) -> None:
        """Nothing: what was asked is in the server's `requests`."""
