# Owned by fivetran-azfn-template: updates replace this file.
"""RULES.md, the list of rules as a page; `python -m harness.rulebook` writes it anew."""

from __future__ import annotations

from pathlib import Path

from harness.findings import PLACES
from harness.rules import RULES, SEVERITIES, Rule

FILE = Path(__file__).with_name("RULES.md")
_HEAD = f"""\
<!-- Owned by fivetran-azfn-template: updates replace this file. -->
# Rules of the function protocol

`python -m harness test`, `peek`, `sync` and `resync` hold every reply of a function against these
rules, whatever language it is written in, and show at the end which were broken: how often, and the
first {PLACES} places of each. With `--json` they stand in `findings`.

A broken rule that is an error makes the command end with exit code 2; warnings and notices do not
change the exit code. What a reply may look like is written down in `schema/request.json` and
`schema/reply.json`, as JSON Schema; the other rules need the memory of a whole run.
"""


def page() -> str:
    """The page as Markdown."""
    parts = [_HEAD]
    for severity, meaning in SEVERITIES.items():
        rules = [rule for rule in RULES.values() if rule.severity == severity]
        parts.append(f"## {severity.capitalize()}s: {meaning}\n")
        parts += map(_entry, rules)
    return "\n".join(parts)


def _entry(rule: Rule) -> str:
    title = rule.title[0].upper() + rule.title[1:]
    mend = rule.mend[0].upper() + rule.mend[1:]
    return f"### {rule.id}\n\n{title}.\n\n- Fivetran {rule.fivetran}.\n- {mend}.\n"


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8", newline="\n")
