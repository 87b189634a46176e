"""Tests of the fetch steps, on one canned response at a time: no network, no secrets."""

from datetime import UTC, datetime
from typing import Any

import pytest

import fetch
from connector import RetryLater, UpstreamError
from connector.testing import Reply, call_step

STARTED = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
NOW = int(STARTED.timestamp())


def charge(key: str) -> dict[str, Any]:
    return {"id": key, "object": "charge", "created": NOW, "amount": 25}


def listed(*records: dict[str, Any], has_more: bool = False) -> dict[str, Any]:
    return {"object": "list", "data": list(records), "has_more": has_more}


def event(record: dict[str, Any]) -> dict[str, Any]:
    return {"id": "evt_1", "object": "event", "data": {"object": record}}


def test_the_next_page_starts_after_the_last_record() -> None:
    page = call_step(fetch.charge, listed(charge("ch_2"), charge("ch_1"), has_more=True), since=NOW)
    assert page.request.params == {"created[gte]": str(NOW), "limit": "100"}
    assert page.next_token == "ch_1"
    page = call_step(fetch.charge, listed(charge("ch_0")), token="ch_1")
    assert page.request.params == {"starting_after": "ch_1", "limit": "100"}
    assert page.next_token is None


def test_an_empty_page_is_not_the_last_one_where_there_are_more() -> None:
    with pytest.raises(RetryLater):
        call_step(fetch.customer, listed(has_more=True), token="cus_1")


def test_each_changed_object_is_read_again() -> None:
    gone = {"id": "cus_1", "object": "customer", "deleted": True}
    older = {**charge("ch_1"), "amount": 1}
    events = listed(event(charge("ch_1")), event(older), event({**gone, "deleted": False}))
    replies = [Reply(json=events), Reply(json=charge("ch_1")), Reply(json=gone)]
    page = call_step(fetch.change, replies, since=NOW - 60, started=STARTED)
    paths = [request.path for request in page.requests]
    assert paths == ["/v1/events", "/v1/charges/ch_1", "/v1/customers/cus_1"]
    assert page.requests[0].params["created[gte]"] == str(NOW - 360)
    assert page.tables == {"charge": [charge("ch_1")], "customer": []}
    assert page.deleted == {"customer": [gone]}
    assert page.cursor == NOW


def test_a_pause_of_more_than_thirty_days_is_an_error() -> None:
    with pytest.raises(UpstreamError, match="re-sync"):
        call_step(fetch.change, listed(), since=NOW - 30 * 86_400, started=STARTED)
