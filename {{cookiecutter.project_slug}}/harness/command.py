"""What a command opens from its options; its errors, findings and exit code."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import typer

from harness import sample
from harness.console import Console
from harness.errors import HarnessError, ProtocolBroken, UsageError
from harness.project import Connection, Project
from harness.protocol.messages import Exchange
from harness.protocol.rules import ERROR, NOTICE, WARNING, Findings, advice, summary
from harness.redact import Redactor
from harness.sync import Fivetran
from harness.target import Target
from harness.target.http import HttpTarget, is_local, split_key
from harness.target.local import Event, FunctionTarget
from harness.warehouse import Privacy, Warehouse

Load = Callable[[Mapping[str, str]], Target]
REAL = "real"  # the upstream of a run without --sample and --upstream
KEY = typer.Option(
    envvar="FUNCTION_KEY",
    show_envvar=True,
    help="Function key; without one, you are asked for it. Other users of this machine can see a "
    "command line: the environment is safer.",
)
_STYLES = {ERROR: "red", WARNING: "yellow", NOTICE: "cyan"}
# App settings that are no secrets, so that `python` is not masked everywhere.
_PUBLIC = ("FUNCTIONS_", "WEBSITE_", "PYTHON_", "SCM_", "CONNECTOR_", "UPSTREAM_BASE_URL")
# What an error says, and what that means for a run on this machine.
_HINTS = (
    ("connection ?refused|actively refused", "is it running, and is this the right port?"),
    ("CONNECTOR_ENTITIES names", "is the entity spelled as in fetch.py?"),
    ("wrong.version.number|record.layer", "that port does not speak https: write http://"),
    (
        "state API|re-sync in Fivetran",
        "on this machine: `python -m harness resync` reads everything again, "
        "`python -m harness reset --yes` drops tables and state",
    ),
)


@dataclass(frozen=True)
class Options:
    """The options that commands share."""

    url: Annotated[
        str | None,
        typer.Option(help="Call the function at this URL instead of the one in this folder."),
    ] = None
    key: Annotated[str | None, KEY] = None
    sample: Annotated[
        bool,
        typer.Option(
            "--sample",
            help="Use the sample API that sample.toml describes, with made-up secrets; tables and "
            "state are in .fivetran/sample.",
        ),
    ] = False
    upstream: Annotated[
        str | None,
        typer.Option(metavar="MODULE:APP", help="Like --sample, with a WSGI app of this folder."),
    ] = None
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="Port of the sample API; 0 takes a free one."),
    ] = 8011
    warehouse: Annotated[
        Path | None, typer.Option(help="DuckDB file instead of .fivetran/warehouse.duckdb.")
    ] = None
    connection: Annotated[
        Path | None, typer.Option(help="Connection file instead of connection.json.")
    ] = None
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object, for programs.")] = (
        False
    )

    @property
    def stands_in(self) -> bool:
        """Whether something replaces the real upstream."""
        return self.sample or self.upstream is not None


class Work:
    """What a command works with.

    Attributes:
        connection: What every request carries.
        result: What `--json` writes.
        calls: Number of the last call.
        upstream: What replaces the real upstream, and its running server.
    """

    connection: Connection

    def __init__(self, command: str, options: Options) -> None:
        self.command, self.options = command, options
        self.console = Console(options.json)
        self.project = Project(Path())
        self.result: dict[str, Any] = {}
        self.findings = Findings(self.console.redactor)
        self.calls = 0
        self.upstream: tuple[sample.Sample, sample.Server] | None = None
        self._stack = ExitStack()

    def run(self, do: Callable[[Work], None]) -> int:
        """Do the command, print its errors and findings, and give the exit code."""
        error: HarnessError | None = None
        try:
            with self._stack:
                self.connection = self.project.connection(self.options.connection)
                self.hide()
                do(self)
        except HarnessError as caught:
            error = caught
        except KeyboardInterrupt:
            self.console.warn("stopped: written rows stay, and the next sync continues from there")
            return self._conclude(130)
        self.findings.stopped(self.calls, error)
        self._print_findings(error.rule if error else "")
        code = error.exit_code if error else 0
        if error:
            text = str(error)
            hints = [hint for sign, hint in _HINTS if re.search(sign, text, re.IGNORECASE)]
            lines = [*(f"→ {hint}" for hint in hints), *advice(error)]
            self.console.error(error, lines)
            self.result["error"] = {
                "message": text,
                "rule": error.rule,
                "advice": lines,
                "errorType": error.kind,
                "stackTrace": error.trace,
            }
        return self._conclude(max(code, ProtocolBroken.exit_code) if self.findings.broken else code)

    def hide(self, *others: str) -> None:
        """Mask all secrets that this folder knows, and others."""
        settings, secrets = self.project.settings(), self.connection.secrets
        known = [*secrets.values(), *others, *(os.environ.get(name, "") for name in secrets)]
        known += [value for name, value in settings.items() if not name.startswith(_PUBLIC)]
        self.console.redactor = self.findings.redactor = Redactor(known)

    def load(self, faults: sample.Faults | None = None, records: int | None = None) -> Load:
        """What loads the function for app settings; what it prints goes through the console.

        With --sample the sample API is started, with these faults and at most so many records of
        each entity.
        """
        options, folder = self.options, self.project.folder
        self._stack.enter_context(self.console.printed())
        if options.url is not None:
            target = HttpTarget(*self._address(options.url))
            return lambda settings: target
        if options.stands_in:
            stand_in = self._stand_in if records is None else self._stand_in.fewer(records)
            server = self._stack.enter_context(stand_in.serve(options.port, faults))
            self.upstream = stand_in, server
            self.connection = self.connection.with_secrets(stand_in.secrets())
            self.hide()
            found = {"UPSTREAM_BASE_URL": server.url}
        else:
            # As func start does: a variable that is set already wins.
            local = self.project.settings()
            found = {name: value for name, value in local.items() if name not in os.environ}
        return lambda settings: FunctionTarget(folder, {**found, **settings})

    def fivetran(self, settings: Mapping[str, str] | None = None) -> Fivetran:
        """Calls the function, with app settings over all others; see `load`."""
        target = self.load()(settings or {})
        where = ""
        if self.upstream is not None:
            where = f", upstream: {self.upstream[0].name} at {self.upstream[1].url}"
        self.console.say(f"{self.command}: {target.name}{where}")
        return Fivetran(target, self.connection, self.console.redactor)

    def check(self, exchange: Exchange) -> None:
        """Check one call by the rules."""
        self.calls = exchange.number
        self.findings.check(exchange)

    def log(self, event: Event) -> None:
        """Check a log record of the call that runs."""
        self.findings.log(self.calls + 1, event.fields)

    def finish(self, tables: Warehouse) -> None:
        """Check a sync that has ended."""
        self.findings.finish(tables.tables(), tables.unmatched())
        if self.upstream and (refusal := self.upstream[1].refusal):
            self.console.warn(f"the sample API refused a request: {refusal}")

    @property
    def tables_file(self) -> Path:
        """The DuckDB file."""
        options, project = self.options, self.project
        return options.warehouse or project.home(options.stands_in) / "warehouse.duckdb"

    def tables(self, *, for_calls: bool = False) -> Warehouse:
        """Open the tables; for calls that fill them, those of another sample API are dropped.

        Raises:
            UsageError: A sample API would fill tables of the real API.
        """
        privacy = Privacy(self.connection.blocked, self.connection.hashed)
        warehouse = self._stack.enter_context(
            Warehouse(self.tables_file, schema=self.connection.schema, privacy=privacy)
        )
        if for_calls:
            if warehouse.upstream == REAL != self._upstream:
                raise UsageError(
                    f"{warehouse.path} has tables of the real API", "leave out --warehouse"
                )
            if warehouse.use_for(self._upstream) is not None:
                changed = "has changed" if self._upstream != REAL else "was read before"
                self.console.warn(f"the sample API {changed}: its tables and state were dropped")
        return warehouse

    def state(self) -> dict[str, Any]:
        """The state of the next call; {} if nothing was written for this upstream."""
        if not self.tables_file.exists():
            return {}
        warehouse = self.tables()
        return warehouse.state() if warehouse.upstream in (None, self._upstream) else {}

    @cached_property
    def _stand_in(self) -> sample.Sample:
        """What replaces the real upstream, not yet running."""
        folder, secrets = self.project.folder, list(self.connection.secrets)
        return sample.load(folder, self.options.upstream, secrets)

    @property
    def _upstream(self) -> str:
        return self._stand_in.fingerprint if self.options.stands_in else REAL

    def _address(self, url: str) -> tuple[str, str]:
        """The function's URL and key."""
        if self.options.stands_in:
            raise UsageError(
                "--sample and --upstream do not go with --url: they start the function of this "
                "folder",
                "run `python -m harness.sample`, and start the function of --url with "
                "UPSTREAM_BASE_URL set to the URL that it prints",
            )
        url, key = split_key(url)
        key = key if self.options.key is None else self.options.key
        if not key and not is_local(url) and sys.stdin.isatty():
            key = typer.prompt("Function key", default="", hide_input=True, show_default=False)
        self.hide(key)
        return url, key

    def _print_findings(self, besides: str) -> None:
        """Print what was found, but a single fault that the error in the box below says."""
        listed = [f for f in self.findings if f.count > 1 or f.rule.id != besides]
        if listed:
            self.console.say(f"\n{summary(listed)}; harness/RULES.md explains each rule", "bold")
        for finding in listed:
            rule = finding.rule
            self.console.say(f"{rule.severity} {rule.id}: {rule.title}", _STYLES[rule.severity])
            for line in finding.lines():
                self.console.say(f"    {line}", "dim" if line.startswith("Fivetran") else "")

    def _conclude(self, code: int) -> int:
        done = {"command": self.command, **self.result, "ok": code == 0, "exit_code": code}
        self.console.result({**done, "findings": [each.as_json() for each in self.findings]})
        return code
