"""Which files a bake has, and what may stand in none of them."""

import json
import re
import stat
import tomllib
from pathlib import Path

import pytest
from template.conftest import GENERATED, ROOMS, Bake, files, own_files

ALWAYS = {
    ".funcignore",
    ".gitattributes",
    ".gitignore",
    ".vscode/extensions.json",
    ".vscode/launch.json",
    ".vscode/settings.json",
    ".vscode/tasks.json",
    "README.md",
    "azure.yaml",
    "connection.example.json",
    "connection.json",
    "docs/deploy.md",
    "docs/errors.md",
    "docs/fetch.md",
    "docs/sample.md",
    "fetch.py",
    "function_app.py",
    "host.json",
    "infra/main.bicep",
    "infra/main.parameters.json",
    "local.settings.json",
    "pyproject.toml",
    "requirements-dev.txt",
    "requirements.txt",
    "sample.toml",
    "tests/test_fetch.py",
    "tests/test_function.py",
}
GITHUB = ".github/workflows/test.yml"
AZURE = "azure-pipelines.yml"
WINDOWS_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def rooms(template: Path) -> set[str]:
    source = template / GENERATED
    return {f"{room}/{name}" for room in ROOMS for name in files(source / room)}


@pytest.mark.parametrize(
    ("answers", "extra"),
    [
        ({}, [GITHUB]),
        ({"ci": "azure_pipelines"}, [AZURE]),
        ({"ci": "none"}, []),
        ({"license": "MIT"}, [GITHUB, "LICENSE"]),
        ({"license": "Apache-2.0"}, [GITHUB, "LICENSE"]),
        ({"deletes": "soft_delete"}, [GITHUB]),
        ({"auth": "oauth2_client_credentials", "python_version": "3.14"}, [GITHUB]),
    ],
    ids=str,
)
def test_a_bake_has_exactly_these_files(
    template: Path, bake: Bake, answers: dict[str, str], extra: list[str]
) -> None:
    """Every option adds and drops exactly its own files."""
    assert files(bake(**answers)) == ALWAYS | set(extra) | rooms(template)


def test_nothing_empty_is_left_of_what_was_not_chosen(bake: Bake) -> None:
    """A dropped workflow takes its folders along."""
    folders = [path for path in bake(ci="none").rglob("*") if path.is_dir()]
    assert [path for path in folders if not any(path.iterdir())] == []


@pytest.mark.parametrize("ci", ["github", "azure_pipelines"])
@pytest.mark.parametrize("license_name", ["MIT", "Apache-2.0"])
def test_no_template_is_left_in_any_file(bake: Bake, ci: str, license_name: str) -> None:
    """No Jinja and no TODO stands in a baked file, and each ends with one line end, LF."""
    for path in own_files(bake(ci=ci, license=license_name)):
        text = path.read_bytes().decode("utf-8")
        jinja = re.sub(r"\$\{\{.*?\}\}", "", text) if path.suffix == ".yml" else text
        assert not re.search(r"\{\{|\}\}|\{%|%\}|\{#|TODO|FIXME|cookiecutter\.", jinja), path
        assert "\r" not in text, path
        assert text.endswith("\n") and not text.endswith("\n\n"), path
        assert not re.search(r"[ \t]+$", text, re.MULTILINE) or path.name == "LICENSE", path
        spaced = path.suffix in (".py", ".md") or path.name == "LICENSE"
        assert "\n\n\n" not in text or spaced, path


def test_nothing_is_left_to_do(bake: Bake) -> None:
    """Who greps a new project for open ends finds none, in the rooms neither."""
    project = bake()
    for path in sorted(project / name for name in files(project)):
        assert not re.search("TODO|FIXME", path.read_text(encoding="utf-8")), path


def test_every_name_is_legal_on_windows(bake: Bake) -> None:
    """No file or folder has a name that Windows forbids or reserves."""
    project = bake()
    for path in project.rglob("*"):
        assert not re.search(r'[<>:"|?*\\]|[. ]$', path.name), path
        assert not WINDOWS_RESERVED.match(path.name), path
        assert not path.is_symlink(), path


def test_the_files_with_secrets_are_for_their_owner_alone(bake: Bake) -> None:
    """connection.json and local.settings.json have mode 0600, and git never gets them."""
    project = bake()
    for name in ("connection.json", "local.settings.json"):
        assert stat.S_IMODE((project / name).stat().st_mode) == 0o600
    gitignore = (project / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"*connection*.json*", "*.settings*.json*"} <= set(gitignore)


def test_host_json_is_what_azure_wants(bake: Bake) -> None:
    """host.json has the version as text and leaves the route prefix at api."""
    host = json.loads((bake() / "host.json").read_text(encoding="utf-8"))
    assert host["version"] == "2.0"
    assert "extensions" not in host
    assert host["extensionBundle"]["id"] == "Microsoft.Azure.Functions.ExtensionBundle"


def test_local_settings_hold_texts_only(bake: Bake) -> None:
    """Core Tools reads local.settings.json's values as texts."""
    local = json.loads((bake() / "local.settings.json").read_text(encoding="utf-8"))
    assert local["IsEncrypted"] is False
    assert local["Values"]["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert all(isinstance(value, str) for value in local["Values"].values())


def test_python_version_is_the_same_everywhere(bake: Bake) -> None:
    """The version that was chosen stands in the tools' settings and in both CI files."""
    project = bake(python_version="3.12")
    tools = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert tools["ruff"]["target-version"] == "py312"
    assert tools["mypy"]["python_version"] == "3.12"
    assert 'python-version: "3.12"' in (project / GITHUB).read_text(encoding="utf-8")
    pipeline = bake(python_version="3.12", ci="azure_pipelines") / AZURE
    assert 'versionSpec: "3.12"' in pipeline.read_text(encoding="utf-8")


def test_updates_leave_the_users_files_alone(bake: Bake) -> None:
    """cruft's skip list, in pyproject.toml where cruft reads it, names the user's files."""
    tools = tomllib.loads((bake() / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert set(tools["cruft"]["skip"]) == {
        "connection.json",
        "fetch.py",
        "local.settings.json",
        "sample.toml",
        "tests/test_fetch.py",
        "tests/test_function.py",
    }


def test_actions_are_pinned_and_have_no_rights(bake: Bake) -> None:
    """Every action is pinned by commit, and the workflow may nothing but read."""
    text = (bake() / GITHUB).read_text(encoding="utf-8")
    uses = re.findall(r"uses: (.*)", text)
    assert uses and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use) for use in uses)
    assert "\npermissions: {}\n" in text


@pytest.mark.parametrize(
    ("auth", "names"),
    [
        ("bearer", ["apiToken"]),
        ("api_key_header", ["apiKey"]),
        ("api_key_query", ["apiKey"]),
        ("basic", ["username", "password"]),
        ("oauth2_client_credentials", ["clientId", "clientSecret"]),
        ("none", []),
    ],
)
def test_the_secrets_names_are_the_same_everywhere(bake: Bake, auth: str, names: list[str]) -> None:
    """connection.json, its example, sample.toml, fetch.py and the README name the same secrets."""
    project = bake(auth=auth)
    for name in ("connection.json", "connection.example.json"):
        form = json.loads((project / name).read_text(encoding="utf-8"))
        assert form["secrets"] == dict.fromkeys(names, "")
    sample = tomllib.loads((project / "sample.toml").read_text(encoding="utf-8"))
    assert (sample["auth"]["kind"], sample["auth"]["secrets"]) == (auth, names)
    readme = (project / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\| Secret `(\w+)` \|", readme) == names
    fetch = (project / "fetch.py").read_text(encoding="utf-8")
    assert all(f'"{name}"' in fetch for name in names)


@pytest.mark.parametrize("auth", ["bearer", "oauth2_client_credentials", "none"])
def test_the_function_needs_three_packages(bake: Bake, auth: str) -> None:
    """requirements.txt is the same for every kind of auth."""
    needed = (bake(auth=auth) / "requirements.txt").read_text(encoding="utf-8").split()
    assert needed == ["azure-functions<3", "msgspec<1", "requests<3"]
