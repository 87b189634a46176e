"""Syncs on bad days, then quiet ones: the tables must be those of one undisturbed sync.

The same seed plays the same, whatever the function's threads do.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import sync
from harness.errors import HarnessError, ProtocolBroken, TablesDiffer
from harness.exchange import Exchange
from harness.project import Connection
from harness.redact import Redactor
from harness.sample import Sample, Server
from harness.target import Target
from harness.target.network import Network, short_sleeps
from harness.warehouse import Warehouse
from harness.warehouse.compare import Difference, differences

RECORDS = 500  # of each entity of the sample upstream, at most
CALLS = 2_000  # of a sync that is to end by itself, at most
QUIET_SYNCS = 2  # the first finishes open walks, the second reads what changed meanwhile
_SYNCS = (2, 3, 4)  # on bad days
_CALLS = 40  # of one of them, at most
_SIZES = ("1", "20000", "100000")  # bytes of a reply
_BAD_DAY = ("no-reply", "http-status")  # after these Fivetran tries again

Load = Callable[[Mapping[str, str]], Target]


@dataclass
class Outcome:
    """What a run of chaos did.

    Attributes:
        seed: Plays it again.
        syncs: What happened in each disturbed sync and how it ended.
        calls: Calls of the disturbed and the quiet syncs.
        happened: Disturbances, and how often.
        rows: Rows in the tables of the undisturbed sync.
        differences: Where the tables differ.
    """

    seed: int
    syncs: list[str] = field(default_factory=list)
    calls: int = 0
    happened: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    differences: list[Difference] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """What `--json` writes."""
        return {
            "seed": self.seed,
            "syncs": self.syncs,
            "calls": self.calls,
            "happened": dict(self.happened),
            "rows": self.rows,
            "differences": [str(each) for each in self.differences],
        }

    def check(self) -> None:
        """Raise where the tables differ.

        Raises:
            TablesDiffer: Says which records, after which disturbances, and how to play it again.
        """
        if not self.differences:
            return
        found = "\n".join(f"- {each}" for each in self.differences)
        before = "\n".join(f"- sync {n}: {line}" for n, line in enumerate(self.syncs, 1))
        raise TablesDiffer(
            f"chaos {self.seed}: the tables are not those of an undisturbed sync\n{found}\n"
            f"what came before:\n{before}",
            f"play it again: python -m harness sync --chaos {self.seed}",
        )


def play(
    seed: int,
    load: Load,
    connection: Connection,
    folder: Path,
    upstream: tuple[Sample, Server] | None = None,
    on_exchange: Callable[[Exchange], None] = lambda exchange: None,
) -> Outcome:
    """Two to four disturbed syncs, two quiet ones, and an undisturbed one to compare with.

    Args:
        seed: Decides what happens.
        load: Gives a new instance of the function for app settings.
        connection: What every request carries; nothing is blocked or hashed.
        folder: For the tables, which are made anew.
        upstream: The sample upstream and its running server, with faults of the same seed; None
            for a function whose upstream cannot be disturbed: replies are lost and calls repeated.
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

    def quietly(function: Target, tables: Warehouse, *besides: Callable[[Exchange], None]) -> None:
        _, error = to_end(function, connection, redactor, tables, *besides)
        if error is not None:
            raise error

    with short_sleeps(), _tables(folder, "disturbed", connection) as tables:
        network = Network(load, seed, chance.choice(_SIZES))
        for _ in range(chance.choice(_SYNCS)):
            before = _happened(network, faults)
            calls = chance.randint(1, 6) if chance.random() < 0.5 else _CALLS
            ended = "stopped"
            try:
                for exchange in sync.run(
                    network, connection, redactor, tables, calls=calls, sleep=_no_sleep
                ):
                    take(exchange)
                    ended = "stopped" if exchange.reply.has_more else "done"
            except HarnessError as error:
                if isinstance(error, ProtocolBroken) and error.rule not in _BAD_DAY:
                    raise
                ended = str(error)
            now = _happened(network, faults) - before
            outcome.syncs.append(f"{_list(now)}; ended: {ended}")
        outcome.happened = _happened(network, faults)
        if faults:
            faults.quiet = True
        function = load({})
        for _ in range(QUIET_SYNCS):
            quietly(function, tables, take)
        with _tables(folder, "undisturbed", connection) as expected:
            quietly(function, expected)
            outcome.rows = sum(table.rows for table in expected.tables())
            outcome.differences = differences(
                tables,
                expected,
                entities=sample.entities if sample else None,
                appended=_appended(sample, expected),
            )
    return outcome


def to_end(
    function: Target,
    connection: Connection,
    redactor: Redactor,
    tables: Warehouse,
    on_exchange: Callable[[Exchange], None] = lambda exchange: None,
) -> tuple[list[Exchange], HarnessError | None]:
    """One sync in which nobody sleeps, and what ended it before its end."""
    exchanges: list[Exchange] = []
    running = sync.run(function, connection, redactor, tables, calls=CALLS, sleep=_no_sleep)
    try:
        for exchange in running:
            exchanges.append(exchange)
            on_exchange(exchange)
    except HarnessError as error:
        return exchanges, error
    if exchanges[-1].reply.has_more:
        what = f"the sync has not ended after {CALLS:,} calls"
        return exchanges, ProtocolBroken(what, rule="state-stuck")
    return exchanges, None


def _no_sleep(seconds: float) -> None:
    """Fivetran's pauses between tries."""


def _appended(sample: Sample | None, tables: Warehouse) -> list[str]:
    """Tables whose rows may be there several times, by what is known of the upstream."""
    keyless = [table.name for table in tables.tables() if not table.primary_key]
    if sample is None or sample.entities is None:
        return keyless
    entities = sample.spec.entities.values()
    return [each.name for each in entities if not each.primary_key and not each.cursor]


def _tables(folder: Path, name: str, connection: Connection) -> Warehouse:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{name}.duckdb"
    path.unlink(missing_ok=True)
    return Warehouse(path, schema=connection.schema)


def _happened(network: Network, faults: Any) -> Counter[str]:
    return network.done + (faults.done if faults else Counter())


def _list(happened: Counter[str]) -> str:
    return ", ".join(f"{count} × {name}" for name, count in sorted(happened.items())) or "nothing"
