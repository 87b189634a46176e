"""Runs contenders, each in a process of its own, in pairs that take turns."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.environments import ROOT, output, python_for
from benchmarks.meter import Result, Task

Measure = Callable[[Result], float]


@dataclass(frozen=True)
class Bench:
    """Where contenders run, and how much they read.

    Attributes:
        runtime: The folder that holds `connector`.
        records: How many records a run reads, unless a comparison needs more or fewer.
        rounds: How often everything is measured; the median counts.
        bytecode: A folder for compiled modules, so that no run compiles what it imports.
    """

    runtime: Path
    records: int
    rounds: int
    bytecode: Path

    @classmethod
    @contextmanager
    def opened(cls, runtime: Path, records: int, rounds: int) -> Iterator[Bench]:
        """A bench whose bytecode is removed afterwards."""
        with tempfile.TemporaryDirectory() as folder:
            yield cls(runtime, records, rounds, Path(folder))

    def run(self, task: Task, settings: Mapping[str, str] | None = None) -> Result:
        """What a task takes; settings are app settings of our function.

        Raises:
            RuntimeError: The contender failed.
        """
        command = [python_for(task.contender), "-m", "benchmarks.child", json.dumps(asdict(task))]
        return Result(**json.loads(output(command, env=self.environment(settings or {}))))

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """The environment of a run: no app settings but the given ones, no telemetry."""
        ours = ("CONNECTOR_", "UPSTREAM_", "PYTHONDONTWRITEBYTECODE")
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(self.runtime))),
            "PYTHONPYCACHEPREFIX": str(self.bytecode),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            **settings,
        }

    def compare(self, pairs: Mapping[str, tuple[Task, Task]], measure: Measure) -> dict[str, float]:
        """The medians of the ratios of the first to the second task of each pair.

        The two of a pair run one after the other, every second time in reverse, so that whatever
        else the machine does meets both alike.
        """
        ratios: dict[str, list[float]] = {name: [] for name in pairs}
        for turn in range(self.rounds):
            for name, pair in pairs.items():
                order = (0, 1) if turn % 2 else (1, 0)
                found = {side: measure(self.run(pair[side])) for side in order}
                ratios[name].append(found[0] / found[1])
        return {name: statistics.median(values) for name, values in ratios.items()}
