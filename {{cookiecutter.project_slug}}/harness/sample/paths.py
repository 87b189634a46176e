# Owned by fivetran-azfn-template: updates replace this file.
"""Dotted paths into JSON objects, as sample.toml writes them."""

from __future__ import annotations

from typing import Any


def keys_of(path: str) -> list[str]:
    """The keys that a path goes through; OData's (`@odata.nextLink`) hold their dot."""
    return [path] if path.startswith("@") else path.split(".")


def value_at(record: dict[str, Any], path: str) -> Any:
    """The value at a top-level name or a path; None where there is none."""
    if path in record:
        return record[path]
    value: Any = record
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def put(record: dict[str, Any], keys: list[str], value: Any) -> None:
    """Puts a value where the keys lead; objects on the way are copied, or made."""
    for key in keys[:-1]:
        inner = record.get(key)
        record[key] = dict(inner) if isinstance(inner, dict) else {}
        record = record[key]
    record[keys[-1]] = value
