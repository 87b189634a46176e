"""The records that every contender reads: 350 bytes of JSON each, in pages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

SIZE = 350  # bytes
MARK = b'"updated_at":'  # stands once in each record
_FIRST = datetime(2020, 1, 1, tzinfo=UTC)
_TEXT = (
    '{"id":%d,"updated_at":"%s","created_at":"2019-12-05T08:30:00Z","status":"paid",'
    '"currency":"EUR","amount":%d.%02d,"customer":{"number":"c-%d","name":"Zoë Müller",'
    '"country":"DE"},"active":true,"parent":null,"tags":["new","wholesale"],"note":"%s"}'
)


def text(number: int) -> str:
    """The JSON text of one record."""
    updated = f"{_FIRST + timedelta(seconds=10 * number):%Y-%m-%dT%H:%M:%SZ}"
    values = (10_000_000 + number, updated, number % 5000, number % 90 + 10, 1000 + number % 9000)
    short = _TEXT % (*values, "")
    return _TEXT % (*values, ("paid in parts. " * 9)[: SIZE - len(short.encode())])


def page(first: int, end: int) -> bytes:
    """The records of a page, without brackets."""
    return ",".join(text(number) for number in range(first, end)).encode()


def change(record: dict[str, Any]) -> dict[str, Any]:
    """What a step does that changes records: one text and one new column."""
    record["currency"] = record["currency"].lower()
    record["country"] = record["customer"]["country"]
    return record


def digest(records: Iterable[Mapping[str, Any]]) -> str:
    """A digest by which the same records are the same, however a contender delivers them."""
    found = hashlib.sha256()
    for record in records:
        found.update(json.dumps(record, sort_keys=True, default=float).encode())
    return found.hexdigest()


def expected(count: int, *, changed: bool = False) -> str:
    """The digest of the first records."""
    records = (json.loads(text(number)) for number in range(count))
    return digest(map(change, records) if changed else records)
