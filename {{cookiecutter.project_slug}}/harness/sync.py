"""Fivetran's loop around a function: one exchange per call, until Fivetran would stop."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from harness.errors import FunctionFailed, HarnessError, ProtocolBroken
from harness.exchange import Exchange
from harness.project import Connection
from harness.protocol import messages
from harness.protocol.calls import EMPTY_REPLIES
from harness.redact import Redactor
from harness.target import Target
from harness.warehouse import Warehouse

SYNC_SECONDS = 6 * 3600  # Fivetran's change log, August 2018: the rest waits for the next sync
TRIES = 3  # of one call whose reply is lost


@dataclass(frozen=True)
class Ended:
    """How a sync ended.

    Attributes:
        reason: `done`; `calls`, as many as asked for; `hours`, Fivetran's six; `failed`, an error
            of the function or no reply; `broken`, a reply that cannot be used.
        error: What ended it, None for the first three.
    """

    reason: str
    error: HarnessError | None = None


def run(
    target: Target,
    connection: Connection,
    redactor: Redactor,
    warehouse: Warehouse,
    *,
    calls: int | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Generator[Exchange, None, Ended]:
    """One sync from the warehouse's state on; each reply is applied before it is yielded.

    A lost reply is asked for again, as a further exchange whose answer is lost.

    Args:
        target: The function.
        connection: What every request carries.
        redactor: Knows the secrets.
        warehouse: Takes each reply with its state, in one transaction.
        calls: At most so many replies, None for no limit.
        clock: Seconds that never go back.
        sleep: Waits for so many seconds.
    """
    sync_id, began = str(uuid.uuid4()), clock()
    number = replies = empty = lost = 0
    state = warehouse.state()
    states = {_digest(state)}
    while True:
        number += 1
        exchange = call(target, connection, redactor, state, number, sync_id)
        reply = exchange.reply
        lost = lost + 1 if exchange.answer.lost else 0
        if not reply.usable:
            yield exchange
            if 0 < lost < TRIES:
                sleep(float(lost))
                continue
            error = reply.failure()
            reported = lost or isinstance(error, FunctionFailed)
            return Ended("failed" if reported else "broken", error)
        try:
            noticed = warehouse.apply(reply)
        except ProtocolBroken as broken:
            yield exchange
            return Ended("broken", broken)
        yield replace(exchange, noticed=noticed)
        replies, state = replies + 1, reply.state or {}
        empty = empty + 1 if reply.is_empty else 0
        if empty > EMPTY_REPLIES:
            what = f"{empty} empty replies in a row: Fivetran ends a sync after {EMPTY_REPLIES}"
            return Ended("broken", ProtocolBroken(what, rule="empty-streak"))
        if not reply.has_more:
            return Ended("done")
        digest = _digest(state)
        if digest in states:
            what = "hasMore is true, and the state is one that was sent before: the same calls "
            what += "would be made again without end"
            return Ended("broken", ProtocolBroken(what, rule="state-stuck"))
        states.add(digest)
        if clock() - began > SYNC_SECONDS:
            return Ended("hours")
        if replies == calls:
            return Ended("calls")


def through(syncing: Generator[Exchange, None, Ended], take: Callable[[Exchange], None]) -> Ended:
    """Run a sync to its end; each exchange is handed to a function."""
    while True:
        try:
            take(next(syncing))
        except StopIteration as end:
            ended: Ended = end.value
            return ended


def setup_test(target: Target, connection: Connection, redactor: Redactor) -> list[Exchange]:
    """The setup test; after any failure of the first try a second one without `sync_id`."""
    exchanges = [call(target, connection, redactor, {}, 1, messages.SETUP_TEST, setup_test=True)]
    if not exchanges[0].reply.usable:
        exchanges.append(call(target, connection, redactor, {}, 2, None, setup_test=True))
    return exchanges


def failure(exchange: Exchange) -> HarnessError | None:
    """Why an exchange brought nothing that can be used; None where it did."""
    return None if exchange.reply.usable else exchange.reply.failure()


def call(
    target: Target,
    connection: Connection,
    redactor: Redactor,
    state: dict[str, Any],
    number: int,
    sync_id: str | None,
    *,
    setup_test: bool = False,
) -> Exchange:
    """One call, of which nothing is applied."""
    body = messages.request(connection, state, sync_id=sync_id, setup_test=setup_test)
    answer = target.call(body)
    reply = messages.read(answer, redactor)
    return Exchange(
        number, sync_id, setup_test, state, answer, reply, None, answer.seconds, len(body)
    )


def _digest(state: dict[str, Any]) -> bytes:
    text = json.dumps(state, sort_keys=True, default=str)  # an object's keys have no order
    return blake2b(text.encode("ascii"), digest_size=16).digest()
