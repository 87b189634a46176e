"""Every pair of option values, baked and used: what was never baked is what breaks."""

import json
import subprocess
from collections.abc import Callable

import pytest
from allpairspy import AllPairs
from template.conftest import Bake, lint

Run = Callable[..., subprocess.CompletedProcess[str]]

OPTIONS = {
    "pagination": ["cursor", "page_number", "offset", "last_id", "link_header", "next_url", "none"],
    "auth": [
        "bearer",
        "token",
        "api_key_header",
        "api_key_query",
        "basic",
        "oauth2_client_credentials",
        "none",
    ],
    "records_path": ["data", "data.items", "none"],
    "primary_key": ["id", "order_id, line_no", "none"],
    "cursor_field": ["updated_at", "meta.changed", "none"],
    "deletes": ["none", "records", "soft_delete"],
    "python_version": ["3.13", "3.14", "3.12", "3.11"],
    "ci": ["github", "azure_pipelines", "none"],
    "license": ["proprietary", "MIT", "Apache-2.0"],
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


PAIRS = [
    dict(zip(OPTIONS, row, strict=True)) for row in AllPairs(OPTIONS.values(), filter_func=fits)
]


def fewest() -> list[dict[str, str]]:
    """Some of the rows, in which every single value stands."""
    left = {value for row in PAIRS for value in row.items()}
    found = []
    while left:
        found.append(max(PAIRS, key=lambda row: len(left & set(row.items()))))
        left -= set(found[-1].items())
    return found


def label(answers: dict[str, str]) -> str:
    return "-".join(answers.values()).replace(" ", "")


FEWEST = fewest()
each_pair = pytest.mark.parametrize("answers", PAIRS, ids=map(label, PAIRS))


def test_every_value_is_baked() -> None:
    """No option value is left out by the contradictions."""
    values = {(name, value) for name, values in OPTIONS.items() for value in values}
    assert {value for row in PAIRS for value in row.items()} == values


@each_pair
def test_each_pair_bakes_clean_and_syncs(project: Bake, run: Run, answers: dict[str, str]) -> None:
    """Ruff finds nothing, the tests of fetch.py pass, and a small sync brings every record over."""
    folder = project(**answers)
    assert lint(folder) == ""
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
    assert found == (["no-primary-key"] if answers["primary_key"] == "none" else [])


@pytest.mark.parametrize("answers", FEWEST, ids=map(label, FEWEST))
def test_each_value_passes_the_whole_suite(
    project: Bake, run: Run, answers: dict[str, str]
) -> None:
    """The generated tests, the conformance suite among them, pass in the baked folder, offline."""
    done = run(project(**answers), "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_every_fetch_step_passes_the_type_checker(
    bake: Bake, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """mypy, with the generated settings, finds nothing in any pair's fetch.py and its tests."""
    folder = tmp_path_factory.mktemp("steps")
    names = []
    for number, answers in enumerate(PAIRS):
        for name in ("fetch", "test_fetch"):
            path = bake(**answers) / ("fetch.py" if name == "fetch" else "tests/test_fetch.py")
            copy = folder / f"{name}_{number}.py"
            copy.write_bytes(path.read_bytes().replace(b"import fetch", b"from typing import Any"))
            copy.write_bytes(copy.read_bytes() + (b"\nfetch: Any\n" if name != "fetch" else b""))
            names.append(str(copy))
    own = ["function_app.py", "fetch.py", "tests"]
    done = run(bake(), "-m", "mypy", "--cache-dir", str(folder / "cache"), *own, *names)
    assert done.returncode == 0, done.stdout
