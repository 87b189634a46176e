# Owned by fivetran-azfn-template: updates replace this file.
"""Fivetran's loop around a function: one sync into the warehouse; it must not print anything."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from harness.caller import Caller
from harness.catalog import Change
from harness.circle import Circle
from harness.errors import ProtocolBroken
from harness.loading import Applied, Counts
from harness.protocol import Reply
from harness.state import StateFile
from harness.warehouse import Warehouse

EMPTY_REPLIES = 10  # Fivetran's change log, May 2025: more in a row end the connection
SYNC_SECONDS = 6 * 3600  # Fivetran's change log, August 2018: the rest waits for the next sync


@dataclass
class Summary:
    """What one sync did so far.

    Attributes:
        sync_id: UUID of the sync.
        before: State at the start.
        state: State carried by the last reply applied.
        calls: Replies applied.
        inserted: Records in `insert`, per entity.
        deleted: Records in `delete`, per entity.
        marked: Times that an entity stood in `softDelete`.
        tables: What the replies did to each table of the destination.
        widened: Columns whose type had to change.
        size: Bytes of all replies.
        seconds: From the start of the sync.
        ended: `done`, `calls` (as many as asked), `hours` (Fivetran's six), or "" when it broke.
    """

    sync_id: str
    before: dict[str, Any]
    state: dict[str, Any]
    calls: int = 0
    inserted: Counter[str] = field(default_factory=Counter)
    deleted: Counter[str] = field(default_factory=Counter)
    marked: Counter[str] = field(default_factory=Counter)
    tables: dict[str, Counts] = field(default_factory=dict)
    widened: list[Change] = field(default_factory=list)
    size: int = 0
    seconds: float = 0.0
    ended: str = ""

    @property
    def rows(self) -> int:
        """Records in `insert` and `delete`."""
        return self.inserted.total() + self.deleted.total()


class Sync:
    """One sync into the warehouse.

    Args:
        caller: Reaches the function.
        warehouse: Takes each reply with its state, in one transaction.
        file: Follows the warehouse's state.
        state: Where to start.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        caller: Caller,
        warehouse: Warehouse,
        file: StateFile,
        state: dict[str, Any],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.summary = Summary(str(uuid.uuid4()), state, state)
        self._caller = caller
        self._warehouse = warehouse
        self._file = file
        self._clock = clock

    def run(self, calls: int | None = None) -> Summary:
        """Call until `hasMore` is false, or as often as `calls` says.

        Raises:
            FunctionFailed: The function reported an error; the state has not moved past the
                last good reply.
            ProtocolBroken: A reply cannot be used, or Fivetran would end the connection.
        """
        summary, began, empty = self.summary, self._clock(), 0
        circle = Circle(summary.state)
        while not summary.ended:
            self._caller.watcher.calling(summary.calls + 1)
            before = summary.state
            reply, answer = self._caller.call(before, sync_id=summary.sync_id)
            applied = self._warehouse.apply(reply.body, before)
            self._file.write(reply.state)
            self._warehouse.set_state(reply.state)
            _count(summary, reply, applied)
            summary.seconds = self._clock() - began
            self._caller.watcher.replied(summary, reply, answer)
            empty = empty + 1 if reply.empty else 0
            if empty > EMPTY_REPLIES:
                raise ProtocolBroken(
                    f"{empty} empty replies in a row: Fivetran ends a connection after more than "
                    f"{EMPTY_REPLIES}",
                    rule="empty-streak",
                )
            if not reply.has_more:
                summary.ended = "done"
                break
            circle.take(reply.state)
            if summary.seconds > SYNC_SECONDS:
                summary.ended = "hours"
            elif summary.calls == calls:
                summary.ended = "calls"
        return summary


def _count(summary: Summary, reply: Reply, applied: Applied) -> None:
    for name, counts in applied.tables.items():
        total = summary.tables.setdefault(name, Counts())
        total.inserted += counts.inserted
        total.replaced += counts.replaced
        total.deleted += counts.deleted
        total.marked += counts.marked
    summary.widened += [change for change in applied.changes if change.before is not None]
    summary.calls += 1
    summary.inserted.update(reply.rows)
    summary.deleted.update(reply.deleted)
    summary.marked.update(reply.body.get("softDelete", []))
    summary.size += reply.size
    summary.state = reply.state
