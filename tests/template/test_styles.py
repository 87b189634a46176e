"""fetch.py for each style, auth and way of deleting: what somebody would write by hand."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from template.conftest import Bake

DEFAULT = '''\
from connector import BearerToken, Fetch, Page, Source

source = Source(base_url="https://api.example.com", auth=BearerToken("apiToken"))


@source.entity("transaction", primary_key=["id"], cursor="updated_at")
def transaction(fetch: Fetch) -> Page:
    """One page of transactions changed since the cursor."""
    response = fetch.get(
        "/transactions",
        params={"updated_since": fetch.since, "cursor": fetch.token, "limit": fetch.page_size},
    )
    return Page(response.rows("data"), next_token=response.value("next_cursor"))
'''
FUNCTION_APP = """\
import azure.functions as func

from connector import respond
from fetch import source

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route(route="acme_connector", methods=["POST"])
def acme_connector(req: func.HttpRequest) -> func.HttpResponse:
    return respond(source, req)
"""
BODIES = {
    "page_number": '''\
    """One page of transactions changed since the cursor."""
    page = fetch.token or 1
    # Sort by id or creation, ascending: in a list by time of change, records slip past the reader.
    response = fetch.get(
        "/transactions",
        params={"updated_since": fetch.since, "page": page, "limit": fetch.page_size},
    )
    rows = response.rows("data")
    return Page(rows, next_token=page + 1 if rows else None)
''',
    "offset": '''\
    """One page of transactions changed since the cursor."""
    offset = fetch.token or 0
    # Sort by id or creation, ascending: in a list by time of change, records slip past the reader.
    response = fetch.get(
        "/transactions",
        params={"updated_since": fetch.since, "offset": offset, "limit": fetch.page_size},
    )
    rows = response.rows("data")
    return Page(rows, next_token=offset + len(rows) if rows else None)
''',
    "link_header": '''\
    """One page of transactions changed since the cursor."""
    response = fetch.follow(
        "/transactions", params={"updated_since": fetch.since, "limit": fetch.page_size}
    )
    return Page(response.rows(), next_token=response.link("next"))
''',
    "next_url": '''\
    """One page of transactions changed since the cursor."""
    response = fetch.follow(
        "/transactions", params={"updated_since": fetch.since, "limit": fetch.page_size}
    )
    return Page(response.rows("data"), next_token=response.value("next"))
''',
    "none": '''\
    """All transactions changed since the cursor."""
    response = fetch.get("/transactions", params={"updated_since": fetch.since})
    return Page(response.rows("data"))
''',
}
SOURCES = {
    "api_key_header": """\
from connector import ApiKey, Fetch, Page, Source

source = Source(base_url="https://api.example.com", auth=ApiKey("apiKey", header="X-Api-Key"))
""",
    "api_key_query": """\
from connector import ApiKey, Fetch, Page, Source

source = Source(base_url="https://api.example.com", auth=ApiKey("apiKey", param="api_key"))
""",
    "basic": """\
from connector import BasicAuth, Fetch, Page, Source

source = Source(base_url="https://api.example.com", auth=BasicAuth("username", "password"))
""",
    "oauth2_client_credentials": """\
from connector import Fetch, OAuth2ClientCredentials, Page, Source

source = Source(
    base_url="https://api.example.com",
    auth=OAuth2ClientCredentials("/oauth/token", "clientId", "clientSecret"),
)
""",
    "none": """\
from connector import Fetch, Page, Source

source = Source(base_url="https://api.example.com")
""",
}


def text(project: Path, name: str = "fetch.py") -> str:
    return (project / name).read_text(encoding="utf-8")


def lint(project: Path) -> str:
    """What ruff, with the project's own settings, has to say about the project's own Python."""
    said = ""
    for command in (["format", "--diff"], ["check", "--quiet"]):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "ruff",
                *command,
                "--no-cache",
                "fetch.py",
                "function_app.py",
                "tests",
            ],
            cwd=project,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        said += "" if done.returncode == 0 else done.stdout + done.stderr
    return said


def test_the_default_is_the_designs_fetch_step(bake: Bake) -> None:
    """fetch.py and function_app.py of a default bake are the documented ones, to the letter."""
    assert text(bake()) == DEFAULT
    assert text(bake(), "function_app.py") == FUNCTION_APP


@pytest.mark.parametrize("style", BODIES)
def test_each_style_reads_as_if_written_for_it(bake: Bake, style: str) -> None:
    """A style changes the body of the step alone."""
    head = DEFAULT.partition('    """')[0]
    assert text(bake(pagination=style)) == head + BODIES[style]


@pytest.mark.parametrize("auth", SOURCES)
def test_each_auth_changes_the_source_alone(bake: Bake, auth: str) -> None:
    """An auth kind brings its class and its arguments, and nothing of the others."""
    rest = DEFAULT[DEFAULT.index("\n\n@source") :]
    assert text(bake(auth=auth)) == SOURCES[auth] + rest


def test_soft_delete_has_no_cursor(bake: Bake) -> None:
    """deletes=soft_delete on the command line bakes without a word about cursor_field."""
    fetch = text(bake(deletes="soft_delete"))
    assert '@source.entity("transaction", primary_key=["id"], soft_delete=True)' in fetch
    assert "fetch.since" not in fetch and '"""One page of transactions."""' in fetch


@pytest.mark.parametrize("style", ["cursor", *BODIES])
def test_deleted_records_are_read_from_the_page(bake: Bake, style: str) -> None:
    """deletes=records hands the tombstones of each page to Page, in every style."""
    fetch = text(bake(pagination=style, deletes="records"))
    assert 'response.rows("deleted")' in fetch and "deleted=" in fetch
    assert 'response.rows("data")' in fetch


@pytest.mark.parametrize(
    ("answers", "line"),
    [
        ({"primary_key": "order_id, line_no"}, 'primary_key=["order_id", "line_no"], cursor='),
        ({"primary_key": ""}, '@source.entity("transaction", cursor="updated_at")'),
        ({"cursor_field": ""}, '@source.entity("transaction", primary_key=["id"])'),
        ({"cursor_field": " meta.at "}, 'cursor="meta.at"'),
        ({"base_url": "https://api.example.com/v1/"}, 'base_url="https://api.example.com/v1"'),
        ({"entity": "order_line"}, '    """One page of order lines changed since the cursor."""'),
        ({"entity": "class"}, "def class_(fetch: Fetch) -> Page:"),
        ({"entity": "source"}, "def source_(fetch: Fetch) -> Page:"),
    ],
    ids=str,
)
def test_an_answer_stands_where_it_belongs(bake: Bake, answers: dict[str, str], line: str) -> None:
    """Answers enter fetch.py as written, trimmed."""
    assert line in text(bake(**answers))


@pytest.mark.parametrize("style", ["cursor", *BODIES])
@pytest.mark.parametrize("deletes", ["none", "records", "soft_delete"])
def test_every_fetch_step_is_short_and_clean(bake: Bake, style: str, deletes: str) -> None:
    """The formatter and the linter find nothing, and the whole file stays under 30 lines."""
    project = bake(pagination=style, deletes=deletes)
    assert lint(project) == ""
    assert len(text(project).splitlines()) < 30


@pytest.mark.parametrize(
    "answers",
    [
        {"entity": "x"},
        {"entity": "e" * 50},
        {"entity": "e" * 38},
        {"entity": "e" * 39},
        {"entity": "e" * 40},
        {"entity": "e" * 50, "pagination": "next_url", "deletes": "records"},
        {"entity": "e" * 50, "pagination": "none", "primary_key": "", "cursor_field": ""},
        {"function_name": "f" * 47},
        {"function_name": "f" * 48},
        {"function_name": "f" * 60},
        {"base_url": "https://" + "u" * 40},
        {"base_url": "https://" + "u" * 41},
        {"base_url": "https://" + "u" * 57},
        {"base_url": "https://u.example/" + "u" * 180, "auth": "none"},
        {"primary_key": ",".join(f"column_{n}" for n in range(4))},
        {"primary_key": ",".join(f"column_{n}" for n in range(6))},
        {"primary_key": ",".join(f"column_{n}" for n in range(20))},
        {"primary_key": "k" * 64, "cursor_field": "c" * 64},
        {"primary_key": "伝票番号" * 4, "cursor_field": "更新日時"},
        {"primary_key": "伝票番号" * 8, "cursor_field": "更新日時" * 4},
        {"primary_key": "größe, naïve-Key, @odata.id, $ref, 1st, a b"},
    ],
    ids=ascii,
)
def test_long_and_odd_names_are_laid_out_by_the_formatters_rules(
    bake: Bake, answers: dict[str, str]
) -> None:
    """Around each line's end the layout is the formatter's."""
    project = bake(**answers)
    assert lint(project) == ""
    ast.parse(text(project))
