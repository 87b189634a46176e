# Owned by fivetran-azfn-template: updates replace this file.
"""A table's live rows beside those that should be there, for an assertion; it reads alone."""

from __future__ import annotations

from harness.warehouse import Warehouse


def alive(tables: Warehouse, name: str) -> list[str]:
    """The rows of a table that are not deleted, without Fivetran's columns, as sorted texts."""
    rows = (row for row in tables.rows(name) if not row.get("_fivetran_deleted"))
    return sorted(
        repr({key: row[key] for key in sorted(row) if not key.startswith("_fivetran_")})
        for row in rows
    )


def difference(wanted: list[str], found: list[str], *, more: bool) -> str:
    """What is missing or too much, in one sentence; "" where nothing is.

    Args:
        wanted: The rows that should be there.
        found: Those that are.
        more: Whether there may be others besides.
    """
    missing, unexpected = _left(wanted, found), _left(found, wanted)
    if missing:
        return (
            f"{len(missing)} of {len(wanted)} records are missing or differ; the first should be "
            f"{missing[0]}" + (f", there is {unexpected[0]}" if unexpected else "")
        )
    if unexpected and not more:
        return f"{len(unexpected)} rows too many; the first is {unexpected[0]}"
    return ""


def _left(items: list[str], others: list[str]) -> list[str]:
    rest: dict[str, int] = {}
    for item in others:
        rest[item] = rest.get(item, 0) + 1
    left = []
    for item in items:
        if rest.get(item, 0):
            rest[item] -= 1
        else:
            left.append(item)
    return left
