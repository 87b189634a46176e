# Owned by fivetran-azfn-template: updates replace this file.
"""Syncs on bad days: replies lost, calls repeated, syncs given up, and the tables afterwards.

The same seed plays the same, whatever the function's threads do. It shows nothing.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.caller import Caller
from harness.comparison import Difference, difference, surplus
from harness.connection import Connection
from harness.errors import FunctionFailed, HarnessError, ProtocolBroken
from harness.judge import Judge
from harness.loop import Summary, Sync
from harness.naming import to_name
from harness.sample import Own, Sample, Server
from harness.screen import counted
from harness.spelling import SAMPLE
from harness.state import StateFile
from harness.target import Target
from harness.unreliable import Load, Unreliable, short_sleeps
from harness.warehouse import Warehouse

QUIET_SYNCS = 2  # the first ends the walks under way, the second reads what changed meanwhile
_SYNCS = (2, 3, 4)  # on bad days
_CALLS = 40  # of one of them, at most
_SIZES = ("1", "20000", "100000")  # bytes of a reply
_BAD_DAY = ("no-reply", "http-status")  # what Fivetran meets with another try
_ENDED = {"done": "done", "calls": "given up", "hours": "given up after six hours"}


class Differs(HarnessError):
    """The tables are not those of an undisturbed sync."""

    exit_code = 2
    title = "The tables differ"


@dataclass
class Outcome:
    """What a run did.

    Attributes:
        seed: Plays it again.
        place: What stood in for the upstream: `sample.toml`, or `module:app` of a WSGI app.
        syncs: Syncs on bad days, and how each ended.
        calls: Calls of them, those whose reply was lost too.
        done: What happened, and how often.
        rows: Rows in the tables of the undisturbed sync.
        surplus: Rows that tables of no entity have more than an undisturbed sync gives them.
        difference: Where the tables differ first; None where they are the same.
    """

    seed: int
    place: str = SAMPLE
    syncs: list[str] = field(default_factory=list)
    calls: int = 0
    done: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    surplus: dict[str, int] = field(default_factory=dict)
    difference: Difference | None = None

    def as_json(self) -> dict[str, Any]:
        """What `--json` writes."""
        differs = self.difference
        return {
            "seed": self.seed,
            "syncs": self.syncs,
            "calls": self.calls,
            "happened": dict(self.done),
            "rows": self.rows,
            "surplus": self.surplus,
            "same": differs is None,
            "difference": None if differs is None else asdict(differs),
        }

    @property
    def _again(self) -> str:
        own = "" if self.place == SAMPLE else f" --sample {self.place}"
        return f"python -m harness sync --chaos {self.seed}{own}"

    def check(self) -> None:
        """Raise if the tables differ.

        Raises:
            Differs: With the seed and the first record.
        """
        if self.difference:
            raise Differs(
                f"chaos {self.seed}: after {len(self.syncs)} disturbed syncs and {QUIET_SYNCS} "
                "quiet ones the tables are not those of one undisturbed sync; "
                f"{self.difference}",
                todo=f"play it again: {self._again}",
            )


class Chaos:
    """One run: syncs on bad days, quiet ones, and an undisturbed one to compare with.

    Args:
        seed: Says what happens.
        load: Loads the function anew, with these app settings.
        connection: What every request carries; nothing of it is blocked or hashed.
        sample: What stands in for the upstream.
        server: The same, running, with faults of the same seed.
        room: A folder for the tables.
        judge: Hears the disturbed and the quiet calls, or None.
        told: Takes a line about each sync.
    """

    def __init__(
        self,
        seed: int,
        load: Load,
        connection: Connection,
        sample: Sample | Own,
        server: Server,
        room: Path,
        judge: Judge | None = None,
        told: Callable[[str], None] = lambda line: None,
    ) -> None:
        assert server.faults is not None
        self._faults = server.faults
        self._load = load
        self._connection = Connection(connection.schema, connection.secrets, connection.payload)
        self._repeating = _names(sample.repeating)
        self._entities = _names(sample.names)
        self._room = room
        self._judge = judge
        self._told = told
        self._outcome = Outcome(seed, sample.place)
        self._chance = random.Random(f"{seed} player")

    def run(self) -> Outcome:
        """Play it.

        Raises:
            FunctionFailed: The function reported an error with the upstream well again.
            ProtocolBroken: A reply cannot be used, on whatever day.
        """
        try:
            return self._run()
        except HarnessError as error:
            error.add_note(f"in chaos {self._outcome.seed}")
            raise

    def _run(self) -> Outcome:
        outcome, faults = self._outcome, self._faults
        with short_sleeps(), self._tables("disturbed") as tables:
            function = Unreliable(self._load, outcome.seed, self._chance.choice(_SIZES))
            for _ in range(self._chance.choice(_SYNCS)):
                self._disturbed(tables, function)
            outcome.calls = function.calls
            outcome.done = Counter({**faults.done, **function.done})
            faults.quiet = True
            fresh = self._load({})
            for number in range(1, QUIET_SYNCS + 1):
                summary = self._sync(tables, fresh, self._judge).run()
                self._told(f"quiet sync {number}: {_numbers(summary)}")
            with self._tables("undisturbed") as others:
                summary = self._sync(others, fresh, None).run()
                self._told(f"undisturbed sync: {_numbers(summary)}")
                outcome.rows = sum(table.rows for table in others.tables())
                outcome.difference = difference(
                    tables, others, repeating=self._repeating, entities=self._entities
                )
                if self._entities is not None:
                    outcome.surplus = surplus(tables, others, self._entities)
        return outcome

    def _disturbed(self, tables: Warehouse, function: Target) -> None:
        sync = self._sync(tables, function, self._judge)
        given_up = self._chance.random() < 0.5
        calls = self._chance.randint(1, 6) if given_up else _CALLS
        try:
            ended = _ENDED[sync.run(calls).ended]
        except (FunctionFailed, ProtocolBroken) as error:
            if isinstance(error, ProtocolBroken) and error.rule not in _BAD_DAY:
                raise
            ended = f"ended by an error: {error}"
        summary = sync.summary
        if summary.marked:
            self._faults.deletes = True
        self._outcome.syncs.append(ended)
        number = len(self._outcome.syncs)
        self._told(f"sync {number}: {_numbers(summary)}, {ended}")

    def _sync(self, tables: Warehouse, function: Target, judge: Judge | None) -> Sync:
        caller = Caller(function, self._connection, sleep=lambda seconds: None, judge=judge)
        return Sync(caller, tables, StateFile(self._room / "state.json"), tables.state())

    def _tables(self, name: str) -> Warehouse:
        path = self._room / f"{name}.duckdb"
        path.unlink(missing_ok=True)
        return Warehouse(path, schema=self._connection.schema)


def _names(entities: list[str] | None) -> list[str] | None:
    return None if entities is None else [to_name(name) for name in entities]


def _numbers(summary: Summary) -> str:
    return f"{counted(summary.calls, 'call')}, {counted(summary.rows, 'row')}"
