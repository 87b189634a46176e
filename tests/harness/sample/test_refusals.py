"""A request that sample.toml does not describe: the response names the line to change."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests

from .conftest import Serve

# sample.toml of these tests: [auth] is line 2, [entity.order] line 3, its path line 4.
REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    ({"updated_after": "2026-01-05T08:30:00Z"}, ["line 9", 'since = "updated_after"']),
    ({"changed": "1767601800"}, ["line 9", 'since = "changed"']),
    ({"jql": "updated >= '2026-01-05'"}, ["line 3", "jql", "WSGI app"]),
    ({"after": "after:17:1"}, ["[entity.order]", 'token = "after"']),
    ({"limit": "0"}, ["line 8", "limit is '0'", "at least 1"]),
    ({"limit": "ten"}, ["limit is 'ten'", "sample.toml line 8", "change fetch.py or size there"]),
    ({"cursor": "nonsense"}, ["cursor is not a token"]),
    (
        {"updated_since": "05.01.2026 08:30"},
        ["line 9", "ISO 8601", "another form needs a WSGI app"],
    ),
    ({"updated_since": "2026-01-05", "updated_until": "2026-02-01"}, ['until = "updated_until"']),
]


@pytest.mark.parametrize(("params", "words"), REFUSED, ids=lambda value: repr(value)[:30])
def test_a_parameter_is_refused_with_the_line_to_change(
    serve: Serve, params: dict[str, Any], words: list[str]
) -> None:
    with serve() as client:
        message = client.refusal(**params)
        for word in words:
            assert word.replace("[entity.order]", "line 3") in message
        assert not re.search("also|ignore|accept", message), "no advice ignores a filter"


def test_a_number_that_changes_is_a_page(serve: Serve) -> None:
    with serve() as client:
        constant = {"depth": 3, "sort": "id", "api-version": "2026-01-05"}
        assert client.get(page=1, **constant).status_code == 200
        assert client.get(depth=3, sort="id").status_code == 200
        message = client.refusal(page=2, **constant)
        assert 'write token = "page"' in message


def test_a_filter_by_time_needs_a_cursor_first(serve: Serve) -> None:
    with serve(since=None, cursor=None) as client:
        message = client.refusal(updated_since="2026-01-05")
        assert 'since = "updated_since" and cursor' in message


def test_an_unknown_path_shows_what_there_is_and_what_to_write(serve: Serve) -> None:
    with serve() as client:
        assert client.refusal("/v2/orders") == (
            'the sample has no GET /v2/orders, only GET /orders: write path = "/v2/orders" in '
            "sample.toml line 4 or in a new [entity.…]"
        )
        assert client.server.requests[-1].entity == ""


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "words"),
    [
        ("GET", "/orders", {"json": {}}, 405, 'write method = \\"POST\\" there'),
        ("POST", "/orders", {"data": b"[1]"}, 400, "needs a JSON object as its body"),
        (
            "GET",
            "/token",
            {"data": {"grant_type": "client_credentials"}},
            404,
            'write kind = \\"oauth2_client_credentials\\" in sample.toml line 2',
        ),
    ],
)
def test_a_post_that_the_file_does_not_describe(
    serve: Serve, method: str, path: str, sent: dict[str, Any], status: int, words: str
) -> None:
    with serve(method=method) as client:
        response = requests.post(client.server.url + path, **sent, timeout=5)
        assert (response.status_code, response.headers.get("Allow")) == (
            status,
            "GET" if status == 405 else None,
        )
        assert words in response.text
