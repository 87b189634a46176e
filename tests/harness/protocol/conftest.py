"""Runs of scripted functions, judged; every part but the function is the real one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from harness import sync
from harness.errors import HarnessError
from harness.exchange import Exchange
from harness.project import Connection
from harness.protocol.findings import Findings
from harness.protocol.messages import Answer
from harness.protocol.rules import Judge
from harness.redact import Redactor
from harness.warehouse import Privacy, Warehouse

SECRET = "s3cret-Ü&+/tökén"


class Scripted:
    """A function that gives these answers, one after the other."""

    name = "scripted"

    def __init__(self, answers: Iterable[dict[str, Any] | Answer]) -> None:
        self._answers = iter(answers)

    def call(self, body: bytes) -> Answer:
        """The next answer."""
        answer = next(self._answers)
        if isinstance(answer, Answer):
            return answer
        return Answer(200, "application/json", json.dumps(answer).encode(), 0.1)


class Runs:
    """Runs scripted functions, all of them into one warehouse."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def forget(self) -> None:
        """Empties the warehouse."""
        self._path.unlink(missing_ok=True)

    def __call__(
        self,
        answers: Iterable[dict[str, Any] | Answer],
        *,
        setup: bool = False,
        blocked: Iterable[str] = (),
        hashed: Iterable[str] = (),
    ) -> Findings:
        """Runs a sync, or a setup test, and gives what was found."""
        findings, redactor = Findings(), Redactor([SECRET])
        judge = Judge(redactor)
        connection = Connection("acme", {"apiToken": SECRET}, {}, list(blocked), list(hashed))
        target = Scripted(answers)

        def judged(exchange: Exchange) -> None:
            for fault in judge.check(exchange):
                findings.add(exchange.number, fault)

        if setup:
            for exchange in sync.setup_test(target, connection, redactor):
                judged(exchange)
            return findings
        with Warehouse(self._path, schema="acme", privacy=Privacy(blocked, hashed)) as tables:
            number = 0
            try:
                for exchange in sync.run(
                    target, connection, redactor, tables, sleep=lambda _: None
                ):
                    number = exchange.number
                    judged(exchange)
            except HarnessError as error:
                findings.stopped(number, error)
            else:
                for fault in judge.finish(tables.tables(), tables.unmatched()):
                    findings.add(0, fault)
        return findings


@pytest.fixture
def judged(tmp_path: Path) -> Runs:
    """Runs scripted functions, and gives what was found."""
    return Runs(tmp_path / "warehouse.duckdb")
