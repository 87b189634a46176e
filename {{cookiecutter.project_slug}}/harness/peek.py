# Owned by fivetran-azfn-template: updates replace this file.
"""A look at what the next calls would bring; it must not write anything but the screen."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.caller import Caller
from harness.protocol import Reply, encode
from harness.screen import Screen, counted, size
from harness.tap import fields

# For the function in this process: the smallest reply it can make, one page per entity.
SMALLEST = {"CONNECTOR_CALL_BYTES": "1"}
_WIDEST = 60  # characters of a value in the table
_TOLD = ("token", "since", "until", "high", "page", "rows")  # of an unfinished walk


@dataclass
class Look:
    """What some calls brought.

    Attributes:
        before: State that the first call was sent.
        requests: What the function logged of its requests.
        records: Records per table, in the order delivered.
        deleted: Records of `delete` per table.
        marked: Tables that would be marked as deleted.
        state: What the last reply carried.
        more: `hasMore` of the last reply.
        calls: How many calls there were.
        size: Bytes of the replies.
        seconds: How long the calls took.
    """

    before: dict[str, Any]
    state: dict[str, Any]
    requests: list[dict[str, str]] = field(default_factory=list)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    deleted: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    marked: list[str] = field(default_factory=list)
    more: bool = True
    calls: int = 0
    size: int = 0
    seconds: float = 0.0

    def heard(self, level: int, name: str, line: str) -> None:
        """A log line of the function."""
        if line.startswith("event=request "):
            self.requests.append(fields(line))

    def take(self, reply: Reply, seconds: float) -> None:
        """Add one reply."""
        for part, found in (("insert", self.records), ("delete", self.deleted)):
            for table, rows in reply.body.get(part, {}).items():
                found.setdefault(table, []).extend(rows)
        self.marked += reply.body.get("softDelete", [])
        self.state, self.more = reply.state, reply.has_more
        self.calls += 1
        self.size += reply.size
        self.seconds += seconds


def look(caller: Caller, look: Look, calls: int) -> Look:
    """Make calls, each with the state of the one before it, and apply nothing.

    Raises:
        FunctionFailed, ProtocolBroken: As in a sync.
    """
    sync_id = str(uuid.uuid4())
    while look.more and look.calls < calls:
        reply, answer = caller.call(look.state, sync_id=sync_id)
        look.take(reply, answer.seconds)
    return look


def show(screen: Screen, look: Look, entity: str | None, records: int) -> None:
    """Show requests, records and state; of one entity alone if one is named."""
    asked = [r for r in look.requests if entity in (None, r.get("entity"))]
    if asked:
        screen.table(
            "requests",
            ("entity", "request", "status", "ms"),
            [
                (
                    r.get("entity"),
                    f"{r.get('method')} {r.get('url')}",
                    r.get("status"),
                    int(r["ms"]) if r.get("ms", "").isdigit() else None,
                )
                for r in asked
            ],
        )
    for name, found in (("", look.records), (" (delete)", look.deleted)):
        for table, rows in found.items():
            if entity in (None, table):
                _show_records(screen, table + name, rows, records)
    came = dict.fromkeys((*look.records, *look.deleted, *look.marked))
    if entity is not None and not asked and entity not in came:
        what = ", ".join(came) or "no records"
        screen.say(f"nothing came for {entity}; this call brought {what}", "yellow")
    if look.marked:
        screen.say(f"all rows of {', '.join(look.marked)} would be marked as deleted")
    if look.calls:
        _show_state(screen, look)
    calls = counted(look.calls, "call")
    screen.say(f"{calls}, {size(look.size)}, {look.seconds:.2f} s; nothing was written", "dim")


def summary(look: Look) -> dict[str, Any]:
    """What `--json` writes."""
    return {
        "calls": look.calls,
        "bytes": look.size,
        "seconds": look.seconds,
        "requests": look.requests,
        "records": look.records,
        "deleted": look.deleted,
        "marked": look.marked,
        "state_before": look.before,
        "state": look.state,
        "hasMore": look.more,
    }


def _show_records(screen: Screen, table: str, rows: list[dict[str, Any]], records: int) -> None:
    shown = rows[:records]
    columns = list(dict.fromkeys(name for row in shown for name in row))
    few = "" if len(rows) <= records else f", the first {len(shown)}"
    screen.table(
        f"{table}: {counted(len(rows), 'record')}{few}",
        ("column", *(str(number + 1) for number in range(len(shown)))),
        [(column, *(_value(screen, row, column) for row in shown)) for column in columns],
    )


def _show_state(screen: Screen, look: Look) -> None:
    before, after = look.before, look.state
    # A key with _ in front holds what is unfinished; the others are committed.
    names = [name for name in dict.fromkeys((*before, *after)) if not name.startswith("_")]
    changed = [name for name in names if before.get(name) != after.get(name)]
    if changed:
        screen.table(
            "would be committed",
            ("state", "before", "after"),
            [(name, _value(screen, before, name), _value(screen, after, name)) for name in changed],
        )
    else:
        screen.say("would be committed: nothing new")
    for name, walk in _walks(after):
        told = ", ".join(f"{key} {_value(screen, walk, key)}" for key in _TOLD if key in walk)
        screen.say(f"{name} goes on: {told}")
    if not _walks(after):
        for name in after:
            if name.startswith("_") and after[name] != before.get(name):
                screen.state({name: after[name]}, "unfinished")
    screen.say(
        "hasMore: true, Fivetran would call again at once"
        if look.more
        else "hasMore: false, the sync would end here"
    )


def _walks(state: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The unfinished walks of a state as this template's functions write it."""
    unfinished = state.get("_sync")
    walks = unfinished.get("walks") if isinstance(unfinished, dict) else None
    if not isinstance(walks, dict):
        return []
    return [(name, walk) for name, walk in walks.items() if isinstance(walk, dict)]


def _value(screen: Screen, row: Mapping[str, Any], column: str) -> str | None:
    if column not in row:
        return None
    # Redacted before it is cut: half a secret would not be found.
    value = screen.redactor.value(row[column])
    text = value if isinstance(value, str) else encode(value).decode("utf-8")
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
