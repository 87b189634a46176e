"""Connections and bodies over real HTTP: bounded in time and size, and reused."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from connector import Fetch, Page
from connector.http import transport
from connector.testing import HeldClock

from .faults import MIB, ROWS, Faults, closed_port, packed
from .leaks import listening
from .play import asked, call, error, reading, rows
from .scripted import SECRETS
from .tls import Authority, Proxy

TOKEN = "Bearer " + SECRETS["apiToken"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.made(tmp_path_factory.mktemp("tls"))


# ---- bodies


KINDS = ["gzip", "deflate", "raw-deflate", "twice", "members", "gzip-and-more"]


@pytest.mark.parametrize("kind", [*KINDS, "gzip&mb=3", "raw-deflate&mb=3", "gzip&chunked=1"])
def test_records_are_the_same_however_the_body_is_packed(server: Faults, kind: str) -> None:
    assert rows(reading(server.url, f"/packed?as={kind}")) == ROWS


@pytest.mark.parametrize("kind", ["gzip", "deflate", "raw-deflate", "members"])
def test_a_packed_body_that_is_cut_is_an_error(server: Faults, clock: HeldClock, kind: str) -> None:
    """With right framing, read as text: half of the rows must not pass for all of them."""
    for cut in (1, 60, 200):
        path = f"/packed?as={kind}&cut={cut}&csv=1"
        made = reading(server.url, lambda fetch, path=path: Page([{"id": fetch.get(path).text}]))
        assert "body ended early" in error(made), cut


def test_a_json_body_that_lacks_only_its_end_mark_is_taken_and_logged(server: Faults) -> None:
    with listening() as lines:
        assert rows(reading(server.url, "/packed?as=gzip&cut=8")) == ROWS
    assert "event=cut_body" in lines.text
    assert asked(server.url, lambda fetch: fetch.get("/packed?as=nothing").content) == b""


@pytest.mark.parametrize("path", ["/big?mb=300", "/big?mb=300&announced=1", "/bomb?mb=300"])
def test_a_body_of_300_mb_is_refused_by_a_limit(server: Faults, path: str) -> None:
    if "bomb" in path:
        packed(300)  # so that what is measured is the unpacking
    tracemalloc.start()
    try:
        message = error(reading(server.url, path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "larger than 64 MiB" in message and "page_size=" in message
    assert peak < 100 * MIB
    assert rows(reading(server.url, "/rows")) == ROWS


# ---- one deadline over the whole response


SLOW = ["/drip", "/drip-head", "/drip-chunks", "/silent", "/stall", "/stall?connection=close"]


@pytest.mark.parametrize("path", [*SLOW, "tls /drip", "tls /silent"])
def test_a_response_that_is_not_complete_in_time_ends_with_the_call(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "1")
    monkeypatch.setenv("CONNECTOR_CA_BUNDLE", str(authority.ca))
    tls, _, path = path.rpartition(" ")
    with Faults(authority.context if tls else None) as server:
        message = error(reading(server.url, path), state={"other": 1})
        assert f"GET {server.url}{path} was not answered in the time of one call" in message


def test_a_stall_late_in_a_response_does_not_get_the_time_of_the_whole_request_anew(
    server: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket's timeout is set anew at each read, to what remains."""
    timeouts: list[float] = []

    class Watched(transport._Stream):
        def readinto(self, buffer: Any) -> int | None:
            try:
                return super().readinto(buffer)
            finally:
                timeouts.append(self._sock.gettimeout() or 0.0)

    monkeypatch.setattr(transport, "_Stream", Watched)
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "1")
    error(reading(server.url, "/stall?after=0.3"))
    assert len(timeouts) > 1 and timeouts == sorted(timeouts, reverse=True) and timeouts[-1] < 0.8


# ---- connections, cookies, the environment


def test_a_connection_outlives_calls_errors_and_secrets(server: Faults, clock: HeldClock) -> None:
    made = reading(server.url, "/who")
    for n in range(2):
        (seen,) = rows(made, secrets={"apiToken": f"made-up-token-{n}"})
        assert seen["headers"]["Authorization"] == f"Bearer made-up-token-{n}"
    error(reading(server.url, "/status?code=500"))
    rows(reading(server.url, "/packed?as=gzip-and-more"))
    rows(reading(server.url, "/hop?to=/rows"))
    assert len({visit.port for visit in server.visits[:9]}) == 1
    # Azure drops what rests for four minutes and tells nobody: the next request would hang.
    for rest in (transport.IDLE - 1, transport.IDLE + 1, 0):
        rows(made)
        clock.advance(rest)
    first, second, third = (visit.port for visit in server.visits[-3:])
    assert first == second != third


def test_no_cookie_is_kept_within_a_call_or_after_it(server: Faults) -> None:
    def step(fetch: Fetch) -> Page:
        assert fetch.get("/cookies").headers["Set-Cookie"]
        return Page(fetch.get("/who").rows("data"))

    for _ in range(2):
        (seen,) = rows(reading(server.url, step))
        assert "Cookie" not in seen["headers"]


def test_a_netrc_and_the_environments_proxy_are_ignored(
    server: Faults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password mine\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    with closed_port() as nobody:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, nobody)
        rows(reading(server.url, "/rows"))
        rows(reading(server.url, "/rows", auth=None))
    sent = [visit.headers.get("Authorization") for visit in server.visits]
    assert sent == [TOKEN, None]


# ---- a private CA and a proxy


def test_a_private_ca_is_trusted_when_it_is_named(
    authority: Authority, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Faults(authority.context) as server:
        made = reading(server.url, "/rows")
        message = error(made)
        assert "CONNECTOR_CA_BUNDLE" in message and "certificate" in message.lower()
        assert clock.slept == [], "a certificate does not get better by waiting"
        monkeypatch.setenv("CONNECTOR_CA_BUNDLE", str(authority.ca))
        assert rows(made) == ROWS


def test_requests_go_through_the_proxy_and_only_it_gets_its_password(
    server: Faults, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_CA_BUNDLE", str(authority.ca))
    with Proxy() as proxy, Faults(authority.context) as safe:
        monkeypatch.setenv("CONNECTOR_PROXY", proxy.url.replace("//", "//me:p%40ss-word@"))
        assert rows(reading(safe.url, "/rows")) == rows(reading(safe.url, "/rows")) == ROWS
        assert "Proxy-Authorization" not in safe.visits[0].headers
        assert rows(reading(server.url, "/rows")) == ROWS
    tunnel, plain = proxy.heads
    assert tunnel.startswith(f"CONNECT 127.0.0.1:{safe.port} ")
    assert "Proxy-Authorization: Basic bWU6cEBzcy13b3Jk" in tunnel
    assert SECRETS["apiToken"] not in tunnel, "the proxy of a tunnel sees no credential"
    assert plain.startswith(f"GET {server.url}/rows ")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("CONNECTOR_CA_BUNDLE", "/no/such/file.pem"),
        *(("CONNECTOR_PROXY", value) for value in ("proxy.example.com:31", "http://", "http://[")),
        ("CONNECTOR_PROXY", "socks5://x:1"),
    ],
)
def test_a_wrong_setting_is_named(
    server: Faults, clock: HeldClock, monkeypatch: pytest.MonkeyPatch, setting: str, value: str
) -> None:
    monkeypatch.setenv(setting, value)
    assert setting in error(reading(server.url, "/rows"))
    assert clock.slept == [] and not server.visits


# ---- what passes is tried again


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
