# Owned by fivetran-azfn-template: updates replace this file.
"""The sample upstream on a port of this machine: start it, change its records, see who asked."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.test import run_wsgi_app
from werkzeug.wsgi import get_input_stream

from harness.sample.app import App, Asked
from harness.sample.auth import Guard, made_up
from harness.sample.faults import Faults
from harness.sample.file import load
from harness.sample.outage import Outage
from harness.sample.pages import chosen
from harness.sample.spec import Entity, Spec
from harness.sample.store import Change, Store

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.02


class Seen(NamedTuple):
    """A request that was answered: method, path without the query, status."""

    method: str
    path: str
    status: int


class Sample:
    """An upstream as sample.toml describes it, not yet running.

    Args:
        spec: What the file says.
        secrets: Names of secrets that the function is sent, besides those in [auth].

    Attributes:
        spec: What the file says.
    """

    def __init__(self, spec: Spec, secrets: Iterable[str] = ()) -> None:
        self.spec = spec
        self._guard = Guard(spec.auth)
        self._others = {name: made_up(name) for name in secrets}

    @classmethod
    def load(cls, path: Path, secrets: Iterable[str] = ()) -> Sample:
        """Reads sample.toml.

        Args:
            path: The file.
            secrets: Names of secrets that the function is sent, besides those in [auth].

        Raises:
            SampleError: It cannot be read or breaks a rule; the text says file, entry and rule.
        """
        return cls(load(path), secrets)

    def secrets(self) -> dict[str, str]:
        """Made-up values for the secrets of the function; the real ones never get here."""
        return {**self._guard.secrets, **self._others}

    @property
    def checks(self) -> bool:
        """Whether the upstream refuses requests with other secrets than the made-up ones."""
        return bool(self._guard.secrets)

    @property
    def repeating(self) -> list[str]:
        """Entities without primary key and cursor: read as a whole and appended at each sync."""
        entities = self.spec.entities.values()
        return [e.name for e in entities if not e.primary_key and e.cursor is None]

    def wanted(self) -> str:
        """What each request must carry, with the names of the secrets for their values."""
        return self._guard.wanted

    def serve(self, port: int = 0, *, chaos: int | None = None) -> AbstractContextManager[Server]:
        """A running server with records of its own; it ends with the context.

        Args:
            port: Where it listens on 127.0.0.1; 0 takes a free one.
            chaos: The seed of what goes wrong; None for nothing.
        """
        entities = self.spec.entities
        stores = {entity.name: Store(entity, self.spec.records) for entity in entities.values()}
        app = App(self.spec, stores, self._guard)
        return running(app, entities, stores, port, chaos, app.asked)


@contextmanager
def running(
    app: WSGIApplication,
    entities: Mapping[str, Entity],
    stores: dict[str, Store],
    port: int = 0,
    chaos: int | None = None,
    asked: list[Asked] | None = None,
) -> Iterator[Server]:
    """A WSGI app on a port of this machine, until the context ends.

    Args:
        app: The upstream.
        entities: What it has, by path, where sample.toml describes it.
        stores: Their records, by name.
        port: Where it listens on 127.0.0.1; 0 takes a free one.
        chaos: The seed of what goes wrong; None for nothing.
        asked: Where the app notes which pages were asked for, if it does.
    """
    faults = None if chaos is None else Faults(app, chaos, entities, stores)
    outage = Outage(faults or app, [e.path for e in entities.values() if e.pagination == "none"])
    listener = _Listener(_HOST, port, outage, _Handler)
    thread = threading.Thread(
        target=listener.serve_forever, args=(_POLL_SECONDS,), name="sample", daemon=True
    )
    thread.start()
    try:
        yield Server(listener, stores, faults, outage, [] if asked is None else asked)
    finally:
        listener.shutdown()
        thread.join()
        listener.disconnect()


class Server:
    """A running upstream.

    Attributes:
        url: Where it is, without a slash at the end.
        requests: What was answered so far, oldest first.
        faults: What goes wrong, or None where nothing does.
        outage: Lets it fail in the midst of walks, once it has begun.
        asked: The pages of entities that were asked for, oldest first; an app of the project's
            own notes none.
    """

    def __init__(
        self,
        listener: _Listener,
        stores: dict[str, Store],
        faults: Faults | None,
        outage: Outage,
        asked: list[Asked],
    ) -> None:
        self.url = f"http://{_HOST}:{listener.port}"
        self.requests = listener.seen
        self.faults = faults
        self.outage = outage
        self.asked = asked
        self._stores = stores

    def records(self, entity: str) -> list[dict[str, Any]]:
        """The live records of an entity in the order of their creation; not to be changed."""
        return self._stores[entity].records()

    def chosen(self, asked: Asked) -> int:
        """How many items of an entity, on all pages, the bounds of a request choose."""
        store = self._stores[asked.entity]
        return len(chosen(store.entity, store, asked.parameters))

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

    def __init__(self, host: str, port: int, app: WSGIApplication, handler: type[_Handler]) -> None:
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

    A body that is shorter than its Content-Length says ends the connection.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the body waits until the client has confirmed the head
    server: _Listener

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
