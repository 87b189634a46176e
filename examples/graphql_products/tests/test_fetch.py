"""Tests of the fetch step, on one canned response at a time: no network, no secrets."""

import json

import pytest

import fetch
from connector import RetryLater, UpstreamError
from connector.testing import call_step

PRODUCT = {"id": "gid://example/Product/1", "updatedAt": "2026-01-05T08:30:00Z"}


def products(*nodes: object, has_next: bool = False) -> dict[str, object]:
    info = {"hasNextPage": has_next, "endCursor": "abc" if nodes else None}
    return {"data": {"products": {"nodes": nodes, "pageInfo": info}}}


def test_the_request_has_the_query_and_its_variables() -> None:
    page = call_step(fetch.product, products(), since="2026-01-05T08:30:00Z", token="abc")
    assert page.request.method == "POST"
    body = json.loads(page.request.body)
    assert body["query"] == fetch.PRODUCTS
    assert body["variables"] == {"since": "2026-01-05T08:30:00Z", "after": "abc", "first": 100}


def test_a_page_has_the_cursor_of_the_next_one() -> None:
    page = call_step(fetch.product, products(PRODUCT, has_next=True))
    assert list(page.rows) == [PRODUCT]
    assert page.next_token == "abc"


def test_the_last_page_ends_the_walk_though_it_has_a_cursor() -> None:
    assert call_step(fetch.product, products(PRODUCT)).next_token is None


@pytest.mark.parametrize("data", [None, {"products": None}, products(PRODUCT)["data"]])
def test_an_error_with_status_200_is_an_error(data: object) -> None:
    reply = {"data": data, "errors": [{"message": "too complex", "path": ["products"]}]}
    with pytest.raises(UpstreamError, match="too complex"):
        call_step(fetch.product, reply)


def test_a_rate_limit_with_status_200_is_waited_for() -> None:
    error = {"message": "slow down", "extensions": {"code": "THROTTLED"}}
    with pytest.raises(RetryLater):
        call_step(fetch.product, {"errors": [error]})
