# Owned by fivetran-azfn-template: updates replace this file.
"""Watches a run and keeps its record, bounded and without secrets; it judges and shows nothing.

The record is written while the run goes on, so that a run that was killed is there too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from harness.caller import Watcher
from harness.errors import FunctionFailed, HarnessError, LostReply, frames
from harness.jsontext import sound
from harness.protocol import Reply, encode
from harness.redact import Redactor
from harness.runs import Call, Problem, Run, write
from harness.target import Answer

if TYPE_CHECKING:
    from harness.loop import Summary

MOST_CALLS = 300  # stand by themselves; from twice as many on, neighbours are joined
MOST_STATE = 100_000  # bytes of a state; a larger one is left out
MOST_LINES = 40  # of a stack trace
_PAUSE = 2.0  # seconds between two writings of a run that goes on


class Recorder:
    """Watches a run and keeps its record; a context manager around it.

    Args:
        command: What runs.
        target: What is called.
        summary: Of the run.
        keep: Takes the instant at which the run began and its record, again and again.
        inner: Is told all that the recorder is told.
        redactor: Knows the secrets.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        command: str,
        target: str,
        summary: Summary,
        keep: Callable[[str, str], None],
        inner: Watcher,
        redactor: Redactor,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._summary = summary
        self._keep = keep
        self._inner = inner
        self._redactor = redactor
        self._clock = clock
        self._began = self._start = self._written = clock()
        self._waiting = 0  # number of the call that has no reply yet
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        self._run = Run(
            began=now.replace("+00:00", "Z"),
            command=command,
            target=self._clean(target),
            sync_id=summary.sync_id,
            before=self._state(summary.before),
            state=self._state(summary.before),
        )

    def __enter__(self) -> Recorder:
        self._write()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        run = self._run
        run.ended = self._summary.ended
        if error is None:
            return
        run.ended = "error" if isinstance(error, Exception) else "stopped"
        if isinstance(error, Exception):
            run.error = self._problem(error)
        if self._waiting:
            why = run.error.message if run.error else "stopped by hand"
            self._add(Call(self._waiting, 1, *self._span(), outcome="failed", why=why))

    def calling(self, number: int) -> None:
        """A call is about to be sent."""
        self._waiting, self._start = number, self._clock()
        self._inner.calling(number)

    def lost(self, why: LostReply, wait: float) -> None:
        """A reply was lost and is asked for again."""
        told = self._clean(str(why))
        self._add(Call(self._waiting, 0, *self._span(), outcome="lost", why=told))
        self._start = self._clock() + wait
        self._inner.lost(why, wait)

    def replied(self, summary: Summary, reply: Reply, answer: Answer) -> None:
        """A reply was applied."""
        self._waiting = 0
        start, whole = self._span()
        self._add(
            Call(
                summary.calls,
                1,
                start,
                answer.seconds,
                max(whole - answer.seconds, 0.0),
                sum(reply.rows.values()),
                sum(reply.deleted.values()),
                len(reply.body.get("softDelete", [])),
                reply.size,
            )
        )
        if self._clock() - self._written >= _PAUSE:
            self._write()
        self._inner.replied(summary, reply, answer)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Keep the whole record.

        Args:
            result: What `--json` writes; secrets are still in it.
        """
        run = self._run
        run.pages = result.get("pages", 0)
        run.unseen = result.get("unseen", {})
        run.findings = self._redactor.value(result.get("findings", []))
        self._write()

    def _clean(self, text: str) -> str:
        return sound(self._redactor.text(text))

    def _span(self) -> tuple[float, float]:
        """When the present call began, and how long that is ago."""
        return round(self._start - self._began, 4), round(self._clock() - self._start, 4)

    def _add(self, call: Call) -> None:
        calls = self._run.calls
        calls.append(call)
        if len(calls) >= 2 * MOST_CALLS:
            pairs = zip(calls[::2], calls[1::2], strict=True)
            self._run.calls = [first.joined(second) for first, second in pairs]

    def _problem(self, error: Exception) -> Problem:
        clean = self._clean
        if not isinstance(error, HarnessError):
            return Problem(clean(f"{type(error).__name__}: {error}"))
        problem = Problem(clean(str(error)), getattr(error, "rule", None))
        problem.todo = clean(error.todo) if error.todo else None
        if isinstance(error, FunctionFailed):
            problem.kind = clean(error.kind) if error.kind else None
            problem.trace = [clean(line) for line in frames(error.trace)[:MOST_LINES]]
        return problem

    def _state(self, state: Mapping[str, Any]) -> msgspec.Raw:
        text = encode(self._redactor.value(state))
        if len(text) > MOST_STATE:
            text = encode(f"too large to be kept here: {len(text):,} bytes")
        return msgspec.Raw(text)

    def _write(self) -> None:
        run, summary = self._run, self._summary
        run.count, run.rows, run.size = summary.calls, summary.rows, summary.size
        run.seconds, run.state = summary.seconds, self._state(summary.state)
        run.tables = {name: asdict(counts) for name, counts in summary.tables.items()}
        run.widened = [
            f"{change.table}.{change.column} from {change.before} to {change.after}"
            for change in summary.widened
        ]
        self._keep(run.began, write(run))
        self._written = self._clock()
