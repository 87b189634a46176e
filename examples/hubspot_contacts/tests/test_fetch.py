"""Tests of the fetch steps, on one canned response at a time: no network, no secrets."""

import json
from typing import Any

import fetch
from connector.testing import StepPage, call_step

CONTACT: dict[str, Any] = {
    "id": "51",
    "properties": {"email": "ana@example.com", "lastmodifieddate": "2026-01-05T08:30:00.123Z"},
    "archived": False,
}
MORE = {"next": {"after": "200"}}


def filters(page: StepPage) -> Any:
    return json.loads(page.request.body)["filterGroups"][0]["filters"]


def test_the_first_page_of_the_first_sync_has_no_lower_bound() -> None:
    page = call_step(fetch.contact, {"results": [CONTACT], "paging": MORE})
    assert filters(page) == [{"propertyName": "hs_object_id", "operator": "GT", "value": "0"}]
    assert page.next_token == "51"


def test_a_later_page_begins_behind_the_last_id() -> None:
    page = call_step(
        fetch.contact, {"results": [CONTACT]}, token="50", since="2026-01-05T08:30:00.123Z"
    )
    assert filters(page) == [
        {"propertyName": "hs_object_id", "operator": "GT", "value": "50"},
        {"propertyName": "lastmodifieddate", "operator": "GTE", "value": "1767601800123"},
    ]
    assert "after" not in json.loads(page.request.body)


def test_the_last_page_has_no_paging() -> None:
    page = call_step(fetch.contact, {"results": [CONTACT]}, token="50")
    assert list(page.rows) == [{"id": "51", **CONTACT["properties"]}]
    assert page.next_token is None
    assert call_step(fetch.contact, {"results": []}).next_token is None


def test_the_recycle_bin_has_the_deletions() -> None:
    page = call_step(fetch.contact_archived, {"results": [CONTACT], "paging": MORE})
    assert page.request.params == {"archived": "true", "limit": "100"}
    assert page.deleted == {"contact": [CONTACT]}
    assert page.next_token == "200"
