"""Runs of scripted functions, judged; every part but the function is the real one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from harness import sync
from harness.exchange import Exchange
from harness.project import Connection
from harness.protocol.messages import Answer
from harness.protocol.rules import Findings
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
        redactor = Redactor([SECRET])
        findings = Findings(redactor)
        connection = Connection("acme", {"apiToken": SECRET}, {}, list(blocked), list(hashed))
        target = Scripted(answers)
        if setup:
            for exchange in sync.setup_test(target, connection, redactor):
                findings.check(exchange)
            return findings
        number = 0

        def check(exchange: Exchange) -> None:
            nonlocal number
            number = exchange.number
            findings.check(exchange)

        with Warehouse(self._path, schema="acme", privacy=Privacy(blocked, hashed)) as tables:
            calls = sync.run(target, connection, redactor, tables, sleep=lambda _: None)
            ended = sync.through(calls, check)
            findings.stopped(number, ended.error)
            if ended.reason == "done":
                findings.finish(tables.tables(), tables.unmatched())
        return findings


@pytest.fixture
def judged(tmp_path: Path) -> Runs:
    """Runs scripted functions, and gives what was found."""
    return Runs(tmp_path / "warehouse.duckdb")
