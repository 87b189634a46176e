# Owned by fivetran-azfn-template: updates replace this file.
"""Records for the screen as the destination would have them; it opens no destination."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

from harness.naming import to_name
from harness.records import Privacy


class Veil:
    """Leaves blocked tables and columns out and hashes hashed columns.

    The warehouse's salt is not known here: a value has another hash than there, and equal values
    have equal ones.

    Args:
        blocked: `"table"` or `"table.column"`.
        hashed: `"table.column"`.
    """

    def __init__(self, blocked: Iterable[str] = (), hashed: Iterable[str] = ()) -> None:
        self._privacy = Privacy(blocked, hashed, secrets.token_hex(16))
        self._met: dict[str, dict[str, str]] = {}

    def rows(self, entity: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows of an entity; none of one that is blocked."""
        table = to_name(entity)
        if self._privacy.blocks(table):
            self._met.setdefault(entity, {})[""] = "all of it is blocked"
            return []
        return [self._row(entity, table, row) for row in rows]

    def met(self, entity: str) -> list[str]:
        """What was left out or hashed, for people."""
        return [f"{name} {what}".lstrip() for name, what in self._met.get(entity, {}).items()]

    def _row(self, entity: str, table: str, row: dict[str, Any]) -> dict[str, Any]:
        shown = {}
        for source, value in row.items():
            name = to_name(source)
            if self._privacy.blocks(table, name):
                self._met.setdefault(entity, {})[source] = "is blocked"
            elif self._privacy.hashes(table, name):
                self._met.setdefault(entity, {})[source] = "is hashed"
                shown[source] = self._privacy.hash(value)
            else:
                shown[source] = value
        return shown
