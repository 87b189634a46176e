"""What the conformance suite needs: the function, a running sample API, and tables."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import pytest

from harness import chaos, codec
from harness.console import counted
from harness.errors import FunctionFailed, HarnessError
from harness.project import CONNECTION, EXAMPLE, Connection, Project
from harness.protocol.messages import Answer, Exchange, read
from harness.protocol.rules import Finding, Findings
from harness.redact import Redactor
from harness.sample import Faults, Sample, Server, load
from harness.sync import Fivetran
from harness.target import Target
from harness.target.local import FunctionTarget, Logs
from harness.target.network import short_sleeps
from harness.warehouse import Warehouse
from harness.warehouse.compare import differences
from harness.warehouse.names import listed, to_name

Expected = Callable[[str, dict[str, Any]], dict[str, Any] | None]
TRUNCATED = "maybe-truncated"  # a rule
_FEW = 10  # records of each entity show whether sample.toml fits fetch.py
_BEGINNING = 100  # records, of which most may have changed within one lookback
_CHANGED = (
    "if fetch.py changes records on purpose, override `expected` in tests/test_function.py: it "
    "returns the changed record"
)
_MISSING = (
    "does the step return next_token until the last page? If fetch.py leaves records out on "
    "purpose, override `expected` in tests/test_function.py: it returns None for them"
)


class Stage:
    """A function and its sample API, with made-up secrets.

    Args:
        folder: The project's folder.
        room: A folder for tables.
        expected: What the function makes of a record of an entity; None if it leaves it out.
        sample: What replaces the upstream; None for what sample.toml says.
    """

    server: Server  # the running upstream

    def __init__(
        self, folder: Path, room: Path, expected: Expected, sample: Sample | None = None
    ) -> None:
        project = Project(folder)
        example = project.connection(folder / EXAMPLE)
        names = dict(example.secrets)
        if (folder / CONNECTION).exists():
            names |= project.connection().secrets
        self.sample = sample or load(folder, secrets=list(names))
        self.entities = self.sample.entities or []  # not known of the user's WSGI app
        self.connection = Connection(example.schema, self.sample.secrets(), example.payload)
        self.redactor = Redactor(self.connection.secrets.values())
        self.findings = Findings(self.redactor)
        self.folder, self._room, self._expected = folder, room, expected
        self._numbers = count()

    def with_sample(self, sample: Sample) -> Stage:
        """The same function with another upstream."""
        room = self._room / f"room-{next(self._numbers)}"
        room.mkdir()
        return Stage(self.folder, room, self._expected, sample)

    def with_secrets(self, secrets: Mapping[str, str]) -> Stage:
        """The same stage; the function is sent other secrets."""
        other = copy(self)
        other.connection = self.connection.with_secrets(secrets)
        return other

    @contextmanager
    def running(self, faults: Faults | None = None) -> Iterator[Stage]:
        """Run the upstream; nobody waits for retries meanwhile."""
        with short_sleeps(), self.sample.serve(faults=faults) as self.server:
            yield self

    def load(self, settings: Mapping[str, str]) -> Target:
        """The function, newly loaded, with these app settings."""
        return FunctionTarget(self.folder, {"UPSTREAM_BASE_URL": self.server.url, **settings})

    def _fivetran(self, target: Target) -> Fivetran:
        return Fivetran(target, self.connection, self.redactor)

    def tables(self) -> Warehouse:
        """Empty tables; a context manager."""
        path = self._room / f"{next(self._numbers)}.duckdb"
        return Warehouse(path, schema=self.connection.schema)

    def setup_test(self) -> list[Exchange]:
        """The setup test, with its second try."""
        with _unreported():
            exchanges = self._fivetran(self.load({})).setup_test()
        for exchange in exchanges:
            self.findings.check(exchange)
        return exchanges

    def sync(self, tables: Warehouse, target: Target | None = None) -> list[Exchange]:
        """One whole sync from the state of the tables; an error fails the test."""
        exchanges, error = self._sync(tables, target)
        return exchanges if error is None else fail(self.text(error))

    def failure(self, tables: Warehouse) -> FunctionFailed | None:
        """The error that the function reports in a sync; any other fails the test."""
        _, error = self._sync(tables)
        if error is None or isinstance(error, FunctionFailed):
            return error
        return fail(self.text(error))

    def refusal(self, secrets: Mapping[str, str]) -> FunctionFailed:
        """The error that the function reports for these secrets; with the right ones it goes on."""
        with self.tables() as tables:
            error = self.with_secrets(secrets).failure(tables)
            if error is None and not (self.sample.checks and self.sample.secrets()):
                pytest.skip(f"{self.sample.name} takes any secret")
            if error is None:
                refused = sum(bool(seen.problem) for seen in self.server.requests)
                return fail(
                    f"the function reported no error, but {self.sample.name} refused {refused} of "
                    "its requests: does the step catch the exception, or is the status in ok=?"
                )
            self.sync(tables)
            self.check(tables, hint="an error must not move the cursor")
        return error

    def check(self, tables: Warehouse, *, exactly: bool = False, hint: str = "") -> None:
        """Fail if the tables are not the upstream's records, or those of one undisturbed sync.

        Without `exactly`, a table without a primary key may have older versions of records too.
        """
        check(not (problem := self._problem(tables, exactly, hint)), problem)

    def _problem(self, tables: Warehouse, exactly: bool = False, hint: str = "") -> str:
        there = {table.name: table.primary_key for table in tables.tables()}
        with self.tables() as expected:
            self._fill(expected, there)
            due = [table.name for table in expected.tables() if table.rows]
            if not self.entities and not due:
                return (
                    f"an undisturbed sync delivered no row: does {self.sample.name} have records?"
                )
            if self.entities and (lacks := [name for name in due if name not in there]):
                return self._lacking(lacks[0], [*there])
            appended = [] if exactly else [name for name in self.entities if not there.get(name)]
            entities = [name for name in self.entities if name not in appended]
            found = differences(
                tables, expected, entities=entities if self.entities else None, appended=appended
            )
        if not found:
            return ""
        causes = [describe(each) for each in self.findings if each.rule.id == TRUNCATED]
        causes = causes or list(self._other_keys(there))
        if not causes and self.entities:
            causes = [hint or (_MISSING if found[0].missing else _CHANGED)]
        return "\n".join([str(found[0]), *causes])

    def _lacking(self, name: str, others: Sequence[str]) -> str:
        """Why an entity may have no table."""
        what = f"fetch.py delivered no record of {name}"
        if others:
            return (
                f"{what} (but of: {', '.join(others)}): an entity has the same name in fetch.py "
                "and in [entity.…] of sample.toml"
            )
        pages = sum(seen.status == 200 and seen.entity == name for seen in self.server.requests)
        return (
            f"{what}, although {self.sample.name} answered {counted(pages, 'request')} for it: "
            "does the step return the rows, and is fetch.since the bound that the API expects?"
        )

    def _other_keys(self, there: Mapping[str, Collection[str]]) -> Iterator[str]:
        """Where the primary key is not that of sample.toml."""
        for name in self.entities:
            spec = self.sample.spec
            key = spec.entities[name].primary_key
            if name in there and set(there[name]) != set(map(to_name, key)):
                yield (
                    f"the primary key of {name} is {listed(there[name])} in fetch.py and "
                    f"{listed(key)} in {spec.at(f'entity.{name}', 'primary_key')}"
                )

    def check_bounds(self, exchanges: list[Exchange], first: int) -> None:
        """Fail if an entity that can be read from its cursor on was read from its beginning.

        `first` is the index of the first request to the upstream of these calls.
        """
        for name in self.entities:
            entity = self.sample.spec.entities[name]
            if not (entity.since and entity.cursor) or entity.inside:
                continue
            records = len(self.server.records(name))
            again = sum(len(exchange.reply.insert.get(name, ())) for exchange in exchanges)
            few = records < _BEGINNING or entity.cursor in entity.primary_key
            seen = [each for each in self.server.requests[first:] if each.entity == name]
            sent = any(entity.since in each.parameters for each in seen)
            if again > records // 2 and not (few and sent):
                fail(
                    f"the second sync read {again} of {records} records of {name} again, although "
                    f"none had changed: does the step send fetch.since unchanged as "
                    f"{entity.since}, and is cursor in fetch.py the column that the upstream "
                    f"filters by ({entity.cursor} in [entity.{name}] of sample.toml)?"
                )

    def chaos(self, seed: int) -> str:
        """What is wrong after a run of chaos; "" if the tables are the same."""
        folder, upstream = self._room / f"chaos-{seed}", (self.sample, self.server)
        try:
            with _unreported():
                chaos.play(seed, self.load, self.connection, folder, upstream).check()
        except HarnessError as error:
            return self.text(error)
        return ""

    def misfit(self) -> str:
        """How sample.toml and fetch.py differ, by two syncs of ten records; "" if they fit."""
        with self.with_sample(self.sample.fewer(_FEW)).running() as few, few.tables() as tables:
            for _ in ("from the beginning", "from the cursor"):
                _, error = few._sync(tables)
                if error is not None:
                    break
            problem = few.text(error) if error else few._problem(tables)
            return problem and (few.server.refusal or problem)

    def text(self, error: HarnessError) -> str:
        """What an error says, and what to do about it, without secrets."""
        notes = [str(error), *getattr(error, "__notes__", [])]
        if CONNECTION in str(error):
            notes.append(
                f"the tests read {EXAMPLE}, and from {CONNECTION} only the names of the secrets: "
                f"add the missing entry to {EXAMPLE}, with a made-up value"
            )
        return self.redactor.text("\n".join(notes))

    def _sync(
        self, tables: Warehouse, target: Target | None = None
    ) -> tuple[list[Exchange], HarnessError | None]:
        exchanges: list[Exchange] = []

        def take(exchange: Exchange) -> None:
            exchanges.append(exchange)
            self.findings.check(exchange)

        with _unreported(), Logs(lambda event: self.findings.log(0, event.fields)):
            error = chaos.to_end(self._fivetran(target or self.load({})), tables, take)
        return exchanges, error

    def _fill(self, expected: Warehouse, keys: Mapping[str, tuple[str, ...]]) -> None:
        """Put what should be there into empty tables."""
        if not self.entities:
            self.sync(expected)
            return
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


def describe(found: Finding) -> str:
    """A broken rule with its places and what to do."""
    return "\n  ".join([f"{found.rule.title} ({found.rule.id})", *found.lines()])


def check(condition: object, message: str) -> None:
    """Fail the test with only a message, without a traceback of the harness."""
    if not condition:
        fail(message)


def fail(message: str) -> NoReturn:
    """Fail the test with only a message."""
    pytest.fail(message, pytrace=False)
