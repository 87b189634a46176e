"""The sample upstream on a port of this machine."""

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
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
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
from harness.sample.spec import FILE, Spec, value_at
from harness.sample.spec import load as load_spec

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HOST = "127.0.0.1"
_POLL_SECONDS = 0.02
_PLACE = re.compile(r"(\w+(?:\.\w+)*):(\w+)")


class Seen(NamedTuple):
    """A request that was answered.

    Attributes:
        path: Without the query.
        query: Without an API key.
        entity: The entity that was asked for, "" where the path is not that of one.
        parameters: Those with a value; of a POST body by dotted path.
        problem: What the response said where the sample refused the request.
    """

    method: str
    path: str
    query: str
    status: int
    entity: str
    parameters: Mapping[str, str]
    problem: str


class Answers(Protocol):
    """An upstream: what a request asks for, and the response."""

    def read(self, request: Request) -> Asked: ...

    def answer(self, request: Request, asked: Asked) -> Response: ...


class Sample:
    """The upstream that sample.toml describes, not yet running.

    Args:
        spec: What the file says.
        secrets: Names of secrets that the function is sent, besides those in [auth].
    """

    name = FILE

    def __init__(self, spec: Spec, secrets: Iterable[str] = ()) -> None:
        self.spec = spec
        self._others = tuple(secrets)

    @property
    def entities(self) -> list[str] | None:
        """Names of its entities."""
        return list(self.spec.entities)

    @property
    def checks(self) -> bool:
        """Whether it refuses other secrets."""
        return self.spec.auth.kind != "none"

    @property
    def fingerprint(self) -> str:
        """Changes when the file describes another upstream; tables of two must not mix."""
        said = repr((self.spec.auth, self.spec.entities)).encode("utf-8", "replace")
        return f"{FILE} {hashlib.sha256(said).hexdigest()[:12]}"

    def secrets(self) -> dict[str, str]:
        """A made-up value for each secret."""
        return {name: made_up(name) for name in (*self.spec.auth.secrets, *self._others)}

    def fewer(self, records: int) -> Sample:
        """The same with at most so many records of each entity."""
        few = msgspec.structs.replace(self.spec, records=min(records, self.spec.records))
        return Sample(few, self._others)

    def shortened(self) -> Sample:
        """The same with every second page shorter than asked."""
        entities = {
            name: msgspec.structs.replace(entity, short_pages=entity.pagination != "none")
            for name, entity in self.spec.entities.items()
        }
        return Sample(msgspec.structs.replace(self.spec, entities=entities), self._others)

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
        server = Server(App(spec, stores, Guard(spec.auth)), spec, stores, faults)
        with _listening(server, port):
            yield server


class OwnApp:
    """A WSGI app of the project's that stands in for the upstream, not yet running.

    Args:
        app: The app; it should accept `made_up(name)` as the secret of each name.
        name: Where it is, `module:app`.
        secrets: Names of the secrets that the function is sent.
    """

    entities: list[str] | None = None  # not known
    checks = False
    spec = Spec(text="")

    def __init__(self, app: WSGIApplication, name: str, secrets: Iterable[str]) -> None:
        self._app = app
        self.name = name
        self._secrets = tuple(secrets)

    @property
    def fingerprint(self) -> str:
        """Where the app is; tables of two upstreams must not mix."""
        return self.name

    def secrets(self) -> dict[str, str]:
        """A made-up value for each secret."""
        return {name: made_up(name) for name in self._secrets}

    def fewer(self, records: int) -> OwnApp:
        """The same: its records are its own."""
        return self

    def shortened(self) -> OwnApp:
        """The same: its pages are its own."""
        return self

    @contextmanager
    def serve(self, port: int = 0, faults: Faults | None = None) -> Iterator[Server]:
        """The running app; it ends with the context. See `Sample.serve`."""
        server = Server(_Wsgi(self._app, self.name), self.spec, {}, faults)
        with _listening(server, port):
            yield server


class Server:
    """A running upstream, as a WSGI app.

    Attributes:
        url: Where it is, without a slash at the end.
        requests: What was answered so far, oldest first.
        faults: What goes wrong, or None where nothing does.
    """

    def __init__(
        self, app: Answers, spec: Spec, stores: dict[str, Store], faults: Faults | None
    ) -> None:
        self.port = 0
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

        Those inside records of another entity have the columns that `parent` names.
        """
        inner = self._spec.entities[entity]
        if not inner.inside:
            return self._stores[entity].records()
        place = inner.inside.partition(".")[2]
        return [
            {**{c: value_at(outer, path) for c, path in inner.parent.items()}, **record}
            for outer in self._stores[inner.outer].records()
            for record in value_at(outer, place)
        ]

    def chosen(self, seen: Seen) -> int:
        """How many records, on all pages, the bounds of a request choose."""
        return pages.chosen(self._stores[seen.entity], seen.parameters)

    def tells_deletions(self, entity: str) -> bool:
        """Whether the upstream says which records of the entity were deleted."""
        return self._spec.entities[entity].deleted is not None

    def with_inside(self, entity: str) -> set[str]:
        """The entity and those whose records stand inside its records."""
        return {entity, *(inner.name for inner in self._spec.inside(entity))}

    def has_keys(self, entities: Collection[str]) -> bool:
        """Whether all of these have a primary key."""
        return all(self._spec.entities[name].primary_key for name in entities)

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
        named = self._spec.entities.keys() if entities is None else set(entities)
        return {
            name: store.change(
                insert, update, delete if self.with_inside(name) <= named else 0, seed
            )
            for name, store in self._stores.items()
            if name in named
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        body = request.get_data()  # all of it: what is left unread breaks the connection
        environ["wsgi.input"] = io.BytesIO(body)
        asked = self._app.read(request)
        problem = ""

        def go_on() -> Response:
            nonlocal problem
            response = self._app.answer(request, asked)
            if response.status_code >= 400:
                problem = response.get_data(as_text=True)
            return response

        if self.faults is None:
            response = go_on()
        else:
            response = self.faults.answer(self, request.path, asked.entity, asked.parameters, go_on)
        name = asked.entity.name if asked.entity else ""
        key = self._spec.auth.param if self._spec.auth.kind == "api_key_query" else None
        query = urlencode([(n, v) for n, v in request.args.items(multi=True) if n != key])
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
        """Only the query; the path may be that of anything."""
        return Asked(None, dict(request.args.items()))

    def answer(self, request: Request, asked: Asked) -> Response:
        """What the app answers; where it raises, a 500 that names the line."""
        try:
            return Response.from_app(self._app, request.environ, buffered=True)
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            return Response(
                f"{self._name} raised {type(error).__name__}: {error} "
                f"({Path(last.filename).name}, line {last.lineno})",
                500,
                mimetype="text/plain",
            )


class _Handler(WSGIRequestHandler):
    """Logs nothing: `Server.requests` has what was asked."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def _listening(server: Server, port: int) -> Iterator[None]:
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
    thread = threading.Thread(
        target=running.serve_forever, args=(_POLL_SECONDS,), name="sample", daemon=True
    )
    thread.start()
    try:
        yield
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
    named = _PLACE.fullmatch(place)
    if named is None:
        raise SampleError(
            f"upstream is {place!r}, but it must be MODULE:APP, such as tests.upstream:app",
            f"write it so in {FILE}, or after --upstream",
        )
    module, name = named.groups()
    path = folder.joinpath(*module.split(".")).with_suffix(".py")
    if not path.exists():
        raise SampleError(
            f"upstream is {place}, and there is no {path.relative_to(folder).as_posix()}",
            f"write the WSGI app there (docs/sample.md), or change upstream in {FILE}",
        )
    top = module.partition(".")[0]
    with _alone(folder, top):
        try:
            app = getattr(importlib.import_module(module), name, None)
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            raise SampleError(
                f"upstream {place} cannot be imported: {type(error).__name__}: {error} "
                f"({last.filename}, line {last.lineno})"
            ) from error
    if not callable(app):
        raise SampleError(f"upstream is {place}, and {path.name} has no app named {name}")
    result: WSGIApplication = app
    return result


@contextmanager
def _alone(folder: Path, top: str) -> Iterator[None]:
    """Imports find the folder's package of this name, whatever else has the name, and again."""
    others = _taken_out(top)
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
        _taken_out(top)
        sys.modules.update(others)


def _taken_out(top: str) -> dict[str, ModuleType]:
    found = [name for name in sys.modules if name.partition(".")[0] == top]
    return {name: sys.modules.pop(name) for name in found}
