"""fetch.py for each style, auth and way of deleting: what somebody would write by hand."""

from pathlib import Path

import pytest
from baked import Bake

DEFAULT = '''\
from connector import BearerToken, Fetch, Page, Source

source = Source(
    base_url="https://api.example.com",
    auth=BearerToken("apiToken"),
)


@source.entity(
    "transaction",
    primary_key=["id"],
    cursor="updated_at",
)
def transaction(fetch: Fetch) -> Page:
    """One page of records changed since the cursor."""
    response = fetch.get(
        "/transaction",
        params={
            "updated_since": fetch.since,
            "cursor": fetch.token,
            "limit": fetch.page_size,
        },
    )
    return Page(
        response.rows("data"),
        next_token=response.value("next_cursor"),
    )
'''
FUNCTION_APP = """\
from azure.functions import AuthLevel, FunctionApp, HttpRequest, HttpResponse

from connector import respond
from fetch import source

app = FunctionApp(http_auth_level=AuthLevel.FUNCTION)


@app.route(route="acme_connector", methods=["POST"])
def acme_connector(req: HttpRequest) -> HttpResponse:
    return respond(source, req)
"""
# What differs from the default, line by line.
STYLES = {
    "page_number": [
        "    page = fetch.token or 1",
        '            "page": page,',
        '    rows = response.rows("data")',
        "        rows,",
        "        next_token=page + 1 if rows else None,",
    ],
    "offset": [
        "    offset = fetch.token or 0",
        '            "offset": offset,',
        '    rows = response.rows("data")',
        "        rows,",
        "        next_token=offset + len(rows) if rows else None,",
    ],
    "last_id": [
        '            "starting_after": fetch.token,',
        '    rows = response.rows("data")',
        "        rows,",
        '        next_token=rows[-1]["id"] if response.value("has_more") else None,',
    ],
    "link_header": ["    response = fetch.follow(", '        next_token=response.link("next"),'],
    "next_url": ["    response = fetch.follow(", '        next_token=response.value("next"),'],
    "none": ['    """All records changed since the cursor."""'],
}
AUTHS = {
    "token": 'ApiKey("apiToken", header="Authorization", prefix="Token ")',
    "api_key_header": 'ApiKey("apiKey", header="X-Api-Key")',
    "api_key_query": 'ApiKey("apiKey", param="api_key")',
    "basic": 'BasicAuth("username", "password")',
    "oauth2_client_credentials": (
        'OAuth2ClientCredentials("/oauth/token", "clientId", "clientSecret")'
    ),
    "none": "",
}


def fetch(project: Path) -> str:
    return (project / "fetch.py").read_text(encoding="utf-8")


def test_the_default_is_what_somebody_would_write(bake: Bake) -> None:
    assert fetch(bake()) == DEFAULT
    assert (bake() / "function_app.py").read_text(encoding="utf-8") == FUNCTION_APP


@pytest.mark.parametrize("style", STYLES)
def test_each_style_changes_its_own_lines_alone(bake: Bake, style: str) -> None:
    """The request and the next token differ, a comment on sorting may stand in between."""
    lines, default = fetch(bake(pagination=style)).splitlines(), DEFAULT.splitlines()
    added = [line for line in lines if line not in default and "    # " not in line]
    assert added == STYLES[style]
    assert ("    # " in "".join(lines)) == (style in ("page_number", "offset", "last_id"))


@pytest.mark.parametrize("auth", AUTHS)
def test_each_auth_changes_the_source_alone(bake: Bake, auth: str) -> None:
    call = AUTHS[auth]
    names = ", ".join(sorted(["Fetch", "Page", "Source", *call.partition("(")[:1]])).strip(", ")
    given = f"    auth={call},\n" if call else ""
    expected = DEFAULT.replace('    auth=BearerToken("apiToken"),\n', given)
    assert fetch(bake(auth=auth)) == expected.replace("BearerToken, Fetch, Page, Source", names)


@pytest.mark.parametrize("style", ["cursor", "page_number", "offset", "link_header", "none"])
def test_deleted_records_are_read_from_the_page(bake: Bake, style: str) -> None:
    code = fetch(bake(pagination=style, deletes="records"))
    assert 'response.rows("deleted")' in code and "        deleted=" in code


@pytest.mark.parametrize(
    ("answers", "lines"),
    [
        ({"primary_key": "a, b"}, '    primary_key=[\n        "a",\n        "b",\n    ],\n'),
        ({"primary_key": "none"}, '    "transaction",\n    cursor="updated_at",\n)'),
        ({"primary_key": " "}, '    "transaction",\n    cursor="updated_at",\n)'),
        ({"cursor_field": "none"}, '    primary_key=["id"],\n)'),
        ({"cursor_field": " "}, '    """One page of records."""'),
        ({"cursor_field": " meta.at "}, '    cursor="meta.at",\n'),
        ({"cursor_field": "none", "deletes": "soft_delete"}, "    soft_delete=True,\n"),
        ({"base_url": "https://api.example.com/v1/"}, 'base_url="https://api.example.com/v1"'),
        ({"entity": "posts"}, '        "/posts",\n'),
        ({"records_path": "data.items"}, '        response.rows("data.items"),\n'),
        ({"records_path": "none", "pagination": "link_header"}, "        response.rows(),\n"),
    ],
    ids=str,
)
def test_an_answer_stands_where_it_belongs(bake: Bake, answers: dict[str, str], lines: str) -> None:
    assert lines in fetch(bake(**answers))
