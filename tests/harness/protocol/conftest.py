"""Runs of scripted functions, judged; every part but the function is the real one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import sync
from harness.project import Connection
from harness.protocol.findings import Findings
from harness.protocol.messages import Answer
from harness.protocol.rules import Judge
from harness.redact import Redactor
from harness.warehouse import Privacy, Warehouse

SECRET = "s3cret-Ü&+/tökén"
Judged = Callable[..., Findings]


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


@pytest.fixture
def judged(tmp_path: Path) -> Iterator[Judged]:
    """Runs a sync into one warehouse, or a setup test, and gives what was found."""

    def run(
        answers: Iterable[dict[str, Any] | Answer],
        *,
        setup: bool = False,
        blocked: Iterable[str] = (),
        hashed: Iterable[str] = (),
    ) -> Findings:
        findings, redactor = Findings(), Redactor([SECRET])
        judge = Judge(redactor)
        connection = Connection("acme", {"apiToken": SECRET}, {}, list(blocked), list(hashed))
        target = Scripted(answers)
        privacy = Privacy(blocked, hashed)
        with Warehouse(tmp_path / "warehouse.duckdb", schema="acme", privacy=privacy) as tables:
            if setup:
                exchanges = sync.setup_test(target, connection, redactor)
                for exchange in exchanges:
                    for fault in judge.check(exchange):
                        findings.add(exchange.number, fault)
                return findings
            calls = sync.run(target, connection, redactor, tables, sleep=lambda _: None)
            number = 0
            while True:
                try:
                    exchange = next(calls)
                except StopIteration as stopped:
                    ended = stopped.value
                    break
                number = exchange.number
                for fault in judge.check(exchange):
                    findings.add(number, fault)
            findings.stopped(number, ended.error)
            if ended.reason == "done":
                for fault in judge.finish(tables.tables(), tables.unmatched()):
                    findings.add(0, fault)
        return findings

    yield run
