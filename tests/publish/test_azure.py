"""The way to Azure: what `azd up` takes, what F5 starts, and the pages that lead there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from azure_functions_doctor.doctor import Doctor
from baked import Bake
from connector.errors import MissingSetting
from connector.secrets import Settings
from harness.cli import app
from pycep import BicepParser

HARNESS = typer.main.get_group(app)
# Whether these warn depends on the machine: a virtual environment, Core Tools.
OF_THE_MACHINE = {"check_venv", "check_func_cli", "check_func_core_tools_version"}
# No key opens anything, and a Flex Consumption app must not have these settings.
FORBIDDEN = (
    *("listKeys", "AccountKey", "SharedAccessSignature"),
    *("FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_EXTENSION_VERSION"),
    *("SCM_DO_BUILD_DURING_DEPLOYMENT", "WEBSITE_RUN_FROM_PACKAGE"),
)


def text(project: Path, name: str = "docs/deploy.md") -> str:
    return (project / name).read_text(encoding="utf-8")


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


# ---- infra/


@pytest.mark.parametrize("auth", ["bearer", "basic", "none"])
def test_the_bicep_file_parses_and_opens_nothing_with_a_key(bake: Bake, auth: str) -> None:
    bicep = text(bake(auth=auth), "infra/main.bicep")
    assert BicepParser().parse(text=bicep)
    for line in ("allowSharedKeyAccess: false", "disableLocalAuth: true", "Rbac"):
        assert line in bicep
    assert [word for word in FORBIDDEN if word in bicep] == []


def test_azd_finds_the_service_and_knows_each_parameter(bake: Bake) -> None:
    """Its tag is azure.yaml's service; what has no default stands in main.parameters.json."""
    project = bake()
    bicep = text(project, "infra/main.bicep")
    (service,) = re.findall(r"^services:\n  (\w+):", text(project, "azure.yaml"), re.M)
    assert f"{{ 'azd-service-name': '{service}' }}" in bicep
    given = set(read(project / "infra" / "main.parameters.json")["parameters"])
    needed = set(re.findall(r"^param (\w+) \w+$", bicep, re.M))
    assert needed <= given <= set(re.findall(r"^param (\w+)", bicep, re.M))


def test_a_reference_that_azure_could_not_resolve_is_understood_by_the_runtime(bake: Bake) -> None:
    """What the file writes into the app settings is what the runtime looks for."""
    bicep = text(bake(), "infra/main.bicep")
    (written,) = re.findall(r"'(@Microsoft\.KeyVault\(.*\))'", bicep)
    settings = Settings("secret", {"api_token": written})
    with pytest.raises(MissingSetting, match="Key Vault reference that Azure could not resolve"):
        settings["api_token"]


@pytest.mark.parametrize("slug", ["acme", "Acme_Orders", "a", "x" * 60])
def test_any_folder_name_gives_azd_a_name(bake: Bake, slug: str) -> None:
    """azd takes lower-case letters, digits and hyphens, at both ends no hyphen."""
    (name,) = re.findall(r"^name: (.*)$", text(bake(project_slug=slug), "azure.yaml"), re.M)
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*[a-z0-9]", name)


# ---- the pages and tools


@pytest.mark.parametrize("ci", ["github", "azure_pipelines", "none"])
def test_the_page_speaks_of_the_chosen_ci_and_of_tools_that_it_asks_for(
    bake: Bake, ci: str
) -> None:
    """No line gives Core Tools a flag that overwrites the settings of the app."""
    page = text(bake(ci=ci))
    assert (("GitHub" in page), ("Pipelines" in page)) == (ci == "github", ci == "azure_pipelines")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.M | re.S)
    typed = [line for kind, block in blocks if not kind for line in block.splitlines()]
    assert {line.split()[0] for line in typed} <= {"az", "azd", "func", "gh", "python"}
    assert "func azure functionapp publish APP" in typed
    assert not any(re.search(r"func .* (-i|-y|--publish|--overwrite)", line) for line in typed)


def test_names_in_capitals_are_what_azd_or_the_workflow_knows(bake: Bake) -> None:
    """`azd env get-values` prints each AZURE_ name, but the variables of the workflow."""
    project = bake(ci="github")
    outputs = set(re.findall(r"^output (\w+) ", text(project, "infra/main.bicep"), re.M))
    variables = set(re.findall(r"vars\.(\w+)", text(project, ".github/workflows/test.yml")))
    rows = set(re.findall(r"^\| `(AZURE_\w+)` \|", text(project), re.M))
    assert rows == variables and len(rows) == 4
    assert set(re.findall(r"AZURE_[A-Z_]+[A-Z]", text(project))) == outputs | variables


def test_the_harness_takes_every_command_that_is_shown(bake: Bake) -> None:
    """Each `python -m harness …` of a page names a command and options that exist."""
    pages = [bake() / "README.md", bake() / "harness" / "RULES.md", *bake().glob("docs/*.md")]
    shown = set()
    for page in pages:
        shown |= set(re.findall(r"python -m harness ([^`\n]+)", page.read_text(encoding="utf-8")))
    assert len(shown) > 8
    for line in shown - {"--help"}:
        name, *words = line.split()
        options = {option for param in HARNESS.commands[name].params for option in param.opts}
        assert {word for word in words if word.startswith("--")} <= options, line


def test_f5_starts_the_functions_host(bake: Bake) -> None:
    """The first configuration starts Core Tools and attaches; the others run the harness."""
    editor = bake() / ".vscode"
    first, *others = read(editor / "launch.json")["configurations"]
    assert (first["type"], first["request"]) == ("debugpy", "attach")
    assert first["connect"]["port"] == 9091
    tasks = {task["label"]: task for task in read(editor / "tasks.json")["tasks"]}
    start = tasks[first["preLaunchTask"]]
    assert (start["type"], start["command"], start["isBackground"]) == ("func", "host start", True)
    assert start["problemMatcher"] == "$func-python-watch"  # says when the host is up
    assert "pip install -r requirements.txt" in tasks[start["dependsOn"]]["linux"]["command"]
    assert [entry["args"] for entry in others] == [["sync", "--sample"], ["sync"]]


def test_the_doctor_warns_of_what_the_docs_explain(bake: Bake) -> None:
    """azure-functions-doctor, a public rule set, fails no rule."""
    doctor = Doctor(str(bake()), profile="full", target_python="3.13")
    items = [item for section in doctor.run_all_checks() for item in section["items"]]
    found = {
        item["rule_id"]: item["status"] for item in items if item["status"] not in ("pass", "skip")
    }
    assert len(items) > 30 and set(found.values()) <= {"warn"}
    assert set(found) | OF_THE_MACHINE == set(re.findall(r"`(check_\w+)`", text(bake())))
