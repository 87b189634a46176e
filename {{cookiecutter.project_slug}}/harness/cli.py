# Owned by fivetran-azfn-template: updates replace this file.
"""The commands of `python -m harness`; what they do stands in the modules that they call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness import peek
from harness.arguments import ConnectionFile, Json, Key, Sample, StateFile, Url, WarehouseFile
from harness.caller import setup_test
from harness.connect import connect
from harness.errors import UsageError
from harness.progress import Progress
from harness.screen import duration, size
from harness.session import INTERRUPTED, Ended, Options, Session, opened
from harness.spelling import SAMPLE, spelled
from harness.state import parsed, settle
from harness.tap import Tap
from harness.veil import Veil

_USAGE = 3
_TYPERS = (1, 2)  # a question left without an answer, and wrong usage; here they mean other things

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="A local Fivetran: calls the function of this folder (or of --url) as Fivetran would, "
    "and puts what it delivers into DuckDB.\n\n"
    "Exit codes: 0 fine, 1 the function reported an error, 2 the protocol was broken "
    "or chaos led to other tables, 3 usage.",
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        given = sys.argv[1:] if arguments is None else arguments
        app(args=spelled(given), prog_name="python -m harness")
    except Ended as ended:
        return int(str(ended.code))
    except SystemExit as left:
        return _USAGE if left.code in _TYPERS else int(str(left.code or 0))
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


@app.command()
def test(
    url: Url = None,
    key: Key = None,
    sample: Sample = None,
    connection: ConnectionFile = None,
    json: Json = False,
) -> None:
    """Run the setup test as Fivetran runs it, with its second try after an error.

    Example: `python -m harness test --sample`
    """
    options = Options(url, key, connection=connection, sample=sample, as_json=json)
    with opened("test", options) as session:
        caller = session.caller()
        with Progress(session.screen) as progress, Tap(progress.heard):
            caller.watcher = progress
            reply, answer, first = setup_test(caller)
        if first:
            session.screen.say(f"the first try reported: {first}", "yellow")
        session.screen.say(
            f"passed in {duration(answer.seconds)}; the reply has {size(reply.size)}", "green"
        )
        session.result |= {
            "seconds": answer.seconds,
            "bytes": reply.size,
            "tries": 2 if first else 1,
        }


@app.command("peek")
def peek_(
    entity: Annotated[str | None, typer.Argument(help="Show this entity alone.")] = None,
    pages: Annotated[
        int, typer.Option(min=1, help="Pages of ENTITY; without it, small calls to make.")
    ] = 1,
    records: Annotated[int, typer.Option(min=1, help="How many records to show per table.")] = 3,
    fresh: Annotated[bool, typer.Option("--fresh", help="Look as a first sync would.")] = False,
    url: Url = None,
    key: Key = None,
    sample: Sample = None,
    state: StateFile = None,
    connection: ConnectionFile = None,
    json: Json = False,
) -> None:
    """Make small calls and show requests, records and the next state; nothing is written.

    Run it after each edit of fetch.py. A call brings the page that is there first; with ENTITY,
    calls go on until its page has come.

    Example: `python -m harness peek transaction --pages 2 --sample`
    """
    options = Options(url, key, state=state, connection=connection, sample=sample, as_json=json)
    with opened("peek", options) as session:
        caller = session.caller(peek.SMALLEST)
        before = {} if fresh else session.state.read()
        known = session.connection
        look = peek.Look(before, before, Veil(known.blocked, known.hashed))
        try:
            with Tap(look.heard):
                peek.look(caller, look, pages, entity)
        finally:
            peek.show(session.screen, look, entity, records)
            session.result |= peek.summary(look)


@app.command()
def sync(
    calls: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many calls; the next sync goes on.")
    ] = None,
    chaos: Annotated[
        int | None,
        typer.Option(
            metavar="SEED",
            help="Sync on bad days, against the sample upstream: it fails and changes, replies get "
            "lost, calls are repeated, syncs given up; then compare with an undisturbed sync. The "
            "same seed plays the same; tables lie in .fivetran/chaos.",
        ),
    ] = None,
    url: Url = None,
    key: Key = None,
    sample: Sample = None,
    warehouse: WarehouseFile = None,
    state: StateFile = None,
    connection: ConnectionFile = None,
    json: Json = False,
) -> None:
    """Sync: call until hasMore is false, each reply into DuckDB in one transaction with its state.

    It stops where Fivetran stops: an error, more than 10 empty replies in a row, six hours.

    Example: `python -m harness sync --sample`, or `python -m harness sync --chaos 7`
    """
    if chaos is not None:
        sample = sample or SAMPLE
    options = Options(url, key, warehouse, state, connection, sample, json, chaos=chaos)
    with opened("sync", options) as session:
        if chaos is not None and (calls or url is not None or warehouse or state):
            raise UsageError(
                "--chaos has an upstream, calls, tables and a state of its own",
                todo="leave out --url, --calls, --warehouse and --state",
            )
        _sync(session, calls, again=False)


@app.command()
def resync(
    url: Url = None,
    key: Key = None,
    sample: Sample = None,
    warehouse: WarehouseFile = None,
    state: StateFile = None,
    connection: ConnectionFile = None,
    json: Json = False,
) -> None:
    """Re-sync from an empty state; rows that do not come again are marked as deleted.

    Example: `python -m harness resync --sample`
    """
    options = Options(url, key, warehouse, state, connection, sample, json)
    with opened("resync", options) as session:
        _sync(session, None, again=True)


@app.command("state")
def state_(
    new: Annotated[
        str | None, typer.Option("--set", help="Put this JSON object in its place; - reads it.")
    ] = None,
    sample: Sample = None,
    warehouse: WarehouseFile = None,
    state: StateFile = None,
    connection: ConnectionFile = None,
    json: Json = False,
) -> None:
    """Show the state that the next call is sent, or set it.

    The state file may also be edited by hand: the next command goes on from what it says.

    Example: `python -m harness state --set '{"transaction": "2026-01-01T00:00:00Z"}'`
    """
    options = Options(None, None, warehouse, state, connection, sample, json)
    with opened("state", options) as session:
        tables = session.warehouse()
        if new is not None:
            kept = parsed(sys.stdin.read() if new == "-" else new)
            tables.set_state(kept)
            session.state.write(kept)
        else:
            kept, notice = settle(session.state, tables)
            if notice:
                session.screen.say(notice, "yellow")
        session.screen.state(kept, str(session.state.path))
        session.result["state"] = kept


@app.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    sample: Sample = None,
    warehouse: WarehouseFile = None,
    state: StateFile = None,
    connection: ConnectionFile = None,
    json: Json = False,
) -> None:
    """Drop the tables and clear the state, so that the next sync is a first one.

    Example: `python -m harness reset --yes`
    """
    options = Options(None, None, warehouse, state, connection, sample, json)
    with opened("reset", options) as session:
        tables = session.warehouse()
        dropped = [table.name for table in tables.tables()]
        if not yes:
            if not sys.stdin.isatty():
                raise UsageError("reset asks before it drops tables", todo="write reset --yes")
            session.screen.say(f"tables: {', '.join(dropped) or 'none'}")
            if not typer.confirm("Drop them and clear the state?", err=True):
                raise UsageError("nothing was dropped")
        tables.reset()
        session.state.write({})
        session.screen.say(f"dropped {', '.join(dropped) or 'nothing'}; the state is {{}}")
        session.result["dropped"] = dropped


@app.command()
def report(
    out: Annotated[
        Path | None, typer.Option(help="HTML file to write instead of .fivetran/report.html.")
    ] = None,
    sample: Sample = None,
    warehouse: WarehouseFile = None,
    connection: ConnectionFile = None,
    json: Json = False,
) -> None:
    """Write one HTML page: the last runs, their calls and findings, the state, the tables.

    The page needs no network and holds no script. It shows rows of the tables.

    Example: `python -m harness report --sample --out report.html`
    """
    from harness.report import write  # needs DuckDB, as _sync does

    options = Options(None, None, warehouse, None, connection, sample, json)
    with opened("report", options) as session:
        write(session, out)


app.command()(connect)


def _sync(session: Session, calls: int | None, *, again: bool) -> None:
    from harness.sync import disturbed, run  # DuckDB takes a while to load; peek needs none

    if session.options.chaos is not None:
        disturbed(session, session.options.chaos)
    else:
        run(session, calls, again=again)
