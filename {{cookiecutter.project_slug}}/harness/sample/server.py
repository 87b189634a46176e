"""The sample API on a local port: its requests, and the changes to its records."""

from __future__ import annotations

import io
import socket
import threading
import traceback
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from werkzeug import Request, Response
from werkzeug.serving import WSGIRequestHandler, make_server

from harness import codec
from harness.errors import UsageError
from harness.sample import app
from harness.sample.faults import Faults
from harness.sample.records import Store
from harness.sample.spec import Entity, Spec, value_at

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.02


class Seen(NamedTuple):
    """A request that was answered."""

    method: str
    path: str
    status: int
    entity: str  # that was requested, "" where the path is not that of one
    parameters: Mapping[str, str]  # with a value; of a POST body by dotted path
    problem: str  # why the upstream refused it; "" for a fault of the plan

    @property
    def refusal(self) -> str:
        """Why the upstream refused it, in a sentence; a page past the last one does not count."""
        if not self.problem or (self.status == 404 and self.entity):
            return ""
        try:
            why = codec.decode(self.problem)["message"]
        except (ValueError, TypeError, KeyError):
            why = self.problem
        return f"{self.method} {self.path}: {why}"


class Server:
    """A running sample API, which is a WSGI app."""

    url = ""  # where it is, without a slash at the end

    def __init__(
        self, spec: Spec, own: WSGIApplication | None, faults: Faults | None, short_pages: bool
    ) -> None:
        self.requests: list[Seen] = []  # oldest first
        self.faults = faults
        self._spec = spec
        self._stores = {
            name: Store(entity, spec.inside(name), spec.records)
            for name, entity in spec.entities.items()
            if not entity.inside
        }
        self._app = app.App(spec, self._stores, short_pages)
        self._own = own

    @property
    def refusal(self) -> str:
        """Why a request was refused first; "" if none was."""
        return next(filter(None, (seen.refusal for seen in self.requests)), "")

    def records(self, entity: str) -> list[dict[str, Any]]:
        """The live records of an entity in the order of their creation; not to be changed.

        Those inside another entity's records have the columns that `parent` names.
        """
        inner = self._spec.entities[entity]
        outer, column = inner.place
        live = [item.record for item in self._stores[outer or entity].live()]
        if not outer:
            return live
        return [
            {**{name: value_at(each, path) for name, path in inner.parent.items()}, **record}
            for each in live
            for record in value_at(each, column)
        ]

    def tells_deletions(self, entity: str) -> bool:
        """Whether the upstream says which records of the entity were deleted."""
        return bool(self._spec.entities[entity].deleted)

    def change(
        self,
        insert: int = 0,
        update: int = 0,
        delete: int = 0,
        *,
        seed: int = 0,
        entities: Collection[str] | None = None,
    ) -> Counter[str]:
        """Insert, update and delete so many records of these entities, None for all.

        A seed chooses them. Records are deleted only if the entities inside them are named too.
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
        insert, update, delete = counts
        marked = self.faults.marked if self.faults else set()
        inner = self._spec.inside(entity.name)
        # Unlisted deletions before the reader move their neighbours past a position.
        moves = not entity.deleted and entity.pagination in ("page_number", "offset")
        found = (entity.deleted or entity.name in marked) and not moves
        deletes = found and all(each.name in marked for each in inner)
        # Without a primary key, an older version of a record stays as a row.
        updates = all(each.primary_key for each in (entity, *inner))
        names = [entity.name, *(each.name for each in inner)]
        update, delete = update if updates else 0, delete if deletes else 0
        return self.change(insert, update, delete, seed=seed, entities=names)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        # All of the body is read here: what an app leaves unread would break the connection.
        environ["wsgi.input"] = io.BytesIO(request.get_data())
        asked, fault, problem = app.read(self._spec, request), "", ""
        if self.faults:
            fault = self.faults.strike(request.path, asked, self._change_while_read)
        if fault.isdigit():
            headers = {"Retry-After": "1"} if fault == "429" else None
            response = Response(f"a fault of the sample: {fault}", int(fault), headers)
        else:
            response = self._answer(request, asked)
            problem = response.get_data(as_text=True) if response.status_code >= 400 else ""
        if fault == "reset":
            body = response.get_data()
            response.set_data(body[: len(body) // 2])
            # The server closes the connection after a body that is shorter than announced.
            response.headers["Content-Length"] = str(len(body) or 1)
        name = asked.entity.name if asked.entity else ""
        seen = (request.method, request.path, response.status_code, name, asked.parameters, problem)
        self.requests.append(Seen(*seen))
        return response(environ, start_response)

    def _answer(self, request: Request, asked: app.Asked) -> Response:
        if self._own is None:
            return self._app.answer(request, asked)
        try:
            return Response.from_app(self._own, request.environ, buffered=True)
        except Exception as error:
            return Response(f"{self._spec.upstream}: {raised(error)}", 500, mimetype="text/plain")

    @contextmanager
    def listening(self, port: int) -> Iterator[Server]:
        """On a port of this machine (0: a free one), until the context ends."""
        try:
            listener = socket.create_server((_HOST, port))
        except OSError as error:
            raise UsageError(
                f"the sample API cannot listen on {_HOST}:{port}: {error.strerror}",
                "stop the program that uses this port, or choose another one with --port",
            ) from None
        with listener:
            fd = listener.fileno()
            running = make_server(_HOST, port, self, True, request_handler=_Handler, fd=fd)
        self.url = f"http://{_HOST}:{running.port}"
        serve = threading.Thread(target=running.serve_forever, args=(_POLL_SECONDS,), daemon=True)
        serve.start()
        try:
            yield self
        finally:
            running.shutdown()
            serve.join()
            running.server_close()


class _Handler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Log nothing: `Server.requests` has what was asked."""


def raised(error: Exception) -> str:
    """What an exception of the project's says, and the line that raised it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})"
