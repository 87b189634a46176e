"""What `azd up` takes: the Bicep file parses, and agrees with the rest of the project."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest
from connector.errors import MissingSetting
from connector.secrets import Settings
from publish.conftest import AUTH, Bake
from pycep import BicepParser

# A Flex Consumption app must not have these settings.
NOT_ON_FLEX = (
    *("FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_EXTENSION_VERSION"),
    *("SCM_DO_BUILD_DURING_DEPLOYMENT", "WEBSITE_RUN_FROM_PACKAGE"),
)
parser = cache(BicepParser)


def bicep(project: Path) -> str:
    return (project / "infra" / "main.bicep").read_text(encoding="utf-8")


@pytest.mark.parametrize("auth", AUTH)
def test_the_vault_keeps_the_secrets_that_the_source_declares(bake: Bake, auth: str) -> None:
    """For each kind of auth the file parses, and names what stands in connection.example.json."""
    project = bake(auth=auth)
    assert parser().parse(text=bicep(project))
    (names,) = re.findall(r"^param secretNames string\[\] = \[([^\]]*)\]", bicep(project), re.M)
    example = json.loads((project / "connection.example.json").read_text(encoding="utf-8"))
    assert re.findall(r"'(\w+)'", names) == list(example.get("secrets", {}))


@pytest.mark.parametrize("version", ["3.11", "3.14"])
def test_the_app_runs_the_version_that_was_chosen(bake: Bake, version: str) -> None:
    runtime = re.search(
        r"runtime: \{\s+name: 'python'\s+version: '(.*)'", bicep(bake(python_version=version))
    )
    assert runtime and runtime[1] == version


def test_azd_finds_the_service_and_knows_each_parameter(bake: Bake) -> None:
    """Its tag is azure.yaml's service; what has no default stands in main.parameters.json."""
    project = bake()
    (service,) = re.findall(
        r"^services:\n  (\w+):", (project / "azure.yaml").read_text("utf-8"), re.M
    )
    assert f"{{ 'azd-service-name': '{service}' }}" in bicep(project)
    path = project / "infra" / "main.parameters.json"
    given = set(json.loads(path.read_text(encoding="utf-8"))["parameters"])
    needed = set(re.findall(r"^param (\w+) \w+$", bicep(project), re.M))
    known = set(re.findall(r"^param (\w+)", bicep(project), re.M))
    assert needed <= given <= known


def test_nothing_is_opened_with_a_key_or_refused_by_the_plan(bake: Bake) -> None:
    text = bicep(bake())
    for line in ("allowSharedKeyAccess: false", "disableLocalAuth: true", "Rbac"):
        assert line in text
    for word in ("listKeys", "AccountKey", "SharedAccessSignature", *NOT_ON_FLEX):
        assert word not in text


def test_a_reference_that_azure_could_not_resolve_is_understood_by_the_runtime(bake: Bake) -> None:
    """What the file writes into the app settings is what the runtime looks for."""
    (written,) = re.findall(r"'(@Microsoft\.KeyVault\(.*\))'", bicep(bake()))
    settings = Settings("secret", {"api_token": written})
    with pytest.raises(MissingSetting, match="Key Vault reference that Azure could not resolve"):
        settings["api_token"]


@pytest.mark.parametrize("slug", ["acme", "Acme_Orders", "a", "x" * 60])
def test_any_folder_name_gives_azd_a_name(bake: Bake, slug: str) -> None:
    """azd takes lower-case letters, digits and hyphens, at both ends no hyphen."""
    whole = (bake(project_slug=slug) / "azure.yaml").read_text(encoding="utf-8")
    name = re.search(r"^name: (.*)$", whole, re.M)
    assert name and re.fullmatch(r"[a-z0-9][a-z0-9-]*[a-z0-9]", name[1])
