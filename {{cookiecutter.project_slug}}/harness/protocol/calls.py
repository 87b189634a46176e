"""Rules about a run's calls: how long they take, what state they carry, what they log."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness import codec
from harness.protocol.messages import Exchange
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

# `harness.sync` finds these two: they end a sync.
rule("state-stuck", ERROR, "hasMore is true, but the state did not change",
     "repeats the same call without end",
     "save in the state how far the reply got")  # fmt: skip
rule("empty-streak", ERROR, f"more than {EMPTY_REPLIES} empty replies in a row",
     "ends the sync with an error",
     "return hasMore: false when nothing is new; the next sync continues from the state"
     )  # fmt: skip

rule("heavy-call", WARNING, "a call takes longer than 150 s, or its reply is larger than 32 MiB",
     "waits for the reply, but Azure ends a call after 230 s, and the reply is lost",
     "deliver fewer records per call and return hasMore: true")  # fmt: skip
rule("setup-test-has-more", ERROR, "hasMore is true in a setup test",
     "expects hasMore: false in a setup test",
     "return hasMore: false when setup_test is true")  # fmt: skip
rule("setup-test-heavy", WARNING, "a setup test is slow or large, or delivers data",
     "ignores rows and a new state in a setup test; its articles give limits of 64 KiB (for AWS "
     "Lambda) and five minutes",
     "when setup_test is true, make one light request, and return only the state of the request "
     "and hasMore: false")  # fmt: skip


def check(exchange: Exchange) -> Iterator[Fault]:
    """What is wrong with one call."""
    reply = exchange.reply
    setup_test, reports = exchange.setup_test, reply.data.get("errorMessage") is not None
    weight, most = ("setup-test-heavy", SETUP_BYTES) if setup_test else ("heavy-call", LARGE_BYTES)
    if exchange.answer.seconds > SLOW_SECONDS:
        yield Fault(weight, f"the call took {exchange.answer.seconds:.0f} s")
    if reply.size > most:
        yield Fault(weight, f"the reply has {reply.size / 1024:,.0f} KiB")
    changed = reply.state != exchange.before and reply.state
    if reports or setup_test:
        rule = "error-shape" if reports else "setup-test-heavy"
        if changed:
            yield Fault(rule, "the state is not the state of the request", "state")
        for part in ("insert", "delete", "softDelete"):
            value = reply.data.get(part)
            if any(value.values()) if isinstance(value, dict) else value:
                yield Fault(rule, f"{part} is not empty", part)
    if setup_test and reply.has_more:
        yield Fault("setup-test-has-more", "hasMore is true", "hasMore")
    if changed:
        yield from _state(reply.state)


rule("large-state", WARNING, "the state is larger than 1 MB",
     "stores the state and sends it with every call; a limit is not documented",
     "store cursors and page tokens, not records or growing lists of keys")  # fmt: skip
rule("token-in-state", WARNING, "the state may contain a secret",
     "stores the state and shows it in its API, so people can read the secret",
     "get an access token in each call, or cache it in memory")  # fmt: skip


def _state(state: Any) -> Iterator[Fault]:
    size = len(codec.encode(state))
    if size > STATE_BYTES:
        yield Fault("large-state", f"the state has {size / 1e6:.1f} MB", "state")
    for place, why in _suspects(state, ""):
        yield Fault("token-in-state", f"{place} {why}", "state")


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


rule("maybe-truncated", WARNING, "a walk may have ended before its last page",
     "takes what is delivered for complete: the records of later pages never arrive",
     "check that the step passes on next_token until the API says there is no more, then start "
     "over (`python -m harness reset --yes`, a re-sync in Fivetran): the cursor is already behind "
     "the missing records")  # fmt: skip

rule("creation-cursor", WARNING, "the cursor is a time of creation",
     "never receives the updates of a record: its cursor stays the same when it changes",
     "use a column that changes with the record; if the API has none, read everything at each "
     "sync, or read its events too. Records that never change are fine")  # fmt: skip


rule("counted-pages", WARNING, "pages are counted in a list that is sorted by the cursor",
     "never receives the records that are skipped when another record changes during a walk and "
     "moves to the end of the list",
     "change how the step sorts or pages, then run a re-sync: it reads the records that are "
     "missing")  # fmt: skip


def logged(fields: Mapping[str, str]) -> Iterator[Fault]:
    """What a line of the function's log says about missing records."""
    entity = fields.get("entity", "")
    if fields.get("event") == "counted_pages":
        yield Fault("counted-pages", fields.get("why", ""), entity=entity)
    if fields.get("event") == "maybe_truncated":
        what = f"page {fields.get('page', '?')} was the last one: {fields.get('why', 'it is full')}"
        yield Fault("maybe-truncated", what, "insert", entity)
    if fields.get("event") == "creation_cursor":
        yield Fault("creation-cursor", f"cursor={fields.get('cursor', '')!r}", entity=entity)
