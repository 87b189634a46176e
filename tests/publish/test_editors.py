"""The editor's files: F5 works as in Microsoft's template, the container has what it needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from publish.conftest import Bake


def read(path: Path) -> Any:
    """A JSON file without comments."""
    return json.loads(path.read_text(encoding="utf-8"))


def test_f5_starts_the_functions_host(bake: Bake) -> None:
    """The first launch configuration starts Core Tools and attaches to the port they open."""
    editor = bake() / ".vscode"
    first = read(editor / "launch.json")["configurations"][0]
    assert (first["type"], first["request"], first["connect"]["port"]) == (
        "debugpy",
        "attach",
        9091,
    )
    tasks = {task["label"]: task for task in read(editor / "tasks.json")["tasks"]}
    start = tasks[first["preLaunchTask"]]
    assert (start["type"], start["command"], start["isBackground"]) == ("func", "host start", True)
    assert start["problemMatcher"] == "$func-python-watch"  # says when the host is up
    install = tasks[start["dependsOn"]]
    for system, python in (
        ("linux", "/bin/python"),
        ("osx", "/bin/python"),
        ("windows", "\\Scripts\\python"),
    ):
        assert install[system]["command"] == (
            f"${{config:azureFunctions.pythonVenv}}{python} -m pip install -r requirements.txt"
        )


def test_the_extension_knows_what_kind_of_project_it_is(bake: Bake) -> None:
    """Python in its second model; Azure builds what it deploys, and no storage is emulated."""
    settings = read(bake() / ".vscode" / "settings.json")
    prefix = "azureFunctions."
    of_the_extension = {name: value for name, value in settings.items() if name.startswith(prefix)}
    assert of_the_extension == {
        f"{prefix}deploySubpath": ".",
        f"{prefix}projectLanguage": "Python",
        f"{prefix}projectLanguageModel": 2,
        f"{prefix}projectRuntime": "~4",
        f"{prefix}pythonVenv": ".venv",
        f"{prefix}scmDoBuildDuringDeployment": True,
        f"{prefix}validateEmulators": False,
    }


def test_the_settings_name_the_environment_of_the_tasks(bake: Bake) -> None:
    """The virtual environment that tasks install into is the one that the container makes."""
    project = bake()
    venv = read(project / ".vscode" / "settings.json")["azureFunctions.pythonVenv"]
    container = read(project / ".devcontainer" / "devcontainer.json")
    assert f"python -m venv {venv} " in container["postCreateCommand"]
    assert set(container["customizations"]["vscode"]["extensions"]) == set(
        read(project / ".vscode" / "extensions.json")["recommendations"]
    )


def test_the_container_has_the_python_that_was_chosen(bake: Bake) -> None:
    """The image is the one of the version, so the tests run on what Azure will run."""
    image = read(bake(python_version="3.12") / ".devcontainer" / "devcontainer.json")["image"]
    assert image == "mcr.microsoft.com/devcontainers/python:3.12"


def test_the_container_has_each_tool_of_the_guide(bake: Bake) -> None:
    """az and azd as features; Core Tools by npm, which is one too, and a port to reach them by."""
    container = read(bake() / ".devcontainer" / "devcontainer.json")
    features = {name.rpartition(":")[0].rpartition("/")[2] for name in container["features"]}
    assert features == {"azd", "azure-cli", "node"}
    commands = container["postCreateCommand"].split(" && ")
    assert "npm install --global azure-functions-core-tools@4" in commands
    assert ".venv/bin/pip install -r requirements-dev.txt" in commands
    assert container["forwardPorts"] == [7071]


def test_the_harness_can_be_debugged(bake: Bake) -> None:
    """The other configurations run commands that the harness has."""
    launch = read(bake() / ".vscode" / "launch.json")["configurations"][1:]
    assert [entry["args"] for entry in launch] == [["sync", "--sample"], ["sync"]]
    assert {entry["module"] for entry in launch} == {"harness"}
