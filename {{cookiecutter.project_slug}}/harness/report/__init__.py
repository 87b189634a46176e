"""The command `report`: the last runs and the tables as one HTML page that needs nothing else.

The page has no script, and its own policy forbids any: data stays text.
"""

from __future__ import annotations

import os
import re
from collections import Counter
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
from harness.redact import Redactor
from harness.warehouse import TableInfo
from harness.warehouse.names import to_name
from harness.warehouse.runs import CallRecord, RunRecord, Runs

_ROWS, _LONGEST = 6, 120  # rows of each table, characters of a value
_BARS, _WIDTH, _THINNEST = 250, 1000.0, 1.5  # of the time line
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ENDED = {
    "done": ("good", "done"),
    "calls": ("fair", "stopped after as many calls as asked for"),
    "hours": ("fair", "stopped after six hours, as Fivetran does"),
    "failed": ("bad", "ended with an error"),
    "broken": ("bad", "broken off: Fivetran could not go on"),
    "stopped": ("fair", "stopped by hand"),
    "": ("bad", "did not end: it was killed, or is still running"),
}


def write(work: Work, out: Path | None) -> None:
    """Write the page.

    Args:
        work: Gives tables and secrets.
        out: The file; None for report.html beside the tables.

    Raises:
        UsageError: Nothing was synced yet, or the file cannot be written.
    """
    if not work.tables_file.exists():
        raise UsageError(
            f"{work.tables_file} is not there: nothing was synced yet",
            "run `python -m harness sync` first, or `sync --sample` and then `report --sample`",
        )
    file = out or work.tables_file.with_name("report.html")
    tables = work.tables()
    runs = Runs(tables).last()
    text = (
        _environment(work)
        .get_template("page.html.jinja")
        .render(
            schema=tables.schema,
            file=tables.path.as_posix(),
            made=datetime.now(UTC),
            runs=runs,
            state=msgspec.json.format(encode(tables.state()), indent=2).decode("utf-8", "replace"),
            tables=tables.tables(),
            first_rows=lambda table: tables.rows(table.name, _ROWS),
            hidden=_hidden(work),
            style=Markup((Path(__file__).with_name("style.css")).read_text(encoding="utf-8")),
        )
    )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # it shows rows
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as page:
            page.write(text)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error}") from None
    found = f"{counted(len(tables.tables()), 'table')}, {counted(len(runs), 'run')}"
    work.console.say(f"wrote {file}: {found}; open {file.resolve().as_uri()}", "green")
    work.result |= {"file": str(file), "runs": len(runs)}


def _environment(work: Work) -> jinja2.Environment:
    """Every value is escaped, without secrets and control characters."""

    def clean(value: Any) -> Any:
        if isinstance(value, Markup) or not isinstance(value, str):
            return value
        return _CONTROL.sub("\ufffd", work.console.redactor.text(value))

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
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
        "lanes": _lanes,
        "cell": lambda value: _cell(value, work.console.redactor),
        "is_number": _is_number,
    }
    return environment


def _hidden(work: Work) -> dict[str, list[str]]:
    """Blocked columns by table, [""] for a whole table, as the destination spells them."""
    found: dict[str, list[str]] = {}
    for place in work.connection.blocked:
        table, _, column = place.partition(".")
        found.setdefault(to_name(table, table=True), []).append(column and to_name(column))
    return found


def _ending(run: RunRecord) -> tuple[str, str]:
    """How a run ended: a tone, and the words."""
    tone, words = _ENDED.get(run.ended, ("bad", run.ended))
    if tone != "bad" and any(finding.severity == ERROR for finding in run.findings):
        return "bad", f"{words}, but the protocol was broken"
    return tone, words


def _severities(run: RunRecord) -> str:
    numbers = Counter(finding.severity for finding in run.findings)
    return ", ".join(counted(numbers[name], name) for name in SEVERITIES if numbers[name])


def _lanes(calls: Sequence[CallRecord]) -> list[dict[str, Any]]:
    """The time line: for time, rows and size, a bar for each call; many calls share bars.

    The bars of one call stand below each other in all lanes.
    """
    whole = max(call.at + call.seconds for call in calls) or 1.0
    step = -(-len(calls) // _BARS)
    groups = [calls[first : first + step] for first in range(0, len(calls), step)]
    places = []
    for group in groups:
        start, end = group[0].at, group[-1].at + group[-1].seconds
        width = max((end - start) / whole * _WIDTH, _THINNEST)
        places.append((min(start / whole * _WIDTH, _WIDTH - width), width))
    lanes = [
        ("time", "", [100.0 for _ in groups]),
        ("rows", f"{sum(c.rows + c.deleted for c in calls):,}", _heights(groups, "rows")),
        ("reply", size(sum(c.reply_bytes for c in calls)), _heights(groups, "reply_bytes")),
    ]
    waited = sum(call.waited for call in calls)
    words = f"{duration(whole)} in all" + (f", {duration(waited)} of it waiting" if waited else "")
    return [
        {
            "name": name,
            "words": total or words,
            "bars": [
                {"x": x, "width": width, "height": height, "kind": _kind(name, group), "text": text}
                for (x, width), height, group in zip(places, heights, groups, strict=True)
                if height
                for text in [_words(group)]
            ],
            "ticks": [duration(whole * at / 4) for at in range(5)],
        }
        for name, total, heights in lanes
    ]


def _heights(groups: Sequence[Sequence[CallRecord]], name: str) -> list[float]:
    values = [sum(getattr(call, name) for call in group) / len(group) for group in groups]
    highest = max(values) or 1.0
    return [max(value / highest * 100.0, 1.0) if value else 0.0 for value in values]


def _kind(lane: str, group: Sequence[CallRecord]) -> str:
    if lane != "time":
        return f"bar-{lane}"
    if any(call.error for call in group):
        return "span-lost"
    waited = sum(call.waited for call in group)
    return "span-wait" if waited * 2 > sum(call.seconds for call in group) else "span-function"


def _words(group: Sequence[CallRecord]) -> str:
    first, last = group[0].number, group[-1].number
    parts = [
        f"call {first}" if first == last else f"calls {first} to {last}",
        f"at {duration(group[0].at)}, {duration(sum(call.seconds for call in group))}",
        counted(sum(call.rows for call in group), "row"),
        size(sum(call.reply_bytes for call in group)),
        *(call.error for call in group if call.error),
    ]
    return "\n".join(parts)


def _cell(value: Any, redactor: Redactor) -> str | None:
    """A value as text, masked and then cut where it is long; None for null."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    text = redactor.text(value.isoformat(" ") if isinstance(value, datetime) else str(value))
    return f"{text[:_LONGEST]}…" if len(text) > _LONGEST else text


def _is_number(table: TableInfo, name: str) -> bool:
    kind = next(column.type for column in table.columns if column.name == name)
    return kind.startswith("DECIMAL") or kind in ("SMALLINT", "INTEGER", "BIGINT", "DOUBLE")
