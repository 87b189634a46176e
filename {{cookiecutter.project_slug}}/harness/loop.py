# Owned by fivetran-azfn-template: updates replace this file.
"""Fivetran's loop around a function: setup test, sync, re-sync; it must not print anything."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness import protocol
from harness.catalog import Change
from harness.connection import Connection
from harness.errors import FunctionFailed, LostReply, ProtocolBroken
from harness.loading import Applied, Counts
from harness.protocol import Reply
from harness.redact import Redactor
from harness.state import StateFile
from harness.target import Answer, Target
from harness.warehouse import Warehouse

EMPTY_REPLIES = 10  # Fivetran's change log, May 2025: more in a row end the connection
SYNC_SECONDS = 6 * 3600  # Fivetran's change log, August 2018: the rest waits for the next sync
TRIES = 3  # of one call whose reply is lost


class Watcher(Protocol):
    """Who is told what happens."""

    def calling(self, number: int) -> None:
        """Call `number` of the sync, from 1, is about to be sent."""

    def lost(self, why: LostReply, wait: float) -> None:
        """A reply was lost; the same call is repeated after `wait` seconds."""

    def replied(self, summary: Summary, reply: Reply, answer: Answer) -> None:
        """A reply was applied and is counted in the summary."""


class Silent:
    """A watcher that does nothing."""

    def calling(self, number: int) -> None:
        """Nothing."""

    def lost(self, why: LostReply, wait: float) -> None:
        """Nothing."""

    def replied(self, summary: Summary, reply: Reply, answer: Answer) -> None:
        """Nothing."""


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


class Caller:
    """Sends requests for one connection, and repeats those whose reply is lost.

    Args:
        target: The function.
        connection: What every request carries.
        redactor: Cleans texts of replies before they are cut for an error.
        watcher: Who is told.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        target: Target,
        connection: Connection,
        redactor: Redactor | None = None,
        watcher: Watcher | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.target = target
        self.connection = connection
        self.watcher: Watcher = watcher or Silent()
        self._clean = (redactor or Redactor()).text
        self._sleep = sleep

    def call(
        self, state: dict[str, Any], *, sync_id: str | None, setup_test: bool = False
    ) -> tuple[Reply, Answer]:
        """One call, tried again with the same state while no reply comes.

        Raises:
            FunctionFailed: The reply carries `errorMessage`.
            ProtocolBroken: The reply cannot be used, or none came after three tries.
        """
        body = protocol.request(self.connection, state, sync_id=sync_id, setup_test=setup_test)
        for tried in range(1, TRIES + 1):
            try:
                answer = self.target.call(body)
                break
            except LostReply as lost:
                if tried == TRIES:
                    raise LostReply(f"{lost} ({TRIES} tries)", todo=lost.todo) from None
                self.watcher.lost(lost, float(tried))
                self._sleep(float(tried))
        return protocol.read(answer, self._clean), answer


def setup_test(caller: Caller) -> tuple[Reply, Answer, FunctionFailed | None]:
    """The setup test, and on an error the second try without `sync_id`.

    Returns:
        Reply and answer of the try that passed, and the error of the first try, if it had one.

    Raises:
        FunctionFailed: Both tries reported an error; this is the second one's.
        ProtocolBroken: A reply cannot be used.
    """
    first = None
    try:
        reply, answer = caller.call({}, sync_id=protocol.SETUP_TEST, setup_test=True)
    except FunctionFailed as error:
        first = error
        reply, answer = caller.call({}, sync_id=None, setup_test=True)
    if reply.has_more:
        raise ProtocolBroken(
            "hasMore is true in a setup test", todo="answer setup_test with hasMore: false"
        )
    return reply, answer, first


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
                    todo="answer hasMore: false when there is nothing to deliver; the next sync "
                    "goes on from the state",
                )
            if not reply.has_more:
                summary.ended = "done"
            elif reply.state == before:
                raise ProtocolBroken(
                    "hasMore is true and the state is the one that was sent: the next call would "
                    "be the same again, without end",
                    todo="put into the state how far the reply came",
                )
            elif summary.seconds > SYNC_SECONDS:
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
