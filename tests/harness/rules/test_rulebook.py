"""RULES.md says what the code does."""

from __future__ import annotations

import ast
import json
from pathlib import Path

from harness import rulebook
from harness.rules import RULES, SEVERITIES

HARNESS = Path(rulebook.__file__).parent


def named() -> set[str]:
    """The ids of rules that the code and the schema break."""
    found = set()
    for path in HARNESS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            named = [word.value for word in node.keywords if word.arg == "rule"]
            if isinstance(node.func, ast.Name) and node.func.id in ("Fault", "fault"):
                named += node.args[:1]
            found |= {value.value for value in named if isinstance(value, ast.Constant)}
    text = json.loads(
        (HARNESS / "schema" / "reply.json").read_text(encoding="utf-8"),
        object_hook=lambda part: found.add(part["rule"]) or part if "rule" in part else part,
    )
    assert text
    return {str(rule) for rule in found}


def test_the_page_is_the_list() -> None:
    assert rulebook.FILE.read_text(encoding="utf-8") == rulebook.page(), (
        "run `python -m harness.rulebook` in the project's folder"
    )


def test_every_rule_of_the_list_is_looked_for_and_no_other() -> None:
    assert named() == RULES.keys()


def test_every_rule_says_what_fivetran_would_do_and_how_to_mend_it() -> None:
    for rule in RULES.values():
        assert rule.severity in SEVERITIES
        for text in (rule.title, rule.fivetran, rule.mend):
            assert text and not text.endswith(".") and text[0] == text[0].lower()
