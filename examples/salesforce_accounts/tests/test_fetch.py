"""Tests of the fetch step, on one canned response at a time: no network, no secrets."""

from typing import Any

import fetch
from connector.testing import StepPage, call_step

NEXT = "/services/data/v67.0/query/0r8xx3d3ocVAEcgAKb-2000"


def record(number: int, *, deleted: bool = False) -> dict[str, Any]:
    stamp = "2026-01-05T08:30:00.000+0000"
    return {"Id": f"001{number:012}IAA", "IsDeleted": deleted, "SystemModstamp": stamp}


def batch(*records: dict[str, Any], **more: object) -> dict[str, Any]:
    attributes = {"type": "Account", "url": "/services/data/v67.0/sobjects/Account/001"}
    return {"records": [{"attributes": attributes, **each} for each in records], **more}


def read(reply: object, **given: object) -> StepPage:
    return call_step(fetch.account, reply, payload={"instance": "acme"}, **given)


def test_the_query_has_the_cursor_without_quotes() -> None:
    page = read(batch(done=True), since="2026-01-05T08:30:00.000+0000")
    assert page.request.path == "/services/data/v67.0/queryAll"
    assert page.request.params["q"].endswith("WHERE SystemModstamp >= 2026-01-05T08:30:00Z")


def test_the_next_batch_is_a_path_on_the_same_host() -> None:
    page = read(batch(record(1), done=False, nextRecordsUrl=NEXT))
    assert page.next_token == NEXT
    later = read(batch(done=True), token=f"https://acme.my.salesforce.com{NEXT}")
    assert later.request.url == f"https://acme.my.salesforce.com{NEXT}"


def test_the_last_batch_has_no_next_one() -> None:
    page = read(batch(record(1), done=True))
    assert list(page.rows) == [record(1)]
    assert page.next_token is None


def test_deleted_accounts_are_deletions() -> None:
    page = read(batch(record(1), record(2, deleted=True), done=True))
    assert page.deleted == [record(2, deleted=True)]
