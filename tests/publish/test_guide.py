"""The pages that lead from a project to Fivetran: what they name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from harness.cli import app
from publish.bicep import infra
from publish.conftest import Bake
from publish.test_infra import AUTH

CI = ("github", "azure_pipelines", "none")
HARNESS = typer.main.get_group(app)


def page(project: Path, name: str = "docs/deploy.md") -> str:
    """One page of a project."""
    return (project / name).read_text(encoding="utf-8")


def pages(project: Path) -> list[Path]:
    """All pages of a project that are written for its user."""
    return [project / "README.md", project / "harness" / "RULES.md", *project.glob("docs/*.md")]


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
    for line in shown:
        name, *words = line.split()
        if name == "--help":
            continue
        command = HARNESS.commands[name]
        options = {option for param in command.params for option in param.opts} | {"--help"}
        used = {word for word in words if word.startswith("--")}
        assert used <= options, line


@pytest.mark.parametrize("ci", CI)
def test_names_in_capitals_are_outputs_of_the_bicep_file(bake: Bake, ci: str) -> None:
    """`azd env get-values` prints each name that a command asks for."""
    project = bake(ci=ci)
    outputs = set(infra(project).outputs)
    named = set(re.findall(r"AZURE_[A-Z_]+[A-Z]", page(project)))
    assert named - of_the_workflow(project) <= outputs
    assert outputs <= named


def of_the_workflow(project: Path) -> set[str]:
    """Variables that the GitHub workflow reads."""
    file = project / ".github" / "workflows" / "test.yml"
    return set(re.findall(r"vars\.(\w+)", file.read_text("utf-8"))) if file.is_file() else set()


def test_each_variable_of_the_workflow_is_explained(bake: Bake) -> None:
    """A row of the page for each, and no row for another."""
    project = bake(ci="github")
    section = page(project).partition("## Publish from GitHub Actions")[2]
    rows = set(re.findall(r"^\| `(\w+)` \|", section, re.M))
    assert rows == of_the_workflow(project) and len(rows) == 4


@pytest.mark.parametrize(
    ("ci", "words"),
    [
        ("github", {"federated-credential", "production", "Website Contributor"}),
        ("azure_pipelines", {"serviceConnection", "functionApp"}),
        ("none", set()),
    ],
)
def test_the_page_speaks_of_the_ci_that_was_chosen(bake: Bake, ci: str, words: set[str]) -> None:
    """And of no other."""
    project = bake(ci=ci)
    assert all(word in page(project) for word in words)
    assert ("GitHub" in page(project)) == (ci == "github")
    assert ("Pipelines" in page(project)) == (ci == "azure_pipelines")


@pytest.mark.parametrize("auth", AUTH)
def test_the_setup_form_has_a_row_for_each_secret(bake: Bake, auth: str) -> None:
    """In the page and in the README, with the function's own name."""
    project = bake(auth=auth, function_name="sync_orders")
    secrets = infra(project).parameters["secretNames"]
    for name in ("docs/deploy.md", "README.md"):
        table = [line for line in page(project, name).splitlines() if line.startswith("| ")]
        rows = [line.split("|")[1] for line in table if line.startswith("| Secret")]
        assert [re.findall(r"`(\w+)`", row) for row in rows] == [[secret] for secret in secrets]
        assert any("`sync_orders`" in line for line in table)
    vault = re.findall(r"--vault-name \w+ --name (\w+)", page(project))
    assert vault == (secrets or ["SECRET"])


def test_the_environment_s_name_in_the_example_is_one(bake: Bake) -> None:
    """azd takes letters, digits and hyphens."""
    said = page(bake(project_slug="Acme_Orders_")).partition("of your choice, as `")[2]
    assert re.fullmatch(r"[a-z0-9-]+", said.partition("`")[0])
