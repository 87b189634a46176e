"""Tests of the fetch steps, on one canned response at a time: no network, no secrets."""

import pytest

import fetch
from connector import UpstreamError
from connector.testing import Reply, call_step

CUSTOMER = {"id": 1, "modified": "2026-01-05T08:30:00.123456Z"}
NEXT = "https://api.example.com/api/v1/customers/?cursor=cD0y&page_size=100"
NOT_FOUND = Reply(json={"detail": "Invalid page."}, status=404)


def test_customers_are_filtered_by_their_change() -> None:
    page = call_step(fetch.customer, {"next": None, "results": []}, since=CUSTOMER["modified"])
    assert page.request.path == "/api/v1/customers/"
    assert page.request.params == {"modified__gte": CUSTOMER["modified"], "page_size": "100"}


def test_customers_follow_the_url_of_the_next_page() -> None:
    page = call_step(fetch.customer, {"next": NEXT, "results": [CUSTOMER]})
    assert list(page.rows) == [CUSTOMER]
    assert page.next_token == NEXT
    assert call_step(fetch.customer, {"next": None, "results": []}, token=NEXT).request.url == NEXT


def test_stations_are_read_by_page_number() -> None:
    page = call_step(fetch.station, {"next": "…?page=4", "results": [{"id": 9}]}, token=3)
    assert page.request.params == {"ordering": "id", "page": "3", "page_size": "100"}
    assert page.next_token == 4


def test_the_last_page_of_stations_has_no_next_one() -> None:
    page = call_step(fetch.station, {"next": None, "results": [{"id": 9}]}, token=3)
    assert list(page.rows) == [{"id": 9}]
    assert page.next_token is None


def test_a_page_past_the_last_is_the_end_unless_it_is_the_first() -> None:
    assert call_step(fetch.station, NOT_FOUND, token=4).next_token is None
    with pytest.raises(UpstreamError, match="404"):
        call_step(fetch.station, NOT_FOUND)
