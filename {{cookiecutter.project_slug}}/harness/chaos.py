"""Syncs with failures, then without: the tables must equal those of one undisturbed sync.

The same seed gives the same faults, whatever the function's threads do.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, ProtocolBroken, TablesDiffer
from harness.project import Connection
from harness.protocol.messages import Exchange
from harness.redact import Redactor
from harness.sample import Sample, Server
from harness.sync import Fivetran
from harness.target import Target
from harness.target.network import Network, short_sleeps
from harness.warehouse import Warehouse
from harness.warehouse.compare import Difference, differences

RECORDS = 500  # of each entity of the sample API, at most
_CALLS = 2_000  # of a sync that is to end by itself, at most
_DISTURBED_CALLS = 40  # of a sync on a bad day, at most
_SIZES = ("1", "20000", "100000")  # bytes of a reply
_BAD_DAY = ("no-reply", "http-status")  # after these Fivetran tries again


@dataclass
class Outcome:
    """What a run of chaos did."""

    seed: int
    syncs: list[str] = field(default_factory=list)  # what happened in each disturbed one
    calls: int = 0
    happened: Counter[str] = field(default_factory=Counter)  # disturbances, and how often
    rows: int = 0  # in the tables of the undisturbed sync
    differences: list[Difference] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """What `--json` writes."""
        return vars(self) | {"differences": [str(each) for each in self.differences]}

    def check(self) -> None:
        """Raise if the tables differ.

        Raises:
            TablesDiffer: Says which records, after which disturbances, and how to play it again.
        """
        if self.differences:
            found = "\n".join(f"- {each}" for each in self.differences)
            before = "\n".join(f"- sync {n}: {line}" for n, line in enumerate(self.syncs, 1))
            raise TablesDiffer(
                f"chaos {self.seed}: the tables differ from those of an undisturbed sync\n{found}\n"
                f"the syncs were:\n{before}",
                f"run the same again: python -m harness sync --chaos {self.seed}",
            )


def play(
    seed: int,
    load: Callable[[Mapping[str, str]], Target],
    connection: Connection,
    folder: Path,
    upstream: tuple[Sample, Server] | None = None,
    on_exchange: Callable[[Exchange], None] = lambda exchange: None,
) -> Outcome:
    """Two to four disturbed syncs, two quiet ones, and an undisturbed one to compare with.

    Args:
        seed: Decides what happens.
        load: Gives a new instance of the function for app settings.
        connection: What every request carries.
        folder: For the tables, which start empty.
        upstream: The sample API, and its running server with faults of the same seed; None
            if the upstream cannot be disturbed: replies are lost and calls repeated.
        on_exchange: Takes every call but those of the undisturbed sync.

    Raises:
        FunctionFailed: The function reported an error although the upstream was well again.
        ProtocolBroken: A reply cannot be used.
    """
    chance = random.Random(f"{seed} player")
    sample, server = upstream or (None, None)
    faults = server.faults if server else None
    redactor = Redactor(connection.secrets.values())
    outcome = Outcome(seed)

    def take(exchange: Exchange) -> None:
        outcome.calls += 1
        if faults:
            faults.marked |= set(exchange.reply.soft_delete)
        on_exchange(exchange)

    def happened() -> Counter[str]:
        return network.done + (faults.done if faults else Counter())

    with short_sleeps(), _tables(folder, "disturbed", connection) as tables:
        network = Network(load, seed, chance.choice(_SIZES))
        disturbed = Fivetran(network, connection, redactor)
        for _ in range(chance.choice((2, 3, 4))):
            calls = chance.randint(1, 6) if chance.random() < 0.5 else _DISTURBED_CALLS
            before = happened()
            more, error = _sync(disturbed, tables, take, calls)
            if isinstance(error, ProtocolBroken) and error.rule not in _BAD_DAY:
                raise error
            done = sorted((happened() - before).items())
            text = ", ".join(f"{count} × {name}" for name, count in done) or "nothing"
            ended = error or ("stopped" if more else "done")
            outcome.syncs.append(f"{text}; ended: {ended}")
        outcome.happened = happened()
        if faults:
            faults.quiet = True
        quiet = Fivetran(load({}), connection, redactor)
        with _tables(folder, "undisturbed", connection) as expected:
            # The first quiet sync finishes open walks, the second reads what changed meanwhile.
            for into, each in ((tables, take), (tables, take), (expected, lambda exchange: None)):
                if error := to_end(quiet, into, each):
                    raise error
            outcome.rows = sum(table.rows for table in expected.tables())
            outcome.differences = differences(
                tables,
                expected,
                entities=sample.entities if sample else None,
                appended=_appended(sample, expected),
            )
    return outcome


def to_end(
    fivetran: Fivetran, tables: Warehouse, take: Callable[[Exchange], None]
) -> HarnessError | None:
    """One sync without Fivetran's pauses; what ended it before its end."""
    more, error = _sync(fivetran, tables, take, _CALLS)
    if more and not error:
        what = f"the sync has not ended after {_CALLS:,} calls"
        return ProtocolBroken(what, rule="state-stuck")
    return error


def _sync(
    fivetran: Fivetran, tables: Warehouse, take: Callable[[Exchange], None], calls: int
) -> tuple[bool, HarnessError | None]:
    """One sync without Fivetran's pauses; whether there is more, and its error."""
    more = False
    try:
        for exchange in fivetran.sync(tables, calls=calls, sleep=lambda seconds: None):
            take(exchange)
            more = exchange.reply.has_more
    except HarnessError as error:
        return more, error
    return more, None


def _appended(sample: Sample | None, tables: Warehouse) -> list[str]:
    """Tables whose rows may be there several times, by what is known of the upstream."""
    if sample is None or sample.entities is None:
        return [table.name for table in tables.tables() if not table.primary_key]
    entities = sample.spec.entities.values()
    return [each.name for each in entities if not each.primary_key and not each.cursor]


def _tables(folder: Path, name: str, connection: Connection) -> Warehouse:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{name}.duckdb"
    path.unlink(missing_ok=True)
    return Warehouse(path, schema=connection.schema)
