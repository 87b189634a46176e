"""All rules of Fivetran's function protocol, and the judge of a run.

Each rule has its words beside its check: of one reply in `body`, `shape` and `messages`, of a run
in `calls` and `tables`. RULES.md lists them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from harness.exchange import Exchange
from harness.protocol import calls
from harness.protocol.rule import ERROR, NOTICE, RULES, SEVERITIES, WARNING, Fault, Rule, rule
from harness.protocol.tables import Tables
from harness.redact import Redactor
from harness.warehouse import TableInfo

__all__ = ["ERROR", "NOTICE", "RULES", "SEVERITIES", "WARNING", "Fault", "Judge", "Rule"]

rule("maybe-truncated", WARNING, "a walk may have ended before its last page",
     "takes what is delivered for complete: the records of later pages never arrive",
     "check that the step passes the next page's token on as next_token, and that it ends only "
     "where the API says that there is no more")  # fmt: skip


class Event(Protocol):
    """A line that the function logged."""

    @property
    def fields(self) -> Mapping[str, str]:
        """Its `key=value` pairs."""


class Judge:
    """Judges one run, a test or a sync, by all rules; it stops nothing and shows nothing.

    Args:
        redactor: Knows the secrets.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._tables = Tables()

    def check(self, exchange: Exchange) -> list[Fault]:
        """All that is wrong with one call."""
        found = [*calls.check(exchange), *self._tables.check(exchange)]
        return [*exchange.reply.faults, *self._clean(found)]

    def log(self, event: Event) -> list[Fault]:
        """What a line of the function's log says about missing records."""
        fields = event.fields
        if fields.get("event") != "maybe_truncated":
            return []
        what = f"page {fields.get('page', '?')} was the last one: {fields.get('why', 'it is full')}"
        return self._clean([Fault("maybe-truncated", what, "insert", fields.get("entity", ""))])

    def finish(
        self, tables: Sequence[TableInfo], unmatched: Iterable[tuple[str, str]]
    ) -> list[Fault]:
        """All that is wrong with a sync that has ended; `unmatched` is `Warehouse`'s."""
        return self._clean(self._tables.finish(tables, unmatched))

    def _clean(self, faults: Iterable[Fault]) -> list[Fault]:
        return [fault.clean(self._redactor) for fault in faults]
