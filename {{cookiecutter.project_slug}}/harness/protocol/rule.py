"""One rule, one fault, and the registry that all rules are in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

ERROR, WARNING, NOTICE = "error", "warning", "notice"
SEVERITIES = {
    ERROR: "Fivetran cannot use it, or data is lost or wrong",
    WARNING: "it works today and is likely to cause trouble",
    NOTICE: "good to know",
}
Check = TypeVar("Check", bound=Callable[..., Any])


@dataclass(frozen=True)
class Rule:
    """One rule of the protocol.

    Attributes:
        id: Stable name, for searching and for `--json`.
        severity: `error`, `warning` or `notice`.
        title: What is wrong when the rule is broken.
        fivetran: What Fivetran does then; follows the word "Fivetran".
        fix: What to do about it.
    """

    id: str
    severity: str
    title: str
    fivetran: str
    fix: str


@dataclass(frozen=True)
class Fault:
    """One place where a rule is broken.

    Attributes:
        rule: Id of the rule.
        what: What is wrong there, in one sentence.
        part: Field of the reply: `insert`, `delete`, `state`, …; "" for all of it.
        entity: The entity, "" where it is about none.
        record: Index of the record in its list, from 0.
        row: The offending record as JSON text, shortened and redacted; "" where there is none.
        todo: What to do, where more is known than the rule's `fix`.
    """

    rule: str
    what: str
    part: str = ""
    entity: str = ""
    record: int | None = None
    row: str = ""
    todo: str = ""

    @property
    def where(self) -> str:
        """The place in the reply: `insert.order[17]`, "" for all of it."""
        place = ".".join(filter(None, (self.part, self.entity)))
        return place if self.record is None else f"{place}[{self.record}]"

    @property
    def severity(self) -> str:
        """The severity of its rule."""
        return RULES[self.rule].severity


RULES: dict[str, Rule] = {}  # complete once harness.protocol.rules is imported


def rule(id: str, severity: str, title: str, fivetran: str, fix: str) -> Callable[[Check], Check]:
    """Registers a rule; decorates the function that finds where it is broken.

    A function that finds several rules has several decorators.
    """
    RULES[id] = Rule(id, severity, title, fivetran, fix)
    return lambda check: check


def sentence(text: str) -> str:
    """The text with a capital at its beginning, unless a name of code stands there (hasMore)."""
    first = text.partition(" ")[0]
    return text[0].upper() + text[1:] if first.isalpha() and first.islower() else text
