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
from publish.bicep import Bicep, Made, infra
from publish.conftest import Bake
from pycep import BicepParser

AUTH = (
    *("bearer", "api_key_header", "api_key_query", "basic", "oauth2_client_credentials"),
    "none",
)
# Of each module at its version: parameters, outputs, and the roles that it knows by name.
# Source: the main.bicep of the tag `<path>/<version>` of Azure/bicep-registry-modules.
MODULES = json.loads(Path(__file__).with_name("modules.json").read_text(encoding="utf-8"))
# Settings that a Flex Consumption app must not have: its plan knows them from functionAppConfig.
NOT_ON_FLEX = (
    *("FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_EXTENSION_VERSION"),
    *("SCM_DO_BUILD_DURING_DEPLOYMENT", "WEBSITE_RUN_FROM_PACKAGE"),
)
parser = cache(BicepParser)


def text(project: Path) -> str:
    """The Bicep file as it was baked."""
    return (project / "infra" / "main.bicep").read_text(encoding="utf-8")


@pytest.fixture
def file(bake: Bake) -> Bicep:
    """The file worked out, for a source with a secret whose name has an underscore."""
    return infra(bake(), secretNames=["api_token"])


def params(file: Bicep, module: str) -> Any:
    """What one of its modules is given."""
    return file.modules[module]["params"]


def given_to(file: Bicep, principal: str) -> dict[str, set[str]]:
    """The roles that somebody has, by module."""
    roles: dict[str, set[str]] = {}
    for module in file.modules:
        for role in params(file, module).get("roleAssignments", ()):
            if role["principalId"] == principal:
                roles.setdefault(module, set()).add(role["roleDefinitionIdOrName"])
    return roles


@pytest.mark.parametrize("auth", AUTH)
def test_the_vault_keeps_the_secrets_that_the_source_declares(bake: Bake, auth: str) -> None:
    """For each kind of auth the file parses, and names what stands in connection.example.json."""
    project = bake(auth=auth)
    assert parser().parse(text=text(project))
    example = json.loads((project / "connection.example.json").read_text(encoding="utf-8"))
    assert infra(project).parameters["secretNames"] == list(example.get("secrets", {}))


def test_a_broken_file_is_found(bake: Bake) -> None:
    """The parser is no rubber stamp: no brace, no quote and no comma too many gets past it."""
    whole = text(bake())
    for good, bad in (("params: {", "params: "), ("'FC1'", "'FC1"), ("reserved: true", "reserved")):
        assert good in whole
        with pytest.raises(Exception, match=r"Unexpected|No terminal"):
            parser().parse(text=whole.replace(good, bad, 1))


def test_modules_get_what_they_take_and_give_what_is_asked_of_them(file: Bicep) -> None:
    """Each is Microsoft's, in a version that is known with its parameters, roles and outputs."""
    for name, module in file.modules.items():
        registry, _, path = module["path"].partition(":")
        known = MODULES[path]
        assert (registry, module["version"]) == ("br/public", known["version"]), name
        given, required = set(module["params"]), set(known["required"])
        assert required <= given <= required | set(known["optional"]), name
        assert {output for of, output in file.used if of == name} <= set(known["outputs"]), name
        roles = module["params"].get("roleAssignments", ())
        assert {role["roleDefinitionIdOrName"] for role in roles} <= set(known["roles"]), name
    assert {module["path"].partition(":")[2] for module in file.modules.values()} == set(MODULES)


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_the_app_runs_the_version_that_was_chosen(bake: Bake, version: str) -> None:
    """On Linux, on the Flex Consumption plan."""
    file = infra(bake(python_version=version))
    app, plan = params(file, "functionApp"), params(file, "plan")
    assert app["functionAppConfig"]["runtime"] == {"name": "python", "version": version}
    assert app["serverFarmResourceId"] == "<plan.resourceId>"
    assert (app["kind"], plan["reserved"]) == ("functionapp,linux", True)
    assert plan["sku"] == {"name": "FC1", "tier": "FlexConsumption"}


def test_all_of_it_is_in_one_place_that_azd_finds(bake: Bake, file: Bicep) -> None:
    """One resource group and one region, tagged with the environment, the app with its service."""
    for name, module in file.modules.items():
        assert module["scope"]["name"] == "rg-env", name
        assert module["params"]["location"] == module["scope"]["location"] == "somewhere", name
        assert module["params"]["tags"]["azd-env-name"] == "env", name
    services = re.search(r"^services:\n  (\w+):", (bake() / "azure.yaml").read_text("utf-8"), re.M)
    assert services
    assert params(file, "functionApp")["tags"]["azd-service-name"] == services[1]


def test_names_fit_azures_rules(file: Bicep) -> None:
    """A storage account's has no hyphen; 24 characters are the most for it and for a vault's."""
    assert re.fullmatch("[a-z0-9]{3,24}", params(file, "storage")["name"])
    assert re.fullmatch("[a-z][a-z0-9-]{2,23}", params(file, "vault")["name"])


def test_the_outputs_are_what_was_made(file: Bicep) -> None:
    """`azd env get-values` prints names, of the group, the app, the vault and the telemetry."""
    assert file.outputs == {
        "AZURE_RESOURCE_GROUP": "rg-env",
        "AZURE_FUNCTION_APP": "<functionApp.name>",
        "AZURE_KEY_VAULT": params(file, "vault")["name"],
        "AZURE_APPLICATION_INSIGHTS": "<insights.name>",
    }


def test_azd_gives_each_parameter_its_own(bake: Bake, file: Bicep) -> None:
    """Those without a default, and who runs azd, so that they may write secrets."""
    path = bake() / "infra" / "main.parameters.json"
    parameters = json.loads(path.read_text(encoding="utf-8"))["parameters"]
    assert file.required == {"environmentName", "location"}
    assert parameters == {
        "environmentName": {"value": "${AZURE_ENV_NAME}"},
        "location": {"value": "${AZURE_LOCATION}"},
        "principalId": {"value": "${AZURE_PRINCIPAL_ID}"},
    }
    assert given_to(infra(bake(), principalId="me"), "me") == {
        "vault": {"Key Vault Secrets Officer"}
    }
    assert len(params(file, "vault")["roleAssignments"]) == 1


def test_the_app_has_one_identity_which_opens_everything(file: Bicep) -> None:
    """Its package, its keys, its secrets and its telemetry: a role for each, and no other."""
    assert given_to(file, "<identity.principalId>") == {
        "storage": {"Storage Blob Data Owner"},
        "vault": {"Key Vault Secrets User"},
        "insights": {"Monitoring Metrics Publisher"},
    }
    app = params(file, "functionApp")
    assert app["managedIdentities"] == {"userAssignedResourceIds": ["<identity.resourceId>"]}
    assert app["keyVaultAccessIdentityResourceId"] == "<identity.resourceId>"
    assert app["functionAppConfig"]["deployment"]["storage"]["authentication"] == {
        "type": "UserAssignedIdentity",
        "userAssignedIdentityResourceId": "<identity.resourceId>",
    }


def test_the_package_lies_in_the_container_that_is_made(file: Bicep) -> None:
    """The address that the app loads from is the storage account's, and then the container."""
    (container,) = params(file, "storage")["blobServices"]["containers"]
    package = params(file, "functionApp")["functionAppConfig"]["deployment"]["storage"]
    assert package["type"] == "blobContainer"
    assert package["value"] == f"<storage.primaryBlobEndpoint>{container['name']}"


def test_the_settings_of_the_app_are_these(file: Bicep) -> None:
    """Whom to be at which storage and telemetry; and each secret, found in the vault that is made.

    In the vault's names there are hyphens for underscores, and it is there before the app.
    """
    vault = params(file, "vault")["name"]
    assert params(file, "functionApp")["appSettingsKeyValuePairs"] == {
        "AzureWebJobsStorage__blobServiceUri": "<storage.primaryBlobEndpoint>",
        "AzureWebJobsStorage__credential": "managedidentity",
        "AzureWebJobsStorage__clientId": "<identity.clientId>",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": "<insights.connectionString>",
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": (
            "ClientId=<identity.clientId>;Authorization=AAD"
        ),
        "api_token": f"@Microsoft.KeyVault(VaultName={vault};SecretName=api-token)",
    }
    (before,) = file.modules["functionApp"]["dependsOn"]
    assert isinstance(before, Made) and before.name == "vault"


def test_nothing_is_opened_with_a_key(bake: Bake, file: Bicep) -> None:
    """Storage and telemetry take the app's identity alone, and no key stands in a setting."""
    assert params(file, "storage")["allowSharedKeyAccess"] is False
    assert params(file, "storage")["allowBlobPublicAccess"] is False
    assert params(file, "insights")["disableLocalAuth"] is True
    assert params(file, "vault")["enableRbacAuthorization"] is True
    for word in ("listKeys", "AccountKey", "InstrumentationKey", "SharedAccessSignature"):
        assert word not in text(bake())


def test_an_app_without_a_network_of_its_own_reaches_both_stores(file: Bicep) -> None:
    """So neither the storage nor the vault is shut off from the public network."""
    assert "virtualNetworkSubnetId" not in params(file, "functionApp")
    for module in ("storage", "vault"):
        assert params(file, module)["publicNetworkAccess"] == "Enabled"
        assert params(file, module).get("networkAcls", {}).get("defaultAction", "Allow") == "Allow"


def test_a_flex_app_gets_no_setting_that_its_plan_refuses(bake: Bake) -> None:
    """They stand neither in the Bicep file nor in what azd is told."""
    project = bake()
    told = text(project) + (project / "azure.yaml").read_text(encoding="utf-8")
    assert [name for name in NOT_ON_FLEX if name in told] == []


def test_a_reference_that_azure_could_not_resolve_is_understood_by_the_runtime(
    file: Bicep,
) -> None:
    """What the file writes into the app settings is what the runtime looks for."""
    written = params(file, "functionApp")["appSettingsKeyValuePairs"]["api_token"]
    settings = Settings("secret", {"api_token": written})
    with pytest.raises(MissingSetting, match="Key Vault reference that Azure could not resolve"):
        settings["api_token"]


def test_the_guide_names_the_sizes(bake: Bake, file: Bicep) -> None:
    """Memory of an instance, and how long logs are kept."""
    page = (bake() / "docs" / "deploy.md").read_text(encoding="utf-8")
    scale = params(file, "functionApp")["functionAppConfig"]["scaleAndConcurrency"]
    assert scale["instanceMemoryMB"] in (512, 2048, 4096)
    assert f" {scale['instanceMemoryMB']} MB " in page
    assert f"kept for {params(file, 'workspace')['dataRetention']} days" in page


@pytest.mark.parametrize("slug", ["acme", "Acme_Orders", "a", "a_", "1-a-", "x" * 60])
def test_any_folder_name_gives_azd_a_name(bake: Bake, slug: str) -> None:
    """azd takes lower-case letters, digits and hyphens, at both ends no hyphen."""
    whole = (bake(project_slug=slug) / "azure.yaml").read_text(encoding="utf-8")
    name = re.search(r"^name: (.*)$", whole, re.M)
    assert name and re.fullmatch(r"[a-z0-9][a-z0-9-]*[a-z0-9]", name[1])
