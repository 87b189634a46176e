# Owned by fivetran-azfn-template: updates replace this file.
"""What a command works with (screen, connection, function, state, tables), opened from options."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import typer

from harness import connection as connections
from harness.advice import commands
from harness.caller import Caller
from harness.connection import Connection
from harness.errors import HarnessError, UsageError
from harness.judge import Judge
from harness.project import ENTRY, local_settings
from harness.redact import Redactor
from harness.remote import HttpTarget, is_local, split_key
from harness.sample import Own, Sample, Server, upstream
from harness.sample.port import kept
from harness.screen import Lines, Screen
from harness.state import StateFile, private_folder
from harness.target import FunctionTarget, Target
from harness.verdict import conclude

if TYPE_CHECKING:
    from harness.warehouse import Warehouse

HOME = Path(".fivetran")
INTERRUPTED = 130
# App settings that are no secrets, so that `python` is not blacked out everywhere.
_PUBLIC = ("FUNCTIONS_", "WEBSITE_", "PYTHON_", "SCM_", "CONNECTOR_CALL_", "UPSTREAM_BASE_URL")


class Ended(SystemExit):
    """A command has ended with an exit code of the harness's own."""


@dataclass(frozen=True)
class Options:
    """What the options of a command say.

    Attributes:
        url: The function's URL, None for the one in this folder.
        key: The function key.
        warehouse: The DuckDB file, None for the usual place.
        state: The state file, None for the usual place.
        connection: The connection file, None for the usual place.
        sample: What stands in for the real upstream: `sample.toml` or `module:app`; None for none.
        as_json: Whether to write JSON for machines.
        folder: The project's folder.
        chaos: Seed of what goes wrong with the sample upstream, None for nothing.
    """

    url: str | None = None
    key: str | None = field(default=None, repr=False)
    warehouse: Path | None = None
    state: Path | None = None
    connection: Path | None = None
    sample: str | None = None
    as_json: bool = False
    folder: Path = Path()
    chaos: int | None = None

    @property
    def home(self) -> Path:
        """Where tables and state lie; those of sample runs apart from the real ones."""
        return self.folder / HOME / "sample" if self.sample else self.folder / HOME


class Session:
    """One command at work.

    Args:
        command: Its name.
        options: What was asked.
        screen: Where it shows.
        stack: Closes what was opened.
        result: What `--json` writes at the end.
        judge: Hears every call.
    """

    def __init__(
        self,
        command: str,
        options: Options,
        screen: Screen,
        stack: contextlib.ExitStack,
        result: dict[str, Any],
        judge: Judge,
    ) -> None:
        self.command = command
        self.options = options
        self.screen = screen
        self.result = result
        self.judge = judge
        self.connection = _connection(options)
        self.state = StateFile(options.state or options.home / "state.json", commands(options))
        self.tables = options.warehouse or options.home / "warehouse.duckdb"
        self.server: Server | None = None
        self._stack = stack
        screen.redactor = Redactor(self.connection.secrets.values())

    def caller(self, settings: Mapping[str, str] | None = None) -> Caller:
        """Reach the function, and start the sample upstream if it is asked for.

        What the function prints in this process goes through the screen from then on.

        Args:
            settings: App settings for the function of this folder, over all others.
        """
        remote = self._remote() if self.options.url is not None else None
        printed = cast("TextIO", self._stack.enter_context(Lines(self.screen)))
        self._stack.enter_context(contextlib.redirect_stdout(printed))
        self._stack.enter_context(contextlib.redirect_stderr(printed))
        target = remote or self._function(settings or {})
        where = f", against the sample upstream at {self.server.url}" if self.server else ""
        self.screen.say(f"{self.command} of {target.name}{where}")
        self.judge.redactor = self.screen.redactor
        self.judge.connection = self.connection
        return Caller(target, self.connection, self.screen.redactor, judge=self.judge)

    def upstream(self) -> Sample | Own:
        """What stands in for the real upstream, not yet running."""
        options = self.options
        return upstream(options.folder, str(options.sample), self.connection.secrets)

    def warehouse(self) -> Warehouse:
        """Open the tables."""
        from harness.warehouse import Warehouse  # DuckDB takes a while to load, and peek needs none

        private_folder(self.tables.parent)
        home = self.options.folder / HOME
        if home.exists():
            # It holds people's data, and may be older than the first sync.
            home.chmod(0o700)
        return self._stack.enter_context(
            Warehouse(
                self.tables,
                schema=self.connection.schema,
                blocked=self.connection.blocked,
                hashed=self.connection.hashed,
            )
        )

    def at_end(self, do: Callable[[], None]) -> None:
        """Do this when the command has ended, its verdict in `result`; before the tables close."""
        self._stack.callback(do)

    def hide(self, *others: str) -> None:
        """Let the screen redact all secrets that this folder knows, and others."""
        known = [*self.connection.secrets.values(), *others]
        known += [
            value
            for name, value in local_settings(self.options.folder).items()
            if not name.startswith(_PUBLIC)
        ]
        known += [os.environ[name] for name in self.connection.secrets if name in os.environ]
        self.screen.redactor = Redactor(known)

    def _function(self, settings: Mapping[str, str]) -> Target:
        folder = self.options.folder
        if self.options.sample:
            # The state of a run of chaos is its own, and so is its port.
            chaos = self.options.chaos
            port = kept(self.options.home) if chaos is None else 0
            sample = self.upstream()
            running = sample.serve(port, elsewhere=True, chaos=chaos)
            self.server = self._stack.enter_context(running)
            self.connection = self.connection.with_secrets(sample.secrets())
            found = {"UPSTREAM_BASE_URL": self.server.url}
            self.screen.redactor = Redactor(self.connection.secrets.values())
        else:
            # As func start does: a variable that is set already wins.
            local = local_settings(folder)
            found = {name: value for name, value in local.items() if name not in os.environ}
            self.hide()
        return FunctionTarget(folder, {**found, **settings})

    def _remote(self) -> Target:
        url, key = split_key(str(self.options.url))
        if self.options.sample:
            raise UsageError(
                "--sample runs the function of this folder, --url another one",
                todo="for a started function run `python -m harness.sample` and start the "
                "function with UPSTREAM_BASE_URL set to what it prints",
            )
        key = self.options.key if self.options.key is not None else key
        if key is None and not is_local(url):
            if not sys.stdin.isatty():
                raise UsageError("the function key is missing", todo="set FUNCTION_KEY")
            key = typer.prompt("Function key", default="", hide_input=True, show_default=False)
        self.screen.redactor = Redactor([*self.connection.secrets.values(), key or ""])
        return HttpTarget(url, key)


@contextlib.contextmanager
def opened(command: str, options: Options) -> Iterator[Session]:
    """Run a command's block: errors are shown, and end it with their exit code."""
    screen = Screen(as_json=options.as_json)
    result: dict[str, Any] = {"command": command, "ok": True, "exit_code": 0}
    judge = Judge()
    with contextlib.ExitStack() as stack:
        try:
            yield Session(command, options, screen, stack, result, judge)
            code = conclude(screen, judge, result)
            screen.result(result)
            if code:
                raise Ended(code)
        except HarnessError as error:
            code = conclude(screen, judge, result, error)
            screen.failure(error, result)
            raise Ended(code) from None
        except KeyboardInterrupt:
            conclude(screen, judge, result)
            screen.say("stopped: what was applied is kept, and the next run goes on from there")
            raise Ended(INTERRUPTED) from None


def _connection(options: Options) -> Connection:
    if options.connection is not None:
        return connections.load(options.connection)
    path = options.folder / connections.FILE
    if options.url is None and not any(
        (options.folder / name).exists() for name in (ENTRY, connections.FILE)
    ):
        raise UsageError(
            f"{options.folder.resolve()} is not the project's folder: it has no {ENTRY}",
            todo="run this in the folder of the function",
        )
    if options.sample and not path.exists():
        path = options.folder / connections.EXAMPLE
    return connections.load(path)
