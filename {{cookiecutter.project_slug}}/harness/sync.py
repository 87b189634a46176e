"""Fivetran's loop around a function: one exchange per call, until Fivetran would stop."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import count
from typing import Any

from harness.errors import HarnessError, ProtocolBroken
from harness.project import Connection
from harness.protocol import messages
from harness.protocol.calls import EMPTY_REPLIES
from harness.protocol.messages import Exchange
from harness.redact import Redactor
from harness.target import Target
from harness.warehouse import Warehouse

SYNC_SECONDS = 6 * 3600  # Fivetran's change log, August 2018: the rest waits for the next sync
TRIES = 3  # of one call whose reply is lost


@dataclass(frozen=True)
class Fivetran:
    """Calls a function as Fivetran does for one connection; `redactor` masks what it answers."""

    target: Target
    connection: Connection
    redactor: Redactor

    def sync(
        self,
        tables: Warehouse,
        *,
        calls: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Iterator[Exchange]:
        """One sync, until hasMore is false, for six hours or `calls` replies at most.

        Each reply is applied before it is yielded. A lost one is yielded too, and its call
        repeated.

        Raises:
            FunctionFailed: The function reported an error.
            ProtocolBroken: No reply came, or one that Fivetran cannot use.
        """
        sync_id, began, state = str(uuid.uuid4()), clock(), tables.state()
        states = {_digest(state)}
        replies = empty = lost = 0
        for number in count(1):
            exchange = self.call(state, number, sync_id)
            reply = exchange.reply
            if error := failure(exchange):
                yield exchange
                lost += 1
                if not exchange.answer.lost or lost == TRIES:
                    raise error
                sleep(float(lost))
                continue
            try:
                noticed = tables.apply(reply)
            except ProtocolBroken:
                yield exchange
                raise
            yield replace(exchange, noticed=noticed)
            replies, lost, state = replies + 1, 0, reply.state or {}
            empty = empty + 1 if reply.is_empty else 0
            if empty > EMPTY_REPLIES:
                what = f"{empty} empty replies in a row: Fivetran stops after {EMPTY_REPLIES}"
                raise ProtocolBroken(what, rule="empty-streak")
            if not reply.has_more:
                return
            if (digest := _digest(state)) in states:
                what = "hasMore is true, but the state was sent before: the same calls would "
                what += "repeat without end"
                raise ProtocolBroken(what, rule="state-stuck")
            states.add(digest)
            if replies == calls or clock() - began > SYNC_SECONDS:
                return

    def setup_test(self) -> list[Exchange]:
        """The setup test; after any failure of the first try a second one without `sync_id`."""
        exchanges = [self.call({}, 1, messages.SETUP_TEST, setup_test=True)]
        if failure(exchanges[0]):
            exchanges.append(self.call({}, 2, None, setup_test=True))
        return exchanges

    def call(
        self, state: dict[str, Any], number: int, sync_id: str | None, *, setup_test: bool = False
    ) -> Exchange:
        """One call, of which nothing is applied."""
        body = messages.request(self.connection, state, sync_id=sync_id, setup_test=setup_test)
        answer = self.target.call(body)
        reply = messages.read(answer, self.redactor)
        return Exchange(number, sync_id, setup_test, state, answer, reply, len(body))


def failure(exchange: Exchange) -> HarnessError | None:
    """Why an exchange brought nothing that can be used; None if it did."""
    return None if exchange.reply.usable else exchange.reply.failure()


def _digest(state: dict[str, Any]) -> bytes:
    text = json.dumps(state, sort_keys=True, default=str)  # an object's keys have no order
    return blake2b(text.encode("ascii"), digest_size=16).digest()
