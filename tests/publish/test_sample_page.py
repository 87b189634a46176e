"""docs/sample.md says what sample.toml takes, and what it shows syncs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_args

import duckdb
import msgspec
import pytest
from connector import Fetch, Page, Source
from harness.sample.file import SampleError, load
from harness.sample.server import Sample
from harness.sample.spec import Auth, Entity
from publish.conftest import GENERATED, Bake
from publish.pages import (
    BLOCKS,
    SAMPLE,
    URL,
    fenced,
    quoted,
    sync,
    table,
)


def keys_after(line: str) -> list[list[str]]:
    """The rows of the table that follows a line of the page."""
    after = SAMPLE.partition(line)[2]
    return table(re.findall(r"(?:^\|.*\n)+", after, re.M)[0])


HEADING = "## The keys of sample.toml\n"
AUTH, ENTITY = keys_after("`[auth]`:"), keys_after("`[entity.<name>]`, ")
MINIMAL = '[entity.a]\npath = "/a"\npagination = "none"\nrecord = { id = 1 }\n'


@pytest.mark.parametrize(("rows", "kind"), [(AUTH, Auth), (ENTITY, Entity)])
def test_every_key_of_a_table_is_on_the_page_and_no_other(
    rows: list[list[str]], kind: type[msgspec.Struct]
) -> None:
    known = [item.name for item in msgspec.structs.fields(kind) if item.name != "name"]
    assert [quoted(row[0])[0] for row in rows] == known


def test_the_keys_above_all_tables_are_those_of_the_code(tmp_path: Path) -> None:
    """`records` with its default and its limit, and nothing else."""
    (row,) = keys_after(HEADING)
    assert quoted(row[0]) == ["records"]
    path = tmp_path / "sample.toml"
    path.write_text(MINIMAL, encoding="utf-8")
    assert load(path).records == int(quoted(row[1])[0])
    most = int(re.findall(r"at most ([\d,]+)", row[2])[0].replace(",", ""))
    path.write_text(f"records = {most}\n{MINIMAL}", encoding="utf-8")
    assert load(path).records == most
    path.write_text(f"records = {most + 1}\n{MINIMAL}", encoding="utf-8")
    with pytest.raises(SampleError):
        load(path)
    path.write_text(f"other = 1\n{MINIMAL}", encoding="utf-8")
    with pytest.raises(SampleError, match=r"records, \[auth\] and \[entity"):
        load(path)


@pytest.mark.parametrize(
    ("kind", "row"),
    [(Auth, row) for row in AUTH] + [(Entity, row) for row in ENTITY],
    ids=lambda part: part[0] if isinstance(part, list) else part.__name__,
)
def test_a_key_has_its_default_its_choices_and_an_example(
    kind: type[msgspec.Struct], row: list[str]
) -> None:
    """The default and every choice of the code, and an example of the right type."""
    name = quoted(row[0])[0]
    item = next(item for item in msgspec.structs.fields(kind) if item.name == name)
    if name != "token":
        if item.required:
            assert row[1] == "required"
        elif item.default is None:
            assert row[1] == "none"
        else:
            default = tomllib.loads(f"x = {quoted(row[1])[0]}")["x"]
            assert default == (
                list(item.default) if isinstance(item.default, tuple) else item.default
            )
    for choice in get_args(item.type):
        if isinstance(choice, str):
            assert choice in quoted(row[2])
    example = tomllib.loads(quoted(row[3])[0])
    assert list(example) == [name]
    msgspec.convert(example[name], item.type)


def test_the_token_of_a_style_is_the_one_that_the_page_says(tmp_path: Path) -> None:
    row = next(row for row in ENTITY if row[0] == "`token`")
    assert row[1] == "the style's"
    tokens = set()
    for style in ("cursor", "page_number", "offset"):
        following = 'rows = "d"\nnext = "n"\n' if style == "cursor" else ""
        path = tmp_path / "sample.toml"
        path.write_text(
            MINIMAL.replace('"none"', f'"{style}"').replace("record", f"{following}record"),
            encoding="utf-8",
        )
        tokens.add(load(path).entities["/a"].token)
    assert tokens | {"page_number"} == set(quoted(row[2]))


@pytest.mark.parametrize("form", ["iso", "epoch", "epoch_ms", "%d.%m.%Y"])
def test_the_sample_reads_each_form_of_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """What `fetch.since_as(form)` writes is what `since_as = "form"` reads."""
    assert form in next(row for row in ENTITY if row[0] == "`since_as`")[2] or "%" in form
    path = tmp_path / "sample.toml"
    extra = f'since = "since"\nsince_as = "{form}"\ncursor = "at"\nprimary_key = ["id"]\n'
    record = '{ id = 1, at = "2026-01-05T08:30:00Z" }'
    path.write_text(
        f"records = 50\n{MINIMAL.replace('record', extra + 'record')}".replace(
            "{ id = 1 }", record
        ),
        encoding="utf-8",
    )
    made = Source(base_url=URL)
    sent = []

    @made.entity("a", primary_key=["id"], cursor="at")
    def step(fetch: Fetch) -> Page:
        sent.append(fetch.since_as(form))
        return Page(fetch.get("/a", params={"since": fetch.since_as(form)}).rows())

    with Sample.load(path).serve() as server:
        monkeypatch.setenv("UPSTREAM_BASE_URL", server.url)
        state, tables = sync(made, {}, {})
        assert len(tables["a"]) == 50
        _, again = sync(made, state, {})
    assert sent[0] is None and sent[1] is not None
    assert len(again["a"]) < 50


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
    (added,) = fenced(SAMPLE, "toml")
    wanted = list(tomllib.loads(added)["entity"])
    steps = [block for block in BLOCKS if any(f'entity("{name}"' in block for name in wanted)]
    assert len(steps) == len(wanted) == 2
    with (folder / "fetch.py").open("a", encoding="utf-8", newline="\n") as file:
        file.write("\n\n" + "\n\n".join(steps))
    with (folder / "sample.toml").open("a", encoding="utf-8", newline="\n") as file:
        file.write("\n" + added)
    run(folder, "-m", "harness", "sync", "--sample")
    assert counts(folder) == {"transaction": 2500, "customer": 2500, "invoice": 2500}


def test_positions_by_change_lose_records_as_the_pages_say(bake: Bake, tmp_path: Path) -> None:
    """With the step for page numbers: oldest change first loses some, newest first none."""
    folder = project(bake, tmp_path)
    text = (folder / "sample.toml").read_text(encoding="utf-8").partition("[entity.")[0]
    added = fenced(SAMPLE, "toml")[0].partition("[entity.invoice]")[0]
    fetch = (folder / "fetch.py").read_text(encoding="utf-8").partition("@source.entity")[0]
    step = next(block for block in BLOCKS if 'entity("customer"' in block)
    (folder / "fetch.py").write_text(fetch + step, encoding="utf-8", newline="\n")
    (command,) = re.findall(r"`python (-m harness sync --chaos \d+)`", SAMPLE)
    for order, lost in (("newest_first = true", False), ("by_change = true", True)):
        entity = added.replace('rows = "data"', f'rows = "data"\n{order}')
        (folder / "sample.toml").write_text(text + entity, encoding="utf-8", newline="\n")
        done = start(folder, *command.split())
        assert (done.returncode != 0) == lost, done.stdout
        assert ("is missing" in done.stdout) == lost


def test_the_app_of_the_page_syncs(bake: Bake, tmp_path: Path) -> None:
    """As tests/upstream.py of a new project, with the command that the page shows."""
    folder = project(bake, tmp_path)
    (code,) = fenced(SAMPLE, "python")
    assert "`tests/upstream.py`" in SAMPLE
    (folder / "tests" / "upstream.py").write_text(code, encoding="utf-8", newline="\n")
    (command,) = re.findall(r"^python (-m harness .*)$", SAMPLE, re.M)
    run(folder, *command.split())
    assert counts(folder) == {"transaction": 250}


def test_the_suite_runs_on_the_app_of_the_page(bake: Bake, tmp_path: Path) -> None:
    """With the class attribute that the page shows for tests/test_function.py."""
    folder = project(bake, tmp_path)
    (code,) = fenced(SAMPLE, "python")
    (folder / "tests" / "upstream.py").write_text(code, encoding="utf-8", newline="\n")
    (suite,) = re.findall(r"^class TestFunction.*?(?=^```)", SAMPLE, re.M | re.S)
    file = folder / "tests" / "test_function.py"
    written = file.read_text(encoding="utf-8").partition("class ")[0] + suite
    file.write_text(written, encoding="utf-8", newline="\n")
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
