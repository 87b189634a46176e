# Owned by fivetran-azfn-template: updates replace this file.
"""How a run ends: its findings on the screen and its exit code; it judges nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from harness.errors import HarnessError, ProtocolBroken
from harness.findings import Finding
from harness.judge import Judge
from harness.rules import ERROR, NOTICE, SEVERITIES, WARNING
from harness.screen import Screen, counted

_STYLES = {ERROR: "red", WARNING: "yellow", NOTICE: "cyan"}


def conclude(
    screen: Screen, judge: Judge, result: dict[str, Any], error: HarnessError | None = None
) -> int:
    """Show what was found, and put it and the exit code into the result.

    Args:
        screen: Where it shows.
        judge: Who heard the run.
        result: What `--json` writes.
        error: What ended the run; it is shown by itself.

    Returns:
        The exit code: 2 where a rule whose breach is an error was broken, also beside an error
        that the function reported; 0 where there are warnings and notices alone.
    """
    if error:
        judge.stopped(error)
    code = error.exit_code if error else 0
    if judge.findings.broken:
        code = max(code, ProtocolBroken.exit_code)
    result |= {"ok": code == 0, "exit_code": code}
    if judge.calls:
        result["findings"] = judge.findings.as_json()
        _show(screen, judge.findings, error.rule if isinstance(error, ProtocolBroken) else None)
    return code


def _show(screen: Screen, findings: Iterable[Finding], besides: str | None) -> None:
    shown = [finding for finding in findings if finding.count > 1 or finding.rule.id != besides]
    if not shown:
        return
    numbers = Counter(finding.rule.severity for finding in shown)
    listed = ", ".join(counted(numbers[name], name) for name in SEVERITIES if numbers[name])
    screen.say(f"\nfindings: {listed}; each rule is explained in harness/RULES.md", "bold")
    for finding in shown:
        rule = finding.rule
        screen.say(f"{rule.severity} {rule.id}: {rule.title}", _STYLES[rule.severity])
        for line in finding.lines():
            screen.say(f"    {line}")
        screen.say(f"    Fivetran {rule.fivetran}", "dim")
        screen.say(f"    → {rule.mend}", "cyan")
