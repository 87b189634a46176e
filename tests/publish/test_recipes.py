"""Each step that docs/fetch.md shows runs, and asks and reads as the page says."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from typing import Any
from urllib.parse import unquote

import connector
import pytest
from connector.testing import Reply, call_step
from publish.conftest import ROOT
from publish.pages import (
    BLOCKS,
    SAMPLE,
    URL,
    fenced,
)

ROWS = [{"id": 1}, {"id": 2}]
DEALS = [{"updatedAt": "a"}, {"updatedAt": "b"}]
PAGES = {"pageInfo": {"hasNextPage": True, "endCursor": "e"}, "nodes": ROWS}
LINK = Reply(json=ROWS, headers={"Link": f'<{URL}/commits?page=3>; rel="next"'})
# Step, what the upstream answers, what the step is given; what it asks for last, rows, next token.
CASES: list[tuple[str, Any, dict[str, Any], str, list[Any], Any]] = [
    ("transaction", {"data": ROWS, "next_cursor": "b"}, {}, "/transactions?limit=100", ROWS, "b"),
    (
        "transaction",
        {"data": ROWS, "next_cursor": None},
        {"since": "2026-01-01", "token": "b", "page_size": 7},
        "/transactions?updated_since=2026-01-01&cursor=b&limit=7",
        ROWS,
        None,
    ),
    ("customer", {"data": ROWS}, {}, "/customers?sort=id&page=1", ROWS, 2),
    ("customer", {"data": []}, {"token": 2}, "/customers?sort=id&page=2", [], None),
    ("product", {"data": ROWS}, {"token": 4}, "/products?offset=4&limit=100", ROWS, 6),
    ("product", {"data": []}, {}, "/products?offset=0&limit=100", [], None),
    (
        "commit",
        LINK,
        {"token": f"{URL}/commits?page=2", "since": "2026-01-01"},
        "/commits?page=2",
        ROWS,
        f"{URL}/commits?page=3",
    ),
    ("commit", [], {"since": "2026-01-01"}, "/commits?since=2026-01-01", [], None),
    ("ticket", {"data": ROWS, "next": "/tickets?page=2"}, {}, "/tickets", ROWS, "/tickets?page=2"),
    ("country", {"data": ROWS}, {}, "/countries", ROWS, None),
    ("supplier", {"data": ROWS}, {}, "/suppliers?page=1", ROWS, 2),
    ("supplier", Reply(json={}, status=404), {"token": 7}, "/suppliers?page=7", [], None),
    (
        "charge",
        {"data": ROWS, "has_more": True},
        {"since": 5, "token": 9},
        "/charges?created[gte]=5&starting_after=9&limit=100",
        ROWS,
        2,
    ),
    ("charge", {"data": [], "has_more": False}, {}, "/charges?limit=100", [], None),
    (
        "issue",
        {"data": ROWS},
        {"token": [4, 3]},
        "/projects/1/issues?sort=id&page=3",
        ROWS,
        [4, 4],
    ),
    ("issue", {"data": []}, {"token": [9, 1]}, "/projects?sort=id&page=9&limit=1", [], None),
    ("contact", {"results": ROWS, "paging": {"next": "c"}}, {}, "/contacts/search", ROWS, "c"),
    ("contact", {"results": []}, {}, "/contacts/search", [], None),
    ("deal", {"results": DEALS}, {"page_size": 2}, "/deals/search", DEALS, "b"),
    ("deal", {"results": DEALS}, {"token": "b", "page_size": 3}, "/deals/search", DEALS, None),
    ("deal", {"results": []}, {"since": "a"}, "/deals/search", [], None),
    ("invoice", {"data": {"invoices": PAGES}}, {}, "/graphql", ROWS, "e"),
    ("visit", {"id": "job-1"}, {}, "/exports", [], "job-1"),
    ("event", {"events": ROWS, "position": 40}, {"since": 30}, "/events?after=30", ROWS, 40),
    ("event", {"events": [], "position": 40}, {"token": 40}, "/events?after=40", [], None),
    (
        "purchase",
        {"data": [{"id": 1, "lines": [{"line": 1}]}], "next_cursor": None},
        {},
        "/purchases",
        [{"id": 1}],
        None,
    ),
    (
        "account",
        {"data": [{"id": 1, "is_deleted": False}], "next_cursor": "b"},
        {},
        "/accounts",
        [{"id": 1, "is_deleted": False}],
        "b",
    ),
    ("account_deletion", {"data": ROWS, "next_cursor": "b"}, {}, "/accounts/deleted", [], "b"),
    ("employee", {"data": ROWS}, {}, "/employees?page=1", ROWS, 2),
    ("call", {"data": ROWS, "next_page": 2}, {}, "/calls?from=1704067200", ROWS, 2),
]


def test_every_step_of_the_page_has_a_case(page: dict[str, Any]) -> None:
    assert {case[0] for case in CASES} == {*page["source"].entities, *page["desk"].entities}


@pytest.mark.parametrize(
    ("step", "reply", "given", "asked", "rows", "token"), CASES, ids=[case[0] for case in CASES]
)
def test_a_step_asks_and_reads_as_the_page_says(
    page: dict[str, Any],
    step: str,
    reply: Any,
    given: dict[str, Any],
    asked: str,
    rows: list[Any],
    token: Any,
) -> None:
    """One step on one reply: what it asks for, its rows, its next token."""
    done = call_step(page[step], reply, **given)
    assert unquote(done.request.url).partition(".example.com")[2] == asked
    assert list(done.rows) == rows
    assert done.next_token == token


def test_the_tests_of_the_page_pass(page: dict[str, Any]) -> None:
    """Those that it shows for tests/test_fetch.py."""
    found = [item for name, item in page.items() if name.startswith("test_")]
    assert len(found) == 1
    for test in found:
        test()


@pytest.mark.parametrize(
    ("step", "reply", "error", "given"),
    [
        ("invoice", {"errors": ["too complex"], "data": None}, "UpstreamError", {}),
        ("deal", {"results": DEALS}, "UpstreamError", {"token": "b", "page_size": 2}),
        ("visit", {"status": "running"}, "RetryLater", {"token": "j"}),
        ("visit", {"status": "failed"}, "TokenExpired", {"token": "j"}),
        ("event", Reply(json={}, status=410), "StartOver", {"since": 3}),
        ("supplier", Reply(json={}, status=404), "UpstreamError", {}),
    ],
)
def test_a_step_raises_what_the_page_says(
    page: dict[str, Any], step: str, reply: Any, error: str, given: dict[str, Any]
) -> None:
    with pytest.raises(getattr(connector, error)):
        call_step(page[step], reply, **given)


def test_files_that_are_no_json_are_read_as_the_page_says(page: dict[str, Any]) -> None:
    """Lines end at a line feed and nowhere else, a mark before the first column is none of it."""
    rows = [{"id": 1, "text": "two\u2028lines"}, {"id": 2, "text": "é"}]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n"
    assert page["json_lines"](lines.encode()) == rows
    table = '\ufeffid,text\r\n1,"a ""b""\nc"\r\n'.encode()
    assert page["csv_rows"](table) == [{"id": "1", "text": 'a "b"\nc'}]
    response = connector.Response()
    response._content = gzip.compress(table)
    assert page["unpacked"](response) == table


@pytest.mark.parametrize("block", [*BLOCKS, *fenced(SAMPLE, "python")])
def test_an_example_is_formatted_as_the_project_s_own_code(block: str) -> None:
    """ruff's formatter finds nothing to change."""
    command = [sys.executable, "-m", "ruff", "format", "--config", str(ROOT / "ruff.toml"), "-"]
    done = subprocess.run(command, input=block, capture_output=True, text=True, encoding="utf-8")
    assert done.stdout == block
