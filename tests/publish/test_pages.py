"""Pages say what is there: links, tables that scripts write, names, parameters and settings."""

from __future__ import annotations

import inspect
import re
import runpy
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import connector
import msgspec
import pytest
from baked import GENERATED, ROOT, Bake
from connector import Fetch, Response, Source, budget, testing
from connector.http import client, transport
from connector.sync import bounds
from harness.sample.spec import Auth, Entity
from publish.pages import PAGE, SAMPLE, fenced, named, quoted, sections, table

OURS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "examples" / "README.md",
]


def headings(page: Path) -> set[str]:
    """What a link may name after `#`."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", head).lower().replace(" ", "-") for head in heads}


def check(page: Path) -> None:
    """Its links lead to a file and a heading, and a folder of examples/ is there by its name."""
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"examples/([a-z_]+)\b(?!/fetch)", text):
        assert (ROOT / "examples" / name / "fetch.py").exists(), name
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        name, _, heading = target.partition("#")
        there = page.parent / name if name else page
        assert there.exists(), f"{page.name} links to {target}"
        assert not heading or heading in headings(there), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", OURS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_examples_of_a_page_exist(page: Path) -> None:
    check(page)


@pytest.mark.parametrize("ci", ["github", "azure_pipelines", "none"])
def test_links_of_a_project_lead_to_its_files(bake: Bake, ci: str) -> None:
    for page in bake(ci=ci).rglob("*.md"):
        check(page)


def test_the_tables_of_modules_are_those_of_the_docstrings() -> None:
    """`python scripts/architecture.py` changes nothing."""
    script = runpy.run_path(str(ROOT / "scripts" / "architecture.py"))
    assert script["PAGE"].read_text(encoding="utf-8") == script["page"]()


def test_the_fetch_step_of_the_readme_is_the_generated_one(bake: Bake) -> None:
    (block,) = fenced((ROOT / "README.md").read_text(encoding="utf-8"), "python")
    assert block == (bake() / "fetch.py").read_text(encoding="utf-8")


def test_sample_md_lists_every_key_of_sample_toml_and_no_other() -> None:
    keys = table(re.findall(r"(?:^\|.*\n)+", SAMPLE, re.M)[0])
    known = [item.name for part in (Auth, Entity) for item in msgspec.structs.fields(part)]
    known.remove("name")  # of an entity: the table's own
    assert [quoted(row[0])[0] for row in keys if "**" not in row[0]] == known


# ---- docs/fetch.md

INTERNAL = {"response.of", "response.start"}  # public to the rest of the runtime, not to a step
HELPERS = ("call_step", "Reply", "held_clock")


def shown() -> dict[str, list[tuple[str, str, Any]]]:
    """Each signature of the page: name, kind and default of its parameters."""
    found = {}
    text = "\n".join(fenced(PAGE, "text"))
    for head, inside in re.findall(r"^([\w.]+)\(((?:[^()]|\([^()]*\))*)\)$", text, re.M):
        names: dict[str, Any] = {}
        exec(f"def f({inside}): ...", names)
        found[head] = parameters(names["f"])
    return found


def callables() -> dict[str, Callable[..., Any]]:
    """Everything that the user may call, by the words of the page."""
    made_by_the_runtime = ("Fetch", "Response")
    found: dict[str, Callable[..., Any]] = {
        name: getattr(connector, name)
        for name in connector.__all__
        if name not in made_by_the_runtime
    }
    for word, kind in (("source", Source), ("fetch", Fetch), ("response", Response)):
        for name, item in vars(kind).items():
            call = item.__func__ if isinstance(item, classmethod) else item
            if inspect.isfunction(call) and not name.startswith("_"):
                found[f"{word}.{name}"] = call
    found |= {name: getattr(testing, name) for name in HELPERS}
    return {name: call for name, call in found.items() if name not in INTERNAL}


def parameters(call: Callable[..., Any]) -> list[tuple[str, str, Any]]:
    """Name, kind and default of a callable's parameters; `...` for a default of the runtime's."""
    made = {
        item.name: item.default_factory()
        for item in (fields(call) if is_dataclass(call) else ())
        if item.default_factory is not MISSING
    }
    found = []
    for item in inspect.signature(call).parameters.values():
        if item.name != "self" and not item.name.startswith("_"):
            default = made.get(item.name, item.default)
            internal = type(default) is object or default is msgspec.UNSET
            found.append((item.name, item.kind.name, ... if internal else default))
    return found


def test_every_public_name_is_on_the_page_with_its_signature() -> None:
    """In a heading, a signature or a table, and no signature is of something else."""
    assert set(connector.__all__) <= {*shown(), *named(PAGE), *sections(PAGE)}
    assert shown() == {name: parameters(call) for name, call in callables().items()}


@pytest.mark.parametrize(
    ("heading", "beside"),
    [
        ("Source", ""),
        ("source.entity", ""),
        ("Fetch", " ".join(name for name in Fetch.__struct_fields__ if not name.startswith("_"))),
        ("Response", "rows value link json"),
        ("Page", ""),
        ("Auth", ""),
        ("Payload", ""),
        (
            "Errors that a step may raise",
            "RetryLater TokenExpired StartOver UpstreamError ConnectorError",
        ),
        ("connector.testing", "StepPage Sent held_clock HeldClock"),
    ],
)
def test_a_section_explains_each_name_and_no_other(heading: str, beside: str) -> None:
    """Parameters of its signatures, and the names that it is about, once each."""
    text = sections(PAGE)[heading]
    own = [head for head in shown() if f"\n{head}(" in text]
    taken = {name for head in own for name, _, _ in shown()[head]}
    assert sorted(named(text)) == sorted(taken.union(beside.split()))


def test_settings_and_numbers_are_those_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row for each app setting, and none for another."""
    monkeypatch.delenv("CONNECTOR_CALL_SECONDS", raising=False)
    code = "".join(path.read_text("utf-8") for path in GENERATED.glob("connector/**/*.py"))
    read = set(re.findall(r'"(CONNECTOR_\w+|UPSTREAM_\w+)"', code))
    rows = {row[0].strip("`"): row for row in table(sections(PAGE)["App settings"])}
    assert rows.keys() - {"the name of a secret"} == read
    _, default, meaning = rows["CONNECTOR_CALL_SECONDS"]
    assert default == f"{budget.Budget.from_settings().seconds:.0f}"
    assert f"at most {budget.LONGEST_CALL:.0f}" in meaning
    errors = (GENERATED / "docs" / "errors.md").read_text(encoding="utf-8")
    assert client.ATTEMPTS == 5 and "five attempts" in PAGE and "five attempts" in errors
    assert f"{transport.LARGEST_BODY // 2**20} MiB" in PAGE
    assert bounds.LOOKBACK.total_seconds() == 300 and "five minutes" in PAGE
