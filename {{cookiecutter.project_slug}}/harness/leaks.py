# Owned by fivetran-azfn-template: updates replace this file.
"""Secrets that stand in a reply, found by value; what it says of them shows none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.findings import Fault
from harness.protocol import encode
from harness.redact import Redactor

_ROWS = ("insert", "delete")


def kept(data: Mapping[str, Any], redactor: Redactor) -> Fault | None:
    """A secret in what the harness would keep of a reply besides its rows: state, names.

    Args:
        data: A reply that can be applied.
        redactor: Knows the secrets.
    """
    for field, value in data.items():
        if redactor.finds_in(encode({field: list(value) if field in _ROWS else value})):
            return Fault("secret-in-reply", f"a secret stands in {field}")
    return None


def leaks(body: bytes, data: Any, redactor: Redactor) -> Iterator[Fault]:
    """Where secrets stand in a reply.

    Args:
        body: The reply as it came.
        data: The decoded reply, None where it is no JSON.
        redactor: Knows the secrets.
    """
    if not isinstance(data, dict):
        if redactor.finds_in(body):
            yield Fault("secret-in-reply", "a secret stands in the body")
        return
    # Written anew, so that a secret is spelt without needless escapes.
    if not redactor.finds_in(encode(data)):
        return
    for field, value in data.items():
        if field in _ROWS and isinstance(value, dict):
            yield from _rows(field, value, redactor)
        elif redactor.finds_in(encode({field: value})):
            yield Fault("secret-in-reply", f"a secret stands in {field}")


def _rows(part: str, entities: Mapping[str, Any], redactor: Redactor) -> Iterator[Fault]:
    for entity, rows in entities.items():
        for index, row in enumerate(rows if isinstance(rows, list) else [rows]):
            if redactor.finds_in(encode(row)):
                named = row if isinstance(row, dict) else {}
                found = (name for name, value in named.items() if redactor.finds_in(encode(value)))
                what = f"a secret stands in {next(found, 'the record')}"
                yield Fault("secret-in-rows", what, part, entity, index)
