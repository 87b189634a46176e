"""The CI files, of a bake and of this repository: schemas, zizmor, when they publish and how."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from publish.conftest import ROOT, Bake

FILES = {"github": ".github/workflows/test.yml", "azure_pipelines": "azure-pipelines.yml"}
SCHEMAS = {
    "github": ["--builtin-schema", "vendor.github-workflows"],
    # The schema's patterns are no valid Unicode ones; `${{ if }}` is resolved before.
    "azure_pipelines": [
        *("--builtin-schema", "vendor.azure-pipelines"),
        *("--data-transform", "azure-pipelines", "--regex-variant", "nonunicode"),
    ],
}
TESTED = [
    "python -m pip install -r requirements-dev.txt",
    "ruff check",
    "ruff format --check",
    "mypy",
    "pytest",
    "python -m harness sync --sample",
]


def run(tool: str, *arguments: str) -> str:
    """What a tool of this environment prints, once it succeeds."""
    command = [str(Path(sys.executable).with_name(tool)), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read(path: Path) -> Any:
    """A YAML file, each scalar as it is written."""
    return yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)


def steps_of(job: Any) -> list[str]:
    """Actions and tasks of a job, without their versions."""
    return [step.get("uses", step.get("task", "")).partition("@")[0] for step in job["steps"]]


@pytest.mark.parametrize("ci", FILES)
def test_the_file_is_of_its_kind_and_asks_for_no_secret(bake: Bake, ci: str) -> None:
    """check-jsonschema's copy of the published schema takes it."""
    file = bake(ci=ci) / FILES[ci]
    run("check-jsonschema", *SCHEMAS[ci], str(file))
    for word in ("secrets.", "publish-profile", "creds:", "password", "client-secret"):
        assert word not in file.read_text(encoding="utf-8")


def test_zizmor_finds_nothing(bake: Bake) -> None:
    """Not even what its pedantic persona calls a smell."""
    for root in (bake(ci="github"), ROOT):
        shown = run("zizmor", "--offline", "--persona", "pedantic", str(root / FILES["github"]))
        assert "No findings to report" in shown


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_both_test_the_same_on_the_apps_version(bake: Bake, version: str) -> None:
    """Everything that is to pass before a deployment, on each push to main and each request."""
    workflow, pipeline = (
        read(bake(ci=ci, python_version=version) / file) for ci, file in FILES.items()
    )
    steps = workflow["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == TESTED
    assert version in [step.get("with", {}).get("python-version") for step in steps]
    steps = pipeline["jobs"][0]["steps"]
    assert [step["script"] for step in steps if "script" in step] == TESTED
    assert {"versionSpec": version} in [step.get("inputs") for step in steps]
    assert workflow["on"] == {"push": {"branches": ["main"]}, "pull_request": ""}
    assert (pipeline["trigger"], pipeline["pr"]) == (["main"], ["main"])


def test_github_publishes_what_is_pushed_and_has_passed(bake: Bake) -> None:
    """With no rights but its own, signed in as the identity that the guide makes Azure trust."""
    project = bake(ci="github")
    workflow = read(project / FILES["github"])
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
    pipeline = read(bake(ci="azure_pipelines") / FILES["azure_pipelines"])
    test, conditional = pipeline["jobs"]
    ((condition, (deploy,)),) = conditional.items()
    assert condition == (
        "${{ if and(ne(variables.functionApp, ''), "
        "eq(variables['Build.SourceBranch'], 'refs/heads/main')) }}"
    )
    assert deploy["dependsOn"] == test["job"]
    assert steps_of(deploy) == ["", "FuncToolsInstaller", "AzureCLI"]
    script = deploy["steps"][-1]["inputs"]["inlineScript"]
    assert script == 'func azure functionapp publish "$(functionApp)" --python'


# ---- this repository's


def test_the_template_s_own_workflow_is_one_with_pinned_actions() -> None:
    file = ROOT / FILES["github"]
    run("check-jsonschema", *SCHEMAS["github"], str(file))
    uses = re.findall(r"uses: (.*)", file.read_text(encoding="utf-8"))
    assert uses and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use) for use in uses)
    workflow = read(file)
    assert workflow["permissions"] == {}
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    done = workflow["jobs"]["all-is-well"]
    assert (done["if"], set(done["needs"])) == ("always()", set(workflow["jobs"]) - {"all-is-well"})


def test_issue_forms_are_forms() -> None:
    folder = ROOT / ".github" / "ISSUE_TEMPLATE"
    forms = [str(folder / name) for name in ("bug.yml", "feature.yml")]
    run("check-jsonschema", "--builtin-schema", "vendor.github-issue-forms", *forms)
    config = str(folder / "config.yml")
    run("check-jsonschema", "--builtin-schema", "vendor.github-issue-config", config)
