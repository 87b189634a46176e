"""Tests of the fetch step, on one canned response at a time: no network, no secrets."""

import fetch
from connector.testing import Reply, call_step, held_clock

ORDER = {"id": 450789469, "updated_at": "2026-01-05T08:30:00-05:00", "total_price": "409.94"}
NEXT = "https://acme.myshopify.com/admin/api/2026-10/orders.json?limit=250&page_info=abc"
PAYLOAD = {"shop": "acme"}


def test_the_first_page_has_the_filters() -> None:
    since = "2026-01-05T08:30:00-05:00"
    page = call_step(fetch.orders, {"orders": []}, since=since, payload=PAYLOAD)
    assert page.request.path == "/admin/api/2026-10/orders.json"
    assert page.request.params == {"status": "any", "updated_at_min": since, "limit": "250"}


def test_later_pages_have_page_info_and_limit_only() -> None:
    page = call_step(
        fetch.orders, {"orders": [ORDER]}, since=ORDER["updated_at"], token=NEXT, payload=PAYLOAD
    )
    assert page.request.params == {"limit": "250", "page_info": "abc"}


def test_the_link_header_has_the_next_page() -> None:
    links = f'<{NEXT}>; rel="next", <{NEXT}x>; rel="previous"'
    reply = Reply(json={"orders": [ORDER]}, headers={"Link": links})
    page = call_step(fetch.orders, reply, payload=PAYLOAD)
    assert list(page.rows) == [ORDER]
    assert page.next_token == NEXT


def test_the_last_page_has_only_a_previous_one() -> None:
    reply = Reply(json={"orders": [ORDER]}, headers={"Link": f'<{NEXT}>; rel="previous"'})
    assert call_step(fetch.orders, reply, payload=PAYLOAD).next_token is None


def test_a_full_bucket_is_waited_for() -> None:
    full = Reply(json={"errors": "Exceeded 2 calls"}, status=429, headers={"Retry-After": "2.0"})
    with held_clock() as clock:
        page = call_step(fetch.orders, [full, Reply(json={"orders": []})], payload=PAYLOAD)
    assert len(page.requests) == 2
    assert sum(clock.slept) >= 2
