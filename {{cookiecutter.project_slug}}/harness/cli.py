"""The commands of `python -m harness`."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from harness import peek, running
from harness.codec import encode
from harness.command import INTERRUPTED, SAMPLE_PORT, Ended, Options, opened
from harness.console import duration, parsed, size
from harness.errors import UsageError
from harness.warehouse import Warehouse

_USAGE = 3
_TYPERS = (1, 2)  # what Typer exits with on wrong usage; here they mean other things

Url = Annotated[
    str | None,
    typer.Option(
        help="Call the function at this URL instead of the one in this folder, for example "
        "https://APP.azurewebsites.net/api/FUNCTION; http for localhost only."
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        envvar="FUNCTION_KEY",
        show_envvar=True,
        help="Function key for --url. Better in the environment: other users see a command line. "
        "Asked for when it is missing.",
    ),
]
Sample = Annotated[
    bool,
    typer.Option(
        "--sample",
        help="Run against the sample upstream that sample.toml describes, with made-up secrets; "
        "tables and state are in .fivetran/sample.",
    ),
]
Upstream = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:APP",
        help="As --sample, against a WSGI app of this folder.",
    ),
]
Port = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        help=f"Port of the sample upstream instead of {SAMPLE_PORT}; 0 takes a free one.",
    ),
]
WarehouseFile = Annotated[
    Path | None, typer.Option(help="DuckDB file instead of .fivetran/warehouse.duckdb.")
]
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
    "and writes what it delivers into DuckDB.\n\n"
    "Exit codes: 0 fine, 1 the function reported an error, 2 the protocol was broken "
    "or --chaos led to other tables, 3 wrong usage.",
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        app(args=arguments, prog_name="python -m harness")
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
    sample: Sample = False,
    upstream: Upstream = None,
    port: Port = None,
    warehouse: WarehouseFile = None,
    connection: ConnectionFile = None,
    json: Json = False,
) -> None:
    """Run the setup test as Fivetran runs it, with its second try after a failure.

    Example: `python -m harness test --sample`
    """
    options = Options(url, key, sample, upstream, port, warehouse, connection, json)
    with opened("test", options) as work:
        last = running.setup_test(work)
        work.console.say(
            f"passed in {duration(last.seconds)}; the reply has {size(last.reply.size)}", "green"
        )


@app.command("peek")
def peek_(
    entity: Annotated[str | None, typer.Argument(help="Read this entity alone.")] = None,
    pages: Annotated[int, typer.Option(min=1, help="Pages of ENTITY, one per call.")] = 1,
    records: Annotated[int, typer.Option(min=1, help="How many records to show per table.")] = 3,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start from an empty state.")] = False,
    url: Url = None,
    key: Key = None,
    sample: Sample = False,
    upstream: Upstream = None,
    port: Port = None,
    warehouse: WarehouseFile = None,
    connection: ConnectionFile = None,
    json: Json = False,
) -> None:
    """Make small calls and show requests, records and the next state; nothing is written.

    Run it after each edit of fetch.py. Without ENTITY it goes on until every entity was seen.

    Example: `python -m harness peek transaction --pages 2 --sample`
    """
    options = Options(url, key, sample, upstream, port, warehouse, connection, json)
    with opened("peek", options) as work:
        settings = {peek.CALL_BYTES: "1"}
        if entity is not None:
            settings[peek.ENTITIES] = entity
        target = work.target(settings)
        look = peek.Look({} if fresh else work.state(), work.privacy)
        running.look(work, target, look, pages, entity, records)


@app.command()
def sync(
    calls: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many calls; the next sync goes on.")
    ] = None,
    chaos: Annotated[
        int | None,
        typer.Option(
            metavar="SEED",
            help="Sync on bad days, against the sample upstream: it fails and changes, replies are "
            "lost, calls are repeated and cut; then compare with an undisturbed sync. The same "
            "seed plays the same. With --url replies are lost and calls repeated alone.",
        ),
    ] = None,
    url: Url = None,
    key: Key = None,
    sample: Sample = False,
    upstream: Upstream = None,
    port: Port = None,
    warehouse: WarehouseFile = None,
    connection: ConnectionFile = None,
    json: Json = False,
) -> None:
    """Sync: call until hasMore is false; each reply is one transaction with its state.

    It stops where Fivetran stops: an error, more than 10 empty replies in a row, six hours.

    Example: `python -m harness sync --sample`, or `python -m harness sync --chaos 7`
    """
    sample = sample or (chaos is not None and url is None)
    port = 0 if chaos is not None and port is None else port
    options = Options(url, key, sample, upstream, port, warehouse, connection, json)
    with opened("sync", options) as work:
        if chaos is None:
            running.sync(work, calls)
        elif calls or warehouse:
            raise UsageError(
                "--chaos has calls and tables of its own: leave out --calls and --warehouse"
            )
        else:
            running.chaos(work, chaos)


@app.command()
def resync(
    url: Url = None,
    key: Key = None,
    sample: Sample = False,
    upstream: Upstream = None,
    port: Port = None,
    warehouse: WarehouseFile = None,
    connection: ConnectionFile = None,
    json: Json = False,
) -> None:
    """Re-sync from an empty state; rows that do not come again are marked as deleted.

    Example: `python -m harness resync --sample`
    """
    options = Options(url, key, sample, upstream, port, warehouse, connection, json)
    with opened("resync", options) as work:
        running.sync(work, None, again=True)


@app.command("state")
def state_(
    new: Annotated[
        str | None,
        typer.Option("--set", metavar="JSON", help="Replace it by this object; - reads it."),
    ] = None,
    edit: Annotated[bool, typer.Option("--edit", help="Open it in $EDITOR.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Accept keys that neither state nor tables know.")
    ] = False,
    sample: Sample = False,
    upstream: Upstream = None,
    warehouse: WarehouseFile = None,
    connection: ConnectionFile = None,
    json: Json = False,
) -> None:
    """Show the state that the next call is sent, or replace it.

    Example: `python -m harness state --set '{"transaction": "2026-01-01T00:00:00Z"}'`
    """
    options = Options(None, None, sample, upstream, None, warehouse, connection, json)
    with opened("state", options) as work:
        tables = work.tables()
        state = tables.state()
        text = sys.stdin.read() if new == "-" else new
        if edit:
            text = _edited(msgspec.json.format(encode(state), indent=2).decode("utf-8"))
        if text is not None:
            try:
                state = parsed(text, "the state")
            except ValueError as error:
                raise UsageError(
                    f"the new state cannot be used: {error}", "nothing was changed"
                ) from None
            if not force:
                _check_keys(tables, state)
            tables.set_state(state)
        work.console.state(state, whole=True)
        work.result["state"] = state


@app.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    sample: Sample = False,
    upstream: Upstream = None,
    warehouse: WarehouseFile = None,
    connection: ConnectionFile = None,
    json: Json = False,
) -> None:
    """Drop the tables and clear the state, so that the next sync is a first one.

    Example: `python -m harness reset --yes`
    """
    options = Options(None, None, sample, upstream, None, warehouse, connection, json)
    with opened("reset", options) as work:
        tables = work.tables()
        names = [table.name for table in tables.tables()]
        if not yes:
            if not sys.stdin.isatty():
                raise UsageError("reset asks before it drops tables", "write reset --yes")
            work.console.say(f"tables: {', '.join(names) or 'none'}")
            if not typer.confirm("Drop them and clear the state?", err=True):
                raise UsageError("nothing was dropped")
        tables.reset()
        work.console.say(f"dropped {', '.join(names) or 'nothing'}; the state is {{}}")
        work.result["dropped"] = names


@app.command()
def report(
    out: Annotated[
        Path | None, typer.Option(help="HTML file to write instead of .fivetran/report.html.")
    ] = None,
    sample: Sample = False,
    upstream: Upstream = None,
    warehouse: WarehouseFile = None,
    connection: ConnectionFile = None,
    json: Json = False,
) -> None:
    """Write one HTML page: the last runs, their calls and findings, the state, the tables.

    The page needs no network and has no script. It shows rows of the tables.

    Example: `python -m harness report --sample --out report.html`
    """
    from harness.report import write

    options = Options(None, None, sample, upstream, None, warehouse, connection, json)
    with opened("report", options) as work:
        write(work, out)


@app.command()
def connect(
    group: Annotated[str, typer.Option(help="Id of the destination's group.")] = "",
    app: Annotated[
        str, typer.Option(help="The function app's name, as before .azurewebsites.net.")
    ] = "",
    function: Annotated[
        str, typer.Option(help="The function's name, as behind /api/, instead of the one here.")
    ] = "",
    key: Annotated[
        str,
        typer.Option(
            envvar="FUNCTION_KEY",
            show_envvar=True,
            help="Function key that Fivetran is to use. Better in the environment. Asked for when "
            "it is missing.",
        ),
    ] = "",
    send: Annotated[
        bool,
        typer.Option(
            "--send",
            help="Do it, with FIVETRAN_API_KEY and FIVETRAN_API_SECRET from the environment: "
            "create the connection and run its setup tests, or run those of --id.",
        ),
    ] = False,
    existing: Annotated[
        str | None, typer.Option("--id", help="A connection that exists: test it, or --state.")
    ] = None,
    state: Annotated[bool, typer.Option("--state", help="Show the state of --id.")] = False,
    connection: ConnectionFile = None,
    json: Json = False,
) -> None:
    """Connect the deployed function to Fivetran over its REST API, with what connection.json says.

    Without --send the request is printed, its secrets masked, and nothing is sent; only --state
    reads at once. A new connection starts paused.

    Example: `python -m harness connect --group calm_river --app acme-connector --send`
    """
    from harness.connect import create, look

    with opened("connect", Options(connection=connection, json=json)) as work:
        if existing is not None:
            if group or app or function:
                raise UsageError(
                    "--id names a connection that exists: leave out --group, --app and --function"
                )
            look(work, existing, state=state, send=send)
        elif state:
            raise UsageError("--state needs --id, the connection's id")
        else:
            create(work, group, app, function, key, send=send)


def _check_keys(tables: Warehouse, state: dict[str, object]) -> None:
    """Refuse keys that nobody has used: a typing error would make a sync start from nothing."""
    known = {*tables.state(), *(table.name for table in tables.tables())}
    unknown = [key for key in state if key not in known]
    if known and unknown:
        raise UsageError(
            f"the new state has the key {unknown[0]!r}, which neither the state nor the tables "
            f"have: {', '.join(sorted(known))}",
            "correct it, or add --force if the function knows it",
        )


def _edited(text: str) -> str:
    """The text after the user has edited it."""
    default = "notepad" if os.name == "nt" else "vi"
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or default
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "state.json"
        file.write_text(text + "\n", encoding="utf-8")
        try:
            subprocess.run([*shlex.split(editor, posix=os.name != "nt"), str(file)], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise UsageError(f"the editor {editor} failed: {error}", "set EDITOR") from None
        return file.read_text(encoding="utf-8-sig")
