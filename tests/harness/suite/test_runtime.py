"""The template's runtime passes the suite and chaos in each style of paging."""

from __future__ import annotations

import pytest
from harness.sample.faults import Faults
from harness.stage import Stage

from .conftest import SAMPLE, Changes, Staged, failures, replaced

HEAD = """
from connector import BearerToken, Fetch, Page, Source

source = Source(base_url="https://api.example.com", auth=BearerToken("apiToken"))


@source.entity("thing", page_size=25, primary_key=["id"], cursor="updated_at")
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
KEYS = {
    "cursor": 'next = "next_cursor"\ntoken = "cursor"',
    "page_number": 'token = "page"',
    "offset": 'token = "offset"',
    "link_header": 'token = "cursor"',
    "next_url": 'next = "next"\ntoken = "cursor"',
}
KEYLESS = {'primary_key=["id"], ': "", 'primary_key = ["id"]': "primary_key = []"}
WITHOUT_CURSOR = {
    ', cursor="updated_at"': "",
    'cursor = "updated_at"\n': "",
    'since = "updated_since"\n': "",
    '"updated_since": fetch.since, ': "",
}
VARIANTS: dict[str, Changes] = {
    "without a key": KEYLESS,
    "without a cursor": WITHOUT_CURSOR,
    "without both": {**KEYLESS, **WITHOUT_CURSOR},
    "soft delete": {**WITHOUT_CURSOR, "page_size=25": "page_size=25, soft_delete=True"},
}
DELETED = {
    'rows("data"), next_token': 'rows("data"), deleted=response.rows("deleted"), next_token',
    'rows = "data"': 'rows = "data"\ndeleted = "deleted"',
}
# What Django REST framework gives: page numbers, `next`, 404 past the end; deletions in one alone.
DJANGO = """
from connector import ApiKey, Fetch, Page, Source

token = ApiKey("apiToken", header="Authorization", prefix="Token ")
source = Source(base_url="https://crm.example.org/api/v1", auth=token)


def read(fetch: Fetch, path: str) -> Page:
    page = fetch.token or 1
    params = {"page": page, "page_size": 25, "modified__gte": fetch.since}
    response = fetch.get(path, params=params, ok=[404])
    rows = [dict(row) for row in response.json()["results"]] if response.ok else []
    return Page(rows, next_token=page + 1 if rows else None)


@source.entity("customer", primary_key=["id"], cursor="modified")
def customers(fetch: Fetch) -> Page:
    return read(fetch, "/customers/")


@source.entity("station", primary_key=["id"], soft_delete=True)
def stations(fetch: Fetch) -> Page:
    return read(fetch, "/stations/")


@source.entity("country", primary_key=["code"])
def countries(fetch: Fetch) -> Page:
    return read(fetch, "/countries/")
"""
DJANGO_ENTITY = """
[entity.%s]
path = "/%s/"
pagination = "page_number"
rows = "results"
next = "next"
size = "page_size"
"""
DJANGO_SAMPLE = (
    'records = 120\n\n[auth]\nkind = "token"\nsecrets = ["apiToken"]\n'
    + DJANGO_ENTITY % ("customer", "customers")
    + 'primary_key = ["id"]\ncursor = "modified"\nsince = "modified__gte"\n'
    'record = { id = 1, modified = "2026-01-05T08:30:00.123456Z", name = "Zoë" }\n'
    + DJANGO_ENTITY % ("station", "stations")
    + 'primary_key = ["id"]\nrecord = { id = 1, lat = 36.3, score = 90.39646779001665 }\n'
    + DJANGO_ENTITY % ("country", "countries")
    + 'primary_key = ["code"]\nrecord = { code = "DE", name = "Deutschland" }\n'
)
PUBLISHED = ("test_published_files_import",)  # needs no paging


def project(style: str, changes: Changes) -> tuple[str, str]:
    """Steps and sample of a style of paging."""
    sample = SAMPLE.replace('"page_number"', f'"{style}"').replace('token = "page"', KEYS[style])
    fetch, sample = replaced(changes, HEAD + STEPS[style].lstrip("\n"), sample)
    return fetch, sample


def played(stage: Stage, seed: int) -> str:
    with stage.with_sample(stage.sample).running(Faults(seed)) as bad:
        return bad.chaos(seed, bad.sample)


@pytest.mark.parametrize("style", STEPS)
def test_the_runtime_passes_in_every_style(with_runtime: Staged, style: str) -> None:
    assert failures(with_runtime(*project(style, {})), PUBLISHED) == {}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("style", STEPS)
def test_it_survives_chaos(with_runtime: Staged, style: str, variant: str) -> None:
    stage = with_runtime(*project(style, VARIANTS[variant]))
    assert played(stage, 8 if variant == "soft delete" else 5) == ""


@pytest.mark.parametrize("seed", range(10, 16))
def test_it_survives_every_seed(with_runtime: Staged, seed: int) -> None:
    assert played(with_runtime(*project("cursor", DELETED)), seed) == ""


def test_one_entity_tells_deletions_beside_two_that_cannot(with_runtime: Staged) -> None:
    stage = with_runtime(DJANGO, DJANGO_SAMPLE)
    assert failures(stage) == {}
    customers, stations, countries = (
        len(stage.server.records(name)) for name in ("customer", "station", "country")
    )
    assert customers == countries == stations + 3
