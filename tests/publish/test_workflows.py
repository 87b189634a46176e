"""The CI files: schemas, zizmor, and what they test, when they publish and with which rights."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from publish.conftest import Bake

SCHEMAS = {
    "github": (["--builtin-schema", "vendor.github-workflows"], ".github/workflows/test.yml"),
    "azure_pipelines": (
        # The schema's patterns are no valid Unicode ones; `${{ if }}` is resolved before.
        [
            *("--builtin-schema", "vendor.azure-pipelines"),
            *("--data-transform", "azure-pipelines", "--regex-variant", "nonunicode"),
        ],
        "azure-pipelines.yml",
    ),
}
# Inputs of each action at the commit of its version (its action.yml), and of each task (task.json
# in microsoft/azure-pipelines-tasks).
KNOWN = json.loads(Path(__file__).with_name("actions.json").read_text(encoding="utf-8"))
TESTED = [
    "python -m pip install -r requirements-dev.txt",
    "ruff check",
    "ruff format --check",
    "mypy",
    "pytest",
    "python -m harness sync --sample",
]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a tool of this environment."""
    return subprocess.run(
        [str(Path(sys.executable).with_name(command[0])), *command[1:]],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def text(project: Path, ci: str) -> str:
    """The CI file of a project."""
    return (project / SCHEMAS[ci][1]).read_text(encoding="utf-8")


@pytest.fixture
def workflow(bake: Bake) -> Any:
    """GitHub's file, each scalar as it is written."""
    return yaml.load(text(bake(ci="github"), "github"), yaml.BaseLoader)


@pytest.fixture
def pipeline(bake: Bake) -> Any:
    """Azure Pipelines' file, likewise."""
    return yaml.load(text(bake(ci="azure_pipelines"), "azure_pipelines"), yaml.BaseLoader)


def jobs_of(pipeline: Any) -> tuple[Any, str, Any]:
    """The pipeline's test job, its condition, and the job that stands under it."""
    test, conditional = pipeline["jobs"]
    ((condition, (deploy,)),) = conditional.items()
    return test, re.sub(r"^\$\{\{ if (.*) \}\}$", r"\1", condition), deploy


def steps_of(job: Any) -> dict[str, Any]:
    """What a job's actions or tasks are given, by their names."""
    steps = job["steps"]
    actions = [step for step in steps if "uses" in step]
    tasks = [step for step in steps if "task" in step]
    return {step["uses"].partition("@")[0]: step.get("with", {}) for step in actions} | {
        step["task"]: step.get("inputs", {}) for step in tasks
    }


@pytest.mark.parametrize("ci", SCHEMAS)
def test_the_file_is_of_its_kind(bake: Bake, ci: str) -> None:
    """check-jsonschema's copy of the published schema takes it."""
    options, name = SCHEMAS[ci]
    done = run("check-jsonschema", *options, str(bake(ci=ci) / name))
    assert done.returncode == 0, done.stdout


def test_zizmor_finds_nothing(bake: Bake) -> None:
    """Not even what its pedantic persona calls a smell."""
    done = run("zizmor", "--offline", "--persona", "pedantic", str(bake(ci="github")))
    assert done.returncode == 0, done.stdout
    assert "No findings to report" in done.stdout


@pytest.mark.parametrize("ci", SCHEMAS)
def test_nothing_secret_is_asked_for(bake: Bake, ci: str) -> None:
    """Deploying needs an identity that Azure trusts, and no secret, key or publish profile."""
    for word in ("secrets.", "publish-profile", "creds:", "password", "client-secret"):
        assert word not in text(bake(ci=ci), ci)


def test_an_action_is_the_commit_of_its_version(bake: Bake) -> None:
    """Each that is used, with the version in a comment, is one that was looked up."""
    pins = re.findall(r"uses: (\S+)@(\S+) # (\S+)$", text(bake(ci="github"), "github"), re.M)
    known = KNOWN["github"]
    assert set(pins) == {(name, one["sha"], one["version"]) for name, one in known.items()}


def test_each_step_gets_inputs_that_it_has(workflow: Any, pipeline: Any) -> None:
    """All that it cannot do without are given; GitHub only warns of one that it does not know."""
    test, _, deploy = jobs_of(pipeline)
    seen = {"github": workflow["jobs"].values(), "azure_pipelines": (test, deploy)}
    for ci, jobs in seen.items():
        for job in jobs:
            for name, given in steps_of(job).items():
                required = set(KNOWN[ci][name]["required"])
                assert required <= set(given) <= required | set(KNOWN[ci][name]["optional"]), name


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_both_test_the_same_on_the_apps_version(bake: Bake, version: str) -> None:
    """Everything that is to pass before a deployment, on each push to main and each request."""
    files = [
        yaml.load(text(bake(ci=ci, python_version=version), ci), yaml.BaseLoader) for ci in SCHEMAS
    ]
    workflow, pipeline = files
    steps = [*workflow["jobs"]["test"]["steps"]]
    assert [step["run"] for step in steps if "run" in step] == TESTED
    assert steps_of(workflow["jobs"]["test"])["actions/setup-python"]["python-version"] == version
    test, _, _ = jobs_of(pipeline)
    assert [step["script"] for step in test["steps"] if "script" in step] == TESTED
    assert steps_of(test)["UsePythonVersion@0"] == {"versionSpec": version}
    assert workflow["on"] == {"push": {"branches": ["main"]}, "pull_request": ""}
    assert (pipeline["trigger"], pipeline["pr"]) == (["main"], ["main"])


def test_github_publishes_what_is_pushed_and_has_passed(workflow: Any) -> None:
    """Never a pull request, nothing before the tests, nothing while it knows no app."""
    deploy = workflow["jobs"]["deploy"]
    assert deploy["needs"] == "test"
    condition = deploy["if"].replace("&&", "and").replace("||", "or")

    def runs(event: str, app: str) -> Any:
        values = {"github.event_name": event, "vars.AZURE_FUNCTION_APP": app}
        return eval(re.sub(r"\w+\.\w+", lambda name: repr(values[name[0]]), condition))

    assert runs("push", "func-1")
    assert not any((runs("push", ""), runs("pull_request", "func-1"), runs("schedule", "func-1")))


def test_github_signs_in_as_what_the_guide_makes_azure_trust(bake: Bake, workflow: Any) -> None:
    """With no more rights than that takes, from the environment that the subject ends in."""
    jobs = workflow["jobs"]
    assert workflow["permissions"] == {}
    assert jobs["test"]["permissions"] == {"contents": "read"}
    assert jobs["deploy"]["permissions"] == {"contents": "read", "id-token": "write"}
    page = (bake(ci="github") / "docs" / "deploy.md").read_text(encoding="utf-8")
    assert f"--subject SUBJECT:environment:{jobs['deploy']['environment']} " in page
    names = {"client-id": "CLIENT", "tenant-id": "TENANT", "subscription-id": "SUBSCRIPTION"}
    assert steps_of(jobs["deploy"])["Azure/login"] == {
        key: f"${{{{ vars.AZURE_{name}_ID }}}}" for key, name in names.items()
    }


def test_github_publishes_without_the_ignored_files_and_has_azure_build(workflow: Any) -> None:
    """Both are off in the action unless asked for."""
    *before, last = workflow["jobs"]["deploy"]["steps"]
    assert [step["uses"].partition("@")[0] for step in before] == [
        "actions/checkout",
        "Azure/login",
    ]
    assert last["uses"].startswith("Azure/functions-action@")
    assert last["with"] == {
        "app-name": "${{ vars.AZURE_FUNCTION_APP }}",
        "respect-funcignore": "true",
        "remote-build": "true",
    }


def test_pipelines_publishes_what_is_pushed_and_has_passed(pipeline: Any) -> None:
    """The same rule, in their language: a pull request's branch is refs/pull/…"""
    test, condition, deploy = jobs_of(pipeline)
    assert deploy["dependsOn"] == test["job"]
    functions = {
        "all_of": lambda *parts: all(parts),
        "any_of": lambda *parts: any(parts),
        "eq": lambda one, other: one == other,
        "ne": lambda one, other: one != other,
    }
    condition = re.sub(r"\band\(", "all_of(", re.sub(r"\bor\(", "any_of(", condition))
    condition = re.sub(r"variables\.(\w+)", r"variables['\1']", condition)

    def runs(branch: str, app: str) -> Any:
        variables = {"Build.SourceBranch": branch, "functionApp": app}
        return eval(condition, {**functions, "variables": variables})

    main = "refs/heads/main"
    assert runs(main, "func-1")
    assert not any((runs(main, ""), runs("refs/pull/7/merge", "func-1"), runs("refs/heads/x", "a")))


def test_pipelines_publishes_with_core_tools_of_its_own(pipeline: Any) -> None:
    """The agent has none, and they have no local.settings.json to see the language from."""
    assert pipeline["variables"] == {"serviceConnection": "", "functionApp": ""}
    checkout, tools, publish = jobs_of(pipeline)[2]["steps"]
    assert checkout == {"checkout": "self", "persistCredentials": "false"}
    assert tools["task"] == "FuncToolsInstaller@0"
    assert publish["task"] == "AzureCLI@2"
    assert publish["inputs"] == {
        "azureSubscription": "${{ variables.serviceConnection }}",
        "scriptType": "bash",
        "scriptLocation": "inlineScript",
        "inlineScript": 'func azure functionapp publish "$(functionApp)" --python',
    }
