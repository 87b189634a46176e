"""The template's runtime survives chaos with each kind of page token, and mistakes are named.

The whole suite runs in bakes: tests/template/test_pairs.py.
"""

import compileall
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import harness
import pytest
from harness.sample.faults import Faults
from harness.stage import Stage

from .conftest import SAMPLE, replaced, run

WithRuntime = Callable[[str, str], Stage]
GENERATED = Path(harness.__file__).parents[1]
FUNCTION = """
import azure.functions as func

from connector import respond
from fetch import source

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route(route="acme", methods=["POST"])
def acme(req: func.HttpRequest) -> func.HttpResponse:
    return respond(source, req)
"""
HEAD = """
from connector import BearerToken, Fetch, Page, Source

source = Source(base_url="https://api.example.com", auth=BearerToken("apiToken"))


@source.entity("thing", page_size=25, primary_key=["id"], cursor="updated_at")
def thing(fetch: Fetch) -> Page:
    params = {"updated_since": fetch.since, "limit": fetch.page_size}
"""
STEPS = {
    "cursor": """
    response = fetch.get("/things", params={**params, "cursor": fetch.token})
    return Page(response.rows("data"), next_token=response.value("next_cursor"))
""",
    "page_number": """
    page = fetch.token or 1
    response = fetch.get("/things", params={**params, "page": page})
    rows = response.rows("data")
    return Page(rows, next_token=page + 1 if rows else None)
""",
    "link_header": """
    response = fetch.follow("/things", params=params)
    return Page(response.rows("data"), next_token=response.link("next"))
""",
}
KEYS = {
    "cursor": 'next = "next_cursor"\ntoken = "cursor"',
    "page_number": 'token = "page"',
    "link_header": 'token = "cursor"',
}
KEYLESS = {'primary_key=["id"], ': "", 'primary_key = ["id"]': "primary_key = []"}
WITHOUT_CURSOR = {
    ', cursor="updated_at"': "",
    'cursor = "updated_at"\n': "",
    'since = "updated_since"\n': "",
    '"updated_since": fetch.since, ': "",
}
VARIANTS = {
    "without a key": KEYLESS,
    "without a cursor": WITHOUT_CURSOR,
    "without both": {**KEYLESS, **WITHOUT_CURSOR},
    "soft delete": {**WITHOUT_CURSOR, "page_size=25": "page_size=25, soft_delete=True"},
}
TELLS = {'rows = "data"': 'rows = "data"\ndeleted = "deleted"'}
DELETED = {
    'rows("data"), next_token': 'rows("data"), deleted=response.rows("deleted"), next_token',
    **TELLS,
}
FIRST_ALONE = 'rows("data"), deleted=() if fetch.token else response.rows("deleted"), next_token'
# What is wrong in a step, the test that fails, and the cause that it names.
MISTAKES = {
    "never ends the walk": (
        "page_number",
        {" if rows else None": ""},
        "test_sync_delivers_every_record",
        "50 pages in a row had no records: the step in fetch.py never ends the walk",
    ),
    "throws the rows away": (
        "cursor",
        {'Page(response.rows("data")': "Page([]"},
        "test_sync_delivers_every_record",
        r"no record of thing, although sample.toml answered \d+ requests for it: does the step",
    ),
    "has another primary key": (
        "cursor",
        {'primary_key=["id"]': 'primary_key=["lat"]'},
        "test_sync_delivers_every_record",
        r"primary key of thing is \(lat\) in fetch.py and \(id\) in sample.toml line \d+",
    ),
    "leaves deletions out": (
        "cursor",
        TELLS,
        "test_changes_arrive_with_the_next_sync",
        r"is one too many \(in all: 62 too many\)\nthe API deleted it: pass .*Page\(deleted=…\)",
    ),
    "leaves deletions of later pages out": (
        "cursor",
        {**TELLS, 'rows("data"), next_token': FIRST_ALONE},
        "test_changes_arrive_with_the_next_sync",
        "the API deleted it",
    ),
    "takes a refusal for an empty page": (
        "page_number",
        {'"page": page}': '"page": page}, ok=[401]', 'rows("data")': 'rows("data", default=[])'},
        "test_wrong_secrets_are_reported",
        r"no error, but sample.toml refused \d+ of its requests: does the step catch .*ok=\?",
    ),
}
# Wall clocks of a zone that is behind UTC: what changes now is in no slice, were it read as UTC.
ZONED = {
    "from connector import": "from datetime import timedelta\n\nfrom connector import",
    'cursor="updated_at"': 'cursor="updated_at", timezone="America/Los_Angeles", '
    'window=timedelta(days=90), start="2025-06-01T00:00:00"',
    '"updated_since": fetch.since': '"updated_since": fetch.since, "updated_before": fetch.until',
    'since = "updated_since"': 'since = "updated_since"\nuntil = "updated_before"\n'
    'timezone = "America/Los_Angeles"',
    "08:30:00.000000Z": "08:30:00.000000",
}
# Deletions in one entity alone, and records that the step reads.
STATION = """

@source.entity("station", primary_key=["id"], soft_delete=True)
def station(fetch: Fetch) -> Page:
    page = fetch.token or 1
    rows = fetch.get("/stations", params={"page": page, "limit": 25}).json()["data"]
    return Page([dict(row) for row in rows], next_token=page + 1 if rows else None)
"""
STATION_SAMPLE = """
[entity.station]
path = "/stations"
pagination = "page_number"
rows = "data"
token = "page"
size = "limit"
primary_key = ["id"]
record = { id = 1, lat = 36.3, score = 90.39646779001665 }
"""


@pytest.fixture(scope="session")
def runtime(tmp_path_factory):
    """The template's runtime, compiled once: it is imported many times."""
    folder = tmp_path_factory.mktemp("runtime") / "connector"
    shutil.copytree(GENERATED / "connector", folder, ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(folder, quiet=1)
    return folder


@pytest.fixture
def with_runtime(staged, tmp_path, runtime):
    """Opens a stage for the template's runtime with these steps and this sample."""

    def open_(fetch, sample):
        shutil.copytree(runtime, tmp_path / "project" / "connector")
        return staged({"function_app.py": FUNCTION, "fetch.py": fetch, "sample.toml": sample})

    return open_


def project(style, changes):
    """Steps and sample of a style of paging."""
    sample = SAMPLE.replace('"page_number"', f'"{style}"').replace('token = "page"', KEYS[style])
    fetch, sample = replaced(changes, HEAD + STEPS[style].lstrip("\n"), sample)
    return fetch, sample


def played(stage, seed):
    with stage.with_sample(stage.sample).running(Faults(seed)) as bad:
        return bad.chaos(seed)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("style", STEPS)
def test_it_survives_chaos(with_runtime, style, variant):
    stage = with_runtime(*project(style, VARIANTS[variant]))
    assert played(stage, 8 if variant == "soft delete" else 5) == ""


@pytest.mark.parametrize("seed", range(10, 16))
def test_it_survives_every_seed(with_runtime, seed):
    assert played(with_runtime(*project("cursor", DELETED)), seed) == ""


def test_one_entity_tells_deletions_beside_one_that_cannot(with_runtime):
    fetch, sample = project("page_number", {})
    stage = with_runtime(fetch + STATION, sample + STATION_SAMPLE)
    for name in (
        "test_sync_delivers_every_record",
        "test_changes_arrive_with_the_next_sync",
        "test_chaos_gives_the_same_tables",
    ):
        run(name, stage)
    assert len(stage.server.records("thing")) > len(stage.server.records("station")) + 50


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_step_is_named(with_runtime, mistake):
    style, changes, name, says = MISTAKES[mistake]
    with pytest.raises(pytest.fail.Exception) as failed:
        run(name, with_runtime(*project(style, changes)))
    assert re.search(says, str(failed.value)), failed.value


def test_wall_clocks_of_a_zone_are_played(with_runtime):
    stage = with_runtime(*project("cursor", ZONED))
    run("test_changes_arrive_with_the_next_sync", stage)
    assert played(stage, 5) == ""
