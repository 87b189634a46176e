"""What `azd up` takes: the Bicep file is one, and says what the rest of the project counts on."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from connector.errors import MissingSetting
from connector.secrets import Settings
from publish.conftest import Bake
from pycep import BicepParser

AUTH = (
    *("bearer", "api_key_header", "api_key_query", "basic", "oauth2_client_credentials"),
    "none",
)
# Settings that a Flex Consumption app must not have: its plan knows them from functionAppConfig.
NOT_ON_FLEX = (
    *("FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_EXTENSION_VERSION"),
    *("SCM_DO_BUILD_DURING_DEPLOYMENT", "WEBSITE_RUN_FROM_PACKAGE"),
)
parser = cache(BicepParser)


def text(project: Path) -> str:
    """The Bicep file as it was baked."""
    return (project / "infra" / "main.bicep").read_text(encoding="utf-8")


def bicep(project: Path) -> Any:
    """The same, parsed."""
    return parser().parse(text=text(project))


def params(project: Path, module: str) -> Any:
    """What one of its modules is given."""
    return bicep(project)["modules"][module]["config"]["params"]


@pytest.mark.parametrize("auth", AUTH)
def test_the_vault_keeps_the_secrets_that_the_source_declares(bake: Bake, auth: str) -> None:
    """For each kind of auth the file parses, and names what stands in connection.example.json."""
    project = bake(auth=auth)
    example = json.loads((project / "connection.example.json").read_text(encoding="utf-8"))
    kept = bicep(project)["parameters"]["secretNames"]["default"]
    assert list(kept or []) == list(example.get("secrets", {}))


def test_a_broken_file_is_found(bake: Bake) -> None:
    """The parser is no rubber stamp: no brace, no quote and no comma too many gets past it."""
    whole = text(bake())
    for good, bad in (("params: {", "params: "), ("'FC1'", "'FC1"), ("reserved: true", "reserved")):
        assert good in whole
        with pytest.raises(Exception, match=r"Unexpected|No terminal"):
            parser().parse(text=whole.replace(good, bad, 1))


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_the_app_runs_the_version_that_was_chosen(bake: Bake, version: str) -> None:
    """On the Flex Consumption plan."""
    project = bake(python_version=version)
    runtime = params(project, "functionApp")["functionAppConfig"]["runtime"]
    assert runtime == {"name": "python", "version": version}
    assert params(project, "plan")["sku"] == {"name": "FC1", "tier": "FlexConsumption"}


def test_modules_are_microsofts_and_pinned(bake: Bake) -> None:
    """Each comes from the public registry, in one version."""
    for name, module in bicep(bake())["modules"].items():
        detail = module["detail"]
        assert detail["alias"] == "public" and detail["path"].startswith("avm/res/"), name
        assert re.fullmatch(r"\d+\.\d+\.\d+", detail["tag"]), name


def test_whatever_a_module_gives_is_taken_from_one_that_is_there(bake: Bake) -> None:
    """Names of modules, parameters and variables that are used are declared."""
    project = bake()
    read = bicep(project)
    assert set(re.findall(r"(\w+)\.outputs\.", text(project))) <= set(read["modules"])
    scopes = {module["config"]["scope"] for module in read["modules"].values()}
    assert scopes == set(read["resources"])
    known = set(read["parameters"]) | set(read["variables"]) | {"name"}  # the lambda's own
    whole = re.sub(r"\w+\.outputs\.\w+", "", text(project))
    inserted = set(re.findall(r"\$\{(\w+)\}", whole))
    assert inserted and inserted <= known


def test_azd_gives_every_parameter_that_has_no_default(bake: Bake) -> None:
    """And none that the Bicep file does not have."""
    project = bake()
    file = json.loads((project / "infra" / "main.parameters.json").read_text(encoding="utf-8"))
    declared = bicep(project)["parameters"]
    needed = {name for name, one in declared.items() if one["default"] is None}
    assert needed <= set(file["parameters"]) <= set(declared)


def test_nothing_is_opened_with_a_key(bake: Bake) -> None:
    """Storage and telemetry take the app's identity alone, and no key stands in a setting."""
    project = bake()
    assert params(project, "storage")["allowSharedKeyAccess"] is False
    assert params(project, "storage")["allowBlobPublicAccess"] is False
    assert params(project, "insights")["disableLocalAuth"] is True
    assert params(project, "vault")["enableRbacAuthorization"] is True
    for word in ("listKeys", "AccountKey", "InstrumentationKey", "SharedAccessSignature"):
        assert word not in text(project)


def test_a_flex_app_gets_no_setting_that_its_plan_refuses(bake: Bake) -> None:
    """They stand neither in the Bicep file nor in what azd is told."""
    project = bake()
    told = text(project) + (project / "azure.yaml").read_text(encoding="utf-8")
    assert [name for name in NOT_ON_FLEX if name in told] == []


def test_a_reference_that_azure_could_not_resolve_is_understood_by_the_runtime(bake: Bake) -> None:
    """What the file writes into the app settings is what the runtime looks for."""
    written = re.search(r"name => '(@[^\n]*)'\n", text(bake()))
    assert written
    settings = Settings("secret", {"apiToken": written[1]})
    with pytest.raises(MissingSetting, match="Key Vault reference that Azure could not resolve"):
        settings["apiToken"]


def test_azd_finds_the_app_that_it_publishes_to(bake: Bake) -> None:
    """The service's name in azure.yaml is the tag of the function app."""
    project = bake()
    services = re.search(r"^services:\n  (\w+):", (project / "azure.yaml").read_text("utf-8"), re.M)
    assert services
    assert f"'azd-service-name': '{services[1]}'" in text(project)


@pytest.mark.parametrize("slug", ["acme", "Acme_Orders", "a", "a_", "1-a-", "x" * 60])
def test_any_folder_name_gives_azd_a_name(bake: Bake, slug: str) -> None:
    """azd takes lower-case letters, digits and hyphens, at both ends no hyphen."""
    whole = (bake(project_slug=slug) / "azure.yaml").read_text(encoding="utf-8")
    name = re.search(r"^name: (.*)$", whole, re.M)
    assert name and re.fullmatch(r"[a-z0-9][a-z0-9-]*[a-z0-9]", name[1])
