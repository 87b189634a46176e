"""What a run broke, counted per rule; the terminal, --json and the report show it from here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.errors import HarnessError, ProtocolBroken
from harness.protocol.rule import ERROR, RULES, SEVERITIES, Fault, Rule

PLACES = 3  # of each rule are shown


@dataclass
class Finding:
    """A rule that was broken.

    Attributes:
        rule: The rule.
        count: How often it was broken.
        calls: Numbers of the calls in which it was.
        places: The first three that differ: number of the call, and the fault.
    """

    rule: Rule
    count: int = 0
    calls: list[int] = field(default_factory=list)
    places: list[tuple[int, Fault]] = field(default_factory=list)

    def lines(self) -> list[str]:
        """All there is to say besides the title: places, what Fivetran does, what to do."""
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


class Findings:
    """All rules that a run broke: errors first, then warnings, then notices."""

    def __init__(self) -> None:
        self._found: dict[str, Finding] = {}

    def __iter__(self) -> Iterator[Finding]:
        for severity in SEVERITIES:
            yield from (found for found in self._found.values() if found.rule.severity == severity)

    def add(self, call: int, fault: Fault) -> None:
        """Count a fault of a call; call 0 is the whole run."""
        finding = self._found.setdefault(fault.rule, Finding(RULES[fault.rule]))
        finding.count += 1
        if call not in finding.calls[-1:]:
            finding.calls.append(call)
        if len(finding.places) < PLACES and fault not in (known for _, known in finding.places):
            finding.places.append((call, fault))

    def stopped(self, call: int, error: HarnessError | None) -> None:
        """Count what ended the run in a call, where it is a rule not found in that call yet."""
        if isinstance(error, ProtocolBroken):
            found = self._found.get(error.rule)
            if not found or call not in found.calls:
                self.add(call, Fault(error.rule, str(error), todo=error.todo))

    @property
    def broken(self) -> bool:
        """Whether a rule of severity `error` was broken."""
        return any(finding.rule.severity == ERROR for finding in self)

    def as_json(self) -> list[dict[str, Any]]:
        """What `--json` writes."""
        return [
            {
                "rule": finding.rule.id,
                **{name: value for name, value in asdict(finding.rule).items() if name != "id"},
                "count": finding.count,
                "calls": finding.calls,
                "places": [_place(call, fault) for call, fault in finding.places],
            }
            for finding in self
        ]


def summary(findings: Iterable[Finding]) -> str:
    """`2 errors, 1 notice`, "" where nothing was found."""
    severities = [finding.rule.severity for finding in findings]
    counts = {name: severities.count(name) for name in SEVERITIES}
    return ", ".join(
        f"{count} {name}{'s' if count > 1 else ''}" for name, count in counts.items() if count
    )


def advice(error: HarnessError) -> list[str]:
    """What Fivetran does after the error that ended a command, and what to do about it."""
    if not isinstance(error, ProtocolBroken):
        return [f"→ {error.todo}"] if error.todo else []
    rule = RULES[error.rule]
    return [f"Fivetran {rule.fivetran}", f"→ {error.todo or rule.fix}"]


def _place(call: int, fault: Fault) -> dict[str, Any]:
    place = {"call": call or None, **asdict(fault)}
    del place["rule"]  # is in the finding
    return {name: value for name, value in place.items() if value not in ("", None)}
