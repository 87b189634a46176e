"""Shows what the next calls bring: requests, records and the next state; writes nothing."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from harness.codec import encode
from harness.command import Work
from harness.console import counted, duration, size
from harness.errors import FunctionFailed
from harness.protocol.messages import Exchange
from harness.run import LIBRARIES, warning
from harness.sync import failure
from harness.target.local import Event, Logs

_MOST_CALLS = 20  # some bring no records
_RECORDS = 3  # of a table
_REQUESTS = 12  # are shown
_WIDEST = 60  # characters of a value


class Look:
    """What some calls brought; `state` and `more` are the last reply's."""

    def __init__(self, work: Work, state: dict[str, Any]) -> None:
        self._work, self._before = work, state
        self.state, self.more = state, True
        self.names: set[str] = set()  # all entities and tables that are named
        self.seen: set[str] = set()  # those of which something came, or which failed
        self.failed: dict[str, str] = {}  # why, by entity
        self._requests: list[dict[str, str]] = []  # as the function logged them
        self._lines: list[str] = []  # of the step's log, and warnings
        self._records: dict[str, list[dict[str, Any]]] = {}  # by table
        self._exchanges: list[Exchange] = []
        self._unmarked: set[str] = set()  # entities whose rows were only read before marking

    def log(self, event: Event) -> None:
        """A log record of the function."""
        self._work.log(event)
        fields, kind = event.fields, event.fields.get("event")
        entity = fields.get("entity", "")
        self.names |= {entity} - {""}
        if kind == "request":
            self._requests.append(fields)
        elif kind == "page":
            self.seen.add(entity)
            self._unmarked.discard(entity)
        elif kind == "trial_page" and int(fields.get("rows", 0)):
            self._unmarked.add(entity)
        elif kind == "trial_page":
            self._unmarked.discard(entity)
        elif kind == "failed":
            self.seen.add(entity)
            self.failed[entity] = f"{entity}: {fields.get('why', '')}"
        elif kind == "step" or (kind is None and not event.logger.startswith(LIBRARIES)):
            level = logging.getLevelName(event.level).lower()
            self._lines.append(f"log {level}: {event.line.partition(' event=step')[0]}")
        elif text := warning(event):
            self._lines += {f"warning: {text}"} - {*self._lines}

    def add(self, exchange: Exchange) -> bool:
        """Add what a reply brought; whether it has records."""
        self._work.check(exchange)
        self._exchanges.append(exchange)
        reply = exchange.reply
        deleted = {f"{table} (delete)": rows for table, rows in reply.delete.items()}
        found = {name: rows for name, rows in {**reply.insert, **deleted}.items() if rows}
        for table, rows in found.items():
            self._records.setdefault(table, []).extend(rows)
        for table in reply.soft_delete:
            self._lines.append(f"softDelete marks all rows of {table} as deleted")
        self.seen.update(reply.insert, reply.delete)
        self.names.update(reply.schema, reply.insert, reply.delete)
        if error := failure(exchange):
            raise error
        self.state, self.more = reply.state or {}, reply.has_more
        return bool(found)

    def show(self, names: list[str]) -> None:
        """Print what came, and of which names nothing did."""
        console, calls = self._work.console, self._exchanges
        self._work.result |= {
            "calls": len(calls),
            "requests": self._requests,
            "records": self._records,
            "failed": self.failed,
            "log": self._lines,
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
            for asked in self._requests
        ]
        if len(requests) > _REQUESTS:
            left = f"{len(requests) - _REQUESTS:,} more requests"
            requests[_REQUESTS:] = [("…", left, "", 0)]
        if requests:
            console.table("requests", ("entity", "request", "status", "ms"), requests)
        for line in self._lines:
            console.say(line, "yellow" if line.startswith("warning") else "cyan")
        for table, rows in self._records.items():
            few = rows[:_RECORDS]
            more = f", the first {_RECORDS}" if rows[_RECORDS:] else ""
            columns = dict.fromkeys(name for row in few for name in row)
            console.table(
                f"{table}: {counted(len(rows), 'record')}{more}",
                ("column", *map(str, range(1, len(few) + 1))),
                [(name, *(self._cell(row, name) for row in few)) for name in columns],
            )
        for name in names:
            if not {name, f"{name} (delete)"} & {*self._records, *self.failed}:
                if name in self._unmarked:
                    what = "was read once before its rows are marked; records come in a later call"
                else:
                    what = "no records" if name in self.seen else "nothing came"
                console.warn(f"{name}: {what}")
        if not (calls and failure(calls[-1])):
            self._show_state()
        console.say(
            f"{counted(len(calls), 'call')}, {size(sum(each.reply.size for each in calls))}, "
            f"{duration(sum(each.answer.seconds for each in calls))}; nothing was written",
            "dim",
        )

    def _show_state(self) -> None:
        """The next state: what is committed, and whether the sync goes on."""
        console = self._work.console
        console.state(self.state, "state after this")
        if self.more:
            console.say("hasMore: true, Fivetran calls again at once")
        else:
            console.say("hasMore: false, the sync ends here")

    def _cell(self, row: dict[str, Any], name: str) -> str | None:
        if name not in row:
            return None
        value = row[name]
        text = value if isinstance(value, str) else encode(value).decode("utf-8")
        text = self._work.console.redactor.text(text)  # half a secret would not be found
        return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def peek(work: Work, state: dict[str, Any], entity: str | None, pages: int) -> None:
    """Read `pages` pages of one entity, or at least a page of every entity; print what came.

    Raises:
        HarnessError: A reply reports an error or cannot be used, or an entity failed.
    """
    settings = {"CONNECTOR_CALL_BYTES": "1"}  # a call has one page of each entity that it reads
    if entity:
        settings["CONNECTOR_ENTITIES"] = entity
    fivetran, look, sync_id = work.fivetran(settings), Look(work, state), str(uuid.uuid4())
    try:
        with Logs(look.log):
            for number in range(1, _MOST_CALLS + 1):
                pages -= look.add(fivetran.call(look.state, number, sync_id))
                if not look.more or (pages <= 0 and (entity or look.names <= look.seen)):
                    break
    finally:
        look.show([entity] if entity else sorted(look.names))
    if look.failed:
        raise FunctionFailed("\n".join(look.failed.values()))
