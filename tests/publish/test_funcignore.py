"""What gets published to Azure, by each tool that publishes: the app, and nothing beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from publish.conftest import GENERATED, Bake
from publish.ignored import READERS, Reader, files, lines

APP = {"fetch.py", "function_app.py", "host.json", "requirements.txt"}
# What a developer, the tools and the harness leave in a project beside what was baked.
NAMES = """
    .env .env.local .venv/pyvenv.cfg .venv/lib/site.py venv/pyvenv.cfg venv/.lock
    .fivetran/state.json .fivetran/warehouse.duckdb .fivetran/sample/warehouse.duckdb
    connection.json.bak connection.prod.json connection-prod.json connection_prod.json
    connection.prod.json.bak local.settings.prod.json local.settings.json.bak secrets.json
    server.key server.pem client.pfx report.html copy.duckdb run.log app.zip
    __pycache__/fetch.cpython-313.pyc connector/__pycache__/log.cpython-313.pyc
    harness/sample/__pycache__/app.cpython-313.pyc tests/__pycache__/test_fetch.cpython-313.pyc
    .git/config .github/workflows/more.yml .hypothesis/unicode_data/x .mypy_cache/x.json
    .pytest_cache/README.md .python_packages/lib/x.py .ruff_cache/x .devcontainer/devcontainer.json
    .azure/dev/.env docs/notes.md infra/main.bicep azure.yaml compose.yml
"""
LEFT = NAMES.split()

every_reader = pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())


@pytest.fixture
def used(bake: Bake, tmp_path: Path) -> Path:
    """A project some weeks later."""
    project = shutil.copytree(bake(), tmp_path / "project")
    for name in LEFT:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("secret", encoding="utf-8")
    return project


def app() -> set[str]:
    """The exact list of what is published."""
    return APP | {f"connector/{path.name}" for path in (GENERATED / "connector").glob("*.py")}


@every_reader
@pytest.mark.parametrize("ci", ["github", "azure_pipelines", "none"])
@pytest.mark.parametrize("license_name", ["proprietary", "MIT", "Apache-2.0"])
def test_the_app_and_nothing_else_is_published(
    bake: Bake, reader: Reader, ci: str, license_name: str
) -> None:
    """Whatever was chosen, the published files are exactly these."""
    assert reader(bake(ci=ci, license=license_name)) == app()


@every_reader
def test_what_work_leaves_behind_is_not_published(used: Path, reader: Reader) -> None:
    """No cache, no environment, no copy of a secret: the published files stay exactly the same."""
    assert set(LEFT) <= files(used)
    assert reader(used) == app()


@every_reader
def test_what_fetch_imports_is_published(bake: Bake, tmp_path: Path, reader: Reader) -> None:
    """A module, a package and a data file of the user's own need no line anywhere."""
    own = {"steps/__init__.py", "steps/orders.py", "shared.py", "steps/currencies.json"}
    project = shutil.copytree(bake(), tmp_path / "project")
    for name in own:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    assert reader(project) == app() | own


def test_every_line_means_the_same_to_every_tool(bake: Bake) -> None:
    """No negation, no slash at the end, no brace: what one of the tools would not understand."""
    for line in lines(bake()):
        if not line.startswith("#"):
            assert not line.startswith(("!", "/")) and not line.endswith("/"), line
        assert not set("{},[]?\\") & set(line), line
