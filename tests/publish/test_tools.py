"""Editors and checkers take the project as it is baked."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from azure_functions_doctor.doctor import Doctor
from publish.conftest import Bake

# Whether these warn depends on the machine: a virtual environment, Core Tools.
OF_THE_MACHINE = {"check_venv", "check_func_cli", "check_func_core_tools_version"}


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_f5_starts_the_functions_host(bake: Bake) -> None:
    """The first configuration starts Core Tools and attaches; the others run the harness."""
    editor = bake() / ".vscode"
    first, *others = read(editor / "launch.json")["configurations"]
    assert (first["type"], first["request"], first["connect"]["port"]) == (
        *("debugpy", "attach"),
        9091,
    )
    tasks = {task["label"]: task for task in read(editor / "tasks.json")["tasks"]}
    start = tasks[first["preLaunchTask"]]
    assert (start["type"], start["command"], start["isBackground"]) == ("func", "host start", True)
    assert start["problemMatcher"] == "$func-python-watch"  # says when the host is up
    assert "pip install -r requirements.txt" in tasks[start["dependsOn"]]["linux"]["command"]
    assert [entry["args"] for entry in others] == [["sync", "--sample"], ["sync"]]


def test_the_editor_searches_the_user_s_files_and_knows_the_kind_of_project(bake: Bake) -> None:
    settings = read(bake() / ".vscode" / "settings.json")
    assert settings["search.exclude"] == {"connector": True, "harness": True}
    assert settings["azureFunctions.projectLanguage"] == "Python"
    assert settings["azureFunctions.projectLanguageModel"] == 2


@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_the_doctor_warns_of_what_the_docs_explain(bake: Bake, version: str) -> None:
    """azure-functions-doctor, a public rule set, fails no rule."""
    project = bake(python_version=version)
    page = (project / "docs" / "deploy.md").read_text(encoding="utf-8")
    doctor = Doctor(str(project), profile="full", target_python=version)
    items = [item for section in doctor.run_all_checks() for item in section["items"]]
    found = {
        str(item["rule_id"]): str(item["status"])
        for item in items
        if item["status"] not in ("pass", "skip")
    }
    assert len(items) > 30 and set(found.values()) <= {"warn"}
    assert set(found) | OF_THE_MACHINE == set(re.findall(r"`(check_\w+)`", page))
