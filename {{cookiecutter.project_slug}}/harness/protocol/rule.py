"""One rule, one fault, and the registry that all rules are in."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.redact import Redactor

ERROR, WARNING, NOTICE = "error", "warning", "notice"
SEVERITIES = {
    ERROR: "Fivetran cannot use it, or data is lost or wrong",
    WARNING: "it works today and is likely to cause trouble",
    NOTICE: "good to know",
}
_ROW, _WHAT = 200, 400  # characters that are shown


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
        row: The offending record as JSON text, "" where there is none.
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

    def clean(self, redactor: Redactor) -> Fault:
        """The same without secrets, and then shortened: half a secret would not be found."""
        return replace(
            self,
            what=_cut(redactor.text(self.what), _WHAT),
            part=redactor.text(self.part),
            entity=redactor.text(self.entity),
            row=_cut(redactor.text(self.row), _ROW),
        )


RULES: dict[str, Rule] = {}  # complete once harness.protocol.rules is imported


def rule(id: str, severity: str, title: str, fivetran: str, fix: str) -> None:
    """Registers a rule."""
    RULES[id] = Rule(id, severity, title, fivetran, fix)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest] + "…"
