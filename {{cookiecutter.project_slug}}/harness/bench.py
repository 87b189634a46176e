# Owned by fivetran-azfn-template: updates replace this file.
"""A function, its sample upstream and room for tables, for the conformance suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from harness import connection as connections
from harness.caller import Caller
from harness.chaos import Chaos, Outcome
from harness.errors import FunctionFailed
from harness.example import Told, told
from harness.judge import Judge
from harness.loop import Summary, Sync
from harness.protocol import decode, encode
from harness.rows import alive, difference
from harness.sample import Own, Sample, Server, upstream
from harness.sample.spec import Spec
from harness.spelling import SAMPLE
from harness.state import StateFile
from harness.target import FunctionTarget, Target
from harness.unreliable import short_sleeps
from harness.warehouse import Warehouse

Expected = Callable[[str, dict[str, Any]], dict[str, Any] | None]
Wrap = Callable[[Target], Target]


class Bench:
    """What a test of the suite works with.

    Args:
        folder: The project's folder.
        place: What stands in for the upstream: `sample.toml`, or `module:app` of a WSGI app.
        room: An empty folder for tables.

    Attributes:
        place: As given.
        secrets: The made-up secrets that the function is sent.
        checks: Whether the upstream is known to refuse others.
        entities: What the upstream has; None where that is not known: a WSGI app.
        server: The running upstream.
    """

    server: Server

    def __init__(self, folder: Path, place: str, room: Path) -> None:
        self.folder = folder
        self.place = place
        self._room = room
        self._numbers = count()
        given = connections.load(connections.find(folder))
        self._names = list(given.secrets)
        if (folder / connections.FILE).exists():
            self._names += connections.load(folder / connections.FILE).secrets
        sample = self._upstream()
        self.secrets = sample.secrets()
        self.checks = sample.checks
        self.entities = list(sample.spec.entities.values()) if isinstance(sample, Sample) else None
        # Nothing is blocked or hashed: the tables are compared with the upstream's records.
        self._connection = connections.Connection(given.schema, self.secrets, given.payload)
        self._sample = sample

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, room: Path, place: str = SAMPLE) -> Iterator[Bench]:
        """A bench with its upstream running; nobody waits for retries, as in a run of chaos."""
        bench = cls(folder, place, room)
        with short_sleeps(), bench._sample.serve() as bench.server:
            yield bench

    def _upstream(self) -> Sample | Own:
        return upstream(self.folder, self.place, self._names)

    @property
    def tombstones(self) -> bool:
        """Whether the upstream tells which records were deleted."""
        return all(entity.deleted for entity in self.entities or ())

    def target(self, **settings: str) -> FunctionTarget:
        """The function, freshly loaded, with the upstream's address and these app settings."""
        return FunctionTarget(self.folder, {"UPSTREAM_BASE_URL": self.server.url, **settings})

    def caller(
        self,
        secrets: Mapping[str, str] | None = None,
        wrap: Wrap | None = None,
        judge: Judge | None = None,
        **settings: str,
    ) -> Caller:
        """Reach the function, freshly loaded.

        Args:
            secrets: What is sent instead of the secrets that the upstream accepts.
            wrap: Puts something around the function.
            judge: Hears every call.
            settings: App settings.
        """
        target: Target = self.target(**settings)
        connection = self._connection
        if secrets is not None:
            connection = connection.with_secrets(secrets)
        reached = wrap(target) if wrap else target
        return Told(reached, connection, sleep=lambda seconds: None, judge=judge)

    def tables(self) -> Warehouse:
        """Empty tables; a context manager."""
        path = self._room / f"{next(self._numbers)}.duckdb"
        return Warehouse(path, schema=self._connection.schema)

    def sync(
        self,
        tables: Warehouse,
        *,
        secrets: Mapping[str, str] | None = None,
        wrap: Wrap | None = None,
        judge: Judge | None = None,
        **settings: str,
    ) -> Summary:
        """One whole sync from the state of the tables."""
        caller = self.caller(secrets, wrap, judge, **settings)
        file = StateFile(self._room / "state.json")
        return Sync(caller, tables, file, tables.state()).run()

    def chaos(self, seed: int, records: int = 500) -> Outcome:
        """Syncs on bad days, against an upstream of their own.

        Args:
            seed: Says what happens.
            records: How many records each entity has at first, if sample.toml has more.
        """
        sample = self._upstream()
        if isinstance(sample, Sample):
            sample = self._fewer(sample.spec, records)
        room = self._room / f"chaos-{next(self._numbers)}"
        room.mkdir()
        with sample.serve(chaos=seed) as server:

            def load(settings: Mapping[str, str]) -> Target:
                return FunctionTarget(self.folder, {"UPSTREAM_BASE_URL": server.url, **settings})

            with told():
                return Chaos(seed, load, self._connection, sample, server, room).run()

    @contextmanager
    def shortened(self, records: int = 500) -> Iterator[Bench]:
        """A bench with an upstream of its own, whose every second page is shorter than asked.

        Args:
            records: How many records each entity has, if sample.toml has more.
        """
        assert isinstance(self._sample, Sample)
        spec = self._sample.spec
        entities = {
            path: msgspec.structs.replace(entity, short_pages=entity.pages)
            for path, entity in spec.entities.items()
        }
        bench = copy(self)
        bench._sample = self._fewer(msgspec.structs.replace(spec, entities=entities), records)
        with bench._sample.serve() as bench.server:
            yield bench

    def _fewer(self, spec: Spec, records: int) -> Sample:
        fewer = msgspec.structs.replace(spec, records=min(spec.records, records))
        return Sample(fewer, self._names)

    def failure(
        self, tables: Warehouse, secrets: Mapping[str, str] | None = None
    ) -> FunctionFailed | None:
        """The error that a sync, with these secrets if they are given, ends with, or None."""
        try:
            self.sync(tables, secrets=secrets)
        except FunctionFailed as error:
            return error
        return None

    @property
    def refusals(self) -> bool:
        """Whether the upstream refused a request for its credentials."""
        return any(seen.status in (401, 403) for seen in self.server.requests)

    def assert_holds(
        self, tables: Warehouse, expected: Expected, *, exactly: bool = False, hint: str = ""
    ) -> None:
        """The tables' rows that are not deleted are the upstream's records.

        Where these are not known, they are those of one undisturbed sync.

        Args:
            tables: What was synced.
            expected: What the function makes of a record.
            exactly: Whether a table without a primary key holds nothing besides; without, older
                versions of records may stand there too, for its rows are appended.
            hint: What may be wrong where they differ; "" for the usual.
        """
        keyed = {table.name: bool(table.primary_key) for table in tables.tables()}
        with self._wanted(expected) as wanted:
            for table in wanted.tables():
                assert table.name in keyed, (
                    f"there is no table {table.name}: the tables are "
                    f"{', '.join(keyed) or 'none'}; {self._named}"
                )
                differs = difference(
                    alive(wanted, table.name),
                    alive(tables, table.name),
                    more=not (keyed[table.name] or exactly),
                )
                assert not differs, f"table {table.name}: {differs}{hint or self._mend}"

    @property
    def _named(self) -> str:
        if self.entities is None:
            return "an undisturbed sync makes it"
        return "an entity of sample.toml has the name of the entity in fetch.py"

    @property
    def _mend(self) -> str:
        if self.entities is None:
            return " (it should be as after one undisturbed sync)"
        return (
            "\nWhere fetch.py changes records on purpose, say what it makes of one: override "
            "`expected` in tests/test_function.py"
        )

    @contextmanager
    def _wanted(self, expected: Expected) -> Iterator[Warehouse]:
        """Tables with what should be there."""
        if self.entities is None:
            with self._once_synced() as tables:
                yield tables
            return
        records = {}
        for entity in self.entities:
            # Copies, for `expected` may change them in place, and the upstream goes on.
            there = decode(encode(self.server.records(entity.name)))
            made = (expected(entity.name, record) for record in there)
            records[entity.name] = decode(encode([record for record in made if record is not None]))
        with self.tables() as wanted:
            wanted.apply({"insert": records, "state": {}, "hasMore": False}, {})
            yield wanted

    def _once_synced(self) -> Warehouse:
        """The tables of one undisturbed sync, made when they are first wanted."""
        path = self._room / "undisturbed.duckdb"
        made = path.exists()
        tables = Warehouse(path, schema=self._connection.schema)
        if not made:
            self.sync(tables)
        assert any(table.rows for table in tables.tables()), (
            f"an undisturbed sync delivers no row: has {self.place} none?"
        )
        return tables
