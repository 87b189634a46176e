"""Bakes survive chaos with each kind of page token, and mistakes in a step are named.

The whole suite runs in bakes: tests/template/test_pairs.py.
"""

import re
from contextlib import ExitStack

import pytest
from harness.sample.faults import Faults
from harness.stage import Stage
from harness.testing import FunctionConformance

from .conftest import replaced, run

SMALL = {"records = 2500": "records = 120", '    "thing",\n': '    "thing",\n    page_size=25,\n'}
CURSOR, PAGES = {"pagination": "cursor"}, {"pagination": "page_number"}
STYLES = ("cursor", "page_number", "link_header")
VARIANTS = {
    "without a key": {"primary_key": "none"},
    "without a cursor": {"cursor_field": "none"},
    "without both": {"primary_key": "none", "cursor_field": "none"},
    "soft delete": {"cursor_field": "none", "deletes": "soft_delete"},
}
TELLS = {**CURSOR, "deletes": "records"}
DELETED = 'deleted=response.rows("deleted")'
# The answers, what is wrong in a step, the test that fails, and the cause that it names.
MISTAKES = {
    "never ends the walk": (
        PAGES,
        {" if rows else None": ""},
        "test_sync_delivers_every_record",
        "50 pages in a row had no records: the step in fetch.py never ends the walk",
    ),
    "throws the rows away": (
        CURSOR,
        {'        response.rows("data"),': "        [],"},
        "test_sync_delivers_every_record",
        r"no record of thing, although sample.toml answered \d+ requests for it: does the step",
    ),
    "has another primary key": (
        CURSOR,
        {'primary_key=["id"]': 'primary_key=["currency"]'},
        "test_sync_delivers_every_record",
        r"primary key of thing is \(currency\) in fetch.py and \(id\) in sample.toml line \d+",
    ),
    "leaves deletions out": (
        TELLS,
        {DELETED: "deleted=()"},
        "test_changes_arrive_with_the_next_sync",
        r"is one too many \(in all: 62 too many\)\nthe API deleted it: pass .*Page\(deleted=…\)",
    ),
    "leaves deletions of later pages out": (
        TELLS,
        {DELETED: 'deleted=() if fetch.token else response.rows("deleted")'},
        "test_changes_arrive_with_the_next_sync",
        "the API deleted it",
    ),
    "takes a refusal for an empty page": (
        PAGES,
        {'"/thing",': '"/thing", ok=[401],', 'rows("data")': 'rows("data", default=[])'},
        "test_wrong_secrets_are_reported",
        r"no error, but sample.toml refused \d+ of its requests: does the step catch .*ok=\?",
    ),
}  # fmt: skip
# Wall clocks of a zone that is behind UTC: what changes now is in no slice, were it read as UTC.
ZONED = {
    "from connector import": "from datetime import timedelta\n\nfrom connector import",
    'cursor="updated_at"': 'cursor="updated_at", timezone="America/Los_Angeles", '
    'window=timedelta(days=90), start="2025-06-01T00:00:00"',
    '"updated_since": fetch.since': '"updated_since": fetch.since, "updated_before": fetch.until',
    'since = "updated_since"': 'since = "updated_since"\nuntil = "updated_before"\n'
    'timezone = "America/Los_Angeles"',
    "08:30:00Z": "08:30:00",
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


@pytest.fixture
def baked(project, tmp_path):
    """Opens a stage for a bake with these answers, with texts of its files replaced."""
    with ExitStack() as stack:

        def open_(answers, changes=None, fetch="", sample=""):
            folder, room = project(entity="thing", **answers), tmp_path / "room"
            files = [folder / "fetch.py", folder / "sample.toml"]
            texts = [file.read_text(encoding="utf-8") for file in files]
            texts = replaced({**SMALL, **(changes or {})}, *texts)
            for file, text, more in zip(files, texts, (fetch, sample), strict=True):
                file.write_text(text + more, encoding="utf-8")
            room.mkdir()
            stage = Stage(folder, room, FunctionConformance().expected)
            return stack.enter_context(stage.running())

        yield open_


def played(stage, seed):
    with stage.with_sample(stage.sample).running(Faults(seed)) as bad:
        return bad.chaos(seed)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("style", STYLES)
def test_it_survives_chaos(baked, style, variant):
    stage = baked({"pagination": style, **VARIANTS[variant]})
    assert played(stage, 8 if variant == "soft delete" else 5) == ""


@pytest.mark.parametrize("seed", range(10, 16))
def test_it_survives_every_seed(baked, seed):
    assert played(baked(TELLS), seed) == ""


def test_one_entity_tells_deletions_beside_one_that_cannot(baked):
    stage = baked(PAGES, {}, STATION, STATION_SAMPLE)
    for name in (
        "test_sync_delivers_every_record",
        "test_changes_arrive_with_the_next_sync",
        "test_chaos_gives_the_same_tables",
    ):
        run(name, stage)
    assert len(stage.server.records("thing")) > len(stage.server.records("station")) + 50


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_step_is_named(baked, mistake):
    answers, changes, name, says = MISTAKES[mistake]
    with pytest.raises(pytest.fail.Exception) as failed:
        run(name, baked(answers, changes))
    assert re.search(says, str(failed.value)), failed.value


def test_wall_clocks_of_a_zone_are_played(baked):
    stage = baked(CURSOR, ZONED)
    run("test_changes_arrive_with_the_next_sync", stage)
    assert played(stage, 5) == ""
