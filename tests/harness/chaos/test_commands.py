"""`sync --chaos SEED` and `--sample MODULE:APP`, as they are typed."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from harness.cli import main
from harness.sample import made_up
from harness.spelling import spelled

from .conftest import SAMPLE, SOUND, by_hand, write

Make = Callable[..., Path]
Run = Callable[..., tuple[int, str]]

APP = """
import json
from urllib.parse import parse_qs

from harness.sample import made_up


def answer(start_response, status, body):
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]


def app(environ, start_response):
    if environ.get("HTTP_AUTHORIZATION") != "Bearer " + made_up("apiToken"):
        return answer(start_response, "401 Unauthorized", {})
    page = int(parse_qs(environ["QUERY_STRING"])["page"][0])
    rows = [{"id": n, "name": f"name {n}"} for n in range(100)][40 * (page - 1) : 40 * page]
    return answer(start_response, "200 OK", {"data": rows})


def broken(environ, start_response):
    raise LookupError("no such thing")


nothing = 5
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a project of the hand-made function, with texts of it replaced, and goes there."""

    def make(**changes: str) -> Path:
        body = SOUND
        for old, new in changes.items():
            assert old in body, old
            body = body.replace(old, new)
        files = {"function_app.py": by_hand(body), "upstream.py": textwrap.dedent(APP)}
        write(tmp_path, SAMPLE, files)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return make


@pytest.fixture
def harness(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command of the harness in the current folder: its exit code and what it wrote."""

    def run(*arguments: str) -> tuple[int, str]:
        code = main(list(arguments))
        return code, "".join(capsys.readouterr())

    return run


def test_same_tables_end_with_zero(project: Make, harness: Run) -> None:
    project()
    code, written = harness("sync", "--chaos", "7")
    assert code == 0, written
    assert "same tables, " in written
    assert "undisturbed sync: " in written


def test_other_tables_end_with_two_the_seed_and_the_record(project: Make, harness: Run) -> None:
    project(**{'{"since": started}': '{"since": now}'})
    for seed in range(20):
        code, written = harness("sync", "--chaos", str(seed))
        if code:
            break
    assert code == 2
    flat = " ".join(written.replace("│", " ").split())
    assert f"chaos {seed}: after " in flat
    assert "thing: the record id=" in flat
    assert f"python -m harness sync --chaos {seed}" in flat


MORE_WHEN_REPEATED = {
    "going_on = {": "if rows and getattr(app, 'last', 0) == page:\n"
    "    rows.append({'id': 1000})\napp.last = page\ngoing_on = {"
}


def test_what_plays_it_again_names_the_app(project: Make, harness: Run) -> None:
    project(**MORE_WHEN_REPEATED)
    for seed in range(20):
        code, written = harness("sync", "--chaos", str(seed), "--sample", "upstream:app")
        if code:
            break
    flat = " ".join(written.replace("│", " ").split())
    assert code == 2
    again = f"play it again: python -m harness sync --chaos {seed} --sample upstream:app"
    assert again in flat


def test_rows_that_a_table_beside_an_entity_keeps_are_told(project: Make, harness: Run) -> None:
    changes = {
        '"insert": {"thing": rows}': '"insert": {"thing": rows, "line": [{"at": row["updated_at"]} '
        "for row in rows]}",
        '"schema": {': '"schema": {"line": {"primary_key": ["at"]}, ',
    }
    project(**changes)
    for seed in map(str, range(20)):
        code, written = harness("sync", "--chaos", seed)
        assert code == 0, written
        if "line: " in written:
            break
    flat = " ".join(written.split())
    assert re.search(r"line: \d+ rows? more than an undisturbed sync has; it is no entity of", flat)
    assert json.loads(harness("sync", "--chaos", seed, "--json")[1])["chaos"]["surplus"]["line"] > 0


def test_machines_get_the_difference(project: Make, harness: Run) -> None:
    project(**{'{"since": started}': '{"since": now}'})
    outputs = (harness("sync", "--chaos", str(seed), "--json") for seed in range(20))
    code, written = next(output for output in outputs if output[0])
    result = json.loads(written)
    assert (code, result["exit_code"], result["chaos"]["same"]) == (2, 2, False)
    difference = result["chaos"]["difference"]
    assert (difference["table"], list(difference["key"])) == ("thing", ["id"])


def test_tables_of_chaos_lie_apart(project: Make, harness: Run) -> None:
    folder = project()
    harness("sync", "--chaos", "1", "--sample")
    names = {path.name for path in (folder / ".fivetran").rglob("*") if path.is_file()}
    assert names == {"disturbed.duckdb", "undisturbed.duckdb", "state.json"}
    assert (folder / ".fivetran").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "option", [("--calls", "2"), ("--url", "http://localhost:7071/api/x"), ("--state", "x.json")]
)
def test_chaos_has_everything_of_its_own(
    project: Make, harness: Run, option: tuple[str, ...]
) -> None:
    project()
    code, written = harness("sync", "--chaos", "1", *option)
    assert code == 3
    assert "leave out --url, --calls, --warehouse and --state" in written


def test_an_app_of_the_project_stands_in_for_the_upstream(project: Make, harness: Run) -> None:
    folder = project()
    code, written = harness("sync", "--sample", "upstream:app")
    assert code == 0, written
    with duckdb.connect(str(folder / ".fivetran/sample/warehouse.duckdb")) as database:
        assert database.execute("SELECT count(*) FROM acme.thing").fetchall() == [(100,)]


@pytest.mark.parametrize("sample", [(), ("upstream:app",), ("--chaos", "7")])
def test_a_secret_that_the_upstream_does_not_know_is_made_up(
    project: Make, harness: Run, sample: tuple[str, ...]
) -> None:
    value = made_up("accountId")
    asked = f'if request["secrets"]["accountId"] != "{value}": raise LookupError\n'
    folder = project(**{"now = ": asked + "now = "})
    given = {"schema": "acme", "secrets": dict.fromkeys(("accountId", "apiToken"), "real")}
    (folder / "connection.json").write_text(json.dumps(given), encoding="utf-8")
    code, written = harness("sync", "--sample", *sample)
    assert code == 0, written


def test_hashed_that_meets_nothing_is_told_at_the_end_of_a_sync(
    project: Make, harness: Run
) -> None:
    folder = project()
    given = {"schema": "acme", "secrets": {"apiToken": "x"}, "hashed": ["thing.fullName"]}
    (folder / "connection.json").write_text(json.dumps(given), encoding="utf-8")
    code, written = harness("sync", "--sample")
    assert code == 0, "a warning does not change the exit code"
    assert "warning private-data-unmet" in written
    there = "hashed thing.fullName met no column; thing has id, name, price, updated_at"
    assert there in " ".join(written.split())


def test_an_app_of_the_project_fails_at_times_too(project: Make, harness: Run) -> None:
    project()
    code, written = harness("sync", "--chaos", "7", "--sample=upstream:app")
    assert code == 0, written
    assert "same tables, 100 rows" in written
    assert " × 500" in written


def test_an_app_that_raises_says_where(project: Make, harness: Run) -> None:
    project(**{'"the upstream does not answer"': "answer.text"})
    code, written = harness("sync", "--sample", "upstream:broken")
    assert code == 1
    flat = " ".join(written.replace("│", " ").split())
    assert "upstream:broken raised LookupError: no such thing (" in flat


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("upstream:nothing", "has no app named nothing"),
        ("upstream:missing", "has no app named missing"),
        ("nowhere:app", "nowhere.py is not there"),
    ],
)
def test_an_app_that_is_not_there_is_wrong_usage(
    project: Make, harness: Run, place: str, says: str
) -> None:
    project()
    code, written = harness("sync", "--sample", place)
    assert code == 3
    assert says in written


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (["sync", "--sample"], ["sync", "--sample=sample.toml"]),
        (["sync", "--sample", "a.b:app"], ["sync", "--sample=a.b:app"]),
        (["sync", "--sample=a:app"], ["sync", "--sample=a:app"]),
        (["peek", "--sample", "thing"], ["peek", "--sample=sample.toml", "thing"]),
        (["sync", "--sample", "--calls", "1"], ["sync", "--sample=sample.toml", "--calls", "1"]),
        (["state", "--set", "a:b"], ["state", "--set", "a:b"]),
    ],
)
def test_sample_takes_an_app_or_nothing(typed: list[str], read: list[str]) -> None:
    assert spelled(typed) == read
