"""The CI files, of a bake and of this repository: schemas, zizmor, when they publish and how."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from baked import ROOT, Bake, tool

GITHUB, PIPELINES = ".github/workflows/test.yml", "azure-pipelines.yml"
# The schema's patterns are no valid Unicode ones; `${{ if }}` is resolved before.
PLAIN = ("--data-transform", "azure-pipelines", "--regex-variant", "nonunicode")
TESTED = [
    "python -m pip install -r requirements-dev.txt",
    "ruff check",
    "ruff format --check",
    "mypy",
    "pytest",
    "python -m harness sync --sample",
]


def fits(kind: str, *arguments: str | Path) -> None:
    """check-jsonschema's copy of the published schema takes the file."""
    tool(ROOT, "check-jsonschema", "--builtin-schema", f"vendor.{kind}", *map(str, arguments))


def read(path: Path) -> Any:
    """A YAML file, each scalar as it is written."""
    return yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)


def steps_of(job: Any) -> list[str]:
    """Actions and tasks of a job, without their versions."""
    return [step.get("uses", step.get("task", "")).partition("@")[0] for step in job["steps"]]


def test_the_files_are_of_their_kind_and_ask_for_no_secret(bake: Bake) -> None:
    """zizmor finds nothing, not even what its pedantic persona calls a smell."""
    pipeline, workflow = bake(ci="azure_pipelines") / PIPELINES, bake(ci="github") / GITHUB
    fits("azure-pipelines", *PLAIN, pipeline)
    for file in (workflow, ROOT / GITHUB):
        fits("github-workflows", file)
        shown = tool(ROOT, "zizmor", "--offline", "--persona", "pedantic", str(file))
        assert "No findings to report" in shown
        uses = re.findall(r"uses: (.*)", file.read_text(encoding="utf-8"))
        assert uses
        assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use) for use in uses)
    for file in (workflow, pipeline):
        for word in ("secrets.", "publish-profile", "creds:", "password", "client-secret"):
            assert word not in file.read_text(encoding="utf-8")


def test_both_test_the_same_on_each_push_and_request(bake: Bake) -> None:
    """Everything that is to pass before a deployment."""
    workflow = read(bake(ci="github") / GITHUB)
    pipeline = read(bake(ci="azure_pipelines") / PIPELINES)
    for key, job in (("run", workflow["jobs"]["test"]), ("script", pipeline["jobs"][0])):
        assert [step[key] for step in job["steps"] if key in step] == TESTED
    assert workflow["on"] == {"push": {"branches": ["main"]}, "pull_request": ""}
    assert (pipeline["trigger"], pipeline["pr"]) == (["main"], ["main"])


def test_github_publishes_what_is_pushed_and_has_passed(bake: Bake) -> None:
    """With no rights but its own, signed in as the identity that the guide makes Azure trust."""
    project = bake(ci="github")
    workflow = read(project / GITHUB)
    test, deploy = workflow["jobs"]["test"], workflow["jobs"]["deploy"]
    assert deploy["needs"] == "test"
    assert deploy["if"] == "github.event_name == 'push' && vars.AZURE_FUNCTION_APP != ''"
    assert (workflow["permissions"], test["permissions"]) == ({}, {"contents": "read"})
    assert deploy["permissions"] == {"contents": "read", "id-token": "write"}
    page = (project / "docs" / "deploy.md").read_text(encoding="utf-8")
    assert f"--subject SUBJECT:environment:{deploy['environment']} " in page
    assert steps_of(deploy) == ["actions/checkout", "Azure/login", "Azure/functions-action"]
    assert deploy["steps"][-1]["with"] == {
        "app-name": "${{ vars.AZURE_FUNCTION_APP }}",
        "respect-funcignore": "true",  # off unless asked for, as is the build at Azure
        "remote-build": "true",
    }


def test_pipelines_publishes_what_is_pushed_and_has_passed(bake: Bake) -> None:
    """With Core Tools of its own: the agent has none, and they cannot see the language."""
    test, conditional = read(bake(ci="azure_pipelines") / PIPELINES)["jobs"]
    ((condition, (deploy,)),) = conditional.items()
    assert condition == (
        "${{ if and(ne(variables.functionApp, ''), "
        "eq(variables['Build.SourceBranch'], 'refs/heads/main')) }}"
    )
    assert deploy["dependsOn"] == test["job"]
    assert steps_of(deploy) == ["", "FuncToolsInstaller", "AzureCLI"]
    script = deploy["steps"][-1]["inputs"]["inlineScript"]
    assert script == 'func azure functionapp publish "$(functionApp)" --python'


def test_the_template_s_own_workflow_runs_on_every_system_and_python() -> None:
    workflow = read(ROOT / GITHUB)
    assert workflow["permissions"] == {}
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    done = workflow["jobs"]["all-is-well"]
    assert (done["if"], set(done["needs"])) == ("always()", set(workflow["jobs"]) - {"all-is-well"})


@pytest.mark.parametrize(
    ("name", "kind"), [("bug", "forms"), ("feature", "forms"), ("config", "config")]
)
def test_issue_forms_are_forms(name: str, kind: str) -> None:
    fits(f"github-issue-{kind}", ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml")
