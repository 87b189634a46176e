# Owned by fivetran-azfn-template: updates replace this file.
"""A look at what the next calls would bring; it must not write anything but the screen."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.caller import Caller
from harness.circle import Circle
from harness.errors import FunctionFailed, UsageError
from harness.protocol import Reply, encode
from harness.screen import Screen, counted, size
from harness.tap import fields
from harness.veil import Veil

# For the function in this process: the smallest reply it can make, a page of whoever is first.
SMALLEST = {"CONNECTOR_CALL_BYTES": "1"}
_IDLE = 20  # calls in a row that bring the entity asked for no nearer
_WIDEST = 60  # characters of a value in the table
_TOLD = ("token", "since", "until", "high", "page", "rows")  # of an unfinished walk


@dataclass
class Look:
    """What some calls brought.

    Attributes:
        before: State that the first call was sent.
        veil: What of the records is not for the destination.
        requests: What the function logged of its requests.
        records: Records per table, in the order delivered.
        deleted: Records of `delete` per table.
        marked: Tables that would be marked as deleted.
        state: What the last reply carried.
        more: `hasMore` of the last reply.
        failed: What the function logged of entities that failed: entity, error, why.
        pages: Pages per entity, as far as the function logs them.
        reported: Errors that a reply reported.
        calls: How many calls there were.
        size: Bytes of the replies.
        seconds: How long the calls took.
    """

    before: dict[str, Any]
    state: dict[str, Any]
    veil: Veil = field(default_factory=Veil)
    requests: list[dict[str, str]] = field(default_factory=list)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    deleted: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    marked: list[str] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    pages: Counter[str] = field(default_factory=Counter)
    reported: str = ""
    more: bool = True
    calls: int = 0
    size: int = 0
    seconds: float = 0.0
    _heard: set[str] = field(default_factory=set)  # entities that something was logged of
    _declared: set[str] = field(default_factory=set)  # those in schema

    def heard(self, level: int, name: str, line: str) -> None:
        """A log line of the function."""
        event = line.partition(" ")[0].removeprefix("event=")
        found = fields(line) if event in ("request", "page", "trial_page", "failed") else {}
        if event == "request":
            self.requests.append(found)
        elif "entity" in found:
            self._heard.add(found["entity"])
            if event == "page":
                self.pages[found["entity"]] += 1
            elif event == "failed":
                told = {name: found.get(name, "") for name in ("entity", "error", "why")}
                self.failed += [] if told in self.failed else [told]

    def take(self, reply: Reply, seconds: float) -> None:
        """Add one reply."""
        for part, found in (("insert", self.records), ("delete", self.deleted)):
            for table, rows in reply.body.get(part, {}).items():
                found.setdefault(table, []).extend(self.veil.rows(table, rows))
        self.marked += reply.body.get("softDelete", [])
        self._declared.update(reply.body.get("schema", ()))
        self.state, self.more = reply.state, reply.has_more
        self.calls += 1
        self.size += reply.size
        self.seconds += seconds

    @property
    def known(self) -> set[str]:
        """What replies and logs name, where the replies have a schema; else nothing.

        The schema never varies, so it names every entity that has a primary key.
        """
        if not self._declared:
            return set()
        return self._declared | self._heard | {*self.records, *self.deleted, *self.marked}

    def failures(self, entity: str | None) -> list[dict[str, str]]:
        """Those of `failed` that are this entity's, or all."""
        return [failed for failed in self.failed if entity in (None, failed["entity"])]

    def enough(self, entity: str | None, pages: int) -> bool:
        """Whether what was asked for has come, or cannot come any more."""
        if entity is None or not self._heard:
            return self.calls >= pages
        through = entity in self.pages and entity not in _walks(self.state)
        return bool(self.failures(entity)) or through or self.pages[entity] >= pages

    def progress(self, entity: str | None) -> tuple[int, int]:
        """What changes as long as further calls bring the entity nearer: all take their turns."""
        return len(self._heard), self.pages[entity or ""]


def look(caller: Caller, look: Look, pages: int, entity: str | None = None) -> Look:
    """Make calls, each with the state of the one before it, and apply nothing.

    Args:
        caller: Reaches the function.
        look: Takes what comes; its `heard` must hear what the function logs.
        pages: Pages of the entity; without one, or of a function that logs none, calls.
        entity: The entity asked for, None for all.

    Raises:
        UsageError: The schema of what came does not name the entity.
        FunctionFailed: A reply reports an error; or the entity failed, while the reply brought
            others (any entity, where none is asked for).
        ProtocolBroken: As in a sync.
    """
    sync_id = str(uuid.uuid4())
    circle, idle = Circle(look.state), 0
    while look.more and idle < _IDLE and not look.enough(entity, pages):
        before = look.progress(entity)
        try:
            reply, answer = caller.call(look.state, sync_id=sync_id)
        except FunctionFailed as error:
            look.reported = str(error)
            raise
        look.take(reply, answer.seconds)
        if look.more:
            circle.take(look.state)
        idle = 0 if look.progress(entity) != before else idle + 1
    if entity is not None and look.known and entity not in look.known:
        raise UsageError(
            f"nothing came for {entity}, and schema does not name it; there are "
            f"{', '.join(sorted(look.known))}",
            todo="write the entity as the function names it",
        )
    if failures := look.failures(entity):
        whys = [_why(failed) for failed in failures]
        listed = "\n".join([f"{len(whys)} things are wrong:", *(f"- {why}" for why in whys)])
        look.reported = listed if len(whys) > 1 else whys[0]
        raise FunctionFailed(look.reported, kind=failures[0]["error"] or None)
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
                _show_records(screen, table + name, rows, records, look.veil.met(table))
    if entity is not None:
        _show_absence(screen, look, entity, bool(asked))
    for failed in look.failures(entity):
        if failed["why"] not in look.reported:
            screen.say(_why(failed), "red")
    if look.marked:
        screen.say(f"all rows of {', '.join(look.marked)} would be marked as deleted")
    if look.calls:
        _show_state(screen, look, entity)
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
        "pages": look.pages,
        "failed": look.failed,
        "state_before": look.before,
        "state": look.state,
        "hasMore": look.more,
    }


def _show_records(
    screen: Screen, table: str, rows: list[dict[str, Any]], records: int, hidden: list[str]
) -> None:
    shown = rows[:records]
    columns = list(dict.fromkeys(name for row in shown for name in row))
    few = "" if len(rows) <= records else f", the first {len(shown)}"
    aside = f" ({', '.join(hidden)})" if hidden else ""
    screen.table(
        f"{table}: {counted(len(rows), 'record')}{few}{aside}",
        ("column", *(str(number + 1) for number in range(len(shown)))),
        [(column, *(_value(screen, row, column) for row in shown)) for column in columns],
    )


def _show_absence(screen: Screen, look: Look, entity: str, asked: bool) -> None:
    came = dict.fromkeys((*look.records, *look.deleted, *look.marked))
    if entity in came or look.failures(entity):
        return
    calls = "this call" if look.calls == 1 else f"{look.calls} calls"
    if look.pages[entity]:
        screen.say(f"{entity}: no records", "yellow")
    elif not asked:
        what = ", ".join(came) or "no records"
        screen.say(f"nothing came for {entity}; {calls} brought {what}", "yellow")
    elif look.calls:
        screen.say(f"no page of {entity} came in {calls}", "yellow")


def _why(failed: Mapping[str, str]) -> str:
    entity, why = failed["entity"], failed["why"] or failed["error"]
    return why if entity in why else f"{entity}: {why}"


def _show_state(screen: Screen, look: Look, entity: str | None) -> None:
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
    stopped = {failed["entity"] for failed in look.failed}
    for name, walk in _walks(after).items():
        if entity in (None, name) and name not in stopped:
            told = ", ".join(f"{key} {_value(screen, walk, key)}" for key in _TOLD if key in walk)
            screen.say(f"{name} goes on: {told or 'from its first page'}")
    if not _walks(after):
        for name in after:
            if name.startswith("_") and after[name] != before.get(name):
                screen.state({name: after[name]}, "unfinished", whole="peek --json")
    screen.say(
        "hasMore: true, Fivetran would call again at once"
        if look.more
        else "hasMore: false, the sync would end here"
    )


def _walks(state: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The unfinished walks of a state as this template's functions write it."""
    unfinished = state.get("_sync")
    walks = unfinished.get("walks") if isinstance(unfinished, dict) else None
    if not isinstance(walks, dict):
        return {}
    return {name: walk for name, walk in walks.items() if isinstance(walk, dict)}


def _value(screen: Screen, row: Mapping[str, Any], column: str) -> str | None:
    if column not in row:
        return None
    # Redacted before it is cut: half a secret would not be found.
    value = screen.redactor.value(row[column])
    text = value if isinstance(value, str) else encode(value).decode("utf-8")
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
