"""A WSGI app of the project's in the place of the sample upstream."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from harness.errors import SampleError
from harness.sample.app import Wsgi, raised
from harness.sample.auth import made_up
from harness.sample.faults import Faults
from harness.sample.server import Sample, Server, listening
from harness.sample.spec import FILE, Spec
from harness.sample.spec import load as load_spec

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


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
        server = Server(Wsgi(self._app, self.name), self.spec, {}, faults)
        with listening(server, port):
            yield server


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
                raise SampleError(f"upstream {place}: {raised(error)}") from error
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
