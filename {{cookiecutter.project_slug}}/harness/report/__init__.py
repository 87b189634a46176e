"""The command `report`: the last runs and the tables as one self-contained HTML page.

The page has no script, and its policy forbids any, so that data stays text.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

from harness.codec import encode
from harness.command import Work
from harness.console import counted, duration, size
from harness.errors import UsageError
from harness.protocol.rules import ERROR, RULES, SEVERITIES
from harness.warehouse.runs import CallRecord, RunRecord, Runs

_FOLDER = Path(__file__).parent
_ROWS, _LONGEST = 6, 120  # rows of each table, characters of a value
_BARS, _WIDTH, _THINNEST = 250, 1000.0, 1.5  # of the time line
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ENDED = {
    "done": ("good", "done"),
    "calls": ("fair", "stopped by --calls"),
    "hours": ("fair", "stopped after six hours, as Fivetran does"),
    "failed": ("bad", "ended with an error"),
    "broken": ("bad", "stopped: Fivetran could not continue"),
    "stopped": ("fair", "stopped by hand"),
    "": ("bad", "did not end: it was killed, or is still running"),
}


def write(work: Work, out: Path | None) -> None:
    """Write the page.

    Args:
        work: Gives tables and secrets.
        out: The file; None for report.html next to the tables.

    Raises:
        UsageError: Nothing was synced yet, or the file cannot be written.
    """
    if not work.tables_file.exists():
        raise UsageError(
            f"{work.tables_file} does not exist: nothing was synced yet",
            "run `python -m harness sync` first, or `sync --sample` and then `report --sample`",
        )
    file = out or work.tables_file.with_name("report.html")
    tables = work.tables()
    runs, found = Runs(tables).last(), tables.tables()
    hidden: defaultdict[str, list[str]] = defaultdict(list)  # [""] for a whole table
    for table, column in tables.privacy.blocked:
        hidden[table].append(column)
    page = _environment(work).get_template("page.html.jinja")
    text = page.render(
        schema=tables.schema,
        file=tables.path.as_posix(),
        made=datetime.now(UTC),
        runs=runs,
        state=msgspec.json.format(encode(tables.state()), indent=2).decode("utf-8", "replace"),
        tables=found,
        first_rows=lambda table: tables.rows(table.name, _ROWS),
        hidden=hidden,
        style=Markup((_FOLDER / "style.css").read_text(encoding="utf-8")),
    )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # it shows rows
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error}") from None
    what = f"{counted(len(found), 'table')}, {counted(len(runs), 'run')}"
    work.console.say(f"wrote {file}: {what}; open {file.resolve().as_uri()}", "green")
    work.result |= {"file": str(file), "runs": len(runs)}


def _environment(work: Work) -> jinja2.Environment:
    """Every value is escaped, without secrets and control characters."""
    redacted = work.console.redactor.text

    def clean(value: Any) -> Any:
        if isinstance(value, Markup) or not isinstance(value, str):
            return value
        return _CONTROL.sub("\ufffd", redacted(value))

    def cell(value: Any) -> str:
        """A value as text, masked before it is cut."""
        text = redacted(str(value).lower() if isinstance(value, bool) else str(value))
        return f"{text[:_LONGEST]}…" if len(text) > _LONGEST else text

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        finalize=clean,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals |= {
        "RULES": RULES,
        "counted": counted,
        "duration": duration,
        "size": size,
        "ending": _ending,
        "severities": _severities,
        "time_line": _time_line,
        "cell": cell,
    }
    return environment


def _ending(run: RunRecord) -> tuple[str, str]:
    """How a run ended: a tone, and the words."""
    tone, words = _ENDED[run.ended]
    if tone != "bad" and any(finding.severity == ERROR for finding in run.findings):
        return "bad", f"{words}, but the protocol was broken"
    return tone, words


def _severities(run: RunRecord) -> str:
    numbers = Counter(finding.severity for finding in run.findings)
    return ", ".join(counted(numbers[name], name) for name in SEVERITIES if numbers[name])


def _time_line(calls: Sequence[CallRecord]) -> tuple[float, list[dict[str, Any]]]:
    """The seconds of all calls, and a bar for each call; many calls share bars.

    `rows` and `reply` of a bar are its heights, in percent of the highest.
    """
    whole = max(call.at + call.seconds for call in calls) or 1.0
    step = -(-len(calls) // _BARS)
    bars: list[dict[str, Any]] = []
    for group in (calls[first : first + step] for first in range(0, len(calls), step)):
        start, end = group[0].at, group[-1].at + group[-1].seconds
        width = max((end - start) / whole * _WIDTH, _THINNEST)
        first, last = group[0].number, group[-1].number
        seconds, waited = (sum(getattr(c, name) for c in group) for name in ("seconds", "waited"))
        rows, received = (sum(getattr(c, name) for c in group) for name in ("rows", "reply_bytes"))
        errors = [call.error for call in group if call.error]
        lines = [
            f"call {first}" if first == last else f"calls {first} to {last}",
            f"at {duration(start)}, {duration(seconds)}",
            counted(rows, "row"),
            size(received),
            *errors,
        ]
        bars.append(
            {
                "x": min(start / whole * _WIDTH, _WIDTH - width),
                "width": width,
                "kind": "lost" if errors else "wait" if waited * 2 > seconds else "function",
                "text": "\n".join(lines),
                "time": 100.0,
                "rows": rows / len(group),
                "reply": received / len(group),
            }
        )
    for part in ("rows", "reply"):
        highest = max(bar[part] for bar in bars) or 1.0
        for bar in bars:
            bar[part] = bar[part] and max(bar[part] / highest * 100.0, 1.0)
    return whole, bars
