"""Each example of the gallery, laid over a new project: it lints, its tests pass, and it syncs."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path

import pytest
from baked import ROOT, Bake, run
from harness.cli import main
from harness.target.network import short_sleeps

GALLERY = ROOT / "examples"
EXAMPLES = sorted(path.parent.name for path in GALLERY.glob("*/fetch.py"))
FILES = {"fetch.py", "sample.toml", "tests/test_fetch.py", "tests/test_function.py"}
OWN_APP = "tests/upstream.py"
CACHES = shutil.ignore_patterns("__pycache__", ".*_cache", ".fivetran")
# What the example's upstream expects of the custom payload; any other key is "acme".
PAYLOAD = {"repositories": "octo/app, octo/docs, octo/fork, octo/new"}


def fitted(folder: Path, name: str) -> Path:
    """A project with an example over it, and its names in both connection files."""
    shutil.copytree(GALLERY / name, folder, ignore=CACHES, dirs_exist_ok=True)
    source = runpy.run_path(str(folder / "fetch.py"))["source"]
    connection = {
        "schema": "acme",
        "secrets": dict.fromkeys(source.secrets, ""),
        "customPayload": {key: PAYLOAD.get(key, "acme") for key in source.payload},
    }
    for file in ("connection.json", "connection.example.json"):
        (folder / file).write_text(json.dumps(connection), encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_works_in_a_new_project(
    project: Bake,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    """Its own tests pass; a second sync brings no new row and does not read everything."""
    folder = fitted(project(), name)
    run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    monkeypatch.chdir(folder)
    found = []
    for _ in range(2):
        with short_sleeps():  # a step may ask to wait
            assert main(["sync", "--sample", "--port", "0", "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    first, second = found
    assert first["ok"] and second["ok"]
    assert first["rows"] > 0
    assert second["state"].keys() == first["state"].keys()
    assert sum(table["applied"].get("inserted", 0) for table in second["tables"]) == 0
    assert second["rows"] < first["rows"] or not first["state"]


def test_the_tools_of_a_project_find_nothing_in_the_examples(project: Bake) -> None:
    """ruff and mypy, with the settings of a new project; modules need names of their own."""
    folder = project()
    for name in EXAMPLES:
        for path in (GALLERY / name).rglob("*.py"):
            (folder / f"{path.stem}_{name}.py").write_bytes(path.read_bytes())
    run(folder, "-m", "ruff", "check", "--no-cache", ".")
    run(folder, "-m", "ruff", "format", "--no-cache", "--check", ".")
    steps = [path.name for path in folder.glob("*_*.py") if not path.name.startswith("test_")]
    run(folder, "-m", "mypy", "--cache-dir", str(folder / "cache"), *steps)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_the_files_of_the_gallery(name: str) -> None:
    """No others; an app of its own is at most 150 lines, and sample.toml names it."""
    folder = GALLERY / name
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    own_app = 'upstream = "tests.upstream:app"' in (folder / "sample.toml").read_text("utf-8")
    wanted = FILES | ({OWN_APP} if own_app else set())
    assert {path for path in found if "cache" not in path} == wanted
    assert not own_app or len((folder / OWN_APP).read_text("utf-8").splitlines()) <= 150


def test_the_table_of_the_gallery_lists_every_example() -> None:
    text = (GALLERY / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| [")]
    assert [row.split("`")[1] for row in rows] == EXAMPLES


# ---- chaos with an upstream in which users work

# Around the example's own app: before each of the first requests somebody changes something.
APP = """
import itertools
import threading

from harness.sample import made_up
from tests.upstream import app as api
from werkzeug.test import Client

CHANGES = {changes!r}
AUTH = {auth}
numbers = itertools.count(1)
one_by_one = threading.Lock()  # else a change may be older than a page that lacks it


def app(environ, start_response):
    with one_by_one:
        number = next(numbers)
        if number <= 12:
            for method, path, content in CHANGES:
                path = path.format(number * 37, key=number * 37 * 51)
                Client(api).open(path, method=method, **AUTH, **content)
        return api(environ, start_response)
"""
BEARER = '{{"headers": {{"Authorization": "Bearer " + made_up("{}")}}}}'
BASIC = '{{"auth": (made_up("{}"), made_up("apiToken"))}}'
TEXT = {"json": {"summary": "changed", "title": "changed", "subject": "changed"}}
CONTACTS = "/crm/v3/objects/contacts/"
# How the API's users sign in, and what they change.
CHANGING = {
    "github_issues": (
        BEARER.format("githubToken"),
        [
            ("PATCH", "/repos/octo/app/issues/{}", TEXT),
            ("PATCH", "/repos/octo/docs/issues/7", {"json": {"state": "closed"}}),
        ],
    ),
    "hubspot_contacts": (
        BEARER.format("accessToken"),
        [
            ("PATCH", CONTACTS + "{key}", {"json": {"properties": {"firstname": "Ana"}}}),
            ("DELETE", CONTACTS + "5100", {}),
        ],
    ),
    "jira_issues": (
        BASIC.format("email"),
        [("PUT", "/rest/api/3/issue/APP-{}", {"json": {"fields": TEXT["json"]}})],
    ),
    "stripe_charges": (
        BEARER.format("apiKey"),
        [
            ("POST", "/v1/charges/ch_3MmlLr{:06}", {"data": {"description": "changed"}}),
            ("POST", "/v1/customers/cus_3MmlLr000199", {"data": {"name": "Ana"}}),
            ("DELETE", "/v1/customers/cus_3MmlLr{:06}", {}),
        ],
    ),
    "zendesk_tickets": (
        BASIC.format("user"),
        [
            ("PUT", "/api/v2/tickets/{}.json", TEXT),
            ("DELETE", "/api/v2/tickets/7.json", {}),
            ("PUT", "/api/v2/organizations/{}.json", {"json": {"name": "changed"}}),
        ],
    ),
}


@pytest.mark.parametrize("name", CHANGING)
def test_changes_while_it_is_read_are_not_lost(project: Bake, name: str) -> None:
    """Lost replies, errors and changes at once; the tables are those of an undisturbed sync."""
    folder = fitted(project(), name)
    auth, changes = CHANGING[name]
    text = APP.format(changes=changes, auth=auth)
    (folder / "tests" / "changing.py").write_text(text, encoding="utf-8")
    for seed in ("1", "2", "3"):
        upstream = ("--upstream", "tests.changing:app")
        run(folder, "-m", "harness", "sync", "--chaos", seed, *upstream)
