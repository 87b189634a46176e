"""What the conformance suite works with: the function, a running sample upstream, and tables."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import pytest

from harness import chaos, codec, sync
from harness.errors import FunctionFailed, HarnessError
from harness.exchange import Exchange
from harness.project import CONNECTION, EXAMPLE, Connection, Project
from harness.protocol.findings import Finding, Findings
from harness.protocol.messages import Answer, read
from harness.protocol.rules import Fault, Judge
from harness.redact import Redactor
from harness.sample import Sample, Server, load
from harness.sample.faults import Faults
from harness.sample.server import Seen
from harness.target import Target
from harness.target.local import FunctionTarget, Logs
from harness.target.network import short_sleeps
from harness.warehouse import Warehouse
from harness.warehouse.compare import Difference, differences

Expected = Callable[[str, dict[str, Any]], dict[str, Any] | None]
TRUNCATED = "maybe-truncated"  # a rule
_FEW = 10  # records of each entity show whether sample.toml fits fetch.py
_BEGINNING = 100  # records, of which most may have changed within one lookback
_CHANGED = (
    "where fetch.py changes records on purpose, say what it makes of one: override `expected` in "
    "tests/test_function.py"
)
_MISSING = (
    "does the step pass on next_token until the last page? Where fetch.py leaves records out on "
    "purpose, override `expected` in tests/test_function.py: it returns None for them"
)


class Stage:
    """A function beside its sample upstream.

    Args:
        folder: The project's folder.
        room: A folder for tables.
        expected: What the function makes of a record of an entity; None where it leaves it out.
        sample: What stands in for the upstream; None for what sample.toml says.

    Attributes:
        sample: What stands in for the upstream.
        entities: Names of the upstream's entities, [] where they are not known.
        connection: What every request carries: made-up secrets, nothing blocked or hashed.
        redactor: Knows the secrets.
        findings: The rules that its replies have broken.
        server: The running upstream.

    Raises:
        SampleError: sample.toml, or the app that it names, is wrong.
        UsageError: connection.example.json is wrong.
    """

    server: Server

    def __init__(
        self, folder: Path, room: Path, expected: Expected, sample: Sample | None = None
    ) -> None:
        project = Project(folder)
        example = project.connection(folder / EXAMPLE)
        names = dict(example.secrets)
        if (folder / CONNECTION).exists():
            names |= project.connection().secrets
        self.sample = sample or load(folder, secrets=list(names))
        self.entities = self.sample.entities or []
        self.connection = Connection(example.schema, self.sample.secrets(), example.payload)
        self.redactor = Redactor(self.connection.secrets.values())
        self.findings = Findings()
        self.folder, self._room, self._expected = folder, room, expected
        self._numbers = count()

    def with_sample(self, sample: Sample) -> Stage:
        """The same function beside another upstream."""
        room = self._room / f"room-{next(self._numbers)}"
        room.mkdir()
        return Stage(self.folder, room, self._expected, sample)

    @contextmanager
    def running(self, faults: Faults | None = None) -> Iterator[Stage]:
        """Run the upstream; nobody waits for retries meanwhile."""
        with short_sleeps(), self.sample.serve(faults=faults) as self.server:
            yield self

    def load(self, settings: Mapping[str, str]) -> Target:
        """The function, newly loaded, with these app settings."""
        return FunctionTarget(self.folder, {"UPSTREAM_BASE_URL": self.server.url, **settings})

    def tables(self) -> Warehouse:
        """Empty tables; a context manager."""
        path = self._room / f"{next(self._numbers)}.duckdb"
        return Warehouse(path, schema=self.connection.schema)

    def setup_test(self, secrets: Mapping[str, str] | None = None) -> list[Exchange]:
        """The setup test, with other secrets than the made-up ones unless None."""
        judge = Judge(self.redactor)
        with _unreported():
            exchanges = sync.setup_test(self.load({}), self._connection(secrets), self.redactor)
        for exchange in exchanges:
            self._judge(judge, exchange)
        return exchanges

    def sync(self, tables: Warehouse, target: Target | None = None) -> list[Exchange]:
        """One whole sync from the state of the tables; an error fails the test."""
        exchanges, error = self._sync(tables, target or self.load({}))
        if error is not None:
            fail(self.text(error))
        return exchanges

    def failure(
        self, tables: Warehouse, secrets: Mapping[str, str] | None = None
    ) -> FunctionFailed | None:
        """The error that a sync reports, with other secrets unless None; None where it is fine."""
        _, error = self._sync(tables, self.load({}), secrets)
        if error is not None and not isinstance(error, FunctionFailed):
            fail(self.text(error))
        return error

    def check(self, tables: Warehouse, *, exactly: bool = False, hint: str = "") -> None:
        """Fail where the tables are not the upstream's records, or those of one undisturbed sync.

        Args:
            tables: What was synced.
            exactly: Whether a table without a primary key has nothing besides; else it may have
                older versions of records too, for its rows are appended.
            hint: What may be wrong where they differ; "" for the usual.
        """
        with self.tables() as expected:
            self._fill(expected, tables)
            if not self.entities and not any(table.rows for table in expected.tables()):
                fail(f"an undisturbed sync brought no row: does {self.sample.name} have records?")
            differs = self._difference(tables, expected, exactly=exactly)
        if differs:
            known_cause = [describe(f) for f in self.findings if f.rule.id == TRUNCATED]
            usual = [hint or _todo(differs)] if self.entities else []
            fail("\n".join([str(differs), *(known_cause or usual)]))

    def _difference(
        self, tables: Warehouse, expected: Warehouse, *, exactly: bool = False
    ) -> Difference | None:
        if not self.entities:
            return next(iter(differences(tables, expected)), None)
        keyed = {table.name for table in tables.tables() if table.primary_key}
        entities = [e for e in self.entities if exactly or e in keyed]
        appended = [] if exactly else [e for e in self.entities if e not in keyed]
        found = differences(tables, expected, entities=entities, appended=appended)
        return next(iter(found), None)

    def check_bounds(self, first: int) -> None:
        """Fail where an entity that can be read from its cursor on was read from its beginning.

        Args:
            first: Index of the first request of the second sync.
        """
        for name in self.entities:
            entity = self.sample.spec.entities[name]
            seen = [each for each in self.server.requests[first:] if each.entity == name]
            records = 0 if entity.inside else len(self.server.records(name))
            if not (entity.since and entity.cursor and seen and records):
                continue
            bounded = [each for each in seen if entity.since in each.parameters]
            if not bounded:
                fail(
                    f"no request for {name} in the second sync carried {entity.since}: everything "
                    "is read again each time. Does the step send fetch.since, and does its entity "
                    "in fetch.py have a cursor?"
                )
            again = max(map(self.server.chosen, bounded))
            few = records < _BEGINNING or entity.cursor in entity.primary_key
            if again > records // 2 and not few:
                fail(
                    f"the second sync read {again} of {records} records of {name} again, though "
                    "none has changed: is cursor in fetch.py the column that the upstream filters "
                    f"by ({entity.cursor} in [entity.{name}] of sample.toml), and is fetch.since "
                    "sent unchanged?"
                )

    def chaos(self, seed: int, sample: Sample) -> str:
        """What is wrong after a run of chaos; "" where the tables are the same."""
        room = self._room / f"chaos-{seed}"
        try:
            upstream = (sample, self.server)
            with _unreported():
                chaos.play(seed, self.load, self.connection, room, upstream).check()
        except HarnessError as error:
            return self.text(error)
        return ""

    def misfit(self) -> str:
        """How sample.toml and fetch.py differ, by two syncs of ten records; "" where they fit."""
        with self.with_sample(self.sample.fewer(_FEW)).running() as few, few.tables() as tables:
            for _ in ("from the beginning", "from the cursor"):
                _, error = few._sync(tables, few.load({}))
                problem = next(filter(None, map(_refusal, few.server.requests)), "")
                if error is not None:
                    return problem or few.text(error)
            names = [table.name for table in tables.tables()]
            with few.tables() as expected:
                few._fill(expected, tables)
                for table in expected.tables():
                    if table.name not in names:
                        return problem or (
                            f"fetch.py delivered no record of {table.name}, only of "
                            f"{', '.join(names) or 'nothing'}: an entity has the same name in "
                            "fetch.py and in [entity.…] of sample.toml"
                        )
                differs = few._difference(tables, expected)
            return problem or f"{differs}\n{_todo(differs)}" if differs else ""

    def text(self, error: HarnessError) -> str:
        """What an error says, and what to do about it, without secrets."""
        notes = [str(error), *getattr(error, "__notes__", [])]
        if CONNECTION in str(error):
            notes.append(
                f"the suite reads {EXAMPLE}, and of {CONNECTION} the names of secrets alone: write "
                f"what is missing into {EXAMPLE}, with a made-up value"
            )
        return self.redactor.text("\n".join(notes))

    def _connection(self, secrets: Mapping[str, str] | None) -> Connection:
        return self.connection if secrets is None else self.connection.with_secrets(secrets)

    def _sync(
        self, tables: Warehouse, target: Target, secrets: Mapping[str, str] | None = None
    ) -> tuple[list[Exchange], HarnessError | None]:
        judge = Judge(self.redactor)
        with _unreported(), Logs(lambda event: self._add(0, judge.log(event))):
            return chaos.to_end(
                target,
                self._connection(secrets),
                self.redactor,
                tables,
                lambda exchange: self._judge(judge, exchange),
            )

    def _judge(self, judge: Judge, exchange: Exchange) -> None:
        if not exchange.answer.lost:  # lost on purpose, and asked for again
            self._add(exchange.number, judge.check(exchange))

    def _add(self, call: int, faults: list[Fault]) -> None:
        for fault in faults:
            self.findings.add(call, fault)

    def _fill(self, expected: Warehouse, found: Warehouse) -> None:
        """Put what should be there into empty tables."""
        if not self.entities:
            self.sync(expected)
            return
        keys = {table.name: list(table.primary_key) for table in found.tables()}
        rows = {}
        for name in self.entities:
            # Copies, for `expected` may change them in place.
            records = codec.decode(codec.encode(self.server.records(name)))
            made = (self._expected(name, record) for record in records)
            rows[name] = [record for record in made if record is not None]
        schema = {name: {"primary_key": keys[name]} for name in rows if keys.get(name)}
        reply = {"insert": rows, "schema": schema, "state": {}, "hasMore": False}
        answer = Answer(200, "application/json", codec.encode(reply), 0.0)
        expected.apply(read(answer, self.redactor))


@contextmanager
def _unreported() -> Iterator[None]:
    """Log lines stay out of pytest's report of a failure: they are many, and the error is there."""
    root = logging.getLogger()
    handlers = root.handlers
    root.handlers = [logging.NullHandler(), *(each for each in handlers if isinstance(each, Logs))]
    try:
        yield
    finally:
        root.handlers = handlers


def _refusal(seen: Seen) -> str:
    """Why the sample upstream refused a request; a page past the last one is no reason."""
    if not seen.problem or (seen.status == 404 and seen.entity):
        return ""
    try:
        why = codec.decode(seen.problem)["message"]
    except (ValueError, TypeError, KeyError):
        why = seen.problem
    return f"{seen.method} {seen.path}: {why}"


def _todo(differs: Difference) -> str:
    return _MISSING if differs.missing else _CHANGED


def describe(found: Finding) -> str:
    """A broken rule with its places and what to do."""
    return "\n  ".join([f"{found.rule.title} ({found.rule.id})", *found.lines()])


def check(condition: object, message: str) -> None:
    """Fail the test with a message alone, without a traceback of the harness."""
    if not condition:
        fail(message)


def fail(message: str) -> NoReturn:
    """Fail the test with a message alone."""
    pytest.fail(message, pytrace=False)
