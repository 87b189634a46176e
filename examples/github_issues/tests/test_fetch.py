"""Tests of the fetch step, on one canned response at a time: no network, no secrets."""

from typing import Any

import fetch
from connector.testing import Reply, StepPage, call_step

URL = "https://api.github.com/repositories/1001/issues?since=2026-01-05T08%3A30%3A00Z&page=2"
ISSUE = {"id": 1, "number": 1, "updated_at": "2026-01-05T08:30:00Z"}


def read(reply: object, **given: Any) -> StepPage:
    return call_step(fetch.issue, reply, payload={"repositories": "octo/docs, octo/app"}, **given)


def test_the_first_page_is_of_the_first_repository() -> None:
    page = read([ISSUE], since="2026-01-05T08:30:00Z")
    assert page.request.path == "/repos/octo/app/issues"
    assert page.request.params == {
        "state": "all",
        "since": "2026-01-05T08:30:00Z",
        "sort": "created",
        "direction": "asc",
        "per_page": "100",
    }


def test_the_link_header_has_the_next_page() -> None:
    page = read(Reply(json=[ISSUE], headers={"Link": f'<{URL}>; rel="next"'}))
    assert list(page.rows) == [ISSUE]
    assert page.next_token == ["octo/app", URL]
    assert read([ISSUE], token=page.next_token).request.url == URL


def test_after_the_last_page_comes_the_next_repository() -> None:
    assert read([ISSUE], token=["octo/app", URL]).next_token == ["octo/docs", None]
    assert read([ISSUE], token=["octo/docs", None]).next_token is None


def test_a_repository_without_issues_has_no_rows() -> None:
    page = read(Reply(json={"message": "Issues are disabled for this repo"}, status=410))
    assert list(page.rows) == []
    assert page.next_token == ["octo/docs", None]
