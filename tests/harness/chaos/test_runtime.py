"""The template's runtime survives chaos in every style of paging."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from harness.bench import Bench

from .conftest import SAMPLE, write

FUNCTION = """
import azure.functions as func

from connector import respond
from fetch import source

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route(route="acme", methods=["POST"])
def acme(req: func.HttpRequest) -> func.HttpResponse:
    return respond(source, req)
"""
FETCH = """
from connector import BearerToken, Fetch, Page, Source

source = Source(base_url="https://api.example.com", auth=BearerToken("apiToken"))


@source.entity("thing", page_size=25, %s)
def thing(fetch: Fetch) -> Page:
    params = {"updated_since": fetch.since, "limit": fetch.page_size}
"""
BY_URL = """
    response = fetch.follow("/things", params=params)
    return Page(response.rows("data"), next_token=response.%s)
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
    "offset": """
    offset = fetch.token or 0
    response = fetch.get("/things", params={**params, "offset": offset})
    rows = response.rows("data")
    return Page(rows, next_token=offset + len(rows) if rows else None)
""",
    "link_header": BY_URL % 'link("next")',
    "next_url": BY_URL % 'value("next")',
}
KEYED, DATED = 'primary_key=["id"]', 'cursor="updated_at"'
DELETED = {
    'rows("data"), next_token': 'rows("data"), deleted=response.rows("deleted"), next_token',
}
WITHOUT_CURSOR = {
    'cursor = "updated_at"\n': "",
    'since = "updated_since"\n': "",
    '"updated_since": fetch.since, ': "",
}

Opened = Callable[..., Bench]


def sample_of(style: str) -> str:
    lines = {
        "cursor": 'next = "next_cursor"\ntoken = "cursor"',
        "page_number": 'token = "page"',
        "offset": 'token = "offset"',
        "link_header": 'token = "cursor"',
        "next_url": 'next = "next"\ntoken = "cursor"',
    }
    text = SAMPLE.replace('pagination = "page_number"', f'pagination = "{style}"')
    return text.replace('token = "page"', lines[style])


@pytest.fixture
def opened(runtime: Path, tmp_path: Path) -> Iterator[Opened]:
    """Opens a bench for the runtime with a style's step, declared as told."""
    with ExitStack() as stack:

        def open_(style: str, declared: str, changes: dict[str, str] | None = None) -> Bench:
            folder, room = tmp_path / "project", tmp_path / "room"
            shutil.copytree(runtime, folder)
            room.mkdir()
            sample, fetch = sample_of(style), FETCH % declared + STEPS[style].lstrip("\n")
            for old, new in (changes or {}).items():
                assert old in sample or old in fetch, old
                sample, fetch = sample.replace(old, new), fetch.replace(old, new)
            write(folder, sample, {"function_app.py": FUNCTION, "fetch.py": fetch})
            return stack.enter_context(Bench.opened(folder, room))

        yield open_


@pytest.mark.parametrize("seed", range(20))
def test_it_survives_every_seed(opened: Opened, seed: int) -> None:
    opened("cursor", f"{KEYED}, {DATED}").chaos(seed).check()


VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "usual": (f"{KEYED}, {DATED}", {}),
    "without a key": (DATED, {'primary_key = ["id"]': "primary_key = []"}),
    "without a cursor": (KEYED, WITHOUT_CURSOR),
    "without both": ("", {**WITHOUT_CURSOR, 'primary_key = ["id"]': "primary_key = []"}),
    "soft delete": (f"{KEYED}, soft_delete=True", WITHOUT_CURSOR),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("style", STEPS)
def test_it_survives_in_every_style(opened: Opened, style: str, variant: str) -> None:
    declared, changes = VARIANTS[variant]
    bench = opened(style, declared, changes)
    for seed in (5, 8):
        bench.chaos(seed, records=120).check()


@pytest.mark.parametrize("style", ["cursor", "next_url"])
def test_deletions_that_are_told_of_arrive(opened: Opened, style: str) -> None:
    changes = {**DELETED, 'rows = "data"': 'rows = "data"\ndeleted = "deleted"'}
    bench = opened(style, f"{KEYED}, {DATED}", changes)
    run = bench.chaos(8, records=120)
    run.check()
    assert run.done["deleted"]


def test_deletions_are_found_out_by_marking_all(opened: Opened) -> None:
    bench = opened("cursor", *VARIANTS["soft delete"])
    run = bench.chaos(4, records=120)
    run.check()
    assert run.done["deleted"]


def test_positions_in_a_list_sorted_by_change_are_found(opened: Opened) -> None:
    """What the comment over the step of page numbers warns of."""
    bench = opened(
        "page_number", f"{KEYED}, {DATED}", {"nulls = []": "nulls = []\nby_change = true"}
    )
    assert any(bench.chaos(seed).difference for seed in range(20))


# A line for each letter but one, which is another one after each change.
LINES = """
    rows = list(response.rows("data"))
    lines = [
        {"thing": row["id"], "letter": letter}
        for row in rows
        for letter in "abc"
        if letter != "abc"[sum(map(ord, row["updated_at"])) % 3]
    ]
    return Page(rows, tables={"line": lines}, next_token=response.value("next_cursor"))
"""


def test_lines_that_are_gone_upstream_are_counted_and_no_fault(opened: Opened) -> None:
    old = '    return Page(response.rows("data"), next_token=response.value("next_cursor"))\n'
    declared = f'{KEYED}, {DATED}, tables={{"line": ["thing", "letter"]}}'
    bench = opened("cursor", declared, {old: LINES.lstrip("\n")})
    runs = [bench.chaos(seed, records=120) for seed in (5, 7, 8)]
    for run in runs:
        run.check()
    assert sum(run.surplus.get("line", 0) for run in runs) > 0
    assert all(run.surplus.keys() <= {"line"} for run in runs)
