"""azure-functions-doctor, a public rule set for Functions projects, has nothing against a bake."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from azure_functions_doctor.doctor import Doctor
from publish.conftest import GENERATED, Bake
from template.test_pairs import covering

ROOMS = ("connector", "harness")
# Whether these warn depends on the machine: a virtual environment, Core Tools.
OF_THE_MACHINE = {"check_venv", "check_func_cli", "check_func_core_tools_version"}


def diagnose(project: Path, version: str, plan: str | None = None) -> dict[str, str]:
    """Each rule that neither passed nor was skipped: "warn" or "fail"."""
    doctor = Doctor(str(project), profile="full", target_python=version, hosting_plan=plan)
    items = [item for section in doctor.run_all_checks() for item in section["items"]]
    assert len(items) > 30
    return {
        str(item["rule_id"]): str(item["status"])
        for item in items
        if item["status"] not in ("pass", "skip")
    }


def test_warnings_are_those_that_the_docs_explain(bake: Bake) -> None:
    """A whole project fails no rule, and docs/checks.md has a reason for each that warns."""
    page = (GENERATED / "docs" / "checks.md").read_text(encoding="utf-8")
    explained = {
        rule
        for line in page.splitlines()
        if line.startswith("| `")
        for rule in re.findall(r"`(check_\w+)`", line.split("|")[1])
    }
    found = diagnose(bake(), "3.13")
    assert set(found.values()) <= {"warn"}
    assert set(found) | OF_THE_MACHINE == explained


@pytest.mark.parametrize("answers", covering(), ids=lambda answers: "-".join(answers.values()))
def test_no_answer_adds_a_warning(bake: Bake, tmp_path: Path, answers: dict[str, str]) -> None:
    """Every pair of answers, on the hosting plan for new apps; the rooms are in each the same."""
    project = tmp_path / "project"
    shutil.copytree(bake(**answers), project, ignore=shutil.ignore_patterns(*ROOMS))
    found = diagnose(project, answers["python_version"], "flex-consumption")
    assert set(found.values()) <= {"warn"}
    assert set(found) - OF_THE_MACHINE == {"check_app_insights"}
