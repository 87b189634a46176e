"""Tests of the fetch steps, on one canned response at a time: no network, no secrets."""

from typing import Any

import pytest

import fetch
from connector import UpstreamError
from connector.testing import StepPage, call_step

TICKET = {"id": 35436, "status": "open"}
GONE = {"id": 35437, "status": "deleted"}


def tickets(*rows: dict[str, Any], end: bool, **given: Any) -> StepPage:
    reply = {"tickets": rows, "after_cursor": "MTU3NjYxMzUzOS4wfHw0Njd8", "end_of_stream": end}
    return call_step(fetch.ticket, reply, payload={"subdomain": "acme"}, **given)


def organizations(*rows: dict[str, Any], end: bool, time: int | None, **given: Any) -> StepPage:
    reply = {"organizations": rows, "end_time": time, "end_of_stream": end}
    return call_step(fetch.organization, reply, payload={"subdomain": "acme"}, **given)


def test_the_first_page_of_tickets_has_a_start_time() -> None:
    page = tickets(TICKET, end=False)
    assert page.request.path == "/api/v2/incremental/tickets/cursor.json"
    assert page.request.params == {"start_time": "0", "per_page": "1000"}
    assert page.next_token == "MTU3NjYxMzUzOS4wfHw0Njd8"


def test_the_last_page_of_tickets_says_where_the_next_sync_begins() -> None:
    page = tickets(TICKET, GONE, end=True, token="abc")
    assert page.request.params == {"cursor": "abc", "per_page": "1000"}
    assert page.next_token is None
    assert page.cursor == "MTU3NjYxMzUzOS4wfHw0Njd8"
    assert page.deleted == [GONE]


def test_organizations_go_on_from_their_end_time() -> None:
    page = organizations({"id": 1}, end=False, time=1390362485, since=1390362000)
    assert page.request.params == {"start_time": "1390362000", "per_page": "1000"}
    assert page.next_token == page.cursor == 1390362485


def test_a_sync_without_organizations_keeps_its_start_time() -> None:
    page = organizations(end=True, time=None, since=1390362485)
    assert page.next_token is None
    assert page.cursor == 1390362485


def test_more_than_a_page_in_one_second_is_an_error() -> None:
    with pytest.raises(UpstreamError, match="1390362485"):
        organizations({"id": 1}, end=False, time=1390362485, token=1390362485)
