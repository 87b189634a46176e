"""Runs of scripted functions, judged; every part but the function is the real one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.caller import Caller, setup_test
from harness.connection import Connection
from harness.errors import HarnessError, LostReply
from harness.findings import Findings
from harness.judge import Judge
from harness.loop import Sync
from harness.redact import Redactor
from harness.state import StateFile
from harness.target import Answer
from harness.warehouse import Warehouse

SECRET = "s3cret-Ü&+/tökén"

Said = dict[str, Any] | Answer | LostReply
Judged = Callable[..., Findings]


class Scripted:
    """A function that answers what it was told, one after the other."""

    name = "scripted"

    def __init__(self, answers: Iterable[Said]) -> None:
        self._answers = iter(answers)

    def call(self, body: bytes) -> Answer:
        """The next answer."""
        answer = next(self._answers)
        if isinstance(answer, LostReply):
            raise answer
        if isinstance(answer, Answer):
            return answer
        return Answer(200, "application/json", json.dumps(answer).encode(), 0.1)


@pytest.fixture
def judged(tmp_path: Path) -> Iterator[Judged]:
    """Syncs into a warehouse, or runs a setup test, and gives what was found."""
    with Warehouse(tmp_path / "warehouse.duckdb", schema="acme") as tables:

        def run(
            answers: Iterable[Said],
            *,
            setup: bool = False,
            blocked: Iterable[str] = (),
            hashed: Iterable[str] = (),
        ) -> Findings:
            judge = Judge(Redactor([SECRET]))
            connection = Connection(
                "acme", {"apiToken": SECRET}, {}, frozenset(blocked), frozenset(hashed)
            )
            judge.connection = connection
            caller = Caller(Scripted(answers), connection, sleep=lambda _: None, judge=judge)
            try:
                if setup:
                    setup_test(caller)
                else:
                    Sync(caller, tables, StateFile(tmp_path / "state.json"), tables.state()).run()
                    there = tables.tables()
                    judge.ended(
                        {table.name: [column.name for column in table.columns] for table in there}
                    )
            except HarnessError as error:
                judge.stopped(error)
            return judge.findings

        yield run
