"""The commands of the pages: their tools have them, and what they set is what the project needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from publish.commands import (
    INNER,
    TOOLS,
    Command,
    commands_of,
    lines_of,
    pipeline_commands,
)
from publish.conftest import Bake

# Commands and flags: az 2.91's own help, with its extension application-insights; azd's and Core
# Tools' sources. In `required`, names of one flag stand side by side.
KNOWN = json.loads(Path(__file__).with_name("commands.json").read_text(encoding="utf-8"))
OVERWRITING = {
    *("-i", "--publish-local-settings", "-o", "--publish-settings-only"),
    *("-y", "--overwrite-settings"),
}
every_ci = pytest.mark.parametrize("ci", ["github", "azure_pipelines", "none"])


def shown(project: Path) -> list[Command]:
    """All commands of a project's pages and of its pipeline."""
    pages = [project / "README.md", *sorted(project.glob("docs/*.md"))]
    found = [one for page in pages for one in commands_of(page.read_text(encoding="utf-8"))]
    return found + (
        pipeline_commands(project) if (project / "azure-pipelines.yml").exists() else []
    )


def guides(project: Path, name: str) -> list[Command]:
    """The commands of docs/deploy.md whose tool and name are this."""
    page = (project / "docs" / "deploy.md").read_text(encoding="utf-8")
    return [one for one in commands_of(page) if f"{one.tool} {one.name}" == name and one.whole]


def fault(command: Command) -> str:
    """What a tool would have against a command, "" for nothing."""
    tool = KNOWN[command.tool]
    known = tool["commands"].get(command.name)
    if known is None:
        return "no such command"
    required = [set(names.split()) for names in known["required"]]
    flags = {*known["optional"], *tool["everywhere"]}.union(*required)
    if unknown := set(command.flags) - flags:
        return f"has no {unknown}"
    if command.whole and not all(names & set(command.flags) for names in required):
        return f"needs all of {known['required']}"
    if command.whole and len(command.words) != known["words"]:
        return f"takes {known['words']} words"
    if command.tool == "az" and "" in command.flags.values():
        return "each of the flags takes a value"
    return ""


@every_ci
@pytest.mark.parametrize("auth", ["bearer", "basic", "none"])
def test_a_tool_has_every_command_that_is_shown(bake: Bake, ci: str, auth: str) -> None:
    """With the flags that it is given, all that it cannot do without, and nothing else."""
    found = shown(bake(ci=ci, auth=auth))
    assert len(found) > 25
    assert [(one.line, fault(one)) for one in found if one.tool != "gh" and fault(one)] == []


@every_ci
def test_every_line_to_type_is_a_command(bake: Bake, ci: str) -> None:
    """Of a tool that the guide asks for, or of the harness."""
    lines = lines_of((bake(ci=ci) / "docs" / "deploy.md").read_text(encoding="utf-8"))
    assert {line.partition(" ")[0] for line in lines} <= {*TOOLS, "python"}


def test_core_tools_never_overwrite_the_settings_of_the_app(bake: Bake) -> None:
    """The guide warns of the flags that would, and no command has one."""
    for ci in ("github", "azure_pipelines"):
        assert not any(OVERWRITING & set(one.flags) for one in shown(bake(ci=ci)))
    page = (bake() / "docs" / "deploy.md").read_text(encoding="utf-8")
    _, _, after = page.partition("so does `func azure functionapp publish AZURE_FUNCTION_APP`.\n")
    assert after.startswith("Never give that command `-i` or `--publish-local-settings`")


def test_azure_trusts_githubs_deployments_and_lets_them_publish(bake: Bake) -> None:
    """Issuer, subject, audience and role are those that GitHub and the action go by."""
    project = bake(ci="github")
    (trust,) = guides(project, "az identity federated-credential create")
    assert trust.flags["--issuer"] == "https://token.actions.githubusercontent.com"
    assert trust.flags["--subject"] == "SUBJECT:environment:production"
    assert trust.flags["--audiences"] == "api://AzureADTokenExchange"
    (identity,) = guides(project, "az identity create")
    assert trust.flags["--identity-name"] == identity.flags["--name"]
    (role,) = guides(project, "az role assignment create")
    assert role.flags == {
        "--role": "Website Contributor",
        "--assignee-object-id": "PRINCIPAL",
        "--assignee-principal-type": "ServicePrincipal",
        "--scope": INNER,
    }
    assert [one.line for one in guides(project, "gh api")] == [
        "gh api repos/OWNER/REPOSITORY/actions/oidc/customization/sub --jq .sub_claim_prefix"
    ]


@pytest.mark.parametrize("auth", ["bearer", "none"])
def test_the_app_is_told_to_read_its_secrets_again(bake: Bake, auth: str) -> None:
    """By a call of Azure's management API below the app's own id."""
    (refresh,) = guides(bake(auth=auth), "az rest")
    assert refresh.flags == {
        "--method": "post",
        "--url": f"https://management.azure.com{INNER}"
        "/config/configreferences/appsettings/refresh?api-version=2022-03-01",
    }
    app = guides(bake(auth=auth), "az functionapp show")[0]
    assert (app.flags["--query"], app.flags["--output"]) == ("id", "tsv")


def test_the_key_that_is_made_is_the_one_that_is_shown_and_removed(bake: Bake) -> None:
    """One of the function's own; without its name, keys are those of the whole app."""
    project = bake(function_name="sync_orders")
    named = {
        verb: guides(project, f"az functionapp function keys {verb}")
        for verb in ("set", "list", "delete")
    }
    for (command,) in named.values():
        assert command.flags["--function-name"] == "sync_orders"
        assert command.flags["--name"] == "AZURE_FUNCTION_APP"
    ((made,), (listed,), (removed,)) = named.values()
    key = made.flags["--key-name"]
    assert (listed.flags["--query"], removed.flags["--key-name"]) == (key, key)
    assert f"the key `{key}`" in (project / "docs" / "deploy.md").read_text(encoding="utf-8")


def test_taking_down_frees_the_names(bake: Bake) -> None:
    """A vault that is only deleted keeps its name for months."""
    (down,) = guides(bake(), "azd down")
    assert down.flags == {"--purge": ""}
