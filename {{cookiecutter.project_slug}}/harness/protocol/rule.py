"""One rule, one fault, and the registry of all rules."""

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
    """One rule of the protocol."""

    id: str  # for searching, and in `--json`
    severity: str
    title: str  # what is wrong when the rule is broken
    fivetran: str  # what Fivetran does then; follows the word "Fivetran"
    fix: str


@dataclass(frozen=True)
class Fault:
    """One place where a rule is broken."""

    rule: str
    what: str  # in one sentence
    part: str = ""  # of the reply: insert, delete, state, …
    entity: str = ""
    record: int | None = None  # index in its list
    row: str = ""  # the offending record as JSON text
    todo: str = ""  # if more is known than the rule's `fix`

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
    """Register a rule; its check is in the same file."""
    RULES[id] = Rule(id, severity, title, fivetran, fix)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest] + "…"
