"""What passes is tried again, what does not pass is an error that says what happened."""

import json

import pytest
from connector import Fetch, Page
from connector.testing import HeldClock

from .calls import SECRETS, asked, call, error, reading, rows
from .faults import ROWS, Faults, closed_port


@pytest.mark.parametrize(
    "path",
    ["/reset?times=2", *(f"/status?code={n}&times=2" for n in (408, 425, 429, 500, 504, 520, 529))],
)
def test_what_passes_is_tried_again(server: Faults, clock: HeldClock, path: str) -> None:
    assert rows(reading(server.url, path)) == ROWS
    assert len(server.visits) == 3


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/reset", "got no complete response (attempt 5): ConnectionResetError"),
        ("/cut", "got no complete response (attempt 5): IncompleteRead"),
        ("/cut-chunk", "got no complete response (attempt 5): "),
        ("/packed?as=bad-gzip", "got no complete response (attempt 5): the body cannot be unpack"),
        ("/packed?as=cut-gzip", "got no complete response (attempt 5): the gzip body ended early"),
        ("/status?code=500", '500 Internal Server Error: {"message": "said 500"}'),
        ("/status?code=522", "answered 522: "),
    ],
)
def test_five_attempts_are_made(server: Faults, clock: HeldClock, path: str, reason: str) -> None:
    message = error(reading(server.url, path))
    assert reason in message and f"GET {server.url}{path}" in message
    assert len(server.visits) == 5
    for attempt, seconds in enumerate(clock.slept):
        assert 2**attempt / 2 <= seconds < 2**attempt, "twice as long each time, with jitter"


def test_a_port_on_which_nobody_listens_is_an_error_that_says_so(clock: HeldClock) -> None:
    with closed_port() as url:
        message = error(reading(url, "/rows"))
    assert f"GET {url}/rows got no complete response (attempt 5): ConnectionRefused" in message


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 501, 505])
def test_what_another_attempt_cannot_change_is_asked_once(server: Faults, code: int) -> None:
    """A refusal quotes the scheme that is expected; a first page asks about base_url and path."""
    server.headers = {"WWW-Authenticate": f'Token realm="{SECRETS["apiToken"]}"'}
    message = error(reading(server.url, f"/status?code={code}"))
    assert f"answered {code}" in message and "  " not in message
    assert ("check the secrets apiToken" in message) is (code in (401, 403))
    assert ('(WWW-Authenticate: Token realm="[secret]")' in message) is (code in (401, 403))
    assert ("(are base_url and the path right?)" in message) is (code == 404)
    assert len(server.visits) == 1


def test_a_later_page_that_is_not_found(server: Faults, caplog: pytest.LogCaptureFixture) -> None:
    """It is past the last one, or its token has expired."""

    def step(fetch: Fetch) -> Page:
        return Page(fetch.get(fetch.token or "/rows").rows("data"), "/status?code=404")

    call(reading(server.url, step))
    later = [line for line in caplog.messages if "page 2: GET" in line]
    assert later and not any("are base_url and the path right?" in line for line in later)


def test_retries_end_with_the_time_of_the_call(
    server: Faults, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "3")
    message = error(reading(server.url, "/status?code=500"))
    assert sum(clock.slept) < 3
    assert 2 <= len(server.visits) < 5
    assert "said 500" in message and "the time of this call is over" in message


@pytest.mark.parametrize(
    ("path", "retry", "visits"),
    [
        *((f"/status?code={code}&times=1", False, 1) for code in (408, 425, 500, 520)),
        ("/status?code=500&times=1", True, 2),
        *((f"/status?code={code}&times=1", False, 2) for code in (429, 503)),
        ("/status?code=403&times=1&remaining=0", False, 2),
        ("/reset?times=1", False, 1),
        ("/reset?times=1", True, 2),
    ],
)
def test_a_post_may_have_created_something(
    server: Faults, clock: HeldClock, path: str, retry: bool, visits: int
) -> None:
    sent = {"since": "2026-01-01", "n": 1}
    made = reading(server.url, lambda f: Page(f.post(path, json=sent, retry=retry).rows("data")))
    assert "errorMessage" in call(made) if visits == 1 else rows(made) == ROWS
    assert [json.loads(visit.body) for visit in server.visits] == [sent] * visits


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
def test_every_other_method_is_retried(server: Faults, clock: HeldClock, method: str) -> None:
    asked(server.url, lambda fetch: fetch.request(method, "/status?code=500&times=1"))
    assert [visit.method for visit in server.visits] == [method] * 2
