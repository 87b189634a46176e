"""The sample upstream on a port of this machine, or a WSGI app of the project's in its place."""

from __future__ import annotations

import hashlib
import importlib
import io
import re
import socket
import sys
import threading
import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from werkzeug import Request, Response
from werkzeug.serving import WSGIRequestHandler, make_server

from harness.errors import SampleError, UsageError
from harness.sample import pages
from harness.sample.app import App, Asked
from harness.sample.auth import Guard, made_up
from harness.sample.faults import Faults
from harness.sample.records import Change, Store
from harness.sample.spec import FILE, Entity, Spec, value_at
from harness.sample.spec import load as load_spec

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HOST = "127.0.0.1"
_POLL_SECONDS = 0.02


class Seen(NamedTuple):
    """A request that was answered.

    Attributes:
        path: Without the query.
        query: Without an API key.
        entity: The entity that was asked for, "" where the path is not that of one.
        parameters: Those with a value; of a POST body by dotted path.
        problem: What the upstream said to refuse the request; "" where it did not, or where a
            fault of the plan stood in.
    """

    method: str
    path: str
    query: str
    status: int
    entity: str
    parameters: Mapping[str, str]
    problem: str


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
    def fingerprint(self) -> str:
        """Another one where the file describes another upstream; tables of two must not mix."""
        said = repr((self.spec.auth, self.spec.entities)).encode("utf-8", "replace")
        return f"{FILE} {hashlib.sha256(said).hexdigest()[:12]}"

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
        """The running upstream with records of its own; it ends with the context.

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
        with _listening(
            Server(App(spec, stores, Guard(spec.auth)), spec, stores, faults), port
        ) as s:
            yield s


class OwnApp:
    """A WSGI app of the project's that stands in for the upstream, not yet running.

    Args:
        app: The app; it should accept `made_up(name)` as the secret of each name.
        name: Where it is, `module:app`.
        secrets: Names of the secrets that the function is sent.
    """

    entities: list[str] | None = None  # not known, nor whom it refuses
    checks = False
    spec = Spec()

    def __init__(self, app: WSGIApplication, name: str, secrets: Iterable[str]) -> None:
        self.name = self.fingerprint = name
        self._app = app
        self._names = tuple(secrets)

    def secrets(self) -> dict[str, str]:
        """A made-up value for each secret."""
        return {name: made_up(name) for name in self._names}

    def fewer(self, records: int) -> OwnApp:
        """The same: its records are the project's."""
        return self

    @contextmanager
    def serve(self, port: int = 0, faults: Faults | None = None) -> Iterator[Server]:
        """The running app; see `Sample.serve`."""
        with _listening(Server(_Wsgi(self._app, self.name), self.spec, {}, faults), port) as server:
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
        self, app: App | _Wsgi, spec: Spec, stores: dict[str, Store], faults: Faults | None
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
    ) -> dict[str, Change]:
        """Insert, update and delete so many records; what stands inside a record goes with it.

        Args:
            seed: Chooses the records.
            entities: Of which entities, None for all; records are deleted only where what stands
                inside them is named too.
        """
        done = {}
        for name, store in self._stores.items():
            if entities is None or name in entities:
                inner = {each.name for each in self._spec.inside(name)}
                deletes = entities is None or inner <= set(entities)
                done[name] = store.change(insert, update, delete if deletes else 0, seed)
        return done

    def change_while_read(self, entity: Entity, counts: list[int], seed: int) -> dict[str, Change]:
        """Insert, update and delete so many, as far as a correct function can find out."""
        marked = self.faults.marked if self.faults else set()
        inner = self._spec.inside(entity.name)
        told = entity.deleted is not None
        # An untold deletion before the reader moves its neighbours past a position.
        moves = not told and entity.pagination in ("page_number", "offset")
        found = (told or entity.name in marked) and not moves
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

        fault = self.faults.answer(self, request.path, *asked, go_on) if self.faults else None
        response = fault or go_on()
        hidden = self._spec.auth.param if self._spec.auth.kind == "api_key_query" else None
        query = urlencode([(n, v) for n, v in request.args.items(multi=True) if n != hidden])
        name = asked.entity.name if asked.entity else ""
        self.requests.append(
            Seen(
                request.method,
                request.path,
                query,
                response.status_code,
                name,
                asked.parameters,
                problem,
            )
        )
        return response(environ, start_response)


class _Wsgi:
    """A WSGI app of the project's, of which nothing is known."""

    def __init__(self, app: WSGIApplication, name: str) -> None:
        self._app = app
        self._name = name

    def read(self, request: Request) -> Asked:
        """The parameters of the query."""
        return Asked(None, dict(request.args.items()))

    def answer(self, request: Request, asked: Asked) -> Response:
        """What the app answers; where it raises, a 500 that names the line."""
        try:
            return Response.from_app(self._app, request.environ, buffered=True)
        except Exception as error:
            return Response(f"{self._name}: {_raised(error)}", 500, mimetype="text/plain")


class _Handler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Log nothing: `Server.requests` has what was asked."""


@contextmanager
def _listening(server: Server, port: int) -> Iterator[Server]:
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
        yield server
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def load(folder: Path, upstream: str | None = None, secrets: Iterable[str] = ()) -> Sample | OwnApp:
    """What stands in for the upstream of a project, not yet running.

    Args:
        folder: The project's folder.
        upstream: `module:app` of a WSGI app; None for what sample.toml says.
        secrets: Names of the secrets that the function is sent.

    Raises:
        SampleError: sample.toml or the app is not there, or is wrong.
    """
    if not upstream:
        spec = load_spec(folder / FILE)
        if not spec.upstream:
            return Sample(spec, secrets)
        upstream = spec.upstream
    return OwnApp(_imported(folder, upstream), upstream, secrets)


def _imported(folder: Path, place: str) -> WSGIApplication:
    """The app of this name, imported again each time."""
    if re.fullmatch(r"\w+(\.\w+)*:\w+", place) is None:
        raise SampleError(
            f"upstream is {place!r}, but it must be MODULE:APP, such as tests.upstream:app",
            f"write it so in {FILE}, or after --upstream",
        )
    module, _, name = place.partition(":")
    path = folder.joinpath(*module.split(".")).with_suffix(".py")
    app = None
    if path.exists():
        with _alone(folder, module.partition(".")[0]):
            try:
                app = getattr(importlib.import_module(module), name, None)
            except Exception as error:
                raise SampleError(f"upstream {place}: {_raised(error)}") from error
    if not callable(app):
        file = path.relative_to(folder).as_posix()
        raise SampleError(
            f"upstream is {place}, and {file} has no {name}"
            if path.exists()
            else f"upstream is {place}, and there is no {file}",
            f"write the WSGI app there (docs/sample.md), or change upstream in {FILE}",
        )
    found: WSGIApplication = app
    return found


def _raised(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})"


@contextmanager
def _alone(folder: Path, top: str) -> Iterator[None]:
    """Imports find the folder's package of this name, whatever else has the name."""

    def taken_out() -> dict[str, ModuleType]:
        names = [name for name in sys.modules if name.partition(".")[0] == top]
        return {name: sys.modules.pop(name) for name in names}

    others = taken_out()
    sys.path.insert(0, str(folder))
    if (folder / top).is_dir() and not (folder / top / "__init__.py").exists():
        package = ModuleType(top)
        package.__path__ = [str(folder / top)]
        sys.modules[top] = package
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        taken_out()
        sys.modules.update(others)
