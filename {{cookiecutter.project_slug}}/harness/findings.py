# Owned by fivetran-azfn-template: updates replace this file.
"""What a run broke, counted, with the first places of each rule; it judges nothing itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.rules import ERROR, RULES, SEVERITIES, Rule

PLACES = 3  # of each rule are kept


@dataclass(frozen=True)
class Fault:
    """One breach of a rule in one reply.

    Attributes:
        rule: Id of the rule.
        what: What was found, in one sentence.
        part: `insert` or `delete`, "" where it is no record's.
        entity: The entity, "" where it is none's.
        record: Index of the record in its list, from 0.
        key: The record's primary key, where it has one.
        trace: Text of the exception that the function did not catch.
    """

    rule: str
    what: str
    part: str = ""
    entity: str = ""
    record: int | None = None
    key: Mapping[str, Any] | None = None
    trace: str | None = None

    @property
    def where(self) -> str:
        """The place in the reply: `insert.transaction[17] (id 42)`, "" for the whole reply."""
        place = ".".join(filter(None, (self.part, self.entity)))
        if self.record is not None:
            place += f"[{self.record}]"
        if self.key:
            place += f" ({', '.join(f'{name} {value}' for name, value in self.key.items())})"
        return place


@dataclass
class Finding:
    """A rule that was broken.

    Attributes:
        rule: The rule.
        count: How often.
        places: The number of the call, from 1, and the fault; the first three.
    """

    rule: Rule
    count: int = 0
    places: list[tuple[int, Fault]] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """The places, and how many there are besides."""
        for call, fault in self.places:
            yield ", ".join(filter(None, (f"call {call}", fault.where))) + f": {fault.what}"
        if self.count > len(self.places):
            yield f"and {self.count - len(self.places):,} more"


class Findings:
    """All rules that a run broke."""

    def __init__(self) -> None:
        self._found: dict[str, Finding] = {}
        self._last: dict[str, int] = {}

    def __iter__(self) -> Iterator[Finding]:
        """Errors first, then warnings, then notices; in the order of the list of rules."""
        for severity in SEVERITIES:
            for name, rule in RULES.items():
                if rule.severity == severity and name in self._found:
                    yield self._found[name]

    def add(self, call: int, fault: Fault) -> None:
        """Count a fault in the reply of a call."""
        finding = self._found.setdefault(fault.rule, Finding(RULES[fault.rule]))
        finding.count += 1
        if len(finding.places) < PLACES:
            finding.places.append((call, fault))
        self._last[fault.rule] = call

    def has(self, call: int, rule: str) -> bool:
        """Whether the rule was broken in this call, if it is the last one so far."""
        return self._last.get(rule) == call

    @property
    def broken(self) -> bool:
        """Whether a rule whose breach is an error was broken."""
        return any(finding.rule.severity == ERROR for finding in self)

    def as_json(self) -> list[dict[str, Any]]:
        """What `--json` writes; secrets are still in it."""
        return [
            {
                "rule": finding.rule.id,
                "severity": finding.rule.severity,
                "title": finding.rule.title,
                "fivetran": finding.rule.fivetran,
                "mend": finding.rule.mend,
                "count": finding.count,
                "places": [_place(call, fault) for call, fault in finding.places],
            }
            for finding in self
        ]


def _place(call: int, fault: Fault) -> dict[str, Any]:
    named = {
        "part": fault.part or None,
        "entity": fault.entity or None,
        "record": fault.record,
        "key": fault.key,
    }
    return {
        "call": call,
        **{name: value for name, value in named.items() if value is not None},
        "what": fault.what,
    }
