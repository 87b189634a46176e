# Owned by fivetran-azfn-template: updates replace this file.
"""One request and one reply of Fivetran's function protocol; it must not know how they travel.

Source of each rule: Fivetran's Azure Functions connector page.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

import msgspec

from harness import structure
from harness.connection import Connection
from harness.errors import FunctionFailed, ProtocolBroken
from harness.findings import Fault
from harness.rules import ERROR, RULES
from harness.target import Answer

SETUP_TEST = "setup-test"  # `sync_id` of a setup test
DEEPEST = 200  # levels of objects and lists; readers of JSON give up somewhere, most at 1,000

_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder(float_hook=Decimal)


def encode(value: Any) -> bytes:
    """JSON with integers and decimals as exact as they came."""
    return _encoder.encode(value)


def decode(data: bytes) -> Any:
    """JSON to Python: integers of any size, numbers with a point or exponent as Decimal.

    Raises:
        ValueError: It is no JSON, with the place.
    """
    return _decoder.decode(data)


def request(
    connection: Connection,
    state: Mapping[str, Any],
    *,
    sync_id: str | None,
    setup_test: bool = False,
) -> bytes:
    """The body of one call.

    Args:
        connection: Gives `agent`, `secrets` and `customPayload`.
        state: What the last successful reply carried, `{}` at first.
        sync_id: UUID of the sync, `setup-test` in a setup test, None to leave it out.
        setup_test: Whether this is a setup test.
    """
    body: dict[str, Any] = {
        "agent": connection.agent,
        "state": state,
        "secrets": connection.secrets,
        "customPayload": connection.payload,
    }
    if setup_test:
        body["setup_test"] = True
    if sync_id is not None:
        body["sync_id"] = sync_id
    return encode(body)


@dataclass(frozen=True)
class Reply:
    """A reply that passed the basic checks.

    Attributes:
        body: The decoded reply.
        size: Bytes of the reply as it came.
    """

    body: dict[str, Any]
    size: int

    @property
    def state(self) -> dict[str, Any]:
        """What the next call is sent."""
        state: dict[str, Any] = self.body["state"]
        return state

    @property
    def has_more(self) -> bool:
        """Whether Fivetran calls again at once."""
        return bool(self.body["hasMore"])

    @cached_property
    def rows(self) -> dict[str, int]:
        """Records per entity in `insert`."""
        return {name: len(rows) for name, rows in self.body.get("insert", {}).items()}

    @cached_property
    def deleted(self) -> dict[str, int]:
        """Records per entity in `delete`."""
        return {name: len(rows) for name, rows in self.body.get("delete", {}).items()}

    @property
    def empty(self) -> bool:
        """Whether it neither brings, deletes nor marks anything."""
        marks = self.body.get("softDelete")
        return not (any(self.rows.values()) or any(self.deleted.values()) or marks)


@dataclass(frozen=True)
class Parsed:
    """A reply as it came, and what is wrong with it by itself.

    Attributes:
        data: The decoded body, None where it is no JSON.
        size: Bytes of the body.
        faults: What is wrong with it; several where there are.
    """

    data: Any
    size: int
    faults: tuple[Fault, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether it can be applied."""
        return self.error is None and not self.reports

    @property
    def reports(self) -> bool:
        """Whether it reports an error."""
        return isinstance(self.data, dict) and self.data.get("errorMessage") is not None

    @property
    def error(self) -> Fault | None:
        """The first fault for which Fivetran could not use it."""
        return next((fault for fault in self.faults if RULES[fault.rule].severity == ERROR), None)


def read(answer: Answer, clean: Callable[[str], str] = str) -> Reply:
    """Decode and check one reply.

    Raises:
        FunctionFailed, ProtocolBroken: As `settle` does.
    """
    return settle(parse(answer, clean))


def settle(parsed: Parsed) -> Reply:
    """A reply that can be applied.

    Raises:
        FunctionFailed: The reply carries `errorMessage`.
        ProtocolBroken: Fivetran could not use the reply; says why and what to write instead.
    """
    fault, data = parsed.error, parsed.data
    if parsed.reports and isinstance(data["errorMessage"], str) and data["errorMessage"].strip():
        kind = data.get("errorType")
        raise FunctionFailed(
            data["errorMessage"],
            kind=kind if isinstance(kind, str) else None,
            trace=data.get("stackTrace"),
        )
    if fault:
        raise ProtocolBroken(fault.what, rule=fault.rule, trace=fault.trace)
    return Reply(data, parsed.size)


def parse(answer: Answer, clean: Callable[[str], str] = str) -> Parsed:
    """Decode one reply and look for all that is wrong with it by itself.

    Args:
        answer: What came back from the function.
        clean: Redacts a text before it is cut.
    """
    status, body = answer.status, answer.body
    if status != 200 and not body.strip():
        what = f"the function answered HTTP {status} with an empty body"
        return Parsed(None, len(body), (Fault("http-status", what, trace=answer.failure),))
    try:
        parsed = Parsed(decode(body), len(body))
        if _is_deep(parsed.data):
            raise RecursionError
    except RecursionError:
        what = f"the reply is nested more than {DEEPEST} levels deep"
        parsed = Parsed(None, len(body), (Fault("not-json", what),))
    except ValueError as error:
        parsed = Parsed(None, len(body), (_no_json(body, str(error), clean),))
    if status != 200 and not parsed.reports:
        what = f"the function answered HTTP {status}: {_start(body, clean)}"
        return Parsed(parsed.data, len(body), (Fault("http-status", what),))
    if parsed.faults:
        return parsed
    return Parsed(parsed.data, len(body), tuple(_faults(answer, parsed, clean)))


def _is_deep(data: Any) -> bool:
    """Whether objects and lists stand in each other deeper than readers go."""
    level = [data]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for item in level
            if isinstance(item, (dict, list))
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, (dict, list))
        ]
    return bool(level)


def _faults(answer: Answer, parsed: Parsed, clean: Callable[[str], str]) -> Iterator[Fault]:
    if answer.status != 200:
        yield Fault("error-status", f"errorMessage comes with HTTP {answer.status}")
    if answer.content_type.split(";")[0].strip().lower() != "application/json":
        given = clean(answer.content_type) or "missing"
        yield Fault("content-type", f"the reply's Content-Type is {given}")
    if isinstance(parsed.data, dict):
        yield from structure.faults(parsed.data)
    else:
        what = f"the reply is {structure.kind(parsed.data)}, not a JSON object: "
        yield Fault("not-an-object", what + _start(answer.body, clean))


def _no_json(body: bytes, why: str, clean: Callable[[str], str]) -> Fault:
    try:
        json.loads(body)
    except ValueError:
        return Fault("not-json", f"the reply is no JSON ({why}): {_start(body, clean)}")
    return Fault("not-json", f"the reply is no strict JSON ({why})")


def _start(body: bytes, clean: Callable[[str], str]) -> str:
    text = clean(body[:10_000].decode("utf-8", "replace"))
    return text[:200] + ("…" if len(text) > 200 else "") if text.strip() else "an empty body"
