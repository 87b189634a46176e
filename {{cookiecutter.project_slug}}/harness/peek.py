"""A look at what the next calls bring: requests, records, the next state; nothing is written."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from typing import Any

from harness import sync
from harness.codec import encode
from harness.command import Work
from harness.console import counted, duration, size
from harness.errors import FunctionFailed
from harness.exchange import Exchange
from harness.run import LIBRARIES, warning
from harness.target.local import Event, Logs

_ENTITIES, _CALL_BYTES = "CONNECTOR_ENTITIES", "CONNECTOR_CALL_BYTES"  # app settings of the runtime
_MOST_CALLS = 20  # some bring no records
_RECORDS = 3  # of a table
_WIDEST = 60  # characters of a value in a table
_CHANGES = 30  # values of a state


class Look:
    """What some calls brought; `state` and `more` are the last reply's.

    Attributes:
        records: By table; deleted ones under `table (delete)`.
        marked: Tables in softDelete.
        failed: Why, by entity.
        names: All entities and tables that are named.
        seen: Those of which something came, or which failed.
    """

    def __init__(self, work: Work, state: dict[str, Any]) -> None:
        self.state, self.more = state, True
        self.exchanges: list[Exchange] = []
        self.requests: list[dict[str, str]] = []  # as the function logged them
        self.lines: list[str] = []
        self.records: dict[str, list[dict[str, Any]]] = {}
        self.marked: set[str] = set()
        self.failed: dict[str, str] = {}
        self.names: set[str] = set()
        self.seen: set[str] = set()
        self._work, self._console, self._before = work, work.console, state

    def log(self, event: Event) -> None:
        """A log record of the function."""
        self._work.log(event)
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
        self._work.check(exchange)
        self.exchanges.append(exchange)
        reply = exchange.reply
        deleted = {f"{table} (delete)": rows for table, rows in reply.delete.items()}
        found = {table: rows for table, rows in {**reply.insert, **deleted}.items() if rows}
        for table, rows in found.items():
            self.records.setdefault(table, []).extend(rows)
        self.marked.update(reply.soft_delete)
        self.seen.update(reply.insert, reply.delete, reply.soft_delete)
        self.names.update(reply.schema, reply.insert, reply.delete)
        if error := sync.failure(exchange):
            raise error
        self.state, self.more = reply.state or {}, reply.has_more
        return bool(found)

    def show(self, names: list[str]) -> None:
        """Print what came, and of which names nothing did; put it into the command's result."""
        console, work = self._console, self._work
        work.result |= {
            "calls": len(self.exchanges),
            "requests": self.requests,
            "records": self.records,
            "marked": sorted(self.marked),
            "failed": self.failed,
            "log": self.lines,
            "state_before": self._before,
            "state": self.state,
            "hasMore": self.more,
        }
        requests = [
            (
                asked.get("entity"),
                f"{asked.get('method')} {asked.get('url')}",
                asked.get("status") or asked.get("error"),
                int(asked.get("ms", 0)),
            )
            for asked in self.requests
        ]
        if requests:
            console.table("requests", ("entity", "request", "status", "ms"), requests)
        for line in self.lines:
            console.say(line, "yellow" if line.startswith("warning") else "cyan")
        for table, rows in self.records.items():
            few = rows[:_RECORDS]
            title = f"{table}: {counted(len(rows), 'record')}"
            title += f", the first {_RECORDS}" if rows[_RECORDS:] else ""
            columns = dict.fromkeys(name for row in few for name in row)
            cells = [(name, *(self._cell(row, name) for row in few)) for name in columns]
            console.table(title, ("column", *map(str, range(1, len(few) + 1))), cells)
        for name in names:
            if not {name, f"{name} (delete)"} & {*self.records, *self.failed}:
                console.warn(f"{name}: {'no records' if name in self.seen else 'nothing came'}")
        if self.marked:
            marked = ", ".join(sorted(self.marked))
            console.say(f"softDelete marks all rows of {marked} as deleted")
        self._show_state()
        again = "true, Fivetran calls again at once" if self.more else "false, the sync ends here"
        console.say(f"hasMore: {again}")
        seconds = sum(exchange.seconds for exchange in self.exchanges)
        received = sum(exchange.reply.size for exchange in self.exchanges)
        calls = counted(len(self.exchanges), "call")
        console.say(f"{calls}, {size(received)}, {duration(seconds)}; nothing was written", "dim")

    def _show_state(self) -> None:
        before, after = dict(_leaves(self._before)), dict(_leaves(self.state))
        changed = [path for path in {**before, **after} if before.get(path) != after.get(path)]
        if not changed:
            self._console.say("state after this: unchanged")
            return
        more = f", the first {_CHANGES} of {len(changed)} changes" if changed[_CHANGES:] else ""
        rows = [(p, self._cell(before, p), self._cell(after, p)) for p in changed[:_CHANGES]]
        self._console.table(f"state after this{more}", ("key", "before", "after"), rows)

    def _cell(self, row: dict[str, Any], name: str) -> str | None:
        if name not in row:
            return None
        value = row[name]
        text = value if isinstance(value, str) else encode(value).decode("utf-8")
        text = self._console.redactor.text(text)  # before it is cut: half a secret is not found
        return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


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
    look, sync_id, redactor = Look(work, state), str(uuid.uuid4()), work.console.redactor
    try:
        with Logs(look.log):
            for number in range(1, _MOST_CALLS + 1):
                pages -= look.add(
                    sync.call(target, work.connection, redactor, look.state, number, sync_id)
                )
                if not look.more or (pages <= 0 and (entity or look.names <= look.seen)):
                    break
    finally:
        look.show([entity] if entity else sorted(look.names))
    if look.failed:
        raise FunctionFailed("\n".join(look.failed.values()))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a state that is not an object, with its dotted path."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else key)
    elif path:
        yield path, value
