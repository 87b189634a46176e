"""What a command works with, opened from its options; its errors, findings and exit code."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from harness import sample
from harness.console import Console
from harness.errors import FunctionFailed, HarnessError, ProtocolBroken, UsageError
from harness.exchange import Exchange
from harness.options import SAMPLE_PORT, Options
from harness.project import CONNECTION, ENTRY, EXAMPLE, Project
from harness.protocol.findings import Findings, advice, summary
from harness.protocol.rules import ERROR, NOTICE, WARNING, Judge
from harness.redact import Redactor
from harness.target import Target
from harness.target.http import HttpTarget, is_local, split_key
from harness.target.local import Event, FunctionTarget
from harness.warehouse import Privacy, Warehouse

Load = Callable[[Mapping[str, str]], Target]
INTERRUPTED = 130
REAL = "real"  # the upstream of a run in which nothing stands in for it
_STYLES = {ERROR: "red", WARNING: "yellow", NOTICE: "cyan"}
# App settings that are no secrets, so that `python` is not masked everywhere.
_PUBLIC = ("FUNCTIONS_", "WEBSITE_", "PYTHON_", "SCM_", "CONNECTOR_", "UPSTREAM_BASE_URL")
# What an error of the function says, and what that means for a run on this machine.
_HINTS = (
    ("connection ?refused", "is it running, and is this the right port?"),
    ("wrong.version.number|record.layer", "that port does not speak https: write http://"),
    (
        "state API|re-sync in Fivetran",
        "for this run: `python -m harness resync` reads everything again, "
        "`python -m harness reset --yes` forgets tables and state",
    ),
)


@dataclass
class Work:
    """What a command works with.

    Attributes:
        command: Its name.
        options: What was asked for.
        console: Prints.
        project: The folder.
        result: What `--json` writes.
        findings: Broken rules.
        calls: Number of the last call.
        upstream: What stands in for the real upstream, and its running server.
    """

    command: str
    options: Options
    console: Console
    stack: contextlib.ExitStack
    project: Project = field(default_factory=lambda: Project(Path()))
    result: dict[str, Any] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    calls: int = 0
    upstream: tuple[sample.Sample | sample.OwnApp, sample.Server] | None = None

    def __post_init__(self) -> None:
        folder, options = self.project.folder, self.options
        if options.connection is None and not any(
            (folder / name).exists() for name in (ENTRY, CONNECTION, EXAMPLE)
        ):
            raise UsageError(
                f"{folder} is not the project's folder: it has no {ENTRY}",
                f"run this in the folder of the function, or write a {CONNECTION} here for --url",
            )
        self.connection = self.project.connection(options.connection)
        self.hide()
        if not options.stands_in and not (options.connection or (folder / CONNECTION).exists()):
            self.console.warn(f"{CONNECTION} is missing: its values come from {EXAMPLE}")

    def hide(self, *others: str) -> None:
        """Mask all secrets that this folder knows, and others."""
        known = [*self.connection.secrets.values(), *others]
        known += [
            value for name, value in self.project.settings().items() if not name.startswith(_PUBLIC)
        ]
        known += [os.environ.get(name, "") for name in self.connection.secrets]
        self.console.redactor = Redactor(known)
        self._judge = Judge(self.console.redactor)

    def stand_in(self) -> sample.Sample | sample.OwnApp:
        """What stands in for the real upstream, not yet running."""
        return sample.load(
            self.project.folder, self.options.upstream, list(self.connection.secrets)
        )

    def load(self, faults: sample.Faults | None = None, records: int | None = None) -> Load:
        """What loads the function for app settings; the sample upstream is started if asked for.

        What the function prints in this process goes through the console from then on.

        Args:
            faults: What goes wrong with the sample upstream.
            records: How many records of each entity it has at most, None for what it says itself.
        """
        options, folder = self.options, self.project.folder
        self.stack.enter_context(self.console.printed())
        if options.url is not None:
            target = HttpTarget(*self._address(options.url))
            return lambda settings: target
        if options.stands_in:
            source = self.stand_in() if records is None else self.stand_in().fewer(records)
            port = SAMPLE_PORT if options.port is None else options.port
            server = self.stack.enter_context(source.serve(port, faults))
            self.upstream = source, server
            self.connection = self.connection.with_secrets(source.secrets())
            self.hide()
            found = {"UPSTREAM_BASE_URL": server.url}
        else:
            # As func start does: a variable that is set already wins.
            local = self.project.settings()
            found = {name: value for name, value in local.items() if name not in os.environ}
        return lambda settings: FunctionTarget(folder, {**found, **settings})

    def target(self, settings: Mapping[str, str] | None = None) -> Target:
        """The function, with app settings over all others; see `load`."""
        target = self.load()(settings or {})
        where = ""
        if self.upstream is not None:
            where = f", upstream: {self.upstream[0].name} at {self.upstream[1].url}"
        self.console.say(f"{self.command}: {target.name}{where}")
        return target

    def check(self, exchange: Exchange) -> None:
        """Judge one call, the first one of a run by a new judge."""
        self.calls = exchange.number
        if exchange.number == 1:
            self._judge = Judge(self.console.redactor)
        if not exchange.answer.lost:  # it is asked for again, and an error after the last try
            for fault in self._judge.check(exchange):
                self.findings.add(exchange.number, fault)

    def log(self, event: Event) -> None:
        """Judge a log record of the call that runs."""
        for fault in self._judge.log(event):
            self.findings.add(self.calls + 1, fault)

    def finish(self, tables: Warehouse) -> None:
        """Judge a sync that has ended."""
        for fault in self._judge.finish(tables.tables(), tables.unmatched()):
            self.findings.add(0, fault)

    @property
    def privacy(self) -> Privacy:
        """What is blocked and hashed."""
        return Privacy(self.connection.blocked, self.connection.hashed)

    @property
    def tables_file(self) -> Path:
        """The DuckDB file."""
        return self.options.warehouse or (
            self.project.home(self.options.stands_in) / "warehouse.duckdb"
        )

    def tables(self, *, for_calls: bool = False) -> Warehouse:
        """Open the tables.

        Args:
            for_calls: Whether replies are going to be applied: tables of another sample upstream
                are then dropped, those of the real API refused.
        """
        path = self.tables_file
        if not path.absolute().parent.is_dir():
            raise UsageError(f"{path}: there is no folder {path.parent}", "make it first")
        warehouse = self.stack.enter_context(
            Warehouse(path, schema=self.connection.schema, privacy=self.privacy)
        )
        if for_calls:
            self._use_tables(warehouse)
        return warehouse

    def state(self) -> dict[str, Any]:
        """The state of the next call; {} where nothing was written for this upstream."""
        if not self.tables_file.exists():
            return {}
        warehouse = self.tables()
        same = warehouse.upstream in (None, self._upstream())
        return warehouse.state() if same else {}

    def conclude(self, error: HarnessError | None = None) -> int:
        """Print findings and the error that ended the command; give the exit code."""
        code = error.exit_code if error else 0
        self.findings.stopped(self.calls, error)
        if self.findings.broken:
            code = max(code, ProtocolBroken.exit_code)
        self.result |= {"ok": code == 0, "exit_code": code, "findings": self.findings.as_json()}
        self._print_findings(getattr(error, "rule", None))
        if error is not None:
            self._print_error(error)
        self.console.result({"command": self.command, **self.result})
        return code

    def _print_findings(self, besides: str | None) -> None:
        listed = [f for f in self.findings if f.count > 1 or f.rule.id != besides]
        if not listed:
            return
        self.console.say(f"\n{summary(listed)}; harness/RULES.md explains each rule", "bold")
        for finding in listed:
            rule = finding.rule
            self.console.say(f"{rule.severity} {rule.id}: {rule.title}", _STYLES[rule.severity])
            for line in finding.lines():
                self.console.say(f"    {line}", "dim" if line.startswith("Fivetran") else "")

    def _print_error(self, error: HarnessError) -> None:
        text, lines = str(error), advice(error)
        if isinstance(error, FunctionFailed) and self.options.url is None:
            lines += [f"→ {hint}" for sign, hint in _HINTS if re.search(sign, text, re.IGNORECASE)]
        self.console.error(error, lines)
        values = {
            "message": text,
            "rule": getattr(error, "rule", ""),
            "advice": lines,
            "errorType": getattr(error, "kind", ""),
            "stackTrace": getattr(error, "trace", ""),
        }
        self.result["error"] = {name: value for name, value in values.items() if value}

    def _address(self, url: str) -> tuple[str, str]:
        """The function's URL and key."""
        url, key = split_key(url)
        if self.options.stands_in:
            raise UsageError(
                "--sample runs the function of this folder, --url another one",
                "run `python -m harness.sample` beside the function, and start the function with "
                "UPSTREAM_BASE_URL set to the URL that it prints",
            )
        key = self.options.key if self.options.key is not None else key
        if not key and self.options.key is None and not is_local(url):
            if not sys.stdin.isatty():
                raise UsageError(
                    "the function key is missing", 'set FUNCTION_KEY (--key "" for none)'
                )
            key = typer.prompt("Function key", default="", hide_input=True, show_default=False)
        self.hide(key)
        return url, key

    def _upstream(self) -> str:
        return self.stand_in().fingerprint if self.options.stands_in else REAL

    def _use_tables(self, warehouse: Warehouse) -> None:
        """Tables and state of different upstreams never mix."""
        before = warehouse.upstream
        now = self._upstream()
        if before == REAL != now:
            raise UsageError(
                f"{warehouse.path} holds tables of the real API", "leave out --warehouse"
            )
        if warehouse.use_for(now) is not None:
            self.console.warn(
                f"{now.partition(' ')[0]} is not what it was at the last sync: tables and state "
                "start from nothing"
            )


class Ended(SystemExit):
    """A command has ended with an exit code of the harness's."""


@contextlib.contextmanager
def opened(command: str, options: Options) -> Iterator[Work]:
    """Run a command's block; it ends the process with the exit code."""
    console = Console(json=options.json)
    work: Work | None = None
    with contextlib.ExitStack() as stack:
        try:
            work = Work(command, options, console, stack)
            yield work
            code = work.conclude()
        except HarnessError as error:
            if work is not None:
                code = work.conclude(error)
            else:
                code = error.exit_code
                console.error(error, advice(error))
                problem = {"message": str(error), "todo": error.todo}
                console.result(
                    {"command": command, "ok": False, "exit_code": code, "error": problem}
                )
        except KeyboardInterrupt:
            console.warn("stopped: what was applied stays, and the next sync goes on from there")
            code = INTERRUPTED
            done = work.result if work is not None else {}
            console.result({"command": command, **done, "ok": False, "exit_code": code})
    raise Ended(code)
