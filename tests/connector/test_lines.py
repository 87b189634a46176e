"""The lines of a log: one for each request, page, error and call, whatever the call ends with."""

import json
import logging
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from connector import Fetch, OAuth2ClientCredentials, Page
from connector.sync.handler import handle
from connector.testing import HeldClock, Reply

from .faults import Faults
from .play import Player, reading
from .scripted import SECRETS, Asked, Upstream, source, stepping

SYNC = str(uuid4())
Lines = Callable[..., list[dict[str, str]]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    """The runtime's lines of one call, as dicts; `level` beside the fields."""
    caplog.set_level(logging.INFO)

    def lines(made: Any, body: bytes = b"", **request: Any) -> list[dict[str, str]]:
        caplog.clear()
        sent = {"agent": "test", "state": {}, "secrets": SECRETS, "sync_id": SYNC, **request}
        _, reply = handle(made, body or json.dumps(sent).encode())
        found = []
        for record in caplog.records:
            if record.name == "connector":
                words = record.getMessage().split(" why=")[0].split(" ")
                found.append({**dict(word.split("=", 1) for word in words)})
                found[-1]["level"] = record.levelname
        assert found[-1]["event"] == "call" and found[-1]["bytes"] == str(len(reply))
        return found

    return lines


def _columns(found: list[dict[str, str]], *names: str) -> list[tuple[str | None, ...]]:
    return [tuple(line.get(name) for name in names) for line in found]


def test_a_call_has_a_line_for_each_request_and_page(server: Faults, lines: Lines) -> None:
    oauth = OAuth2ClientCredentials("/oauth/token", "id", "secret")
    secrets = {"id": "the-client-id", "secret": "the-client-secret"}
    found = lines(reading(server.url, "/hop?to=/guarded", auth=oauth), secrets=secrets)
    assert _columns(found, "event", "sync_id", "entity", "page", "status", "rows") == [
        # The request for a token is logged where the token was needed.
        *(("request", SYNC, "thing", "1", status, None) for status in ("200", "302", "200")),
        ("page", SYNC, "thing", "1", None, "2"),
        ("call", SYNC, None, None, None, "2"),
    ]
    assert found[0]["url"] == f"{server.url}/oauth/token"
    assert found[2]["url"] == f"{server.url}/guarded"
    assert all("ms" in line and "bytes" in line for line in found)


def test_a_setup_test_has_a_line_for_each_page(server: Faults, lines: Lines) -> None:
    made = reading(server.url, "/rows")
    made.entity("other", primary_key=["id"])(lambda fetch: Page([{"id": 1}], "more"))
    found = lines(made, setup_test=True, sync_id="setup-test")
    assert {line["sync_id"] for line in found} == {"setup-test"}
    assert _columns(found, "event", "entity", "rows", "count", "more", "hasMore") == [
        ("request", "thing", None, None, None, None),
        ("trial_page", "thing", "2", "2", "false", None),
        ("trial_page", "other", "1", "1", "true", None),
        ("call", None, "0", None, None, "false"),
    ]


@pytest.mark.parametrize("setup_test", [False, True])
def test_each_of_several_errors_has_a_line(server: Faults, lines: Lines, setup_test: bool) -> None:
    made = source(base_url=server.url)
    for name in "ab":
        made.entity(name, primary_key=["id"])(lambda fetch: {}["broken"])
    found = [line for line in lines(made, setup_test=setup_test) if line["event"] != "failed"]
    assert _columns(found, "event", "entity", "error", "level", "sync_id") == [
        *(("error", name, "KeyError", "ERROR", SYNC) for name in "ab"),
        ("call", None, None, "INFO", SYNC),
    ]


# ---- signs of a walk cut short, and waits


ROWS = [{"id": n} for n in range(3)]


def logged(caplog: pytest.LogCaptureFixture, event: str) -> list[str]:
    """Each line once: the player makes each call twice."""
    return list(dict.fromkeys(m for m in caplog.messages if m.startswith(f"event={event} ")))


def last_page(reply: Any, page_size: int = 100, **entity: Any) -> Player:
    """A sync whose one page is this reply; the step passes no token on."""

    def step(fetch: Fetch) -> Page:
        return Page(fetch.get("/thing").rows("data"))

    return Player(stepping(step, page_size=page_size, **entity), Upstream(lambda asked: reply))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"has_more": True}, "has_more"),
        ({"meta": {"hasNextPage": True}}, "meta.hasNextPage"),
        ({"next": "https://api.example.com/thing?page=2"}, "next"),
        ({"paging": {"next": {"after": "x"}}}, "paging.next.after"),
        ({"@odata.nextLink": "https://x"}, "@odata.nextLink"),
        ({"next_page": 2}, "next_page"),
    ],
)
def test_a_last_page_whose_response_speaks_of_more_is_logged(
    caplog: pytest.LogCaptureFixture, more: dict[str, Any], says: str
) -> None:
    player = last_page({"data": ROWS, **more})
    assert player.sync().ids() == [0, 1, 2], "it is a warning: everything is delivered"
    (line,) = logged(caplog, "maybe_truncated")
    assert "entity=thing page=1" in line and f"it has {says}" in line


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"has_more": False, "next": None, "next_cursor": "", "more": "no"},
        {"nextLink": None, "meta": {"next": {}}},
        {"end_of_stream": True, "next_page": "https://x"},
        {"context": "next year", "note": {"has_more_info": True}},
    ],
)
def test_a_last_page_that_says_so_is_not(caplog: pytest.LogCaptureFixture, more: Any) -> None:
    assert last_page({"data": ROWS, **more}).sync().ids() == [0, 1, 2]
    assert not logged(caplog, "maybe_truncated")


@pytest.mark.parametrize(
    ("page_size", "more", "count"),
    [
        (3, {}, 1),
        (4, {}, 0),
        (2, {}, 0),
        (3, {"next": None}, 0),
        (3, {"meta": {"has_more": False}}, 0),
        (3, {"note": "x"}, 1),
    ],
)
def test_a_full_last_page_is_logged_unless_it_says_that_it_is_the_last(
    caplog: pytest.LogCaptureFixture, page_size: int, more: dict[str, Any], count: int
) -> None:
    last_page({"data": ROWS, **more}, page_size).sync()
    assert len(logged(caplog, "maybe_truncated")) == count


def test_a_link_header_with_a_next_page_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """`link("nxt")`: the step misspells it, and the walk ends after one page."""
    link = {"Link": '<https://api.example.com/thing?page=2>; rel="next"'}
    last_page(Reply(json={"data": ROWS}, headers=link)).sync()
    (line,) = logged(caplog, "maybe_truncated")
    assert "rel=" in line


def test_a_walk_that_goes_on_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def answers(asked: Asked) -> Any:
        page = int(asked.params.get("page", 1))
        return {"data": [{"id": page}], "has_more": page < 3}

    def step(fetch: Fetch) -> Page:
        page = fetch.token or 1
        response = fetch.get("/thing", params={"page": page})
        return Page(response.rows("data"), page + 1 if response.value("has_more") else None)

    Player(stepping(step), Upstream(answers)).sync()
    assert not logged(caplog, "maybe_truncated")


def test_a_wait_is_logged_before_it_begins(
    clock: HeldClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    replies = iter([Reply(status=429, headers={"Retry-After": "41"}), Reply(json={"data": ROWS})])

    def step(fetch: Fetch) -> Page:
        return Page(fetch.get("/thing").rows("data"))

    Player(stepping(step), Upstream(lambda asked: next(replies))).sync()
    (line,) = logged(caplog, "waiting")
    assert "entity=thing page=1 seconds=41" in line and "429" in line
