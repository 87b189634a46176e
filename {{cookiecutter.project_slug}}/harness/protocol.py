# Owned by fivetran-azfn-template: updates replace this file.
"""One request and one reply of Fivetran's function protocol; it must not know how they travel.

Source of each rule: Fivetran's Azure Functions connector page.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

import msgspec

from harness.connection import Connection
from harness.errors import FunctionFailed, ProtocolBroken
from harness.target import Answer

SETUP_TEST = "setup-test"  # `sync_id` of a setup test

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


def read(answer: Answer, clean: Callable[[str], str] = str) -> Reply:
    """Decode and check one reply.

    Args:
        answer: What came back from the function.
        clean: Redacts a text before it is cut for an error.

    Raises:
        FunctionFailed: The reply carries `errorMessage`.
        ProtocolBroken: Fivetran could not use the reply; says why and what to write instead.
    """
    status, body = answer.status, answer.body
    if status != 200 and not body.strip():
        raise ProtocolBroken(
            f"the function answered HTTP {status} with an empty body",
            todo="Azure does that when a function raises or returns nothing: look at its logs, "
            "catch the exception and answer 200 with errorMessage",
            trace=answer.failure,
        )
    data = _json(status, body, clean)
    if isinstance(data, dict) and data.get("errorMessage") is not None:
        raise _failure(data)
    if status != 200:
        raise ProtocolBroken(
            f"the function answered HTTP {status}: {_start(body, clean)}",
            todo="answer 200, and report an error in errorMessage: the body of another status may "
            "never be read",
        )
    if answer.content_type.split(";")[0].strip().lower() != "application/json":
        raise ProtocolBroken(
            f"the reply's Content-Type is {clean(answer.content_type) or 'missing'}",
            todo="answer with Content-Type: application/json",
        )
    if not isinstance(data, dict):
        raise ProtocolBroken(
            f"the reply is {_kind(data)}, not a JSON object: {_start(body, clean)}",
            todo='answer {"state": {…}, "insert": {…}, "hasMore": false}',
        )
    _check(data)
    return Reply(data, len(body))


def _json(status: int, body: bytes, clean: Callable[[str], str]) -> Any:
    try:
        return decode(body)
    except ValueError as error:
        why = str(error)
    if status != 200:
        return None
    try:
        json.loads(body)
    except ValueError:
        raise ProtocolBroken(f"the reply is no JSON ({why}): {_start(body, clean)}") from None
    raise ProtocolBroken(
        f"the reply is no strict JSON ({why})",
        todo="leave out NaN, Infinity, a byte order mark and halves of surrogate pairs: "
        "Python writes and reads them, others do not",
    )


def _failure(data: Mapping[str, Any]) -> FunctionFailed | ProtocolBroken:
    message = data["errorMessage"]
    if not isinstance(message, str) or not message.strip():
        return ProtocolBroken(
            f"errorMessage is {_kind(message)}", todo="write what happened, as text"
        )
    kind = data.get("errorType")
    return FunctionFailed(
        message, kind=kind if isinstance(kind, str) else None, trace=data.get("stackTrace")
    )


def _check(data: Mapping[str, Any]) -> None:
    if not isinstance(data.get("state"), dict):
        found = _kind(data["state"]) if "state" in data else "missing"
        raise ProtocolBroken(
            f"state is {found}: Fivetran has nothing to go on from",
            todo="answer with a state object each time: the request's own, when nothing moved",
        )
    if not isinstance(data.get("hasMore"), bool):
        found = _kind(data["hasMore"]) if "hasMore" in data else "missing"
        raise ProtocolBroken(
            f"hasMore is {found}", todo="answer with hasMore: true or false, without quotes"
        )
    keyed = set()
    for entity, entry in _object(data, "schema").items():
        keys = entry.get("primary_key") if isinstance(entry, dict) else None
        if not isinstance(keys, list) or not all(isinstance(key, str) and key for key in keys):
            raise ProtocolBroken(
                f"schema.{entity} has no list of column names in primary_key",
                todo=f'write "schema": {{"{entity}": {{"primary_key": ["id"]}}}}',
            )
        if keys:
            keyed.add(entity)
    for part in ("insert", "delete"):
        for entity, rows in _object(data, part).items():
            if not isinstance(rows, list):
                raise ProtocolBroken(f"{part}.{entity} is {_kind(rows)}, not a list of records")
            for index, row in enumerate(rows):
                if not isinstance(row, dict):
                    raise ProtocolBroken(f"{part}.{entity}[{index}] is {_kind(row)}, not an object")
            if part == "delete" and rows and entity not in keyed:
                raise ProtocolBroken(
                    f"delete.{entity} comes without schema.{entity}.primary_key",
                    todo="say in schema which columns tell the deleted rows",
                )
    marked = data.get("softDelete", [])
    if not isinstance(marked, list) or not all(isinstance(name, str) for name in marked):
        raise ProtocolBroken("softDelete must be a list of table names")


def _object(data: Mapping[str, Any], part: str) -> dict[str, Any]:
    value = data.get(part, {})
    if not isinstance(value, dict):
        raise ProtocolBroken(f"{part} is {_kind(value)}, not an object with an entry per table")
    return value


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, str):
        return f"the text {value!r}" if len(value) <= 40 else f"a text of {len(value)} characters"
    if isinstance(value, (int, Decimal)):
        return f"the number {value}"
    return "an object" if isinstance(value, dict) else "a list"


def _start(body: bytes, clean: Callable[[str], str]) -> str:
    text = clean(body[:10_000].decode("utf-8", "replace"))
    return text[:200] + ("…" if len(text) > 200 else "") if text.strip() else "an empty body"
