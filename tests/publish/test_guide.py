"""The pages that lead from a project to Fivetran: what they name is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
from harness.cli import app
from publish.conftest import AUTH, Bake

CI = ("github", "azure_pipelines", "none")
HARNESS = typer.main.get_group(app)


def page(project: Path, name: str = "docs/deploy.md") -> str:
    """One page of a project."""
    return (project / name).read_text(encoding="utf-8")


def pages(project: Path) -> list[Path]:
    """All pages of a project that are written for its user."""
    return [project / "README.md", project / "harness" / "RULES.md", *project.glob("docs/*.md")]


def commands(project: Path) -> list[str]:
    """The lines to type of docs/deploy.md."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page(project), re.M | re.S)
    return [line for kind, block in blocks if not kind for line in block.splitlines()]


@pytest.mark.parametrize("ci", CI)
def test_every_link_leads_to_a_file(bake: Bake, ci: str) -> None:
    """Also to the heading, where the link names one."""
    found = 0
    for path in pages(bake(ci=ci)):
        for target in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
            if not target.startswith("https://"):
                name, _, heading = target.partition("#")
                there = path.parent / name if name else path
                assert there.is_file(), f"{path.name} links to {target}"
                heads = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.M)
                slugs = [re.sub(r"[^\w\- ]", "", one).lower().replace(" ", "-") for one in heads]
                assert not heading or heading in slugs, f"{path.name} links to {target}"
                found += 1
    assert found >= 3


def test_the_harness_takes_every_command_that_is_shown(bake: Bake) -> None:
    """Each `python -m harness …` of a page names a command and options that exist."""
    shown = set()
    for path in pages(bake()):
        shown |= set(re.findall(r"python -m harness ([^`\n]+)", path.read_text(encoding="utf-8")))
    assert len(shown) > 8
    for line in shown - {"--help"}:
        name, *words = line.split()
        options = {option for param in HARNESS.commands[name].params for option in param.opts}
        assert {word for word in words if word.startswith("--")} <= options, line


@pytest.mark.parametrize("ci", CI)
def test_every_line_to_type_is_a_command_of_a_tool_that_the_page_asks_for(
    bake: Bake, ci: str
) -> None:
    """None gives Core Tools a flag that overwrites the settings of the app."""
    lines = commands(bake(ci=ci))
    assert {line.split()[0] for line in lines} <= {"az", "azd", "func", "gh", "python"}
    assert "func azure functionapp publish APP" in lines
    assert not any(re.search(r"func .* (-i|-y|--publish|--overwrite)", line) for line in lines)


def test_names_in_capitals_are_what_azd_or_the_workflow_knows(bake: Bake) -> None:
    """`azd env get-values` prints each AZURE_ name, but the variables of the workflow."""
    project = bake(ci="github")
    outputs = set(re.findall(r"^output (\w+) ", page(project, "infra/main.bicep"), re.M))
    variables = set(re.findall(r"vars\.(\w+)", page(project, ".github/workflows/test.yml")))
    rows = set(re.findall(r"^\| `(AZURE_\w+)` \|", page(project), re.M))
    assert rows == variables and len(rows) == 4
    assert set(re.findall(r"AZURE_[A-Z_]+[A-Z]", page(project))) == outputs | variables


@pytest.mark.parametrize("ci", CI)
def test_the_page_speaks_of_the_ci_that_was_chosen(bake: Bake, ci: str) -> None:
    """And of no other."""
    assert ("GitHub" in page(bake(ci=ci))) == (ci == "github")
    assert ("Pipelines" in page(bake(ci=ci))) == (ci == "azure_pipelines")


@pytest.mark.parametrize("auth", AUTH)
def test_the_setup_form_has_a_row_for_each_secret(bake: Bake, auth: str) -> None:
    """In the page and in the README, with the function's own name."""
    project = bake(auth=auth, function_name="sync_orders")
    secrets = list(json.loads(page(project, "connection.example.json")).get("secrets", {}))
    for name in ("docs/deploy.md", "README.md"):
        table = [line for line in page(project, name).splitlines() if line.startswith("| ")]
        rows = [line.split("|")[1] for line in table if line.startswith("| Secret")]
        assert [re.findall(r"`(\w+)`", row) for row in rows] == [[secret] for secret in secrets]
        assert any("`sync_orders`" in line for line in table)
    vault = re.findall(r"--vault-name \w+ --name (\w+)", page(project))
    assert vault == (secrets or ["SECRET"])


def test_the_docs_are_four_pages_of_a_size_to_read(bake: Bake) -> None:
    sizes = {
        path.name: len(page(path.parent, path.name).splitlines()) for path in bake().glob("docs/*")
    }
    assert sizes.keys() == {"deploy.md", "errors.md", "fetch.md", "sample.md"}
    assert sizes["deploy.md"] <= 270
