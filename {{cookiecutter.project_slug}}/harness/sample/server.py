# Owned by fivetran-azfn-template: updates replace this file.
"""The sample upstream on a port of this machine: start it, change its records, see who asked."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.sample.app import App, Asked
from harness.sample.auth import Guard, made_up
from harness.sample.faults import Faults
from harness.sample.file import load
from harness.sample.listener import HOST, Listener
from harness.sample.outage import Outage
from harness.sample.pages import chosen
from harness.sample.spec import Entity, Spec
from harness.sample.store import Change, Store
from harness.spelling import SAMPLE

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_POLL_SECONDS = 0.02


class Sample:
    """An upstream as sample.toml describes it, not yet running.

    Args:
        spec: What the file says.
        secrets: Names of secrets that the function is sent, besides those in [auth].

    Attributes:
        spec: What the file says.
        place: How --sample names it; a WSGI app is `module:app` there.
    """

    place = SAMPLE

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
    def names(self) -> list[str]:
        """Its entities."""
        return [entity.name for entity in self.spec.entities.values()]

    @property
    def repeating(self) -> list[str]:
        """Entities without primary key and cursor: read as a whole and appended at each sync."""
        entities = self.spec.entities.values()
        return [e.name for e in entities if not e.primary_key and e.cursor is None]

    def wanted(self) -> str:
        """What each request must carry, with the names of the secrets for their values."""
        return self._guard.wanted

    def serve(
        self, port: int = 0, *, elsewhere: bool = False, chaos: int | None = None
    ) -> AbstractContextManager[Server]:
        """A running server with records of its own; it ends with the context.

        Args:
            port: Where it listens on 127.0.0.1; 0 takes a free one.
            elsewhere: Whether another port will do where this one is taken.
            chaos: The seed of what goes wrong; None for nothing.
        """
        entities = self.spec.entities
        stores = {entity.name: Store(entity, self.spec.records) for entity in entities.values()}
        app = App(self.spec, stores, self._guard)
        return running(app, entities, stores, port, elsewhere, chaos, app.asked)


@contextmanager
def running(
    app: WSGIApplication,
    entities: Mapping[str, Entity],
    stores: dict[str, Store],
    port: int = 0,
    elsewhere: bool = False,
    chaos: int | None = None,
    asked: list[Asked] | None = None,
) -> Iterator[Server]:
    """A WSGI app on a port of this machine, until the context ends.

    Args:
        app: The upstream.
        entities: What it has, by path, where sample.toml describes it.
        stores: Their records, by name.
        port: Where it listens on 127.0.0.1; 0 takes a free one.
        elsewhere: Whether another port will do where this one is taken.
        chaos: The seed of what goes wrong; None for nothing.
        asked: Where the app notes which pages were asked for, if it does.
    """
    faults = None if chaos is None else Faults(app, chaos, entities, stores)
    outage = Outage(faults or app, [e.path for e in entities.values() if e.pagination == "none"])
    listener = Listener(port, outage, elsewhere)
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
        port: Where it listens.
        url: Where it is, without a slash at the end.
        requests: What was answered so far, oldest first.
        faults: What goes wrong, or None where nothing does.
        outage: Lets it fail in the midst of walks, once it has begun.
        asked: The pages of entities that were asked for, oldest first; an app of the project's
            own notes none.
    """

    def __init__(
        self,
        listener: Listener,
        stores: dict[str, Store],
        faults: Faults | None,
        outage: Outage,
        asked: list[Asked],
    ) -> None:
        self.port = listener.port
        self.url = f"http://{HOST}:{listener.port}"
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
