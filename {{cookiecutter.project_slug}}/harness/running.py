"""The commands that call the function: plain loops over exchanges, each recorded and judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import asdict
from types import TracebackType
from typing import Any

from harness import peek
from harness import sync as loop
from harness.command import Work
from harness.console import counted, duration, size
from harness.errors import FunctionFailed, HarnessError
from harness.exchange import Exchange
from harness.progress import Progress
from harness.protocol.rules import Judge
from harness.sample import Faults
from harness.target import Target
from harness.target.local import Event, FunctionTarget, Logs
from harness.warehouse import Warehouse
from harness.warehouse.load import Counts
from harness.warehouse.runs import CallRecord, Runs

_ENDED = {
    "done": "done",
    "calls": "stopped after as many calls as asked for; the next sync goes on",
    "hours": "stopped after six hours, as Fivetran does; the next sync goes on",
    "failed": "failed; what came before stays, and the next sync goes on from there",
    "broken": "broken off; what came before stays, and the next sync goes on from there",
}


def setup_test(work: Work) -> Exchange:
    """The setup test; the exchange that passed.

    Raises:
        HarnessError: Both tries failed; this is the second one's error.
    """
    target, tables, judge = work.target(), work.tables(), work.judge()
    progress = Progress(work.console)
    with (
        _Record(work, tables, target.name) as record,
        progress,
        _logs(work, judge, progress.on_record),
    ):
        exchanges = loop.setup_test(target, work.connection, work.console.redactor)
        for exchange in exchanges:
            _judge(work, judge, exchange)
            record.add(exchange, progress.unclaimed)
            if not exchange.answer.lost:
                progress.take(exchange)
        last, error = exchanges[-1], loop.failure(exchanges[-1])
        work.result |= {
            "tries": len(exchanges),
            "seconds": last.seconds,
            "bytes": last.reply.size,
            "warnings": list(progress.warnings),
        }
        if error is not None:
            raise error
        record.ended = "done"
    if first := loop.failure(exchanges[0]):
        work.console.warn(f"the first try failed: {first}")
    return last


def look(
    work: Work, target: Target, look: peek.Look, pages: int, entity: str | None, records: int
) -> None:
    """Small calls, printed and not applied.

    Raises:
        HarnessError: A reply reports an error or cannot be used, or an entity failed.
    """
    judge = work.judge()

    def call(state: dict[str, Any], sync_id: str, number: int) -> Exchange:
        redactor = work.console.redactor
        return loop.call(target, work.connection, redactor, state, number, sync_id)

    try:
        with _logs(work, judge, look.on_record):
            for exchange in peek.look(call, look, pages, entity):
                _judge(work, judge, exchange)
            if entity is None and isinstance(target, FunctionTarget):
                # An entity that waits for another one, with which it shares a table.
                for name in sorted(look.names - look.seen - set(look.marked)):
                    target.settings[peek.ENTITIES] = name
                    exchange = call(look.before, "", len(look.exchanges) + 1)
                    if exchange.reply.usable:
                        look.add(exchange)
    finally:
        peek.show(work.console, look, entity, records)
        work.result |= peek.summary(look)
    if look.failed:
        whys = [str(error) for error in look.failed.values()]
        listed = "\n".join([f"{len(whys)} entities failed:", *(f"- {why}" for why in whys)])
        raise FunctionFailed(listed if len(whys) > 1 else whys[0])


def sync(work: Work, calls: int | None, *, again: bool = False) -> None:
    """One sync, or a re-sync from an empty state.

    Raises:
        HarnessError: What ended it; what was applied before stays.
    """
    console, target, tables = work.console, work.target(), work.tables(for_calls=True)
    if again:
        tables.begin_resync()
    before, judge, progress = tables.state(), work.judge(), Progress(console)
    ended = loop.Ended("stopped")

    def exchanges() -> Generator[Exchange, None, None]:
        nonlocal ended
        ended = yield from loop.run(target, work.connection, console.redactor, tables, calls=calls)

    record = _Record(work, tables, target.name)
    try:
        with record, progress, _logs(work, judge, progress.on_record):
            for exchange in exchanges():
                _judge(work, judge, exchange)
                record.add(exchange, progress.unclaimed)
                progress.take(exchange)
                work.result["sync_id"] = exchange.sync_id
            record.ended = ended.reason
            if ended.error is not None:
                raise ended.error
            if ended.reason == "done":
                if tables.resyncing:
                    record.unseen = {t: n for t, n in tables.finish_resync().items() if n}
                for fault in judge.finish(tables.tables(), tables.unmatched()):
                    work.findings.add(0, fault)
    finally:
        work.result |= {
            "ended": ended.reason,
            **progress.figures(),
            "unseen": record.unseen,
            "state_before": before,
            "state": tables.state(),
        }
        _show(work, tables, progress, ended, record.unseen)


def chaos(work: Work, seed: int) -> None:
    """Syncs on bad days, compared with an undisturbed one.

    Raises:
        HarnessError: The tables differ, or no sync comes to its end.
    """
    from harness.chaos import RECORDS, play

    console, folder = work.console, work.project.home() / "chaos"
    load = work.load(Faults(seed), RECORDS)
    console.say(f"chaos {seed}: {load({}).name}; tables in {folder}")
    if work.options.url is not None:
        console.say(
            "over --url replies are lost and calls repeated; a failing API and restarts are played "
            "in the function's folder, without --url"
        )
    judges: dict[str | None, Judge] = {}  # one for each sync

    def on_exchange(exchange: Exchange) -> None:
        _judge(work, judges.setdefault(exchange.sync_id, work.judge()), exchange)

    with Logs(lambda event: None):  # else Python prints warnings itself
        outcome = play(seed, load, work.connection, folder, work.upstream, on_exchange)
    work.result["chaos"] = outcome.as_json()
    for number, line in enumerate(outcome.syncs, 1):
        console.say(f"sync {number}: {line}")
    outcome.check()
    calls, rows = counted(outcome.calls, "call"), counted(outcome.rows, "row")
    console.say(f"{calls} on bad days and after them: the same tables, {rows}", "green")


def _logs(work: Work, judge: Judge, on_record: Callable[[Event], None]) -> Logs:
    def take(event: Event) -> None:
        for fault in judge.log(event):
            work.findings.add(work.calls + 1, fault)
        on_record(event)

    return Logs(take)


def _judge(work: Work, judge: Judge, exchange: Exchange) -> None:
    work.calls = exchange.number
    if not exchange.answer.lost:  # it is asked for again, and an error after the last try
        for fault in judge.check(exchange):
            work.findings.add(exchange.number, fault)


def _show(
    work: Work, tables: Warehouse, progress: Progress, ended: loop.Ended, unseen: dict[str, int]
) -> None:
    console, rows, listed = work.console, [], []
    for table in tables.tables():
        done = progress.tables.get(table.name, Counts())
        counts = (done.inserted, done.updated, done.deleted, table.rows - table.deleted)
        rows.append((table.name, *counts, table.deleted, len(table.columns)))
        listed.append(
            {
                "name": table.name,
                "rows": table.rows,
                "deleted": table.deleted,
                "primary_key": list(table.primary_key),
                "columns": {column.name: column.type for column in table.columns},
                "applied": asdict(done),
            }
        )
    work.result["tables"] = listed
    if not progress.calls:
        console.warn("nothing was applied, the state is unchanged")
        return
    heads = ("new rows", "changed", "deleted", "rows now", "deleted rows", "columns")
    console.table("", ("table", *heads), rows)
    for name, done in progress.tables.items():
        if done.marked:
            console.say(
                f"{name}: softDelete marked {counted(done.marked, 'row')} as deleted first; those "
                "that came again are rows as before"
            )
    for name, count in unseen.items():
        console.say(f"{name}: {counted(count, 'row')} did not come again and are deleted now")
    for change in progress.widened:
        console.say(f"{change.table}.{change.column} became {change.after} (was {change.before})")
    for entity, seconds in progress.waits.items():
        console.warn(f"{entity or 'the function'} waited {duration(seconds)} for the API")
    for text in progress.warnings:
        console.warn(f"warning: {text}")
    pages = progress.pages.total()
    figures = [
        counted(progress.calls, "call"),
        *([counted(pages, "page")] if pages else []),
        f"{counted(progress.rows, 'row')} ({progress.rows / progress.seconds:,.0f} rows/s)",
        size(progress.size),
        duration(progress.seconds),
    ]
    style = "green" if ended.reason == "done" and not work.findings.broken else "yellow"
    console.say(f"{_ENDED.get(ended.reason, ended.reason)}: {', '.join(figures)}", style)
    console.state(tables.state())
    console.say(f"tables: {tables.path}, schema {tables.schema}", "dim")


class _Record:
    """Writes one run's record while it goes on; a context manager around it."""

    def __init__(self, work: Work, tables: Warehouse, target: str) -> None:
        self.ended = "stopped"
        self.unseen: dict[str, int] = {}
        self._work = work
        self._runs = Runs(tables)
        self._id = self._runs.begin(work.command, work.console.redactor.text(target))
        self._began = time.monotonic()

    def __enter__(self) -> _Record:
        return self

    def add(self, exchange: Exchange, waited: float) -> None:
        """One call has come back."""
        reply, answer = exchange.reply, exchange.answer
        error = answer.why if answer.lost else str(loop.failure(exchange) or "")
        self._runs.add_call(
            self._id,
            CallRecord(
                number=exchange.number,
                at=max(time.monotonic() - self._began - exchange.seconds, 0.0),
                seconds=exchange.seconds,
                status=answer.status,
                request_bytes=exchange.request_bytes,
                reply_bytes=reply.size,
                rows=sum(map(len, reply.insert.values())),
                deleted=sum(map(len, reply.delete.values())),
                marked=len(reply.soft_delete),
                has_more=reply.has_more,
                error=self._work.console.redactor.text(error),
                waited=waited,
            ),
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        work, clean = self._work, self._work.console.redactor.text
        if isinstance(error, HarnessError):
            self.ended = "failed" if self.ended == "stopped" else self.ended
        work.findings.stopped(work.calls, error if isinstance(error, HarnessError) else None)
        for finding in work.findings:
            text = clean("\n".join(finding.lines()))
            rule = finding.rule
            self._runs.add_finding(
                self._id, rule.id, rule.severity, finding.count, finding.calls, text
            )
        message = clean(str(error)) if isinstance(error, HarnessError) else ""
        self._runs.end(self._id, self.ended, message, self.unseen)
