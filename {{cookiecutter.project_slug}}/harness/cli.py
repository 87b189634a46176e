"""The commands of `python -m harness`."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from typer.core import TyperCommand

from harness import chaos as play
from harness import peek as looks
from harness.codec import decode, encode
from harness.command import KEY, Options, Work
from harness.connect import create, look
from harness.console import counted, duration, size
from harness.errors import UsageError
from harness.project import Project
from harness.report import write
from harness.run import Run
from harness.sample import Faults, spec
from harness.sync import failure
from harness.target.local import Logs
from harness.warehouse.names import to_name

_LOOKING = ("sample", "upstream", "warehouse", "connection", "json")
_CALLING = ("url", "key", "sample", "upstream", "port", "warehouse", "connection", "json")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="A local Fivetran: calls the function of this folder (or of --url) as Fivetran would, "
    "checks its replies, and writes the records into DuckDB.\n\n"
    "Exit codes: 0 success, 1 the function reported an error, 2 a reply broke the protocol "
    "or tables differ after --chaos, 3 wrong usage, 130 interrupted.",
)


class _Ended(Exception):
    """A command has ended; its argument is the exit code."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        app(args=arguments, prog_name="python -m harness")
    except _Ended as ended:
        return int(ended.args[0])
    except SystemExit as left:
        return UsageError.exit_code if left.code in (1, 2) else int(left.code or 0)  # Typer's
    return 0


class _Command(TyperCommand):
    """A command whose help has the project's own names in its examples."""

    def format_help(self, *context: Any) -> None:
        self.help = _named(self.help or "", Path())
        super().format_help(*context)


def _named(text: str, folder: Path) -> str:
    """The text with names of the folder's project, or unchanged if they cannot be read."""
    try:
        entities = [*spec.load(folder / spec.FILE).entities.values()]
        schema = Project(folder).connection().schema
    except UsageError:
        return text
    if not entities:
        return text
    entity = next((each for each in entities if each.cursor), entities[0])
    names = {
        "acme.transaction": f"{to_name(schema)}.{to_name(entity.name, table=True)}",
        "transaction": entity.name,
    }
    if entity.cursor:
        cursor = spec.value_at(entity.record, entity.cursor)
        names['"2026-01-01T00:00:00Z"'] = encode(cursor).decode("utf-8")
    return re.sub("|".join(map(re.escape, names)), lambda found: names[found[0]], text)


def _command(*shared: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Registers a function as a command with its parameters and these options of `Options`."""

    def register(do: Callable[..., None]) -> Callable[..., None]:
        def command(**values: Any) -> None:
            options = Options(**{name: values.pop(name) for name in shared})
            raise _Ended(Work(do.__name__, options).run(lambda work: do(work, **values)))

        _, *parameters = inspect.signature(do, eval_str=True).parameters.values()
        common = inspect.signature(Options, eval_str=True).parameters
        parameters += [common[name] for name in shared]
        vars(command)["__signature__"] = inspect.Signature(parameters)  # what Typer reads
        app.command(do.__name__, cls=_Command, help=do.__doc__)(command)
        return do

    return register


@_command(*_CALLING)
def test(work: Work) -> None:
    """Run the setup test as Fivetran does; after a failure, Fivetran tries once more.

    Example: `python -m harness test --sample`
    """
    fivetran = work.fivetran()
    with Run(work, work.tables(), fivetran.target.name) as run:
        exchanges = fivetran.setup_test()
        for exchange in exchanges:
            run.add(exchange)
        first, last = exchanges[0], exchanges[-1]
        work.result |= {"tries": len(exchanges), "warnings": run.warnings}
        if error := failure(last):
            raise error
        run.ended = "done"
    if last is not first:
        work.console.warn(f"the first try failed: {failure(first)}")
    words = f"passed in {duration(last.answer.seconds)}; the reply has {size(last.reply.size)}"
    work.console.say(words, "green")


@_command(*_CALLING)
def peek(
    work: Work,
    entity: Annotated[str | None, typer.Argument(help="Read only this entity.")] = None,
    pages: Annotated[int, typer.Option(min=1, help="Pages of ENTITY, one per call.")] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start from an empty state.")] = False,
) -> None:
    """Make small calls and show requests, records and the next state; write nothing.

    Run it after each edit of fetch.py. Without ENTITY it reads a page of every entity.

    Example: `python -m harness peek transaction --pages 2 --sample`
    """
    looks.peek(work, {} if fresh else work.state(), entity, pages)


@_command(*_CALLING)
def sync(
    work: Work,
    calls: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many calls; the next sync continues.")
    ] = None,
    chaos: Annotated[
        int | None,
        typer.Option(
            metavar="SEED",
            help="Sync while the sample API fails and its records change, replies are lost and "
            "calls are repeated; then compare the tables with those of an undisturbed sync. The "
            "same SEED gives the same faults, exactly so with Source(workers=1). With --url only "
            "replies are lost and calls repeated.",
        ),
    ] = None,
) -> None:
    """Call until hasMore is false; write the rows and the state of each reply together.

    Stops like Fivetran: after an error, more than 10 empty replies in a row, or six hours.

    Example: `python -m harness sync --sample`, or `python -m harness sync --chaos 7`

    Then query the DuckDB file in .fivetran: `SELECT * FROM acme.transaction`
    """
    if chaos is None:
        _sync(work, calls)
        return
    if calls or work.options.warehouse:
        raise UsageError(
            "--chaos does not go with --calls and --warehouse: it uses other calls and tables"
        )
    _chaos(work, chaos)


@_command(*_CALLING)
def resync(work: Work) -> None:
    """Sync from an empty state; rows that do not come again are marked as deleted.

    Example: `python -m harness resync --sample`
    """
    _sync(work, None, again=True)


@_command(*_LOOKING)
def state(
    work: Work,
    new: Annotated[
        str | None, typer.Option("--set", metavar="JSON", help="Replace the state.")
    ] = None,
    edit: Annotated[bool, typer.Option("--edit", help="Edit the state in $EDITOR.")] = False,
) -> None:
    """Show the state that the next call sends, or replace it.

    Example: `python -m harness state --set '{"transaction": "2026-01-01T00:00:00Z"}'`
    """
    tables = work.tables()
    found: Any = tables.state()
    if edit:
        new = _edited(msgspec.json.format(encode(found), indent=2).decode("utf-8"))
    if new is not None:
        try:
            found = decode(new)
        except ValueError as error:
            raise UsageError(f"the new state is not JSON: {error}") from None
        if not isinstance(found, dict):
            raise UsageError("the new state must be a JSON object")
        known = {*tables.state(), *(table.name for table in tables.tables())}
        if known and (unknown := [key for key in found if key not in known]):
            raise UsageError(
                f"the new state has the key {unknown[0]!r}, but the state and the tables only have "
                f"{', '.join(sorted(known))}",
                "correct the key: with a wrong one, the entity is read from its beginning",
            )
        tables.set_state(found)
    work.console.state(found, whole=True)
    work.result["state"] = found


@_command(*_LOOKING)
def reset(
    work: Work, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
) -> None:
    """Drop the tables and clear the state, so that the next sync is a first one.

    Example: `python -m harness reset --yes`
    """
    tables = work.tables()
    names = [table.name for table in tables.tables()]
    listed = ", ".join(names) or "nothing"
    if not yes:
        typer.confirm(f"Drop {listed} and clear the state?", abort=True, err=True)
    tables.reset()
    work.console.say(f"dropped {listed}; the state is {{}}")
    work.result["dropped"] = names


@_command(*_LOOKING)
def report(
    work: Work,
    out: Annotated[
        Path | None, typer.Option(help="HTML file to write instead of .fivetran/report.html.")
    ] = None,
) -> None:
    """Write an HTML page of the last runs, their calls and findings, the state and the tables.

    The page needs no network. It shows rows of the tables.

    Example: `python -m harness report --sample --out report.html`
    """
    write(work, out)


@_command("connection", "json")
def connect(
    work: Work,
    group: Annotated[str, typer.Option(help="Id of the destination's group.")] = "",
    app: Annotated[
        str, typer.Option(help="Name of the function app: its host without .azurewebsites.net.")
    ] = "",
    function: Annotated[
        str, typer.Option(help="Name of the function, if it is not the one of function_app.py.")
    ] = "",
    key: Annotated[str, KEY] = "",
    send: Annotated[
        bool,
        typer.Option(
            "--send",
            help="Create the connection and run its setup tests.",
        ),
    ] = False,
    existing: Annotated[
        str | None,
        typer.Option("--id", help="Run the setup tests of this existing connection."),
    ] = None,
    state: Annotated[bool, typer.Option("--state", help="With --id: show its state.")] = False,
) -> None:
    """Create a connection for the deployed function through Fivetran's REST API.

    The settings come from connection.json. Without --send and --id, the request is only printed,
    with masked secrets. A new connection is paused. Set FIVETRAN_API_KEY and FIVETRAN_API_SECRET in
    the environment.

    Example: `python -m harness connect --group calm_river --app acme-connector --send`
    """
    if existing is not None:
        if group or app or function:
            raise UsageError("--id does not go with --group, --app and --function")
        look(work, existing, state=state)
    elif state:
        raise UsageError("--state needs --id, the connection's id")
    else:
        create(work, group, app, function, key, send=send)


def _sync(work: Work, calls: int | None, *, again: bool = False) -> None:
    """One sync, or a re-sync from an empty state."""
    fivetran, tables = work.fivetran(), work.tables(for_calls=True)
    if again:
        tables.begin_resync()
    work.result["state_before"] = tables.state()
    run = Run(work, tables, fivetran.target.name)
    try:
        with run:
            for exchange in fivetran.sync(tables, calls=calls):
                run.add(exchange)
            if exchange.reply.has_more:
                run.ended = "calls" if run.calls == calls else "hours"
                return
            run.ended = "done"
            if tables.resyncing:
                run.unseen = {name: rows for name, rows in tables.finish_resync().items() if rows}
            work.finish(tables)
    finally:
        run.show()


def _chaos(work: Work, seed: int) -> None:
    """Syncs on bad days, compared with an undisturbed one."""
    console, folder = work.console, work.project.home() / "chaos"
    if work.options.url is None:
        work.options = replace(work.options, sample=True, port=0)
    load = work.load(Faults(seed), play.RECORDS)
    console.say(f"chaos {seed}: {load({}).name}; tables in {folder}")
    if work.options.url is not None:
        console.say(
            "with --url only replies are lost and calls repeated; run it without --url in the "
            "function's folder to let the upstream fail too"
        )
    with Logs(lambda event: None):  # else Python prints warnings itself
        outcome = play.play(seed, load, work.connection, folder, work.upstream, work.check)
    work.result["chaos"] = outcome.as_json()
    for number, line in enumerate(outcome.syncs, 1):
        console.say(f"sync {number}: {line}")
    outcome.check()
    rows, calls = counted(outcome.rows, "row"), counted(outcome.calls, "call")
    console.say(f"the same tables as after an undisturbed sync: {rows}, {calls}", "green")
    if not outcome.rows:
        console.warn("nothing was compared: the function delivers no rows")


def _edited(text: str) -> str:
    """The text after the user has edited it."""
    default = "notepad" if os.name == "nt" else "vi"
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or default
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "state.json"
        file.write_text(text + "\n", encoding="utf-8")
        if subprocess.run(f'{editor} "{file}"', shell=True).returncode:
            raise UsageError(f"the editor {editor} failed", "set EDITOR to your editor")
        return file.read_text(encoding="utf-8-sig")
