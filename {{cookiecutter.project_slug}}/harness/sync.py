# Owned by fivetran-azfn-template: updates replace this file.
"""The commands `sync` and `resync`: the loop at work, and what is shown of it, on bad days too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from harness.chaos import Chaos
from harness.loading import Counts
from harness.loop import Summary, Sync
from harness.naming import to_name
from harness.progress import Progress
from harness.recorder import Recorder
from harness.sample.port import keep, kept
from harness.screen import Screen, counted, duration, size
from harness.session import HOME, Session
from harness.state import private_folder, settle
from harness.tap import Tap
from harness.target import FunctionTarget, Target
from harness.warehouse import Warehouse

_ENDED = {
    "done": "done",
    "calls": "stopped after as many calls as asked; the next sync goes on",
    "hours": "stopped after six hours, as Fivetran does; the next sync goes on",
}
_BROKEN = "broken off; what came before is kept, and the next sync goes on from there"


def run(session: Session, calls: int | None, *, again: bool = False) -> None:
    """One sync, or a re-sync, shown while it runs and when it ends.

    Args:
        session: Gives function, state and tables.
        calls: At most so many, None for no end.
        again: Whether to re-sync: from `{}`, rows that do not come again are marked as deleted.

    Raises:
        HarnessError: What ended it; what was applied before is shown and kept.
    """
    screen = session.screen
    caller, warehouse = session.caller(), session.warehouse()
    session.state.prove()
    # A re-sync begins at nothing, whatever the file says.
    state, notice = ({}, None) if again else settle(session.state, warehouse)
    if notice:
        screen.say(notice, "yellow")
    if again:
        # The file first: killed in between, the next sync reads everything and marks nothing.
        session.state.write(state)
        warehouse.begin_resync()
    _keep_port(session, state)
    _tell_kept(session, warehouse)
    work = Sync(caller, warehouse, session.state, state)
    progress = Progress(screen)
    recorder = Recorder(
        session.command,
        caller.target.name,
        work.summary,
        warehouse.keep_run,
        progress,
        screen.redactor,
    )
    session.at_end(lambda: recorder.finish(session.result))
    caller.watcher = recorder
    try:
        with progress, recorder, Tap(progress.heard):
            work.run(calls)
        if work.summary.ended == "done":
            session.judge.ended(
                {
                    table.name: [column.name for column in table.columns]
                    for table in warehouse.tables()
                }
            )
        if work.summary.ended == "done" and warehouse.resyncing:
            unseen = {table: count for table, count in warehouse.finish_resync().items() if count}
            session.result["unseen"] = unseen
            for table, count in unseen.items():
                screen.say(
                    f"{table}: {counted(count, 'row')} did not come again, marked as deleted"
                )
    finally:
        if work.summary.calls:
            _show(session, work.summary, warehouse, progress.pages)
        else:
            screen.say("nothing was applied, the state has not moved", "yellow")
        session.result |= {**_result(work.summary, warehouse), "pages": progress.pages}


def _keep_port(session: Session, state: Mapping[str, Any]) -> None:
    """Remember the sample upstream's port, for the URLs that the state is going to hold.

    A state that is not empty may hold some already: then the port remembered stays.
    """
    if session.server is None:
        return
    home, port = session.options.home, session.server.port
    before = kept(home)
    if not state or not before:
        keep(home, port)
    elif before != port:
        session.screen.say(
            f"port {before} of the sample upstream is taken, {port} stands in: URLs that the "
            f"state holds from an earlier sync lead nowhere; end what listens on {before}, or "
            f"run `{session.state.command('reset')}`",
            "yellow",
        )


def _tell_kept(session: Session, warehouse: Warehouse) -> None:
    """Say which blocked data the tables hold from before it was blocked."""
    blocked = session.connection.blocked
    tables = {table.name: table for table in warehouse.tables()} if blocked else {}
    for entry in sorted(blocked):
        source, _, name = entry.partition(".")
        table = tables.get(to_name(source))
        if table is None:
            continue
        columns = [column for column in table.columns if name and column.name == to_name(name)]
        held = sum(table.rows - column.nulls for column in columns) if name else table.rows
        if held:
            session.screen.say(
                f"{entry} is blocked, and {counted(held, 'row')} written before hold it until "
                f"`{session.state.command('reset')}`",
                "yellow",
            )


def _show(session: Session, summary: Summary, warehouse: Warehouse, pages: int) -> None:
    screen = session.screen
    rows = []
    for table in warehouse.tables():
        done = summary.tables.get(table.name, Counts())
        new = done.inserted - done.replaced
        changed = (new, done.replaced, done.deleted, done.marked)
        rows.append((table.name, *changed, table.rows, table.deleted, len(table.columns)))
    screen.table(
        "",
        ("table", "new", "updated", "deleted", "marked", "rows now", "of these deleted", "columns"),
        rows,
    )
    for change in summary.widened:
        screen.say(f"{change.table}.{change.column} became {change.after} (was {change.before})")
    _numbers(screen, summary, pages)
    whole = session.state.command("state")
    if summary.ended:
        screen.state(summary.state, whole=whole)
    else:
        screen.say(f"the state is kept as well: `{whole}` shows it", "dim")
    screen.say(f"tables in {session.tables}, schema {session.connection.schema}", "dim")


def _numbers(screen: Screen, summary: Summary, pages: int) -> None:
    pace = summary.rows / summary.seconds if summary.seconds else 0.0
    screen.say(
        f"{_ENDED.get(summary.ended, _BROKEN)}: {counted(summary.calls, 'call')}, "
        + (f"{counted(pages, 'page')}, " if pages else "")
        + f"{counted(summary.rows, 'row')} ({pace:,.0f} rows/s), {size(summary.size)}, "
        f"{duration(summary.seconds)}",
        "green" if summary.ended == "done" else "yellow",
    )


def _result(summary: Summary, warehouse: Warehouse) -> dict[str, Any]:
    return {
        "sync_id": summary.sync_id,
        "ended": summary.ended or "error",
        "calls": summary.calls,
        "inserted": dict(summary.inserted),
        "deleted": dict(summary.deleted),
        "marked": dict(summary.marked),
        "applied": {name: asdict(counts) for name, counts in summary.tables.items()},
        "bytes": summary.size,
        "seconds": summary.seconds,
        "state_before": summary.before,
        "state": summary.state,
        "tables": [
            {
                "name": table.name,
                "rows": table.rows,
                "deleted": table.deleted,
                "primary_key": list(table.primary_key),
                "columns": [{"name": column.name, "type": column.type} for column in table.columns],
            }
            for table in warehouse.tables()
        ],
    }


def disturbed(session: Session, seed: int) -> None:
    """A run of chaos, with tables of its own, in which nothing is blocked or hashed.

    Args:
        session: Gives the function and the failing upstream.
        seed: Says what happens.

    Raises:
        HarnessError: The tables are not those of an undisturbed sync, or no sync gets through.
    """
    screen, folder = session.screen, session.options.folder
    session.caller()
    server = session.server
    assert server is not None

    def load(settings: Mapping[str, str]) -> Target:
        return FunctionTarget(folder, {"UPSTREAM_BASE_URL": server.url, **settings})

    room = folder / HOME / "chaos"
    private_folder(room)
    chaos = Chaos(
        seed,
        load,
        session.connection,
        session.upstream(),
        server,
        room,
        session.judge,
        screen.say,
    )
    screen.say(f"chaos {seed}: tables in {room}")
    with Tap(lambda level, name, line: None):
        outcome = chaos.run()
    session.result["chaos"] = outcome.as_json()
    happened = ", ".join(f"{count} × {name}" for name, count in sorted(outcome.done.items()))
    screen.say(f"happened in {counted(outcome.calls, 'call')}: {happened or 'nothing'}")
    for table, count in outcome.surplus.items():
        screen.say(
            f"{table}: {counted(count, 'row')} more than an undisturbed sync has; it is no entity "
            "of sample.toml, and a table filled beside one keeps what is gone upstream"
        )
    outcome.check()
    screen.say(f"same tables, {counted(outcome.rows, 'row')}", "green")
