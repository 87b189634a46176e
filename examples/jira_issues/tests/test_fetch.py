"""Tests of the fetch step, on one canned response at a time: no network, no secrets."""

from typing import Any

import fetch
from connector.testing import StepPage, call_step

ISSUE = {
    "id": "10001",
    "key": "APP-1",
    "self": "https://acme.atlassian.net/rest/api/3/issue/10001",
    "fields": {"summary": "wrong", "updated": "2026-11-27T18:41:47.000-0800"},
}


def read(reply: object, **given: Any) -> StepPage:
    return call_step(fetch.issue, reply, payload={"site": "acme"}, **given)


def test_the_time_in_jql_is_local_and_has_no_seconds() -> None:
    page = read({"issues": [], "isLast": True}, since="2026-11-27T18:36:47.000-0800")
    assert page.request.path == "/rest/api/3/search/jql"
    jql = page.request.params["jql"]
    assert jql == 'updated >= "2026/11/27 18:36" ORDER BY created ASC, key ASC'


def test_the_first_sync_has_a_condition_too() -> None:
    page = read({"issues": [], "isLast": True})
    assert page.request.params["jql"].startswith('updated >= "1990/01/01 00:00"')


def test_a_page_has_the_token_of_the_next_one() -> None:
    page = read({"issues": [ISSUE], "nextPageToken": "def", "isLast": False}, token="abc")
    assert page.request.params["nextPageToken"] == "abc"
    assert page.next_token == "def"


def test_the_last_page_has_no_token() -> None:
    page = read({"issues": [ISSUE], "isLast": True})
    updated = "2026-11-27T18:41:47.000-0800"
    assert page.rows == [{"id": "10001", "key": "APP-1", "summary": "wrong", "updated": updated}]
    assert page.next_token is None
