"""A look at what the next calls bring: requests, records, the next state; nothing is written."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from harness import sync
from harness.codec import encode
from harness.command import Work
from harness.console import Console, counted, size
from harness.errors import FunctionFailed
from harness.exchange import Exchange
from harness.run import LIBRARIES, is_warning, warning
from harness.target.local import Event, FunctionTarget, Logs
from harness.warehouse.names import to_name
from harness.warehouse.privacy import Privacy

_ENTITIES, _CALL_BYTES = "CONNECTOR_ENTITIES", "CONNECTOR_CALL_BYTES"  # app settings of the runtime
_IDLE = 20  # calls in a row that bring nothing new
_AT_ONCE = 4  # entities that the runtime reads side by side: more are named by later calls
_WIDEST = 60  # characters of a value in a table
_CHANGES = 12  # values of a state; of a larger one those are printed that say where it goes on
_WHERE = re.compile("token|next|cursor|offset|position|^page$|^since$|^until$", re.IGNORECASE)


@dataclass
class Look:
    """What some calls brought.

    Attributes:
        before: State that the first call was sent.
        privacy: What is blocked or hashed in the destination.
        state: State of the last reply.
        more: `hasMore` of the last reply.
        exchanges: The calls.
        requests: What the function logged of its requests.
        records: Records of `insert` per table, in the order delivered.
        deleted: Records of `delete` per table.
        marked: Tables of `softDelete`.
        warnings: What the function warned of.
        lines: What the step logged itself.
        pages: Pages per entity, as far as the function logs them.
    """

    before: dict[str, Any]
    privacy: Privacy = field(default_factory=Privacy)
    state: dict[str, Any] = field(default_factory=dict)
    more: bool = True
    exchanges: list[Exchange] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    deleted: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    marked: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    pages: dict[str, int] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)  # entities and tables that were named anywhere
    failed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state = self.before

    def on_record(self, event: Event) -> None:
        """A log record of the function."""
        fields, kind = event.fields, event.fields.get("event")
        entity = fields.get("entity", "")
        if entity:
            self.names.add(entity)
        if kind == "request":
            self.requests.append(fields)
        elif kind == "page":
            self.pages[entity] = self.pages.get(entity, 0) + 1
        elif kind == "failed":
            why = fields.get("why", "")
            self.failed.setdefault(entity, why if entity in why else f"{entity}: {why}")
        elif kind == "step" or (kind is None and not event.logger.startswith(LIBRARIES)):
            level = logging.getLevelName(event.level).lower()
            self.lines.append(f"{level}: {event.line.partition(' event=step')[0]}")
        elif is_warning(event) and kind != "error":
            text = warning(event)
            self.warnings += [] if text in self.warnings else [text]

    def add(self, exchange: Exchange) -> None:
        """Add what a reply brought."""
        reply = exchange.reply
        for part, found in ((reply.insert, self.records), (reply.delete, self.deleted)):
            for table, rows in part.items():
                found.setdefault(table, []).extend(_as_written(self.privacy, table, rows))
        self.marked += [table for table in reply.soft_delete if table not in self.marked]
        self.names.update(reply.schema, reply.insert, reply.delete)

    @property
    def seen(self) -> set[str]:
        """Names of which something came."""
        return {*self.records, *self.deleted, *self.pages, *self.failed}

    @property
    def progress(self) -> tuple[int, int, int]:
        """How many records, pages and names came."""
        found = sum(map(len, [*self.records.values(), *self.deleted.values()]))
        return found, sum(self.pages.values()), len(self.names)

    def as_json(self) -> dict[str, Any]:
        """What `--json` writes."""
        named = ("requests", "records", "deleted", "marked", "pages", "failed", "warnings", "state")
        others = {name: getattr(self, name) for name in named}
        number, logged = len(self.exchanges), self.lines
        return {"calls": number, "state_before": self.before, "hasMore": self.more, "log": logged,
                **others}  # fmt: skip


def peek(work: Work, state: dict[str, Any], entity: str | None, pages: int, records: int) -> None:
    """Make calls, each with the state of the one before, until enough was seen; print it.

    Args:
        work: Of the command.
        state: Of the first call.
        entity: What the function is to read alone, None for all.
        pages: Pages of the entity; without one, calls once every entity has been seen.
        records: How many to print per table.

    Raises:
        HarnessError: A reply reports an error or cannot be used, or an entity failed.
    """
    settings = {_CALL_BYTES: "1"} | ({} if entity is None else {_ENTITIES: entity})
    target = work.target(settings)
    look, sync_id = Look(state, work.privacy), str(uuid.uuid4())

    def call(state: dict[str, Any]) -> Exchange:
        number, redactor = len(look.exchanges) + 1, work.console.redactor
        exchange = sync.call(target, work.connection, redactor, state, number, sync_id)
        look.exchanges.append(exchange)
        return exchange

    def on_record(event: Event) -> None:
        work.log(event)
        look.on_record(event)

    try:
        with Logs(on_record):
            _read(work, look, call, pages, entity)
            if entity is None and isinstance(target, FunctionTarget):
                # An entity that waits for another one, with which it shares a table.
                for name in sorted(look.names - look.seen - set(look.marked)):
                    target.settings[_ENTITIES] = name
                    exchange = call(look.before)
                    if exchange.reply.usable:
                        look.add(exchange)
    finally:
        _show(work.console, look, entity, records)
        work.result |= look.as_json()
    if look.failed:
        whys = list(look.failed.values())
        listed = "\n".join([f"{len(whys)} entities failed:", *(f"- {why}" for why in whys)])
        raise FunctionFailed(listed if len(whys) > 1 else whys[0])


def _read(
    work: Work,
    look: Look,
    call: Callable[[dict[str, Any]], Exchange],
    pages: int,
    entity: str | None,
) -> None:
    brought = idle = 0
    while look.more and idle < _IDLE:
        before = look.progress
        exchange = call(look.state)
        work.check(exchange)
        if error := sync.failure(exchange):
            raise error
        look.add(exchange)
        look.state, look.more = exchange.reply.state or {}, exchange.reply.has_more
        after = look.progress
        brought += after[:2] != before[:2]
        idle = 0 if after != before else idle + 1
        found_all = after[2] == before[2] or after[2] < _AT_ONCE
        if brought >= pages and (entity is not None or (found_all and look.names <= look.seen)):
            return


def _show(console: Console, look: Look, entity: str | None, records: int) -> None:
    """Print what came; of one entity alone where one is named."""
    if look.requests:
        console.table(
            "requests",
            ("entity", "request", "status", "ms"),
            [
                (
                    asked.get("entity"),
                    f"{asked.get('method')} {asked.get('url')}",
                    asked.get("status") or asked.get("error"),
                    int(asked["ms"]) if asked.get("ms", "").isdigit() else None,
                )
                for asked in look.requests
                if entity in (None, asked.get("entity"))
            ],
        )
    for line in look.lines:
        console.say(f"log {line}", "cyan")
    for title, found in (("", look.records), (" (delete)", look.deleted)):
        for table, rows in found.items():
            _show_records(console, table + title, rows, records)
    silent = [entity] if entity is not None else sorted(look.names)
    for name in silent:
        if name not in look.records and name not in look.deleted and name not in look.failed:
            came = ", ".join(look.records) or "no records"
            read = name in look.pages or name in look.marked
            console.warn(f"{name}: no records" if read else f"{name}: nothing came; {came} came")
    if look.marked:
        console.say(f"softDelete: all rows of {', '.join(look.marked)} are marked as deleted")
    for text in look.warnings:
        console.warn(f"warning: {text}")
    if look.exchanges:
        _show_state(console, look)
        seconds = sum(exchange.seconds for exchange in look.exchanges)
        received = sum(exchange.reply.size for exchange in look.exchanges)
        calls = counted(len(look.exchanges), "call")
        console.say(f"{calls}, {size(received)}, {seconds:.2f} s; nothing was written", "dim")


def _as_written(
    privacy: Privacy, entity: str, rows: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Records without what is blocked; a hashed value is only named as such."""
    table = to_name(entity, table=True)
    for row in [] if privacy.blocks(table) else rows:
        names = {name: to_name(name) for name in row}
        yield {
            name: "(hashed)" if privacy.hashes(table, names[name]) else value
            for name, value in row.items()
            if not privacy.blocks(table, names[name])
        }


def _show_records(console: Console, table: str, rows: list[dict[str, Any]], records: int) -> None:
    few = rows[:records]
    columns = list(dict.fromkeys(name for row in few for name in row))
    first = "" if len(rows) <= records else f", the first {len(few)}"
    console.table(
        f"{table}: {counted(len(rows), 'record')}{first}",
        ("column", *(str(number + 1) for number in range(len(few)))),
        [
            (name, *(_cell(console, row[name]) if name in row else None for row in few))
            for name in columns
        ],
    )


def _show_state(console: Console, look: Look) -> None:
    before, after = dict(_leaves(look.before)), dict(_leaves(look.state))
    changed = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    printed = changed
    if len(changed) > _CHANGES:
        printed = [p for p in changed if "." not in p or _WHERE.search(p.rpartition(".")[2])]
    if not changed:
        console.say("state after this: unchanged")
    else:
        left = len(changed) - len(printed)
        console.table(
            "state after this" + (f" ({counted(left, 'other value')} with --json)" if left else ""),
            ("key", "before", "after"),
            [
                (
                    path,
                    _cell(console, before[path]) if path in before else None,
                    _cell(console, after[path]) if path in after else None,
                )
                for path in printed
            ],
        )
    console.say(
        "hasMore: true, Fivetran would call again at once"
        if look.more
        else "hasMore: false, the sync would end here"
    )


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a state that is not an object, with its dotted path."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else key)
    elif path:
        yield path, value


def _cell(console: Console, value: Any) -> str:
    text = value if isinstance(value, str) else encode(value).decode("utf-8")
    text = console.redactor.text(text)  # before it is cut: half a secret would not be found
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
