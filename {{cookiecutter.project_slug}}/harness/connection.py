# Owned by fivetran-azfn-template: updates replace this file.
"""connection.json, the stand-in for Fivetran's setup form: read, checked, never printed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.naming import to_name

FILE = "connection.json"
EXAMPLE = "connection.example.json"
_ENTRIES = ("schema", "secrets", "customPayload", "blocked", "hashed")
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]*")
_TAKEN = ("information_schema", "pg_catalog")  # by every database, for itself


@dataclass(frozen=True, repr=False)
class Connection:
    """What was typed in the setup form, and which data the destination leaves out.

    Attributes:
        schema: Name of the destination schema.
        secrets: Sent as `secrets` with every call.
        payload: Sent as `customPayload` with every call.
        blocked: `table` or `table.column` that is not written.
        hashed: `table.column` whose values are hashed.
    """

    schema: str
    secrets: Mapping[str, str] = field(default_factory=dict)
    payload: Mapping[str, str] = field(default_factory=dict)
    blocked: frozenset[str] = frozenset()
    hashed: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"<Connection {self.schema!r}, secrets: {', '.join(self.secrets) or 'none'}>"

    @property
    def agent(self) -> str:
        """`agent` of a request, in the shape that Fivetran's documentation shows."""
        return f"Fivetran Azure Functions Connector/local_harness/{self.schema}"

    def with_secrets(self, secrets: Mapping[str, str]) -> Connection:
        """The same connection with other secrets."""
        return Connection(self.schema, dict(secrets), self.payload, self.blocked, self.hashed)


def load(path: Path) -> Connection:
    """Read and check a connection.json.

    Raises:
        UsageError: It is not there, is no JSON, or an entry is wrong (named, with the rule).
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(
            f"{path} is not there: it holds what you would type in Fivetran's setup form",
            todo=f"copy {EXAMPLE} to {FILE} and fill in the secrets, "
            "or run against the sample upstream with --sample",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    try:
        data = json.loads(text)
    except ValueError as error:
        # The exception's text names the place only, never what stands there.
        raise UsageError(f"{path} is no JSON: {error}") from None
    return check(data, str(path))


def find(folder: Path) -> Path:
    """The committed example where there is one, else connection.json: what a sample run uses."""
    example = folder / EXAMPLE
    return example if example.exists() else folder / FILE


def check(data: Any, where: str) -> Connection:
    """Build a connection from decoded JSON.

    Args:
        data: Content of the file.
        where: Name of the file, for the error.

    Raises:
        UsageError: An entry is missing, unknown or of the wrong shape.
    """
    if not isinstance(data, dict):
        raise UsageError(f"{where} must be a JSON object with {_listed(_ENTRIES)}")
    unknown = [name for name in data if name not in _ENTRIES]
    if unknown:
        raise UsageError(
            f"{where} has an unknown entry {unknown[0]!r}: it knows {_listed(_ENTRIES)}"
        )
    schema = data.get("schema")
    if not isinstance(schema, str) or not _SCHEMA.fullmatch(schema):
        raise UsageError(
            f'{where}: schema must be the name of the destination schema, as "acme": '
            "lower-case letters, digits and _, not beginning with a digit"
        )
    if schema in _TAKEN:
        raise UsageError(
            f"{where}: schema cannot be {schema}: every database has one of its own by that name"
        )
    return Connection(
        schema,
        _texts(data, "secrets", where),
        _texts(data, "customPayload", where),
        _names(data, "blocked", where, "transaction", "transaction.note"),
        _names(data, "hashed", where, "transaction.email"),
    )


def _texts(data: Mapping[str, Any], entry: str, where: str) -> dict[str, str]:
    values = data.get(entry, {})
    if not isinstance(values, dict):
        raise UsageError(
            f'{where}: {entry} must be an object of names and texts, as {{"key": "…"}}'
        )
    for name, value in values.items():
        if not isinstance(value, str):
            raise UsageError(
                f"{where}: {entry}.{name} must be text in quotes: Fivetran's form sends only texts"
            )
    return values


def _names(data: Mapping[str, Any], entry: str, where: str, *examples: str) -> frozenset[str]:
    values = data.get(entry, [])
    if not isinstance(values, list) or not all(isinstance(v, str) and v.strip() for v in values):
        raise UsageError(f"{where}: {entry} must be a list of names, as {json.dumps(examples)}")
    if entry == "hashed":
        for name in values:
            if "." not in name:
                raise UsageError(f"{where}: {entry} names columns, as {examples[0]}, not {name!r}")
    for name in values:
        if to_name(name.partition(".")[2] or "x").startswith("_fivetran_"):
            raise UsageError(
                f"{where}: {entry} names {name}, a column of Fivetran's own: it is always written",
                todo=f"take it out of {entry}",
            )
    return frozenset(values)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1]
