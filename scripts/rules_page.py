"""Writes harness/RULES.md from the registry of rules: `python scripts/rules_page.py`."""

from __future__ import annotations

import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "{{cookiecutter.project_slug}}"
PAGE = PROJECT / "harness" / "RULES.md"
HEAD = """\
# Rules of the function protocol

`python -m harness test`, `peek`, `sync` and `resync` check every reply of a function against these
rules, whatever language it is written in, and show at the end which were broken: how often, and the
first three places of each that differ. With `--json` they are in `findings`.

A broken rule of severity error makes the command end with exit code 2; warnings and notices do not
change the exit code. The shape of a request and a reply is in `protocol/schema/request.json` and
`protocol/schema/reply.json`, as JSON Schema; the other rules look at a whole run.
"""


def page() -> str:
    """RULES.md as Markdown."""
    sys.path.insert(0, str(PROJECT))
    from harness.protocol.rules import RULES, SEVERITIES

    parts = [HEAD]
    for severity, meaning in SEVERITIES.items():
        parts.append(f"## {severity.capitalize()}s: {meaning}\n")
        for rule in RULES.values():
            if rule.severity == severity:
                parts.append(
                    f"### {rule.id}\n\nWrong: {rule.title}.\n\n"
                    f"- Fivetran {rule.fivetran}.\n- Fix: {rule.fix}.\n"
                )
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
