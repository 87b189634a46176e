"""Rules about a run's calls: how long they take, what state they carry, what errors come with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

from harness import codec
from harness.exchange import Exchange
from harness.protocol.rule import ERROR, WARNING, Fault, rule

SLOW_SECONDS = 150  # near the 230 s after which Azure ends a call
LARGE_BYTES = 32 * 2**20
SETUP_BYTES = 64 * 2**10  # Fivetran's troubleshooting articles, for AWS Lambda
STATE_BYTES = 2**20
EMPTY_REPLIES = 10  # Fivetran's change log, May 2025
_SECRET_NAME = re.compile(
    r"(?i)((access|refresh|id|auth|bearer|api|session)[_-]?(token|key|id)$)|^jwt$|password|secret|"
    r"authorization|credential"
)
_SECRET_TEXT = re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.|\b(Bearer|Basic) [\w.~+/=-]{8,}")
_SHORTEST = 8  # characters of a value under such a name


class Calls:
    """The calls of one run, one after the other."""

    def __init__(self) -> None:
        self._states: set[bytes] = set()
        self._empty = 0
        self._suspected: set[str] = set()

    def check(self, exchange: Exchange) -> Iterator[Fault]:
        """What is wrong with this call, given those before it."""
        reply = exchange.reply
        yield from _heavy(exchange)
        if reply.data.get("errorMessage") is not None:
            yield from _report(exchange)
        elif exchange.setup_test:
            yield from _setup_test(exchange)
        elif reply.usable:
            yield from self._stuck(exchange)
            yield from self._streak(exchange)
        if reply.state is not None:
            yield from self._state(reply.state)

    @rule("state-stuck", ERROR, "hasMore is true, and the state is the same as before",
          "makes the same calls again, without end",
          "put into the state how far the reply came")  # fmt: skip
    def _stuck(self, exchange: Exchange) -> Iterator[Fault]:
        self._states.add(_digest(exchange.before))
        if exchange.reply.has_more and _digest(exchange.reply.state) in self._states:
            same = exchange.reply.state == exchange.before
            which = "the one that was sent" if same else "one that was sent before"
            what = f"hasMore is true, and the state is {which}: the same calls come again"
            yield Fault("state-stuck", what, "state")

    @rule("empty-streak", ERROR, "more than 10 empty replies in a row",
          "ends the sync with an error",
          "answer hasMore: false where there is nothing to deliver; the next sync "
          "starts from the state")  # fmt: skip
    def _streak(self, exchange: Exchange) -> Iterator[Fault]:
        self._empty = self._empty + 1 if exchange.reply.is_empty else 0
        if self._empty == EMPTY_REPLIES + 1:
            yield Fault("empty-streak", f"{self._empty} empty replies in a row")

    @rule("large-state", WARNING, "the state is larger than 1 MB",
          "stores the state and sends it with every call (a limit is not documented)",
          "store cursors and page tokens, not records or lists of keys that grow")  # fmt: skip
    @rule("token-in-state", WARNING, "the state may hold a secret",
          "stores the state and shows it in its API: people can read it",
          "get an access token in each call, or cache it in the process; never put "
          "it in state")  # fmt: skip
    def _state(self, state: Mapping[str, Any]) -> Iterator[Fault]:
        size = len(codec.encode(state))
        if size > STATE_BYTES:
            yield Fault("large-state", f"the state has {size / 1e6:.1f} MB", "state")
        for place, why in _suspects(state, ""):
            if place not in self._suspected:
                self._suspected.add(place)
                yield Fault("token-in-state", f"{place} {why}", "state")


@rule("heavy-call", WARNING, "a call takes longer than 150 s, or its reply is larger than 32 MiB",
      "waits for the reply, but Azure ends a call after 230 s, and then the reply is lost",
      "deliver fewer records per call and answer hasMore: true")  # fmt: skip
def _heavy(exchange: Exchange) -> Iterator[Fault]:
    if exchange.answer.lost or exchange.setup_test:
        return
    if exchange.seconds > SLOW_SECONDS:
        yield Fault("heavy-call", f"the call took {exchange.seconds:.0f} s")
    if exchange.reply.size > LARGE_BYTES:
        yield Fault("heavy-call", f"the reply has {exchange.reply.size / 2**20:.1f} MiB")


def _report(exchange: Exchange) -> Iterator[Fault]:
    """More of `error-shape`: what comes beside the error."""
    reply = exchange.reply
    if reply.state and reply.state != exchange.before:
        what = "the state beside errorMessage is not the one that was sent"
        yield Fault("error-shape", what, "state")
    for part in ("insert", "delete", "softDelete"):
        if _filled(reply.data.get(part)):
            yield Fault("error-shape", f"{part} comes beside errorMessage", part)


@rule("setup-test-has-more", ERROR, "hasMore is true in a setup test",
      "expects hasMore: false in a setup test",
      "answer a setup test with hasMore: false")  # fmt: skip
@rule("setup-test-heavy", WARNING, "a setup test is slow or large, or does more than test",
      "expects a quick, light job: rows and state of a setup test are not used, and its "
      "articles name limits of 64 KiB (for AWS Lambda) and five minutes",
      "where setup_test is true, make one light request, and answer with the state "
      "that was sent, hasMore: false and nothing else")  # fmt: skip
def _setup_test(exchange: Exchange) -> Iterator[Fault]:
    reply, heavy = exchange.reply, "setup-test-heavy"
    if reply.has_more:
        yield Fault("setup-test-has-more", "hasMore is true", "hasMore")
    if reply.state not in (None, exchange.before):
        yield Fault(heavy, "the state is not the one that was sent", "state")
    for part in ("insert", "delete", "softDelete"):
        if _filled(reply.data.get(part)):
            yield Fault(heavy, f"{part} is not empty", part)
    if reply.size > SETUP_BYTES:
        yield Fault(heavy, f"the reply has {reply.size / 1024:.1f} KiB")
    if exchange.seconds > SLOW_SECONDS and not exchange.answer.lost:
        yield Fault(heavy, f"the call took {exchange.seconds:.0f} s")


def _filled(part: Any) -> bool:
    """Whether insert, delete or softDelete says anything."""
    return any(part.values()) if isinstance(part, dict) else bool(part)


def _suspects(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Places of a state that look like a secret, and why."""
    if isinstance(value, dict):
        for name, item in value.items():
            there = f"{place}.{name}".lstrip(".")
            if isinstance(item, str) and len(item) >= _SHORTEST and _SECRET_NAME.search(name):
                yield there, "is named like a secret"
            else:
                yield from _suspects(item, there)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _suspects(item, f"{place}[{index}]")
    elif isinstance(value, str) and _SECRET_TEXT.search(value):
        yield place, "looks like an access token"


def _digest(state: Any) -> bytes:
    text = json.dumps(state, sort_keys=True, default=str)  # the names in an object have no order
    return blake2b(text.encode("ascii"), digest_size=16).digest()
