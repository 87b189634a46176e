# Owned by fivetran-azfn-template: updates replace this file.
"""A WSGI app of the project's in the place of the sample upstream: an API no table describes."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from werkzeug import Response

from harness.errors import UsageError
from harness.project import Project
from harness.sample.auth import made_up
from harness.sample.server import Server, running

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_PLACE = re.compile(r"(\w+(?:\.\w+)*):(\w+)")
_TESTS = "tests"
_FORM = "--sample takes a WSGI app as MODULE:APP"


class Own:
    """A WSGI app that stands in for the upstream, not yet running.

    Args:
        app: The app. It should accept `made_up(name)` as the secret of each name.
        place: Where it is, `module:app`.
        secrets: Names of the secrets that the function is sent.

    Attributes:
        place: As given.
    """

    names = None  # nothing is known of its entities
    repeating = None
    checks = False  # nor of whom it refuses

    def __init__(self, app: WSGIApplication, place: str, secrets: Iterable[str]) -> None:
        self._app = app
        self.place = place
        self._secrets = tuple(secrets)

    @classmethod
    def load(cls, folder: Path, place: str, secrets: Iterable[str]) -> Own:
        """Import it from the project's folder.

        Raises:
            UsageError: There is no such module or app, or the module raises when it is imported.
        """
        named = _PLACE.fullmatch(place)
        if named is None:
            raise UsageError(
                f"{_FORM}, not {place!r}",
                todo="write --sample tests.upstream:app, or --sample alone for sample.toml",
            )
        module, name = named.groups()
        path = folder.joinpath(*module.split(".")).with_suffix(".py")
        if not path.exists():
            raise UsageError(f"{_FORM}, and {path} is not there")
        project = Project(folder)
        with project.active({}), _tests_of(folder):
            app = getattr(project.load(module), name, None)
        if not callable(app):
            raise UsageError(f"{_FORM}, and {path} has no app named {name}")
        return cls(app, place, secrets)

    def secrets(self) -> dict[str, str]:
        """A made-up value for each secret; the real ones never get here."""
        return {name: made_up(name) for name in self._secrets}

    def serve(
        self, port: int = 0, *, elsewhere: bool = False, chaos: int | None = None
    ) -> AbstractContextManager[Server]:
        """The app, running; it ends with the context.

        Args:
            port: Where it listens on 127.0.0.1; 0 takes a free one.
            elsewhere: Whether another port will do where this one is taken.
            chaos: The seed of what goes wrong with requests; records are left alone.
        """
        return running(self._answer, {}, {}, port, elsewhere, chaos)

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer: Any = self._app
        try:
            return list(answer(environ, start_response))
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            why = f"{self.place} raised {type(error).__name__}: {error}"
            text = f"{why} ({last.filename}, line {last.lineno})"
            return Response(text, 500, mimetype="text/plain")(environ, start_response)


@contextmanager
def _tests_of(folder: Path) -> Iterator[None]:
    """The project's tests/ as the package `tests`, whatever else goes by that name, and away again.

    An app stands there best, for tests/ is not published to Azure. It is imported anew each time.
    """
    others = _taken_out()
    if not (folder / _TESTS / "__init__.py").exists():
        package = ModuleType(_TESTS)
        package.__path__ = [str(folder / _TESTS)]
        sys.modules[_TESTS] = package
    try:
        yield
    finally:
        _taken_out()
        sys.modules.update(others)


def _taken_out() -> dict[str, ModuleType]:
    found = [name for name in sys.modules if name.partition(".")[0] == _TESTS]
    return {name: sys.modules.pop(name) for name in found}
