"""Every pair of option values, baked and used: what was never baked is what breaks."""

import ast
import json
import subprocess
from collections.abc import Callable
from itertools import combinations

import pytest
from template.conftest import Bake
from template.test_styles import lint

Pair = tuple[tuple[str, str], tuple[str, str]]
Run = Callable[..., subprocess.CompletedProcess[str]]

OPTIONS = {
    "pagination": ["cursor", "page_number", "offset", "link_header", "next_url", "none"],
    "auth": [
        "bearer",
        "api_key_header",
        "api_key_query",
        "basic",
        "oauth2_client_credentials",
        "none",
    ],
    "primary_key": ["id", "order_id, line_no", ""],
    "deletes": ["none", "records", "soft_delete"],
    "cursor_field": ["updated_at", "meta.changed", ""],
    "python_version": ["3.13", "3.14", "3.12", "3.11"],
    "ci": ["github", "azure_pipelines", "none"],
    "license": ["proprietary", "MIT", "Apache-2.0"],
}


def holds(answers: dict[str, str]) -> bool:
    """Whether these answers, some or all, contradict each other nowhere."""
    deletes = answers.get("deletes", "none")
    no_key = answers.get("primary_key") == ""
    return not (
        (deletes != "none" and no_key)
        or (deletes == "soft_delete" and answers.get("cursor_field", "") != "")
    )


def pairs_of(answers: dict[str, str]) -> set[Pair]:
    return set(combinations(answers.items(), 2))


def covering() -> list[dict[str, str]]:
    """Few rows of answers that hold, in which every pair that holds stands; the same each time."""
    every = [
        ((a, x), (b, y))
        for a, b in combinations(OPTIONS, 2)
        for x in OPTIONS[a]
        for y in OPTIONS[b]
    ]
    left = {pair: None for pair in every if holds(dict(pair))}
    rows = []
    while left:
        row = dict(next(iter(left)))
        for name, values in OPTIONS.items():
            if name not in row:
                fitting = [value for value in values if holds(row | {name: value})]
                new = [sum(p in left for p in pairs_of(ordered(row | {name: v}))) for v in fitting]
                row[name] = fitting[new.index(max(new))]
        rows.append(ordered(row))
        for pair in pairs_of(rows[-1]):
            left.pop(pair, None)
    return rows


def few(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Some of the rows, in which every single value stands that stands in any."""
    left = {value for row in rows for value in row.items()}
    found = []
    while left:
        found.append(max(rows, key=lambda row: len(left & set(row.items()))))
        left -= set(found[-1].items())
    return found


def ordered(answers: dict[str, str]) -> dict[str, str]:
    return {name: answers[name] for name in OPTIONS if name in answers}


PAIRS = covering()
FEWEST = few(PAIRS)


def label(answers: dict[str, str]) -> str:
    return "-".join(value or "empty" for value in answers.values()).replace(" ", "")


each_pair = pytest.mark.parametrize("answers", PAIRS, ids=map(label, PAIRS))


@each_pair
def test_each_pair_bakes_clean(bake: Bake, answers: dict[str, str]) -> None:
    """The formatter and the linter find nothing, and every module compiles."""
    project = bake(**answers)
    assert lint(project) == ""
    for path in project.rglob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"), str(path))


@each_pair
def test_each_pair_passes_its_step_s_tests_and_syncs(
    project: Bake, run: Run, answers: dict[str, str]
) -> None:
    """The tests of fetch.py pass, and one small sync of the sample brings every record over."""
    folder = project(**answers)
    sample = folder / "sample.toml"
    fewer = sample.read_text(encoding="utf-8").replace("records = 2500", "records = 250")
    sample.write_text(fewer, encoding="utf-8")
    tested = run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_fetch.py")
    assert tested.returncode == 0, tested.stdout[-4000:] + tested.stderr[-2000:]
    synced = run(folder, "-m", "harness", "sync", "--sample", "--port", "0", "--json")
    assert synced.returncode == 0, synced.stdout[-4000:] + synced.stderr[-2000:]
    result = json.loads(synced.stdout)
    assert result["rows"] == 250
    found = [finding["rule"] for finding in result["findings"]]
    assert found == ([] if answers["primary_key"] else ["no-primary-key"])


@pytest.mark.parametrize("answers", FEWEST, ids=map(label, FEWEST))
def test_each_value_passes_the_whole_suite(
    project: Bake, run: Run, answers: dict[str, str]
) -> None:
    """The generated tests, the conformance suite among them, pass in the baked folder, offline."""
    done = run(project(**answers), "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@pytest.mark.parametrize("answers", FEWEST, ids=map(label, FEWEST))
def test_each_value_does_what_the_readme_says(
    project: Bake, run: Run, answers: dict[str, str]
) -> None:
    """`python -m harness sync --sample` brings all 2,500 records over; a second one works too."""
    folder = project(**answers)
    for _ in range(2):
        done = run(folder, "-m", "harness", "sync", "--sample", "--port", "0")
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
        assert "2,500" in done.stdout


def test_every_fetch_step_passes_the_type_checker(
    bake: Bake, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """mypy, with the generated settings, finds nothing in a bake nor in any pair's step."""
    project = bake()
    folder = tmp_path_factory.mktemp("steps")
    names = []
    for number, answers in enumerate(PAIRS):
        name = folder / f"fetch_{number}.py"
        name.write_text(
            (bake(**answers) / "fetch.py").read_text(encoding="utf-8"), encoding="utf-8"
        )
        names.append(str(name))
    own = ["function_app.py", "fetch.py", "connector", "harness", "tests"]
    done = run(project, "-m", "mypy", "--cache-dir", str(folder / "cache"), *own, *names)
    assert done.returncode == 0, done.stdout
