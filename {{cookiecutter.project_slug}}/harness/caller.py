# Owned by fivetran-azfn-template: updates replace this file.
"""One call, repeated while its reply is lost, and the setup test; it applies nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from harness import protocol
from harness.connection import Connection
from harness.errors import FunctionFailed, LostReply, ProtocolBroken
from harness.judge import Judge
from harness.leaks import kept
from harness.protocol import Reply
from harness.redact import Redactor
from harness.target import Answer, Target

if TYPE_CHECKING:
    # Not needed for a call, and DuckDB takes a while to load.
    from harness.loop import Summary

_UNAPPLIED = "nothing of the reply was applied, and the state has not moved"
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


class Caller:
    """Sends requests for one connection, and repeats those whose reply is lost.

    Args:
        target: The function.
        connection: What every request carries.
        redactor: Knows the secrets; None for those of the connection.
        watcher: Who is told.
        sleep: Waits for so many seconds.
        judge: Hears every call, or None.
    """

    def __init__(
        self,
        target: Target,
        connection: Connection,
        redactor: Redactor | None = None,
        watcher: Watcher | None = None,
        sleep: Callable[[float], None] = time.sleep,
        judge: Judge | None = None,
    ) -> None:
        self.target = target
        self.connection = connection
        self.watcher: Watcher = watcher or Silent()
        self._redactor = redactor or Redactor(connection.secrets.values())
        self._sleep = sleep
        self._judge = judge

    def call(
        self, state: dict[str, Any], *, sync_id: str | None, setup_test: bool = False
    ) -> tuple[Reply, Answer]:
        """One call, tried again with the same state while no reply comes.

        Raises:
            FunctionFailed: The reply carries `errorMessage`.
            ProtocolBroken: The reply cannot be used, holds a secret in what would be kept of it
                besides rows, or none came after three tries.
        """
        body = protocol.request(self.connection, state, sync_id=sync_id, setup_test=setup_test)
        if self._judge:
            self._judge.sent(state, setup_test=setup_test)
        for tried in range(1, TRIES + 1):
            try:
                answer = self.target.call(body)
                break
            except LostReply as lost:
                if tried == TRIES:
                    raise LostReply(f"{lost} ({TRIES} tries)", todo=lost.todo) from None
                self.watcher.lost(lost, float(tried))
                self._sleep(float(tried))
        parsed = protocol.parse(answer, self._redactor.text)
        if self._judge:
            self._judge.heard(answer, parsed)
        reply = protocol.settle(parsed)
        if leak := kept(reply.body, self._redactor):
            raise ProtocolBroken(f"{leak.what}: {_UNAPPLIED}", rule=leak.rule)
        return reply, answer


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
        raise ProtocolBroken("hasMore is true in a setup test", rule="setup-test-has-more")
    return reply, answer, first
