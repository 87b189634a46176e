"""The sample upstream on a port of this machine: who asks for what, and what changes."""

from __future__ import annotations

import hashlib
import io
import socket
import sys
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from werkzeug import Request, Response
from werkzeug.serving import WSGIRequestHandler, make_server

from harness.errors import UsageError
from harness.sample import pages
from harness.sample.app import App, Wsgi
from harness.sample.auth import made_up
from harness.sample.faults import Faults
from harness.sample.records import Store
from harness.sample.spec import FILE, Entity, Spec, value_at

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

HOST = "127.0.0.1"
_POLL_SECONDS = 0.02


class Seen(NamedTuple):
    """A request that was answered."""

    method: str
    path: str
    query: str  # without an API key
    status: int
    entity: str  # that was asked for, "" where the path is not that of one
    parameters: Mapping[str, str]  # with a value; of a POST body by dotted path
    problem: str  # why the upstream refused it; "" for a fault of the plan


class Sample:
    """The upstream that sample.toml describes, not yet running.

    Args:
        spec: What the file says.
        secrets: Names of secrets that the function is sent, besides those in [auth].
    """

    name = FILE

    def __init__(self, spec: Spec, secrets: Iterable[str] = ()) -> None:
        self.spec = spec
        self.entities: list[str] | None = list(spec.entities)
        self.checks = spec.auth.kind != "none"  # whether it refuses other secrets
        self._names = (*spec.auth.secrets, *secrets)

    @property
    def has_pages(self) -> bool:
        """Whether a list of it comes in more than one response."""
        return any(e.pagination != "none" for e in self.spec.entities.values() if not e.inside)

    @property
    def fingerprint(self) -> str:
        """Another one where the file describes another upstream; tables of two must not mix."""
        content = repr((self.spec.auth, self.spec.entities)).encode("utf-8", "replace")
        return f"{FILE} {hashlib.sha256(content).hexdigest()[:12]}"

    def secrets(self) -> dict[str, str]:
        """A made-up value for each secret."""
        return {name: made_up(name) for name in self._names}

    def fewer(self, records: int) -> Sample:
        """The same with at most so many records of each entity."""
        records = min(records, self.spec.records)
        return Sample(msgspec.structs.replace(self.spec, records=records), self._names)

    def shortened(self) -> Sample:
        """The same with every second page shorter than asked."""
        entities = {
            name: msgspec.structs.replace(entity, short_pages=entity.pagination != "none")
            for name, entity in self.spec.entities.items()
        }
        return Sample(msgspec.structs.replace(self.spec, entities=entities), self._names)

    @contextmanager
    def serve(self, port: int = 0, faults: Faults | None = None) -> Iterator[Server]:
        """The running upstream, with new records; it ends with the context.

        Args:
            port: Where it listens on 127.0.0.1; 0 takes a free one.
            faults: What goes wrong.

        Raises:
            UsageError: The port is taken.
        """
        spec = self.spec
        stores = {
            name: Store(entity, spec.inside(name), spec.records)
            for name, entity in spec.entities.items()
            if not entity.inside
        }
        server = Server(App(spec, stores), spec, stores, faults)
        with listening(server, port):
            yield server


class Server:
    """A running upstream, as a WSGI app.

    Attributes:
        port: Where it listens.
        requests: What was answered so far, oldest first.
        faults: What goes wrong, or None where nothing does.
    """

    port = 0

    def __init__(
        self, app: App | Wsgi, spec: Spec, stores: dict[str, Store], faults: Faults | None
    ) -> None:
        self.requests: list[Seen] = []
        self.faults = faults
        self._app = app
        self._spec = spec
        self._stores = stores

    @property
    def url(self) -> str:
        """Where it is, without a slash at the end."""
        return f"http://{HOST}:{self.port}"

    def records(self, entity: str) -> list[dict[str, Any]]:
        """The live records of an entity in the order of their creation; not to be changed.

        Those inside another entity's records have the columns that `parent` names.
        """
        inner = self._spec.entities[entity]
        if not inner.inside:
            return self._stores[entity].records()
        column = inner.inside.partition(".")[2]
        return [
            {**{name: value_at(outer, path) for name, path in inner.parent.items()}, **record}
            for outer in self._stores[inner.outer].records()
            for record in value_at(outer, column)
        ]

    def chosen(self, seen: Seen) -> int:
        """How many records, on all pages, the bounds of a request choose."""
        return pages.chosen(self._stores[seen.entity], seen.parameters)

    def tells_deletions(self, entity: str) -> bool:
        """Whether the upstream says which records of the entity were deleted."""
        return self._spec.entities[entity].deleted is not None

    def change(
        self,
        insert: int = 0,
        update: int = 0,
        delete: int = 0,
        *,
        seed: int = 0,
        entities: Collection[str] | None = None,
    ) -> Counter[str]:
        """Insert, update and delete so many records; what stands inside a record goes with it.

        Args:
            seed: Chooses the records.
            entities: Of which entities, None for all; records are deleted only where what stands
                inside them is named too.

        Returns:
            How many were inserted, updated and deleted.
        """
        done: Counter[str] = Counter()
        for name, store in self._stores.items():
            if entities is None or name in entities:
                inner = {each.name for each in self._spec.inside(name)}
                deletes = entities is None or inner <= set(entities)
                done += store.change(insert, update, delete if deletes else 0, seed)
        return done

    def _change_while_read(self, entity: Entity, counts: list[int], seed: int) -> Counter[str]:
        """Insert, update and delete so many, as far as a correct function can find out."""
        marked = self.faults.marked if self.faults else set()
        inner = self._spec.inside(entity.name)
        listed = entity.deleted is not None
        # Unlisted deletions before the reader move their neighbours past a position.
        moves = not listed and entity.pagination in ("page_number", "offset")
        found = (listed or entity.name in marked) and not moves
        deletes = found and all(each.name in marked for each in inner)
        # Without a primary key, an older version of a record stays as a row.
        updates = all(each.primary_key for each in (entity, *inner))
        return self.change(
            counts[0],
            counts[1] if updates else 0,
            counts[2] if deletes else 0,
            seed=seed,
            entities=[entity.name, *(each.name for each in inner)],
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        # All of the body is read here: what an app leaves unread would break the connection.
        environ["wsgi.input"] = io.BytesIO(request.get_data())
        asked = self._app.read(request)
        problem = ""

        def go_on() -> Response:
            nonlocal problem
            response = self._app.answer(request, asked)
            problem = response.get_data(as_text=True) if response.status_code >= 400 else ""
            return response

        response = None
        if self.faults is not None:
            response = self.faults.answer(request.path, asked, self._change_while_read, go_on)
        response = response or go_on()
        self.requests.append(
            Seen(
                method=request.method,
                path=request.path,
                query=urlencode(asked.query),
                status=response.status_code,
                entity=asked.entity.name if asked.entity else "",
                parameters=asked.parameters,
                problem=problem,
            )
        )
        return response(environ, start_response)


class _Handler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Log nothing: `Server.requests` has what was asked."""


@contextmanager
def listening(server: Server, port: int) -> Iterator[None]:
    """The server on a port of this machine, until the context ends."""
    with socket.socket() as listener:
        if sys.platform != "win32":  # there, it would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise UsageError(
                f"the sample upstream cannot listen on {HOST}:{port}: {error.strerror}",
                "end what listens there, or choose another port with --port",
            ) from None
        listener.listen(128)
        running = make_server(
            HOST, port, server, threaded=True, request_handler=_Handler, fd=listener.fileno()
        )
    server.port = running.port
    thread = threading.Thread(target=running.serve_forever, args=(_POLL_SECONDS,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        running.shutdown()
        thread.join()
        running.server_close()
