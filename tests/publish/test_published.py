"""What gets published to Azure: the app and nothing beside it, and packages that install there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pathspec
import pytest
from baked import GENERATED, ROOT, Bake, files
from publish.ignored import READERS, lines

# What a developer, the tools and the harness leave in a project beside what was baked.
LEFT_NAMES = """
    .env .env.local .venv/pyvenv.cfg .venv/lib/site.py venv/pyvenv.cfg venv/.lock report.html
    .fivetran/warehouse.duckdb .fivetran/sample/warehouse.duckdb copy.duckdb copy.duckdb.wal
    __pycache__/fetch.cpython-313.pyc connector/__pycache__/log.cpython-313.pyc
    harness/sample/__pycache__/app.cpython-313.pyc tests/__pycache__/test_fetch.cpython-313.pyc
    .git/config .github/workflows/more.yml .hypothesis/unicode_data/x .mypy_cache/x.json
    .pytest_cache/README.md .python_packages/lib/x.py .ruff_cache/x .azure/dev/.env docs/notes.md
    infra/main.bicep azure.yaml compose.yml __azurite_db_blob__.json __azurite__/x steps/notes.md
"""
SECRET_NAMES = """
    connection.json connection.prod.json connection-prod.json prod-connection.json
    my.connections.json local.settings.json local.settings.prod.json
    credentials.json gcp-credentials.json secret.json secrets.json client_secret_7.json
    server.key server.pem client.pfx client.p12
"""
# What editors, systems and git make of a file that they copy or set aside.
COPIES = (
    *("{0}{1}", "{0}{1}~", "#{0}{1}#", ".{0}{1}.swp", "{0}{1}.bak", "{0}{1}.orig", "{0}{1}.rej"),
    *("{0}{1}.save", "{0}{1}.old", "{0}{1}.tmp", "{0} - Copy{1}", "{0} copy{1}", "{0} (1){1}"),
    *("Copy of {0}{1}", "{0}_REMOTE_4711{1}", "{0}.2026-01-01{1}"),
)
OWN = {"steps/__init__.py", "steps/orders.py", "shared.py", "settings.json", "steps/rates.json"}
PYTHONS = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))["python_version"]


def secrets() -> list[str]:
    """Each file that may hold a secret under each name that it may get, at three depths."""
    parts = [name.rpartition(".") for name in SECRET_NAMES.split()]
    copied = [copy.format(stem, f".{kind}") for stem, _, kind in parts for copy in COPIES]
    named = [*copied, ".env", ".env.local", "prod.env"]
    return [f"{folder}{name}" for folder in ("", "steps/", "steps/more/") for name in named]


def app() -> set[str]:
    """The exact list of what is published."""
    modules = {
        path.relative_to(GENERATED).as_posix() for path in GENERATED.rglob("connector/**/*.py")
    }
    return {"fetch.py", "function_app.py", "host.json", "requirements.txt"} | modules


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
@pytest.mark.parametrize("ci", ["github", "azure_pipelines"])
def test_the_app_and_nothing_else_is_published(
    project: Bake, reader: Callable[[Path], set[str]], ci: str
) -> None:
    """Whatever work leaves behind; modules and data of the user's are published too."""
    folder = project(license="MIT", ci=ci)
    assert reader(folder) == app()
    for name in [*LEFT_NAMES.split(), *secrets(), *OWN]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert reader(folder) == app() | OWN


def test_every_line_means_the_same_to_every_tool(bake: Bake) -> None:
    """VS Code takes no negation, slash at the end or brace; azd's reader no `#` and no `a**`."""
    for line in lines(bake()):
        assert not line.startswith(("!", "/")) and not line.endswith("/"), line
        assert not set("{},[]?\\#") & set(line) and "**" not in line.removeprefix("**/"), line


def test_no_copy_of_a_secret_is_committed(bake: Bake) -> None:
    """`git add` leaves them alone, and takes what the project needs."""
    text = (bake() / ".gitignore").read_text(encoding="utf-8")
    ignored = pathspec.GitIgnoreSpec.from_lines(text.splitlines())
    assert [name for name in secrets() if not ignored.match_file(name)] == []
    wanted = files(bake()) - {"connection.json", "local.settings.json"}
    assert [name for name in wanted if ignored.match_file(name)] == []


def test_every_package_has_a_wheel_on_azure_s_linux(bake: Bake) -> None:
    """For each Python version on offer nothing has to be built, and nothing conflicts."""
    # Told which Python runs here, uv looks for no other one.
    command = [sys.executable, "-m", "uv", "pip", "compile", "--python", sys.executable]
    command += ["--no-header", "--no-annotate", "--only-binary", ":all:"]
    command += ["--python-platform", "x86_64-manylinux_2_28", "requirements.txt"]
    project = bake()
    needed = (project / "requirements.txt").read_text(encoding="utf-8")
    assert needed.split() == ["azure-functions<3", "msgspec<1", "requests<3"]
    begun = {
        version: subprocess.Popen(
            [*command, "--python-version", version],
            cwd=project,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for version in PYTHONS
    }
    for version, process in begun.items():
        assert (bake(python_version=version) / "requirements.txt").read_text("utf-8") == needed
        found, error = process.communicate()
        assert process.returncode == 0, error
        pins = dict(line.split("==") for line in found.splitlines() if "==" in line)
        # azure-functions 2 is the worker library's, from 3.13 on; 1 is the older workers'.
        assert pins["azure-functions"].startswith("1." if version in ("3.11", "3.12") else "2.")
