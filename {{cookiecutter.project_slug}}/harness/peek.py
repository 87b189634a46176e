"""A look at what the next calls bring: requests, records, the next state; nothing is written."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from harness import sync
from harness.codec import encode
from harness.command import Work
from harness.console import Console, counted, duration, size
from harness.errors import FunctionFailed
from harness.exchange import Exchange
from harness.run import LIBRARIES, warning
from harness.target import Target
from harness.target.local import Event, Logs

_ENTITIES, _CALL_BYTES = "CONNECTOR_ENTITIES", "CONNECTOR_CALL_BYTES"  # app settings of the runtime
_MOST_CALLS = 20  # some bring no records
_RECORDS = 3  # of a table
_WIDEST = 60  # characters of a value in a table
_CHANGES = 30  # values of a state


@dataclass
class Look:
    """What some calls brought; `state` and `more` are the last reply's."""

    before: dict[str, Any]
    state: dict[str, Any] = field(default_factory=dict)
    more: bool = True
    exchanges: list[Exchange] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)  # as the function logged them
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by table, see `add`
    marked: set[str] = field(default_factory=set)  # tables in softDelete
    failed: dict[str, str] = field(default_factory=dict)  # why, by entity
    lines: list[str] = field(default_factory=list)  # the step's own, and warnings
    names: set[str] = field(default_factory=set)  # all entities and tables that are named
    seen: set[str] = field(default_factory=set)  # those of which something came, or which failed

    def on_record(self, event: Event) -> None:
        """A log record of the function."""
        fields, kind = event.fields, event.fields.get("event")
        entity = fields.get("entity", "")
        self.names |= {entity} - {""}
        if kind == "request":
            self.requests.append(fields)
        elif kind == "page":
            self.seen.add(entity)
        elif kind == "failed":
            self.seen.add(entity)
            self.failed[entity] = f"{entity}: {fields.get('why', '')}"
        elif kind == "step" or (kind is None and not event.logger.startswith(LIBRARIES)):
            level = logging.getLevelName(event.level).lower()
            self.lines.append(f"log {level}: {event.line.partition(' event=step')[0]}")
        elif text := warning(event):
            self.lines += {f"warning: {text}"} - {*self.lines}

    def add(self, exchange: Exchange) -> bool:
        """Add what a reply brought; whether it has records."""
        self.exchanges.append(exchange)
        reply = exchange.reply
        deleted = {f"{table} (delete)": rows for table, rows in reply.delete.items()}
        found = {table: rows for table, rows in {**reply.insert, **deleted}.items() if rows}
        for table, rows in found.items():
            self.records.setdefault(table, []).extend(rows)
        self.marked.update(reply.soft_delete)
        self.seen.update(reply.insert, reply.delete, reply.soft_delete)
        self.names.update(reply.schema, reply.insert, reply.delete)
        return bool(found)


def peek(work: Work, state: dict[str, Any], entity: str | None, pages: int) -> None:
    """Read some pages of one entity, or one page of every entity; print what came.

    Args:
        work: Of the command.
        state: Of the first call.
        entity: What the function is to read alone, None for all.
        pages: Calls that bring records, each with the state of the one before.

    Raises:
        HarnessError: A reply reports an error or cannot be used, or an entity failed.
    """
    # A small call has one page of each entity that it reads.
    target = work.target({_CALL_BYTES: "1"} | ({_ENTITIES: entity} if entity else {}))
    look = Look(state)

    def on_record(event: Event) -> None:
        work.log(event)
        look.on_record(event)

    try:
        with Logs(on_record):
            _read(work, target, look, entity, pages)
    finally:
        _show(work.console, look, [entity] if entity else sorted(look.names))
        work.result |= {
            "calls": len(look.exchanges),
            "requests": look.requests,
            "records": look.records,
            "marked": sorted(look.marked),
            "failed": look.failed,
            "log": look.lines,
            "state_before": look.before,
            "state": look.state,
            "hasMore": look.more,
        }
    if look.failed:
        raise FunctionFailed("\n".join(look.failed.values()))


def _read(work: Work, target: Target, look: Look, entity: str | None, pages: int) -> None:
    """Call until so many replies had records, or until something of every entity was seen."""
    look.state, sync_id = look.before, str(uuid.uuid4())
    for number in range(1, _MOST_CALLS + 1):
        redactor = work.console.redactor
        exchange = sync.call(target, work.connection, redactor, look.state, number, sync_id)
        work.check(exchange)
        pages -= look.add(exchange)
        if error := sync.failure(exchange):
            raise error
        look.state, look.more = exchange.reply.state or {}, exchange.reply.has_more
        if not look.more or (pages <= 0 and (entity or look.names <= look.seen)):
            break


def _show(console: Console, look: Look, names: list[str]) -> None:
    """Print what came, and of which names nothing did."""
    requests = [
        (
            asked.get("entity"),
            f"{asked.get('method')} {asked.get('url')}",
            asked.get("status") or asked.get("error"),
            int(asked.get("ms", 0)),
        )
        for asked in look.requests
    ]
    if requests:
        console.table("requests", ("entity", "request", "status", "ms"), requests)
    for line in look.lines:
        console.say(line, "yellow" if line.startswith("warning") else "cyan")
    for table, rows in look.records.items():
        few = rows[:_RECORDS]
        columns = dict.fromkeys(name for row in few for name in row)
        console.table(
            f"{table}: {counted(len(rows), 'record')}"
            + (f", the first {len(few)}" if len(few) < len(rows) else ""),
            ("column", *(str(number + 1) for number in range(len(few)))),
            [(name, *(_cell(console, row, name) for row in few)) for name in columns],
        )
    for name in names:
        if not {name, f"{name} (delete)"} & {*look.records, *look.failed}:
            console.warn(f"{name}: {'no records' if name in look.seen else 'nothing came'}")
    if look.marked:
        console.say(f"softDelete marks all rows of {', '.join(sorted(look.marked))} as deleted")
    before, after = dict(_leaves(look.before)), dict(_leaves(look.state))
    changed = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    if changed:
        more = f", the first {_CHANGES} of {len(changed)} changes" if changed[_CHANGES:] else ""
        states = [
            (path, _cell(console, before, path), _cell(console, after, path))
            for path in changed[:_CHANGES]
        ]
        console.table(f"state after this{more}", ("key", "before", "after"), states)
    else:
        console.say("state after this: unchanged")
    again = "true, Fivetran calls again at once" if look.more else "false, the sync ends here"
    console.say(f"hasMore: {again}")
    seconds = sum(exchange.seconds for exchange in look.exchanges)
    received = sum(exchange.reply.size for exchange in look.exchanges)
    calls = counted(len(look.exchanges), "call")
    console.say(f"{calls}, {size(received)}, {duration(seconds)}; nothing was written", "dim")


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a state that is not an object, with its dotted path."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else key)
    elif path:
        yield path, value


def _cell(console: Console, row: dict[str, Any], name: str) -> str | None:
    if name not in row:
        return None
    value = row[name]
    text = value if isinstance(value, str) else encode(value).decode("utf-8")
    text = console.redactor.text(text)  # before it is cut: half a secret would not be found
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
