"""Every pair of option values, baked and used: what was never baked is what breaks."""

import json
import re
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest
from allpairspy import AllPairs
from baked import GENERATED, ROOMS, Bake, files, lint, run
from harness.cli import main

OPTIONS = {
    "pagination": ["cursor", "page_number", "offset", "last_id", "link_header", "next_url", "none"],
    "auth": [
        *("bearer", "token", "api_key_header", "api_key_query", "basic"),
        *("oauth2_client_credentials", "none"),
    ],
    "records_path": ["data", "data.items", "none"],
    "primary_key": ["id", "order_id, line_no", "none"],
    "cursor_field": ["updated_at", "meta.changed", "none"],
    "deletes": ["none", "records", "soft_delete"],
    "python_version": ["3.13", "3.14", "3.12", "3.11"],
    "ci": ["github", "azure_pipelines", "none"],
    "license": ["proprietary", "MIT", "Apache-2.0"],
}
ALWAYS = """
    .funcignore .gitattributes .gitignore .vscode/extensions.json .vscode/launch.json
    .vscode/settings.json .vscode/tasks.json README.md azure.yaml connection.example.json
    connection.json docs/deploy.md docs/errors.md docs/fetch.md docs/sample.md fetch.py
    function_app.py host.json infra/main.bicep infra/main.parameters.json local.settings.json
    pyproject.toml requirements-dev.txt requirements.txt sample.toml tests/test_fetch.py
    tests/test_function.py
"""
CHOSEN = {
    "github": ".github/workflows/test.yml",
    "azure_pipelines": "azure-pipelines.yml",
    "MIT": "LICENSE",
    "Apache-2.0": "LICENSE",
}


def fits(row: list[str]) -> bool:
    """Whether the answers so far contradict each other nowhere (see hooks/pre_gen_project.py)."""
    a = dict(zip(OPTIONS, row, strict=False))
    key, deletes, pagination = a.get("primary_key", "id"), a.get("deletes"), a["pagination"]
    needs_object = pagination in ("cursor", "next_url", "last_id") or deletes == "records"
    return not (
        (a.get("records_path") == "none" and needs_object)
        or (pagination == "last_id" and (key != "id" or deletes == "records"))
        or (key == "none" and deletes in ("records", "soft_delete"))
        or (deletes == "soft_delete" and a.get("cursor_field") != "none")
    )


def fewest() -> list[dict[str, str]]:
    """Rows in which every value stands that the default project, the first row, has not."""
    left = {value for row in PAIRS for value in row.items()} - set(PAIRS[0].items())
    found = []
    while left:
        found.append(max(PAIRS, key=lambda row: len(left & set(row.items()))))
        left -= set(found[-1].items())
    return found


def label(answers: dict[str, str]) -> str:
    return "-".join(answers.values()).replace(" ", "")


PAIRS = [
    dict(zip(OPTIONS, row, strict=True)) for row in AllPairs(OPTIONS.values(), filter_func=fits)
]
FEWEST = fewest()


def shorten(project: Path) -> None:
    """A sample API with few records."""
    sample = project / "sample.toml"
    text = sample.read_text(encoding="utf-8").replace("records = 2500", "records = 250")
    sample.write_text(text, encoding="utf-8")


def test_every_value_is_baked() -> None:
    values = {(name, value) for name, values in OPTIONS.items() for value in values}
    assert {value for row in PAIRS for value in row.items()} == values


@pytest.mark.parametrize("answers", PAIRS, ids=map(label, PAIRS))
def test_each_pair_has_its_files_and_syncs(
    project: Bake,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answers: dict[str, str],
) -> None:
    folder = project(**answers)
    rooms = {f"{room}/{name}" for room in ROOMS for name in files(GENERATED / room)}
    chosen = {CHOSEN[value] for value in answers.values() if value in CHOSEN}
    assert files(folder) == set(ALWAYS.split()) | chosen | rooms
    assert [path for path in folder.rglob("*") if path.is_dir() and not any(path.iterdir())] == []
    for name in files(folder) - rooms:
        assert_is_finished(folder / name)

    fetch = ModuleType("fetch")
    exec((folder / "fetch.py").read_text(encoding="utf-8"), vars(fetch))
    monkeypatch.setitem(sys.modules, "fetch", fetch)
    tests = runpy.run_path(str(folder / "tests" / "test_fetch.py"))
    for test in [tests[name] for name in tests if name.startswith("test_")]:
        test()

    shorten(folder)
    monkeypatch.chdir(folder)
    assert main(["sync", "--sample", "--port", "0", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["rows"] == 250
    found = [finding["rule"] for finding in result["findings"]]
    assert found == (["no-primary-key"] if answers["primary_key"] == "none" else [])


def assert_is_finished(path: Path) -> None:
    """No Jinja and no TODO is in the file, and it ends with one line end, LF."""
    text = path.read_bytes().decode("utf-8")
    jinja = re.sub(r"\$\{\{.*?\}\}", "", text) if path.suffix == ".yml" else text
    assert not re.search(r"\{\{|\}\}|\{%|%\}|\{#|TODO|FIXME|cookiecutter\.", jinja), path
    assert "\r" not in text and text.endswith("\n") and not text.endswith("\n\n"), path
    assert not re.search(r"[ \t]+$", text, re.MULTILINE) or path.name == "LICENSE", path
    assert "\n\n\n" not in text or path.suffix in (".py", ".md") or path.name == "LICENSE", path


@pytest.mark.parametrize("answers", FEWEST, ids=map(label, FEWEST))
def test_each_value_passes_the_whole_suite(project: Bake, answers: dict[str, str]) -> None:
    """The default project's suite runs in a virtual environment of its own (test_project.py)."""
    folder = project(**answers)
    shorten(folder)
    run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider")


def test_every_pair_is_formatted_lints_and_type_checks(bake: Bake, tmp_path: Path) -> None:
    """Ruff in each bake; mypy at once for all steps and their tests, under names of their own."""
    lint(*(bake(**answers) for answers in PAIRS))
    names = []
    for number, answers in enumerate(PAIRS):
        for name in ("fetch", "test_fetch"):
            path = bake(**answers) / ("fetch.py" if name == "fetch" else "tests/test_fetch.py")
            copy = tmp_path / f"{name}_{number}.py"
            copy.write_bytes(path.read_bytes().replace(b"import fetch", b"from typing import Any"))
            copy.write_bytes(copy.read_bytes() + (b"\nfetch: Any\n" if name != "fetch" else b""))
            names.append(str(copy))
    own = ["function_app.py", "fetch.py", "tests"]
    run(bake(), "-m", "mypy", "--cache-dir", str(tmp_path / "cache"), *own, *names)
