"""A local HTTP server for the API that sample.toml describes."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.errors import SampleError
from harness.sample.app import made_up
from harness.sample.faults import Faults
from harness.sample.server import Seen, Server, raised
from harness.sample.spec import FILE, Spec
from harness.sample.spec import load as load_spec

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["Faults", "Sample", "Seen", "Server", "load", "made_up"]


@dataclass(frozen=True)
class Sample:
    """What replaces the upstream, not yet running: sample.toml, or a WSGI app."""

    spec: Spec
    names: tuple[str, ...]  # of the secrets that the function is sent, besides [auth]
    app: WSGIApplication | None = None  # its name is spec.upstream
    short_pages: bool = False  # half as long as asked

    @property
    def name(self) -> str:
        """For people."""
        return self.spec.upstream or FILE

    @property
    def entities(self) -> list[str] | None:
        """Their names, None if they are not known."""
        return list(self.spec.entities) if self.app is None else None

    @property
    def checks(self) -> bool:
        """Whether it is known to refuse wrong secrets."""
        return self.spec.auth.kind != "none"

    @property
    def has_pages(self) -> bool:
        """Whether a list of it comes in more than one response, as far as that is known."""
        return any(e.pagination != "none" for e in self.spec.entities.values() if not e.inside)

    @property
    def fingerprint(self) -> str:
        """Another one if the file describes another upstream; tables of two must not mix."""
        spec = self.spec
        content = repr((spec.auth, spec.entities)) if self.app is None else spec.text
        digest = hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()
        return f"{self.name} {digest[:12]}"

    def secrets(self) -> dict[str, str]:
        """A made-up value for each secret."""
        return {name: made_up(name) for name in (*self.spec.auth.secrets, *self.names)}

    def fewer(self, records: int) -> Sample:
        """The same with at most so many records of each entity; an app's stay as they are."""
        fewest = min(records, self.spec.records)
        return replace(self, spec=msgspec.structs.replace(self.spec, records=fewest))

    def shortened(self) -> Sample:
        """The same with pages half as long as asked."""
        return replace(self, short_pages=True)

    def serve(self, port: int = 0, faults: Faults | None = None) -> AbstractContextManager[Server]:
        """The running upstream, with new records, on a port (0: a free one) of 127.0.0.1."""
        return Server(self.spec, self.app, faults, self.short_pages).listening(port)


def load(folder: Path, upstream: str | None = None, secrets: Iterable[str] = ()) -> Sample:
    """What replaces a project's upstream: `upstream` (module:app), else what sample.toml says.

    Raises:
        SampleError: sample.toml or the app is not there, or is wrong.
    """
    spec = Spec(upstream=upstream) if upstream else load_spec(folder / FILE)
    app = None
    if spec.upstream:
        app, code = _imported(folder, spec.upstream)
        spec = msgspec.structs.replace(spec, text=code)
    return Sample(spec, tuple(secrets), app)


def _imported(folder: Path, upstream: str) -> tuple[WSGIApplication, str]:
    """The app of this name, and the code of its module, which is imported again each time."""
    if re.fullmatch(r"\w+(\.\w+)*:\w+", upstream) is None:
        raise SampleError(
            f"upstream is {upstream!r}; it must be MODULE:APP, such as tests.upstream:app",
            f"correct it in {FILE} or after --upstream",
        )
    name, _, app = upstream.partition(":")
    file = folder.joinpath(*name.split(".")).with_suffix(".py")
    todo = f"write the WSGI app into that file (docs/sample.md), or change upstream in {FILE}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None or not file.exists():
        raise SampleError(f"upstream {upstream}: {file} is missing", todo)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(folder))
    try:
        spec.loader.exec_module(module)
        found: WSGIApplication = getattr(module, app)
    except Exception as error:
        raise SampleError(f"upstream {upstream}: {raised(error)}", todo) from error
    finally:
        sys.path.remove(str(folder))
    return found, file.read_text(encoding="utf-8", errors="replace")
