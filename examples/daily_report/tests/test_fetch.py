"""Tests of the fetch step, on one canned response at a time: no network, no secrets."""

import json
from decimal import Decimal

import pytest

import fetch
from connector import RetryLater, TokenExpired
from connector.testing import Reply, call_step

URL = "https://reports.example.com/r-1.csv?X-Amz-Signature=abc"
FILE = '\ufeffdate,campaign_id,campaign,clicks,cost\r\n2026-01-05,c-1,"a ""b"",\nc",7,2.59\r\n'


def test_a_window_is_ordered_with_both_days_included() -> None:
    reply = {"reportId": "r-1", "status": "PENDING"}
    page = call_step(fetch.campaign_day, reply, since="2026-01-05", until="2026-02-04")
    assert page.request.method == "POST"
    body = json.loads(page.request.body)
    assert body == {"startDate": "2026-01-05", "endDate": "2026-02-03"}
    assert page.next_token == "r-1"


def test_a_report_that_is_not_ready_is_asked_for_again() -> None:
    with pytest.raises(RetryLater, match="PROCESSING"):
        call_step(fetch.campaign_day, {"status": "PROCESSING"}, token="r-1")


def test_a_report_that_failed_is_ordered_again() -> None:
    with pytest.raises(TokenExpired):
        call_step(fetch.campaign_day, {"status": "FAILED"}, token="r-1")


def test_the_file_has_the_rows() -> None:
    replies = [Reply(json={"status": "COMPLETED", "url": URL}), Reply(body=FILE.encode())]
    page = call_step(fetch.campaign_day, replies, token="r-1")
    assert page.request.url == URL
    assert list(page.rows) == [
        {
            "date": "2026-01-05",
            "campaign_id": "c-1",
            "campaign": 'a "b",\nc',
            "clicks": 7,
            "cost": Decimal("2.59"),
        }
    ]
    assert page.next_token is None
