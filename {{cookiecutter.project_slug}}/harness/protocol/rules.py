"""All rules of Fivetran's function protocol, and those that a run broke.

The texts of a rule are next to its check: for one reply in `body` and `messages`, for a run in
`calls` and `tables`. RULES.md lists them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.errors import HarnessError, ProtocolBroken
from harness.protocol import calls, tables
from harness.protocol.messages import Exchange
from harness.protocol.rule import ERROR, NOTICE, RULES, SEVERITIES, WARNING, Fault, Rule
from harness.redact import Redactor
from harness.warehouse import TableInfo

__all__ = ["ERROR", "NOTICE", "RULES", "SEVERITIES", "WARNING", "Finding", "Findings"]
PLACES = 3  # of each rule are shown


@dataclass
class Finding:
    """A rule that was broken."""

    rule: Rule
    count: int = 0
    calls: list[int] = field(default_factory=list)  # 0 is the whole run
    places: list[tuple[int, Fault]] = field(default_factory=list)  # the first that differ

    def lines(self) -> list[str]:
        """Its places, what Fivetran does, what to do."""
        lines = []
        for call, fault in self.places:
            where = "" if fault.what.startswith(fault.where) else fault.where
            place = ", ".join(filter(None, (f"call {call}" if call else "", where)))
            lines.append(f"{place}: {fault.what}" if place else fault.what)
            if fault.row:
                lines.append(f"    {fault.row}")
        if self.count > len(self.places):
            lines.append(f"and {self.count - len(self.places):,} more")
        todos = dict.fromkeys(fault.todo or self.rule.fix for _, fault in self.places)
        return [*lines, f"Fivetran {self.rule.fivetran}", *(f"→ {todo}" for todo in todos)]

    def as_json(self) -> dict[str, Any]:
        """What `--json` writes."""
        rule = asdict(self.rule)
        places = [{"call": call or None, **asdict(fault)} for call, fault in self.places]
        return {
            "rule": rule.pop("id"),
            **rule,
            "count": self.count,
            "calls": self.calls,
            "places": [
                {name: v for name, v in place.items() if name != "rule" and v not in ("", None)}
                for place in places
            ],
        }


class Findings:
    """The rules that runs broke, counted: errors first, then warnings, then notices.

    Args:
        redactor: Knows the secrets; whoever learns of more replaces it.
    """

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self._found: dict[str, Finding] = {}
        self._run = tables.Delivered()

    def __iter__(self) -> Iterator[Finding]:
        for severity in SEVERITIES:
            yield from (found for found in self._found.values() if found.rule.severity == severity)

    def check(self, exchange: Exchange) -> None:
        """Check one call; one whose reply is lost is made again, or ends the run."""
        if exchange.number == 1:
            self._run = tables.Delivered()
        if not exchange.answer.lost:
            self._add(exchange.number, exchange.reply.faults)
            self._add(exchange.number, calls.check(exchange))
            self._add(exchange.number, tables.check(self._run, exchange))

    def log(self, call: int, fields: Mapping[str, str]) -> None:
        """Check the `key=value` pairs of a line that the function logged in a call."""
        self._add(call, calls.logged(fields))

    def finish(self, found: Sequence[TableInfo], unmatched: Iterable[tuple[str, str]]) -> None:
        """Check a sync that has ended; `unmatched` is `Warehouse.unmatched()`."""
        self._add(0, tables.finish(self._run, found, unmatched))

    def stopped(self, call: int, error: HarnessError | None) -> None:
        """Count what ended the run in a call, if it is a rule not found in that call yet."""
        if isinstance(error, ProtocolBroken):
            found = self._found.get(error.rule)
            if not found or call not in found.calls:
                self._add(call, [Fault(error.rule, str(error), todo=error.todo)])

    def _add(self, call: int, faults: Iterable[Fault]) -> None:
        for fault in faults:
            finding = self._found.setdefault(fault.rule, Finding(RULES[fault.rule]))
            finding.count += 1
            if call not in finding.calls[-1:]:
                finding.calls.append(call)
            fault = fault.clean(self.redactor)
            if len(finding.places) < PLACES and fault not in (each for _, each in finding.places):
                finding.places.append((call, fault))

    @property
    def broken(self) -> bool:
        """Whether a rule of severity `error` was broken."""
        return any(finding.rule.severity == ERROR for finding in self)


def summary(findings: Iterable[Finding]) -> str:
    """`2 errors, 1 notice`, "" if nothing was found."""
    severities = [finding.rule.severity for finding in findings]
    counts = ((severities.count(name), name) for name in SEVERITIES)
    return ", ".join(f"{count} {name}{'s' if count > 1 else ''}" for count, name in counts if count)


def advice(error: HarnessError) -> list[str]:
    """What Fivetran does after the error that ended a command, and what to do about it."""
    if not isinstance(error, ProtocolBroken):
        return [f"→ {error.todo}"] if error.todo else []
    rule = RULES[error.rule]
    return [f"Fivetran {rule.fivetran}", f"→ {error.todo or rule.fix}"]
