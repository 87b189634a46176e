"""What gets published to Azure, by each tool that publishes: the app, and nothing beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pathspec
import pytest
from publish.conftest import GENERATED, Bake
from publish.ignored import READERS, Reader, files, lines

APP = {"fetch.py", "function_app.py", "host.json", "requirements.txt"}
# What a developer, the tools and the harness leave in a project beside what was baked.
NAMES = """
    .env .env.local prod.env .venv/pyvenv.cfg .venv/lib/site.py venv/pyvenv.cfg venv/.lock
    env/pyvenv.cfg env/bin/python env/Lib/site.py env/lib/python3.13/site-packages/requests/api.py
    .fivetran/state.json .fivetran/warehouse.duckdb .fivetran/sample/warehouse.duckdb
    report.html copy.duckdb copy.duckdb.wal run.log app.zip fetch.py.orig fetch.py.rej
    __pycache__/fetch.cpython-313.pyc connector/__pycache__/log.cpython-313.pyc
    harness/sample/__pycache__/app.cpython-313.pyc tests/__pycache__/test_fetch.cpython-313.pyc
    .git/config .github/workflows/more.yml .hypothesis/unicode_data/x .mypy_cache/x.json
    .pytest_cache/README.md .python_packages/lib/x.py .ruff_cache/x .devcontainer/devcontainer.json
    .azure/dev/.env docs/notes.md infra/main.bicep azure.yaml compose.yml
    node_modules/x/index.js __azurite_db_blob__.json __azurite__/x
"""
SECRET = """
    connection.json connection.prod.json connection-prod.json prod-connection.json
    my.connections.json local.settings.json local.settings.prod.json
    credentials.json gcp-credentials.json secret.json secrets.json client_secret_7.json
    .env prod.env server.key server.pem client.pfx client.p12
"""
# What editors, systems and git make of a file that they copy or set aside.
COPIES = (
    *("{0}{1}", "{0}{1}~", "#{0}{1}#", ".{0}{1}.swp", "{0}{1}.bak", "{0}{1}.orig", "{0}{1}.rej"),
    *("{0}{1}.save", "{0}{1}.old", "{0}{1}.tmp", "{0} - Copy{1}", "{0} copy{1}", "{0} (1){1}"),
    *("Copy of {0}{1}", "{0}_REMOTE_4711{1}", "{0}.2026-01-01{1}"),
)
LEFT = NAMES.split()


def copies(folder: str = "") -> list[str]:
    """Each file that holds a secret under each name that it may get."""
    parts = [name.rpartition(".") for name in SECRET.split()]
    return [folder + copy.format(stem, f".{kind}") for stem, _, kind in parts for copy in COPIES]


every_reader = pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())


def leave(project: Path, names: list[str]) -> None:
    """Make these files."""
    for name in names:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("secret", encoding="utf-8")


def app() -> set[str]:
    """The exact list of what is published."""
    modules = (GENERATED / "connector").rglob("*.py")
    return APP | {path.relative_to(GENERATED).as_posix() for path in modules}


@every_reader
@pytest.mark.parametrize("ci", ["github", "azure_pipelines", "none"])
@pytest.mark.parametrize("license_name", ["proprietary", "MIT", "Apache-2.0"])
def test_the_app_and_nothing_else_is_published(
    bake: Bake, reader: Reader, ci: str, license_name: str
) -> None:
    """Whatever was chosen, the published files are exactly these."""
    assert reader(bake(ci=ci, license=license_name)) == app()


@every_reader
def test_what_work_leaves_behind_is_not_published(
    bake: Bake, tmp_path: Path, reader: Reader
) -> None:
    """No cache, no environment, no export: the published files stay exactly the same."""
    used = shutil.copytree(bake(), tmp_path / "project")
    leave(used, LEFT)
    assert set(LEFT) <= files(used)
    assert reader(used) == app()


@every_reader
@pytest.mark.parametrize("folder", ["", "steps/", "steps/more/"])
def test_no_copy_of_a_secret_is_published(
    bake: Bake, tmp_path: Path, reader: Reader, folder: str
) -> None:
    """Whatever an editor, the system or git calls the copy, and wherever it lies."""
    used = shutil.copytree(bake(), tmp_path / "project")
    leave(used, copies(folder))
    assert reader(used) == app()


@pytest.mark.parametrize("folder", ["", "steps/", "steps/more/"])
def test_no_copy_of_a_secret_is_committed(bake: Bake, folder: str) -> None:
    """`git add` leaves them alone, and takes what the project needs."""
    text = (bake() / ".gitignore").read_text(encoding="utf-8")
    ignored = pathspec.GitIgnoreSpec.from_lines(text.splitlines())
    assert [name for name in copies(folder) if not ignored.match_file(name)] == []
    wanted = files(bake()) - {"connection.json", "local.settings.json"}
    assert [name for name in wanted if ignored.match_file(name)] == []


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
        if line.startswith("#"):
            assert not set("{},") & set(line), line  # VS Code takes it for a pattern too
        else:
            assert not line.startswith(("!", "/")) and not line.endswith("/"), line
        assert not set("{},[]?\\") & set(line), line
