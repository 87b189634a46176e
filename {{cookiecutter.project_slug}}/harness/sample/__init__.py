"""An HTTP server on this machine that speaks the API which sample.toml describes."""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import msgspec
from werkzeug import Request, Response

from harness.errors import SampleError
from harness.sample.app import App, Asked, made_up
from harness.sample.faults import Faults
from harness.sample.records import Store
from harness.sample.server import Seen, Server
from harness.sample.spec import FILE, Spec
from harness.sample.spec import load as load_spec

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["Faults", "OwnApp", "Sample", "Seen", "Server", "load", "made_up"]


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
            name: msgspec.structs.replace(entity, short_pages=True)
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
        with self._server(faults).listening(port) as server:
            yield server

    def _server(self, faults: Faults | None) -> Server:
        spec = self.spec
        stores = {
            name: Store(entity, spec.inside(name), spec.records)
            for name, entity in spec.entities.items()
            if not entity.inside
        }
        return Server(spec, stores, App(spec, stores).answer, faults)


class OwnApp(Sample):
    """A WSGI app of the project's that stands in for the upstream, not yet running.

    Args:
        app: The app; it should accept `made_up(name)` as the secret of each name.
        name: Where it is, `module:app`.
        secrets: Names of the secrets that the function is sent.
    """

    def __init__(self, app: WSGIApplication, name: str, secrets: Iterable[str]) -> None:
        super().__init__(Spec(), secrets)
        self.entities = None  # not known
        self.name = name
        self._app = app

    @property
    def fingerprint(self) -> str:
        """Its name."""
        return self.name

    def fewer(self, records: int) -> OwnApp:
        """The same: its records are the project's."""
        return self

    def _server(self, faults: Faults | None) -> Server:
        return Server(self.spec, {}, self._answer, faults)

    def _answer(self, request: Request, asked: Asked) -> Response:
        try:
            return Response.from_app(self._app, request.environ, buffered=True)
        except Exception as error:
            return Response(f"{self.name}: {_raised(error)}", 500, mimetype="text/plain")


def load(folder: Path, upstream: str | None = None, secrets: Iterable[str] = ()) -> Sample:
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
    try:
        with _alone(folder, module.partition(".")[0]):
            app: WSGIApplication = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise SampleError(
            f"upstream {place}: {_raised(error)}",
            f"write the WSGI app there (docs/sample.md), or change upstream in {FILE}",
        ) from error
    return app


@contextmanager
def _alone(folder: Path, top: str) -> Iterator[None]:
    """Imports find the folder's package of this name, whatever else has the name."""

    def taken_out() -> dict[str, ModuleType]:
        names = [name for name in sys.modules if name.partition(".")[0] == top]
        return {name: sys.modules.pop(name) for name in names}

    others = taken_out()
    sys.path.insert(0, str(folder))
    if (folder / top).is_dir():  # without __init__.py, a package of the same name would win
        package = sys.modules[top] = ModuleType(top)
        package.__path__ = [str(folder / top)]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        taken_out()
        sys.modules.update(others)


def _raised(error: Exception) -> str:
    """What an exception of the project's says, and the line that raised it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})"
