# Owned by fivetran-azfn-template: updates replace this file.
"""The commands of `python -m harness`; what they do stands in the modules that they call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from harness import loop, peek, protocol
from harness import sync as syncs
from harness.errors import UsageError
from harness.progress import Progress
from harness.screen import duration, size
from harness.session import Ended, Options, opened
from harness.state import settle
from harness.tap import Tap

_USAGE = 3
_CLICKS_USAGE = 2

Url = Annotated[
    str | None,
    typer.Option(
        help="Call the function at this URL instead of the one in this folder, as "
        "https://APP.azurewebsites.net/api/FUNCTION; http for localhost only."
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        envvar="FUNCTION_KEY",
        show_envvar=True,
        help="Function key for --url. Better in the environment: a command line is seen by others. "
        "Asked for when it is missing.",
    ),
]
Sample = Annotated[
    bool,
    typer.Option(
        "--sample",
        help="Run against the built-in sample upstream that sample.toml describes, with made-up "
        "secrets; tables and state lie apart, in .fivetran/sample.",
    ),
]
WarehouseFile = Annotated[
    Path | None, typer.Option(help="DuckDB file instead of .fivetran/warehouse.duckdb.")
]
StateFile = Annotated[Path | None, typer.Option(help="State file instead of .fivetran/state.json.")]
ConnectionFile = Annotated[
    Path | None, typer.Option(help="Connection file instead of connection.json.")
]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON object and nothing else.")]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="A local Fivetran: calls the function of this folder (or of --url) as Fivetran would, "
    "and puts what it delivers into DuckDB.\n\n"
    "Exit codes: 0 fine, 1 the function reported an error, 2 the protocol was broken, 3 usage.",
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        app(args=arguments, prog_name="python -m harness")
    except Ended as ended:
        return int(str(ended.code))
    except SystemExit as left:
        # Typer leaves with 2 for wrong usage, which here means a broken protocol.
        return _USAGE if left.code == _CLICKS_USAGE else int(str(left.code or 0))
    return 0


@app.command()
def test(
    url: Url = None,
    key: Key = None,
    sample: Sample = False,
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
            reply, answer, first = loop.setup_test(caller)
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
    pages: Annotated[int, typer.Option(min=1, help="How many small calls to make.")] = 1,
    records: Annotated[int, typer.Option(min=1, help="How many records to show per table.")] = 3,
    fresh: Annotated[bool, typer.Option("--fresh", help="Look as a first sync would.")] = False,
    url: Url = None,
    key: Key = None,
    sample: Sample = False,
    state: StateFile = None,
    connection: ConnectionFile = None,
    json: Json = False,
) -> None:
    """Make one small call and show requests, records and the next state; nothing is written.

    Run it after each edit of fetch.py. In this process a call brings one page per entity.

    Example: `python -m harness peek transaction --pages 2 --sample`
    """
    options = Options(url, key, state=state, connection=connection, sample=sample, as_json=json)
    with opened("peek", options) as session:
        caller = session.caller(peek.SMALLEST)
        before = {} if fresh else session.state.read()
        look = peek.Look(before, before)
        try:
            with Tap(look.heard):
                peek.look(caller, look, pages)
        finally:
            peek.show(session.screen, look, entity, records)
            session.result |= peek.summary(look)


@app.command()
def sync(
    calls: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many calls; the next sync goes on.")
    ] = None,
    url: Url = None,
    key: Key = None,
    sample: Sample = False,
    warehouse: WarehouseFile = None,
    state: StateFile = None,
    connection: ConnectionFile = None,
    json: Json = False,
) -> None:
    """Sync: call until hasMore is false, each reply into DuckDB in one transaction with its state.

    It stops where Fivetran stops: an error, more than 10 empty replies in a row, six hours.

    Example: `python -m harness sync --sample`
    """
    options = Options(url, key, warehouse, state, connection, sample, json)
    with opened("sync", options) as session:
        syncs.run(session, calls)


@app.command()
def resync(
    url: Url = None,
    key: Key = None,
    sample: Sample = False,
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
        syncs.run(session, None, again=True)


@app.command("state")
def state_(
    new: Annotated[
        str | None, typer.Option("--set", help="Put this JSON object in its place; - reads it.")
    ] = None,
    sample: Sample = False,
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
            kept = _object(sys.stdin.read() if new == "-" else new)
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
    sample: Sample = False,
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


def _object(text: str) -> dict[str, Any]:
    try:
        value = protocol.decode(text.encode("utf-8"))
    except ValueError as error:
        raise UsageError(f"the new state is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise UsageError('the new state must be a JSON object, as {"transaction": "2026-01-01"}')
    return value
