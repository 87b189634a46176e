"""All rules of Fivetran's function protocol, and the judge of a run.

Each rule has its words beside its check: of one reply in `body`, `shape` and `messages`, of a run
in `calls` and `tables`. `python -m harness.protocol.rules` writes RULES.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from harness.exchange import Exchange
from harness.protocol.body import cut
from harness.protocol.calls import Calls
from harness.protocol.findings import PLACES
from harness.protocol.rule import (
    ERROR,
    NOTICE,
    RULES,
    SEVERITIES,
    WARNING,
    Fault,
    Rule,
    rule,
    sentence,
)
from harness.protocol.tables import Tables
from harness.redact import Redactor
from harness.warehouse import TableInfo

__all__ = ["ERROR", "NOTICE", "RULES", "SEVERITIES", "WARNING", "Fault", "Judge", "Rule"]

PAGE = Path(__file__).parents[1] / "RULES.md"
_HEAD = f"""\
# Rules of the function protocol

`python -m harness test`, `peek`, `sync` and `resync` check every reply of a function against these
rules, whatever language it is written in, and show at the end which were broken: how often, and the
first {PLACES} places of each. With `--json` they are in `findings`.

A broken rule of severity error makes the command end with exit code 2; warnings and notices do not
change the exit code. The shape of a request and a reply is in `protocol/schema/request.json` and
`protocol/schema/reply.json`, as JSON Schema; the other rules look at a whole run.
"""


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
        self._calls = Calls()
        self._tables = Tables()

    def check(self, exchange: Exchange) -> list[Fault]:
        """All that is wrong with one call."""
        found = [*exchange.reply.faults, *self._calls.check(exchange)]
        return self._clean([*found, *self._tables.check(exchange)])

    @rule("maybe-truncated", WARNING, "a walk may have ended before its last page",
          "takes what is delivered for complete: the records of later pages never arrive",
          "check that the step passes the next page's token on as next_token, and "
          "that it ends only where the API says that there is no more")  # fmt: skip
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
        """All that is wrong with a sync as a whole, after it has ended.

        Args:
            tables: Of the destination.
            unmatched: Entries of blocked and hashed that hide nothing: `Warehouse.unmatched`.
        """
        return self._clean(self._tables.finish(tables, unmatched))

    def _clean(self, faults: Iterable[Fault]) -> list[Fault]:
        """Each fault once, without secrets."""
        clean = self._redactor.text
        found: dict[tuple[str, str, str, int | None, str], Fault] = {}
        for fault in faults:
            place = (fault.rule, fault.part, fault.entity, fault.record)
            what = fault.what if fault.record is None else ""
            found.setdefault(
                (*place, what),
                replace(
                    fault,
                    what=clean(fault.what),
                    entity=clean(fault.entity),
                    row=cut(clean(fault.row)),
                ),
            )
        return list(found.values())


def page() -> str:
    """RULES.md as Markdown."""
    parts = [_HEAD]
    for severity, meaning in SEVERITIES.items():
        parts.append(f"## {severity.capitalize()}s: {meaning}\n")
        parts += [_entry(rule) for rule in RULES.values() if rule.severity == severity]
    return "\n".join(parts)


def _entry(rule: Rule) -> str:
    return (
        f"### {rule.id}\n\n{sentence(rule.title)}.\n\n"
        f"- Fivetran {rule.fivetran}.\n- {sentence(rule.fix)}.\n"
    )


def main() -> None:
    """Write RULES.md anew."""
    PAGE.write_text(page(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
