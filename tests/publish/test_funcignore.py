"""What gets published to Azure: the app, and nothing beside it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pathspec
import pytest
from publish.conftest import GENERATED, Bake
from publish.ignored import READERS, files, lines

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

every_reader = pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
every_folder = pytest.mark.parametrize("folder", ["", "steps/", "steps/more/"])


def secrets(folder: str) -> list[str]:
    """Each file that may hold a secret under each name that it may get."""
    parts = [name.rpartition(".") for name in SECRET_NAMES.split()]
    copied = [copy.format(stem, f".{kind}") for stem, _, kind in parts for copy in COPIES]
    return [folder + name for name in [*copied, ".env", ".env.local", "prod.env"]]


def with_files(bake: Bake, folder: Path, names: list[str]) -> Path:
    """A project with these files beside its own."""
    project = shutil.copytree(bake(), folder / "project")
    for name in names:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    return project


def app() -> set[str]:
    """The exact list of what is published."""
    modules = {path.relative_to(GENERATED).as_posix() for path in GENERATED.rglob("connector/**/*")}
    return {"fetch.py", "function_app.py", "host.json", "requirements.txt"} | {
        name for name in modules if name.endswith(".py")
    }


@every_reader
@pytest.mark.parametrize("ci", ["github", "azure_pipelines", "none"])
def test_the_app_and_nothing_else_is_published(
    bake: Bake, reader: Callable[[Path], set[str]], ci: str
) -> None:
    assert reader(bake(ci=ci, license="MIT")) == app()


@every_reader
@pytest.mark.parametrize(
    ("left", "taken"),
    [
        (LEFT_NAMES.split(), set()),
        (OWN, OWN),
        *((secrets(at), set()) for at in ("", "steps/", "steps/more/")),
    ],
    ids=["what work leaves behind", "what fetch.py imports", "secrets", "deeper", "deeper still"],
)
def test_what_is_published_of_other_files(
    bake: Bake,
    tmp_path: Path,
    reader: Callable[[Path], set[str]],
    left: list[str],
    taken: set[str],
) -> None:
    """No cache, environment, export, or copy of a secret; modules and data of the user's are."""
    assert reader(with_files(bake, tmp_path, [*left])) == app() | taken


def test_every_line_means_the_same_to_every_tool(bake: Bake) -> None:
    """VS Code takes no negation, slash at the end or brace; azd's reader no `#` and no `a**`."""
    for line in lines(bake()):
        assert not line.startswith(("!", "/")) and not line.endswith("/"), line
        assert not set("{},[]?\\#") & set(line) and "**" not in line.removeprefix("**/"), line


@every_folder
def test_no_copy_of_a_secret_is_committed(bake: Bake, folder: str) -> None:
    """`git add` leaves them alone, and takes what the project needs."""
    text = (bake() / ".gitignore").read_text(encoding="utf-8")
    ignored = pathspec.GitIgnoreSpec.from_lines(text.splitlines())
    assert [name for name in secrets(folder) if not ignored.match_file(name)] == []
    wanted = files(bake()) - {"connection.json", "local.settings.json"}
    assert [name for name in wanted if ignored.match_file(name)] == []
