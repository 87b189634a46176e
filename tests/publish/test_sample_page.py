"""docs/sample.md lists the keys of sample.toml, and what it shows syncs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import duckdb
import msgspec
import pytest
from harness.sample.spec import Auth, Entity
from publish.conftest import GENERATED, Bake
from publish.pages import BLOCKS, SAMPLE, fenced, quoted, table

KEYS = table(re.findall(r"(?:^\|.*\n)+", SAMPLE, re.M)[0])
NOT_WRITTEN = ("name", "short_pages")  # what the file does not say


def test_the_page_lists_every_key_and_no_other() -> None:
    known = [
        item.name
        for part in (Auth, Entity)
        for item in msgspec.structs.fields(part)
        if item.name not in NOT_WRITTEN
    ]
    assert [quoted(row[0])[0] for row in KEYS if "**" not in row[0]] == known


def project(bake: Bake, folder: Path) -> Path:
    """A bake of its own, to be changed."""
    return Path(shutil.copytree(bake(), folder / "project"))


def start(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a project."""
    hidden = ("UPSTREAM_BASE_URL", "PYTHONPATH")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**env, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def run(folder: Path, *command: str) -> str:
    """What a command of a project prints; it has to succeed."""
    done = start(folder, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def counts(folder: Path) -> dict[str, int]:
    """Rows of each table of a sample run."""
    path = folder / ".fivetran" / "sample" / "warehouse.duckdb"
    with duckdb.connect(str(path), read_only=True) as tables:
        found = tables.execute(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_schema NOT LIKE '\\_%' ESCAPE '\\'"
        ).fetchall()
        return {
            name: tables.execute(f'SELECT count(*) FROM "{schema}"."{name}"').fetchall()[0][0]
            for schema, name in found
        }


def test_the_second_entity_of_the_page_syncs_with_its_step(bake: Bake, tmp_path: Path) -> None:
    """Steps of fetch.md and tables of sample.md, put into a new project."""
    folder = project(bake, tmp_path)
    added = next(block for block in fenced(SAMPLE, "toml") if "entity.invoice" in block)
    wanted = list(tomllib.loads(added)["entity"])
    steps = [block for block in BLOCKS if any(f'entity("{name}"' in block for name in wanted)]
    assert len(steps) == len(wanted) == 2
    with (folder / "fetch.py").open("a", encoding="utf-8", newline="\n") as file:
        file.write("\n\n" + "\n\n".join(steps))
    with (folder / "sample.toml").open("a", encoding="utf-8", newline="\n") as file:
        file.write("\n" + added)
    run(folder, "-m", "harness", "sync", "--sample")
    assert counts(folder) == {"transaction": 2500, "customer": 2500, "invoice": 2500}


def test_the_app_of_the_page_syncs_and_passes_the_suite(bake: Bake, tmp_path: Path) -> None:
    """As tests/upstream.py of a new project, named in sample.toml as the page says."""
    folder = project(bake, tmp_path)
    (code,) = fenced(SAMPLE, "python")
    assert "`tests/upstream.py`" in SAMPLE
    (folder / "tests" / "upstream.py").write_text(code, encoding="utf-8", newline="\n")
    (line,) = (block for block in fenced(SAMPLE, "toml") if block.startswith("upstream"))
    file = folder / "sample.toml"
    file.write_text(line + file.read_text(encoding="utf-8"), encoding="utf-8", newline="\n")
    run(folder, "-m", "harness", "sync", "--sample")
    assert counts(folder) == {"transaction": 250}
    chosen = "setup_test or every_record or wrong_secrets"
    done = run(
        folder, "-m", "pytest", "-p", "no:cacheprovider", "tests/test_function.py", "-k", chosen
    )
    assert "3 passed" in done or "2 passed, 1 skipped" in done


# ---- README.md


def test_the_readme_s_look_at_the_tables_works(bake: Bake, tmp_path: Path) -> None:
    """The Python line shows a table of the sample sync, and `report` makes its page."""
    folder = project(bake, tmp_path)
    readme = (folder / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r'^python -c "(.*)"$', readme, re.M)
    run(folder, "-m", "harness", "sync", "--sample")
    shown = run(folder, "-c", line)
    assert "2500" in shown or "updated_at" in shown
    schema = json.loads((folder / "connection.json").read_text(encoding="utf-8"))["schema"]
    assert f"{schema}.transaction" in line
    run(folder, "-m", "harness", "report", "--sample")


@pytest.mark.parametrize("name", ["fetch.md", "sample.md"])
def test_a_bake_has_the_pages_as_they_are(bake: Bake, name: str) -> None:
    """Nothing in them is Jinja, and README and the other page lead to them."""
    folder = bake()
    written = (GENERATED / "docs" / name).read_text(encoding="utf-8")
    assert (folder / "docs" / name).read_text(encoding="utf-8") == written
    assert f"docs/{name}" in (folder / "README.md").read_text(encoding="utf-8")
