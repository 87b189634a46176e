"""Writes harness/RULES.md from the registry of rules: `python scripts/rules_page.py`."""

from __future__ import annotations

import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "{{cookiecutter.project_slug}}"
PAGE = PROJECT / "harness" / "RULES.md"
HEAD = """\
# Rules of the function protocol

`python -m harness test`, `peek`, `sync` and `resync` check every reply of a function against these
rules, whatever language the function is written in. At the end they list the broken rules: how
often each was broken, and the first three different places. `--json` writes them to `findings`.

A broken rule of severity error makes the command exit with code 2; warnings and notices do not
change the exit code. The shape of requests and replies is defined as JSON Schema in
[request.json](protocol/schema/request.json) and [reply.json](protocol/schema/reply.json).

"Not documented" means that Fivetran's documentation does not say what happens.
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
