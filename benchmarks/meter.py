"""What one run of a contender takes: CPU, waiting time, memory."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks import records

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Task:
    """What a contender is to read.

    Attributes:
        contender: Name of a module in benchmarks.contenders.
        url: Of the upstream.
        records: How many, over all entities.
        page_size: Records per page.
        entities: How many entities the records are spread over.
        workers: How many entities may be read at the same time.
        repeats: How often everything is read.
        warm: Whether two pages are read beforehand, outside the measurement.
        check: Whether the records are compared; takes time, so for small numbers only.
    """

    contender: str
    url: str
    records: int
    page_size: int = 1000
    entities: int = 1
    workers: int = 4
    repeats: int = 1
    warm: bool = True
    check: bool = False

    @property
    def base_url(self) -> str:
        """The URL under which each entity has its share of the records."""
        return f"{self.url}/{self.records // self.entities}"


@dataclass
class Result:
    """What the run took.

    Attributes:
        cpu: Seconds of CPU, of all threads, for user and system.
        wall: Seconds that passed.
        imported: Peak memory in bytes before the run.
        peak: Peak memory in bytes after it.
        reply: Bytes of the largest reply.
        records: How many were delivered.
        digest: Of the records, if they were compared.
    """

    cpu: float = 0.0
    wall: float = 0.0
    imported: int = 0
    peak: int = 0
    reply: int = 0
    records: int = 0
    digest: str = ""


@dataclass
class Meter:
    """Measures what happens in `running`, less what happens in `paused` and `deliver`."""

    check: bool = False
    result: Result = field(default_factory=Result)
    _delivered: list[list[dict[str, Any]]] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Add what happens here."""
        yield from self._counted(1)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take off what happens here: what Fivetran, not the contender, would do."""
        yield from self._counted(-1)

    def _counted(self, sign: int) -> Iterator[None]:
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        self.result.cpu += sign * (time.process_time() - cpu)
        self.result.wall += sign * (time.perf_counter() - wall)

    def deliver(self, piece: bytes | list[dict[str, Any]]) -> None:
        """Count records: a reply, a page as the upstream sent it, or decoded records."""
        with self.paused():
            if isinstance(piece, bytes):
                self.result.records += piece.count(records.MARK)
                self.result.reply = max(self.result.reply, len(piece))
            else:
                self.result.records += len(piece)
            if self.check:
                self._delivered.append(_decoded(piece) if isinstance(piece, bytes) else piece)

    def finish(self) -> Result:
        """The result, with peak memory and the digest."""
        self.result.peak = peak_memory()
        if self.check:
            self.result.digest = records.digest(chain.from_iterable(self._delivered))
        return self.result


def _decoded(body: bytes) -> list[dict[str, Any]]:
    decoded = json.loads(body)
    tables = decoded["insert"].values() if "insert" in decoded else [decoded["data"]]
    return list(chain.from_iterable(tables))


def peak_memory() -> int:
    """The most resident memory of this process so far, in bytes."""
    if _STATUS.exists():  # the peak in getrusage begins with that of the parent process
        lines = _STATUS.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
