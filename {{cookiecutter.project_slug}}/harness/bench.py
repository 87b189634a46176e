# Owned by fivetran-azfn-template: updates replace this file.
"""A function, its sample upstream and room for tables, for the conformance suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from harness import connection as connections
from harness.caller import Caller
from harness.chaos import Chaos, Outcome
from harness.errors import FunctionFailed, LostReply
from harness.judge import Judge
from harness.loop import Summary, Sync
from harness.protocol import decode, encode
from harness.sample import Sample, Server
from harness.state import StateFile
from harness.target import Answer, FunctionTarget, Target
from harness.warehouse import Warehouse

Expected = Callable[[str, dict[str, Any]], dict[str, Any] | None]
Wrap = Callable[[Target], Target]


class Bench:
    """What a test of the suite works with.

    Args:
        folder: The project's folder.
        server: The running sample upstream.
        secrets: The made-up secrets that it accepts.
        entities: Names of its entities.
        tombstones: Whether it tells which records were deleted.
        room: An empty folder for tables.
    """

    def __init__(
        self,
        folder: Path,
        server: Server,
        secrets: dict[str, str],
        entities: list[str],
        tombstones: bool,
        room: Path,
    ) -> None:
        self.folder = folder
        self.server = server
        self.secrets = secrets
        self.entities = entities
        self.tombstones = tombstones
        self._room = room
        self._numbers = count()
        given = connections.load(connections.find(folder))
        # Nothing is blocked or hashed: the tables are compared with the upstream's records.
        self._connection = connections.Connection(given.schema, secrets, given.payload)

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, room: Path) -> Iterator[Bench]:
        """A bench with the upstream of the folder's sample.toml running."""
        sample = Sample.load(folder / "sample.toml")
        entities = list(sample.spec.entities.values())
        names = [entity.name for entity in entities]
        told = all(entity.deleted for entity in entities)
        with sample.serve() as server:
            yield cls(folder, server, sample.secrets(), names, told, room)

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
        return Caller(reached, connection, sleep=lambda seconds: None, judge=judge)

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
        spec = Sample.load(self.folder / "sample.toml").spec
        sample = Sample(msgspec.structs.replace(spec, records=min(spec.records, records)))
        room = self._room / f"chaos-{next(self._numbers)}"
        room.mkdir()
        with sample.serve(chaos=seed) as server:

            def load(settings: Mapping[str, str]) -> Target:
                return FunctionTarget(self.folder, {"UPSTREAM_BASE_URL": server.url, **settings})

            return Chaos(seed, load, self._connection, server, sample.repeating, room).run()

    def refused(self, tables: Warehouse, secrets: Mapping[str, str]) -> FunctionFailed:
        """The error that a sync with these secrets ends with."""
        try:
            self.sync(tables, secrets=secrets)
        except FunctionFailed as error:
            return error
        raise AssertionError("the function reported no error")

    def assert_holds(self, tables: Warehouse, expected: Expected, *, exactly: bool = False) -> None:
        """The tables' rows that are not deleted are the upstream's records.

        Args:
            tables: What was synced.
            expected: What the function makes of a record.
            exactly: Whether a table without a primary key holds nothing besides; without, older
                versions of records may stand there too, for its rows are appended.
        """
        keyed = {table.name: bool(table.primary_key) for table in tables.tables()}
        with self.tables() as wanted:
            records = {}
            for entity in self.entities:
                made = (expected(entity, dict(record)) for record in self.server.records(entity))
                records[entity] = decode(encode([record for record in made if record is not None]))
            wanted.apply({"insert": records, "state": {}, "hasMore": False}, {})
            for table in wanted.tables():
                assert table.name in keyed, (
                    f"there is no table {table.name}: the tables are "
                    f"{', '.join(keyed) or 'none'}; an entity of sample.toml has the name of the "
                    "entity in fetch.py"
                )
                difference = _difference(
                    _alive(wanted, table.name),
                    _alive(tables, table.name),
                    more=not (keyed[table.name] or exactly),
                )
                assert not difference, (
                    f"table {table.name}: {difference}\nWhere fetch.py changes records on purpose, "
                    "say in tests/test_function.py what it makes of one: override `expected`"
                )


class Fresh:
    """A function that is loaded anew for each call."""

    def __init__(self, load: Callable[[], Target]) -> None:
        self.name = "a fresh process each time"
        self._load = load

    def call(self, body: bytes) -> Answer:
        """Load, and call once."""
        return self._load().call(body)


class Losing:
    """A function whose every second reply is lost after the call was made."""

    def __init__(self, inner: Target) -> None:
        self.name = inner.name
        self._inner = inner
        self._calls = 0

    def call(self, body: bytes) -> Answer:
        """Call, and lose the reply each time but every second."""
        answer = self._inner.call(body)
        self._calls += 1
        if self._calls % 2:
            raise LostReply("the reply was thrown away")
        return answer


class Recording:
    """A function whose replies are kept as they came."""

    def __init__(self, inner: Target, seen: list[bytes]) -> None:
        self.name = inner.name
        self._inner = inner
        self._seen = seen

    def call(self, body: bytes) -> Answer:
        """Call, and keep the reply."""
        answer = self._inner.call(body)
        self._seen.append(answer.body)
        return answer


def _alive(tables: Warehouse, name: str) -> list[str]:
    rows = (row for row in tables.rows(name) if not row.get("_fivetran_deleted"))
    return sorted(
        repr({key: row[key] for key in sorted(row) if not key.startswith("_fivetran_")})
        for row in rows
    )


def _difference(wanted: list[str], found: list[str], *, more: bool) -> str:
    missing, unexpected = _left(wanted, found), _left(found, wanted)
    if missing:
        return (
            f"{len(missing)} of {len(wanted)} records are missing or differ; the first should be "
            f"{missing[0]}" + (f", there is {unexpected[0]}" if unexpected else "")
        )
    if unexpected and not more:
        return f"{len(unexpected)} rows too many; the first is {unexpected[0]}"
    return ""


def _left(items: list[str], others: list[str]) -> list[str]:
    rest: dict[str, int] = {}
    for item in others:
        rest[item] = rest.get(item, 0) + 1
    left = []
    for item in items:
        if rest.get(item, 0):
            rest[item] -= 1
        else:
            left.append(item)
    return left
