"""docs/sample.md lists the keys of sample.toml, and what it and README.md show works."""

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
from publish.conftest import Bake
from publish.pages import PAGE, SAMPLE, fenced, quoted, table

NOT_WRITTEN = ("name",)  # what the file does not say


def test_the_page_lists_every_key_and_no_other() -> None:
    keys = table(re.findall(r"(?:^\|.*\n)+", SAMPLE, re.M)[0])
    known = [
        item.name
        for part in (Auth, Entity)
        for item in msgspec.structs.fields(part)
        if item.name not in NOT_WRITTEN
    ]
    assert [quoted(row[0])[0] for row in keys if "**" not in row[0]] == known


@pytest.fixture
def project(bake: Bake, tmp_path: Path) -> Path:
    """A bake of its own, to be changed."""
    return Path(shutil.copytree(bake(), tmp_path / "project"))


def run(project: Path, *command: str) -> str:
    """What Python prints in a project; it has to succeed."""
    hidden = ("UPSTREAM_BASE_URL", "PYTHONPATH")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=project,
        env={**env, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def synced(project: Path) -> dict[str, int]:
    """Rows of each table after a sync of the sample."""
    run(project, "-m", "harness", "sync", "--sample")
    schema = json.loads((project / "connection.json").read_text(encoding="utf-8"))["schema"]
    path = project / ".fivetran" / "sample" / "warehouse.duckdb"
    with duckdb.connect(str(path), read_only=True) as tables:
        names = tables.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = ?", [schema]
        ).fetchall()
        return {
            name: len(tables.execute(f'SELECT 1 FROM "{schema}"."{name}"').fetchall())
            for (name,) in names
        }


def test_the_second_entity_of_the_page_syncs_with_its_step(project: Path) -> None:
    """Steps of fetch.md and tables of sample.md, put into a new project."""
    added = next(block for block in fenced(SAMPLE, "toml") if "entity.ticket" in block)
    wanted = list(tomllib.loads(added)["entity"])
    blocks = fenced(PAGE, "python")
    steps = [block for block in blocks if any(f'entity("{name}"' in block for name in wanted)]
    assert len(steps) == len(wanted) == 2
    with (project / "fetch.py").open("a", encoding="utf-8", newline="\n") as file:
        file.write("\n\n" + "\n\n".join(steps))
    with (project / "sample.toml").open("a", encoding="utf-8", newline="\n") as file:
        file.write("\n" + added)
    assert synced(project) == {"transaction": 2500, "customer": 2500, "ticket": 2500}


def test_the_app_of_the_page_syncs_and_passes_the_suite(project: Path) -> None:
    """As tests/upstream.py of a new project, named in sample.toml as the page says."""
    (code,) = fenced(SAMPLE, "python")
    assert "`tests/upstream.py`" in SAMPLE
    (project / "tests" / "upstream.py").write_text(code, encoding="utf-8", newline="\n")
    (line,) = (block for block in fenced(SAMPLE, "toml") if block.startswith("upstream"))
    file = project / "sample.toml"
    file.write_text(line + file.read_text(encoding="utf-8"), encoding="utf-8", newline="\n")
    assert synced(project) == {"transaction": 250}
    chosen = ("tests/test_function.py", "-k", "setup_test or every_record or wrong_secrets")
    done = run(project, "-m", "pytest", "-p", "no:cacheprovider", *chosen)
    assert "3 passed" in done or "2 passed, 1 skipped" in done


def test_the_readme_s_look_at_the_tables_works(project: Path) -> None:
    """The Python line shows a table of the sample sync, and `report` makes its page."""
    readme = (project / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r'^python -c "(.*)"$', readme, re.M)
    assert synced(project) == {"transaction": 2500}
    assert "updated_at" in run(project, "-c", line)
    run(project, "-m", "harness", "report", "--sample")
