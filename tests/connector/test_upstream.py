"""What an upstream over real HTTP may do to a call: each a clear error in time, or good rows."""

import json
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from connector import ApiKey, Fetch, Page, punctual, transport
from connector.testing import HeldClock

from .calls import SECRETS, asked, call, error, reading, rows, source
from .faults import MIB, ROWS, Faults, closed_port, packed
from .tls import Authority, Proxy

TOKEN = "Bearer " + SECRETS["apiToken"]


@pytest.fixture
def server() -> Iterator[Faults]:
    with Faults() as faults:
        yield faults


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.made(tmp_path_factory.mktemp("tls"))


def who(server: Faults, path: str = "/who", **options: Any) -> dict[str, Any]:
    """What the upstream sees of a request."""
    (seen,) = rows(reading(server.url, path, **options))
    return seen


# ---- bodies


@pytest.mark.parametrize(
    "path",
    [
        "/packed?as=gzip",
        "/packed?as=deflate",
        "/packed?as=raw-deflate",
        "/spelled?mark=bom",
        "/spelled?mark=bom&said=utf-8",
        "/spelled?in=utf-16",
        "/spelled?in=utf-16&said=utf-16",
        "/spelled?in=utf-16-le&said=utf-16-le",
        "/spelled?said=latin-1",
        "/spelled?said=ISO-8859-1",
        "/spelled?said=windows-1252",
        "/spelled?said=no-such-charset",
        "/spelled?said=utf-16",
        "/spelled?said=us-ascii",
    ],
)
def test_records_are_the_same_however_the_body_is_packed_and_spelled(
    server: Faults, path: str
) -> None:
    assert rows(reading(server.url, path)) == ROWS


def test_a_body_may_be_in_the_charset_that_it_says(server: Faults) -> None:
    (zoe, _) = rows(reading(server.url, "/spelled?in=latin-1&said=latin-1"))
    assert zoe == ROWS[0]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/html", ["200", "text/html", "no JSON", "<h1>Maintenance</h1>"]),
        ("/half", ["200", "application/json", "no JSON", '{"data": [{"id": 1, "name"']),
        ("/empty", ["200", "no JSON", "an empty body"]),
        ("/no-content", ["204", "no JSON", "an empty body"]),
        ("/deep", ["200", "recursion", '{"data": [[[[']),
        (
            "/spelled?in=latin-1&said=utf-8",
            ["200", "charset=utf-8", "its text is not what it says"],
        ),
        ("/spelled?in=latin-1", ["200", "application/json", "its text is not what it says"]),
    ],
)
def test_a_body_that_cannot_be_read_is_an_error_that_says_what_came(
    server: Faults, path: str, said: list[str]
) -> None:
    message = error(reading(server.url, path))
    for text in ["entity thing, page 1", f"GET {server.url}{path}", *said]:
        assert text in message
    assert len(server.visits) == 1


def test_an_error_shows_200_characters_of_a_body(server: Faults) -> None:
    message = error(reading(server.url, "/big?mb=1"))
    assert len(message) < 500


@pytest.mark.parametrize("path", ["/big?mb=300", "/big?mb=300&announced=1", "/bomb?mb=300"])
def test_a_body_of_300_mb_is_refused_by_a_limit_and_not_by_the_memory(
    server: Faults, path: str
) -> None:
    if "bomb" in path:
        packed(300)  # so that what is measured is the unpacking
    tracemalloc.start()
    try:
        message = error(reading(server.url, path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "larger than 64 MiB" in message
    assert "page_size=" in message
    assert peak < 100 * MIB
    assert rows(reading(server.url, "/rows")) == ROWS


def test_a_body_that_announces_too_much_is_not_read_at_all(
    server: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "LARGEST_BODY", 10**6 - 1)
    assert "larger than" in error(reading(server.url, "/drip"))


# ---- one deadline over the whole request


SLOW = ["/drip", "/drip-head", "/drip-chunks", "/drip-close", "/silent"]
SLOW += ["/stall", "/stall?connection=close", "/status?code=500", "/reset"]


@pytest.mark.parametrize("path", SLOW)
def test_a_reply_that_is_not_whole_in_time_is_an_error_and_the_call_ends(
    server: Faults, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "1")
    began = time.monotonic()
    message = error(reading(server.url, path), state={"other": 1})
    assert time.monotonic() - began < 8
    assert f"GET {server.url}{path}" in message
    assert "the time of one call" in message or "the time of this call is over" in message


@pytest.mark.parametrize("path", ["/drip", "/drip-head", "/silent"])
def test_the_deadline_holds_over_tls_too(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "1")
    monkeypatch.setenv("CONNECTOR_CA_BUNDLE", str(authority.ca))
    began = time.monotonic()
    with Faults(authority.context) as server:
        message = error(reading(server.url, path))
    assert time.monotonic() - began < 8
    assert "was not answered in the time of one call" in message


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
def test_a_stall_late_in_a_reply_does_not_get_the_time_of_the_whole_request_anew(
    server: Faults, monkeypatch: pytest.MonkeyPatch, connection: str
) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "2")
    took: list[float] = []

    def step(fetch: Fetch) -> Page:
        began = time.monotonic()
        try:
            return Page(fetch.get(f"/stall?after=1.6&connection={connection}").rows("data"))
        finally:
            took.append(time.monotonic() - began)

    error(reading(server.url, step))
    assert took[0] < 3


def test_a_redirect_is_not_read_to_its_end(server: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "3")
    assert rows(reading(server.url, "/big-hop")) == ROWS


def test_a_read_that_began_too_late_times_out_at_once() -> None:
    with punctual.until(-1):
        end = punctual._thread.end
    assert end < time.monotonic()
    assert punctual._thread.end == float("inf")


# ---- retries


@pytest.mark.parametrize(
    "path",
    [
        "/reset?times=2",
        *(f"/status?code={code}&times=2" for code in (429, 500, 502, 503, 504)),
    ],
)
def test_what_passes_is_tried_again(server: Faults, clock: HeldClock, path: str) -> None:
    assert rows(reading(server.url, path)) == ROWS
    assert len(server.visits) == 3


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/reset", "got no whole reply (attempt 5): ConnectionResetError"),
        ("/cut", "got no whole reply (attempt 5): IncompleteRead"),
        ("/cut-chunk", "got no whole reply (attempt 5): "),
        ("/packed?as=bad-gzip", "got no whole reply (attempt 5): "),
        ("/status?code=500", '500 Internal Server Error: {"message": "said 500"}'),
        ("/status?code=502", "502 Bad Gateway"),
        ("/status?code=503", "503 Service Unavailable"),
        ("/status?code=504", "504 Gateway Timeout"),
        ("/status?code=429", "429 Too Many Requests"),
    ],
)
def test_what_does_not_pass_is_tried_five_times(
    server: Faults, clock: HeldClock, path: str, said: str
) -> None:
    message = error(reading(server.url, path))
    assert said in message
    assert f"GET {server.url}{path}" in message
    assert len(server.visits) == 5


def test_a_packed_body_that_is_cut_is_no_good_reply(server: Faults, clock: HeldClock) -> None:
    message = error(reading(server.url, "/packed?as=cut-gzip"))
    assert "no whole reply" in message or "no JSON" in message


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 409, 410, 418, 422, 501, 505, 599])
def test_what_a_retry_cannot_mend_is_asked_once(server: Faults, code: int) -> None:
    message = error(reading(server.url, f"/status?code={code}"))
    assert f"answered {code}" in message
    assert "  " not in message
    assert ("check the secrets apiToken" in message) is (code in (401, 403))
    assert len(server.visits) == 1


def test_a_port_on_which_nobody_listens_is_an_error_that_says_so(clock: HeldClock) -> None:
    with closed_port() as url:
        message = error(reading(url, "/rows"))
    assert f"GET {url}/rows got no whole reply (attempt 5): ConnectionRefusedError" in message


def test_waits_between_attempts_double_and_vary(server: Faults, clock: HeldClock) -> None:
    for _ in range(2):
        error(reading(server.url, "/status?code=500"))
    first, second = clock.slept[:4], clock.slept[4:]
    for attempt, seconds in enumerate(first):
        assert 2**attempt / 2 <= seconds <= 2**attempt
    assert len(second) == 4
    assert first != second


def test_retries_end_with_the_time_of_the_call(
    server: Faults, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "3")
    message = error(reading(server.url, "/status?code=500"))
    assert sum(clock.slept) < 3
    assert 2 <= len(server.visits) < 5
    assert "said 500" in message
    assert "the time of this call is over" in message


@pytest.mark.parametrize(
    ("path", "retry", "visits"),
    [
        ("/status?code=500", False, 1),
        ("/status?code=502", False, 1),
        ("/status?code=504", False, 1),
        ("/reset", False, 1),
        ("/status?code=500", True, 5),
        ("/reset", True, 5),
        ("/status?code=429", False, 5),
        ("/status?code=503", False, 5),
    ],
)
def test_a_post_may_have_created_something(
    server: Faults, clock: HeldClock, path: str, retry: bool, visits: int
) -> None:
    error(reading(server.url, lambda fetch: Page(fetch.post(path, retry=retry).rows("data"))))
    assert len(server.visits) == visits


def test_a_body_is_the_same_at_each_attempt(server: Faults, clock: HeldClock) -> None:
    asked(
        server.url,
        lambda fetch: fetch.post("/status?code=503&times=2", json={"since": "2026-01-01", "n": 1}),
    )
    assert [json.loads(visit.body) for visit in server.visits] == [
        {"since": "2026-01-01", "n": 1}
    ] * 3


def test_a_body_that_can_be_read_only_once_is_refused(server: Faults) -> None:
    message = error(reading(server.url, lambda fetch: fetch.post("/rows", data=iter([b"x"]))))
    assert "data is text, bytes or a form" in message
    assert not server.visits


# ---- Retry-After


WAITS: list[tuple[dict[str, Any], float]] = [
    ({"after": 7}, 7.0),
    ({"after": "0.5"}, 0.5),
    ({"after_date": 30}, 30.0),
    ({"after_date": 30 + 3600, "date": 3600}, 30.0),
]
RESETS: list[tuple[dict[str, Any], float]] = [
    ({"remaining": 0, "reset": 12}, 12.0),
    ({"remaining": 0, "reset": 12, "after": 3}, 3.0),
]


@pytest.mark.parametrize(
    ("code", "said", "waited"),
    [
        *((code, *wait) for code in (429, 503, 403) for wait in WAITS),
        *((code, *wait) for code in (429, 403) for wait in RESETS),
    ],
)
def test_the_wait_that_is_asked_for_is_kept(
    server: Faults, clock: HeldClock, code: int, said: dict[str, Any], waited: float
) -> None:
    """In seconds or as a date, which is by the upstream's clock where it tells it."""
    params = {
        name: clock.now() + value if "date" in name else value for name, value in said.items()
    }
    path = f"/status?{urlencode({'code': code, 'times': 1, **params})}"
    assert rows(reading(server.url, path)) == ROWS
    assert clock.slept == [pytest.approx(waited)]


@pytest.mark.parametrize("unit", [1, 1000])
def test_a_reset_may_be_an_instant(server: Faults, clock: HeldClock, unit: int) -> None:
    reset = int((clock.now() + 40) * unit)
    path = f"/status?code=403&times=1&remaining=0&reset={reset}"
    assert rows(reading(server.url, path)) == ROWS
    assert clock.slept == [pytest.approx(40.0)]


@pytest.mark.parametrize("after", ["0", "-5", "soon", "nan", "Thu, 01 Jan 1970 00:00:00 GMT", ""])
def test_a_wait_that_is_none_is_replaced_by_our_own(
    server: Faults, clock: HeldClock, after: str
) -> None:
    rows(reading(server.url, f"/status?code=429&times=2&after={quote(after)}"))
    first, second = clock.slept
    assert 0.5 <= first <= 1 <= second <= 2


@pytest.mark.parametrize(
    "after", ["99999999999999", "1e400", "inf", "Fri, 31 Dec 9999 23:59:59 GMT"]
)
def test_an_absurd_wait_is_taken_for_a_day(server: Faults, clock: HeldClock, after: str) -> None:
    message = error(reading(server.url, f"/status?code=429&after={quote(after)}"))
    assert "to be asked again in 86400 s" in message
    assert clock.slept == []
    assert len(server.visits) == 1


def test_a_wait_that_does_not_fit_ends_the_call_and_says_how_long(
    server: Faults, clock: HeldClock
) -> None:
    message = error(reading(server.url, "/status?code=429&after=2400"))
    assert "answered 429" in message
    assert "at the earliest in 40 minutes" in message
    assert len(server.visits) == 1


def test_a_403_that_is_a_rate_limit_is_no_answer_for_those_who_expect_a_403(
    server: Faults, clock: HeldClock
) -> None:
    """Else a limit would look like a project that may not be read, and its rows were left out."""
    path = "/status?code=403&times=1&remaining=0&after=9"
    assert asked(server.url, lambda fetch: fetch.get(path, ok=[403]).status_code) == 200
    assert clock.slept == [9]
    plain = "/status?code=403"
    assert asked(server.url, lambda fetch: fetch.get(plain, ok=[403]).status_code) == 403


def test_a_429_cools_down_the_other_workers(server: Faults) -> None:
    made = source(server.url, workers=2)
    limited = threading.Event()

    @made.entity("a")
    def a(fetch: Fetch) -> Page:
        limited.set()
        return Page(fetch.get("/status?code=429&after=1&times=1").rows("data"))

    @made.entity("b")
    def b(fetch: Fetch) -> Page:
        limited.wait(5)
        time.sleep(0.3)
        return Page(fetch.get("/rows").rows("data"))

    assert call(made)["insert"].keys() == {"a", "b"}
    at = {visit.path: visit.at for visit in reversed(server.visits)}
    assert at["/rows"] - at["/status"] > 0.9


# ---- redirects


def test_a_redirect_loop_ends(server: Faults) -> None:
    message = error(reading(server.url, "/loop"))
    assert f"GET {server.url}/loop redirects again and again, more than 5 times" in message
    assert len(server.visits) == 6


def test_five_redirects_are_no_loop(server: Faults) -> None:
    path = "/rows"
    for _ in range(5):
        path = f"/hop?{urlencode({'to': path})}"
    assert rows(reading(server.url, path)) == ROWS


@pytest.mark.parametrize("to", ["/who", "who", "?to=/who"])
def test_at_home_a_redirect_is_followed_with_credentials(server: Faults, to: str) -> None:
    if to.startswith("?"):
        seen = who(server, f"/hop?to={quote('/hop' + to)}")
    else:
        seen = who(server, f"/hop?to={quote(to)}")
    assert seen["headers"]["Authorization"] == TOKEN


@pytest.mark.parametrize(
    ("code", "method", "body"),
    [
        (301, "GET", b""),
        (302, "GET", b""),
        (303, "GET", b""),
        (307, "POST", b'{"a":1}'),
        (308, "POST", b'{"a":1}'),
    ],
)
def test_a_post_is_redirected_as_browsers_do(
    server: Faults, code: int, method: str, body: bytes
) -> None:
    asked(server.url, lambda fetch: fetch.post(f"/hop?to=/rows&code={code}", json={"a": 1}))
    assert [(visit.method, visit.body) for visit in server.visits[1:]] == [(method, body)]
    assert ("Content-Type" in server.visits[1].headers) is (method == "POST")


def test_a_redirect_elsewhere_is_refused_before_it_is_asked(server: Faults) -> None:
    path = f"/hop?to={server.elsewhere}/rows"
    message = error(reading(server.url, path))
    assert f"GET {server.url}{path} redirects elsewhere: {server.elsewhere}/rows" in message
    assert 'Source(allowed_hosts=["localhost"])' in message
    assert not server.at("localhost")


def test_a_redirect_to_an_allowed_host_loses_the_credentials(server: Faults) -> None:
    seen = who(server, f"/hop?to={server.elsewhere}/who", allowed_hosts=["localhost"])
    assert "Authorization" not in seen["headers"]


def test_credentials_are_back_when_a_redirect_comes_home(server: Faults) -> None:
    away = f"{server.elsewhere}/hop?{urlencode({'to': f'{server.url}/who'})}"
    seen = who(server, f"/hop?{urlencode({'to': away})}", allowed_hosts=["LocalHost"])
    assert seen["headers"]["Authorization"] == TOKEN
    (there,) = server.at("localhost")
    assert "Authorization" not in there.headers


@pytest.mark.parametrize("to", ["http://[", "http://a b.example/", "http://x:99999/"])
def test_a_redirect_to_nonsense_is_an_error_at_once(
    server: Faults, clock: HeldClock, to: str
) -> None:
    message = error(reading(server.url, f"/hop?to={quote(to)}"))
    assert "redirects" in message
    assert len(server.visits) == 1


@pytest.mark.parametrize("to", ["ftp://127.0.0.1/rows", "file:///etc/passwd", "data:,x"])
def test_a_redirect_to_something_else_than_http_is_refused(server: Faults, to: str) -> None:
    message = error(reading(server.url, f"/hop?to={quote(to)}", allowed_hosts=["127.0.0.1"]))
    assert "redirects elsewhere" in message
    assert "allowed_hosts" not in message


def test_a_redirect_that_the_step_wants_to_see_is_not_followed(server: Faults) -> None:
    place = asked(
        server.url,
        lambda fetch: fetch.get("/hop?to=https://cdn.example.com/x", ok=[302]).headers["Location"],
    )
    assert place == "https://cdn.example.com/x"


def test_after_a_redirect_the_response_shows_where_it_came_from(server: Faults) -> None:
    url = asked(server.url, lambda fetch: fetch.get("/hop?to=/rows").url)
    assert url == server.url + "/rows"


# ---- where credentials go


@pytest.mark.parametrize(
    "form",
    [
        "{elsewhere}/rows",
        "http://127.0.0.1:1/rows",
        "https://127.0.0.1:{port}/rows",
        "http://127.0.0.1:{port}@localhost:{port}/rows",
        "http://127.0.0.1.localhost:{port}/rows",
        "http://127.0.0.1:{port}.localhost/rows",
        "http://localhost:{port}#@127.0.0.1:{port}/rows",
    ],
)
def test_a_full_url_of_another_origin_is_refused_before_it_is_asked(
    server: Faults, form: str
) -> None:
    url = form.format(port=server.port, elsewhere=server.elsewhere)
    error(reading(server.url, lambda fetch: fetch.get(url)))
    assert not server.visits


@pytest.mark.parametrize(
    "form", [r"http://127.0.0.1:{port}\@localhost:{port}/who", "http://me:you@127.0.0.1:{port}/who"]
)
def test_a_url_is_judged_by_the_host_that_is_asked(server: Faults, form: str) -> None:
    """Where the two ways to read a URL differ, it stays at home or is refused."""
    url = form.format(port=server.port)
    call(reading(server.url, lambda fetch: Page(fetch.get(url).rows("data"))))
    assert not server.at("localhost")
    for visit in server.visits:
        assert visit.headers["Authorization"] == TOKEN


@pytest.mark.parametrize("form", ["HTTP://127.0.0.1:{port}/who", "http://127.0.0.1:{port}/./who"])
def test_an_origin_is_the_same_however_it_is_written(server: Faults, form: str) -> None:
    (seen,) = rows(
        reading(
            server.url,
            lambda fetch: Page(fetch.get(form.format(port=server.port)).rows("data")),
        )
    )
    assert seen["headers"]["Authorization"] == TOKEN


def test_custom_headers_that_hold_a_secret_stay_at_home(server: Faults) -> None:
    secrets = {"apiToken": "made-up-token-1", "key": "made-up-key", "pin": "4711"}
    options = {
        "headers": {"X-Source": "tenant made-up-key", "X-Version": "2026-01", "X-Pin": "pin 4711"},
        "allowed_hosts": ["localhost"],
        "secrets": ["key", "pin"],
    }

    def step(fetch: Fetch) -> Page:
        headers = {
            "X-Step": f"key={fetch.secrets['key']}",
            "X-Coded": quote(fetch.secrets["apiToken"], safe=""),
            "X-Short": fetch.secrets["pin"],
            "X-Number": "47110",
            f"X-{fetch.secrets['key']}": "1",
        }
        for url in ("/who", f"{server.elsewhere}/who", f"/hop?to={server.elsewhere}/who"):
            fetch.get(url, headers=headers)
        return Page()

    call(reading(server.url, step, **options), secrets=secrets)
    (home, *_), away = server.at("127.0.0.1"), server.at("localhost")
    custom = {"X-Source", "X-Pin", "X-Step", "X-Coded", "X-Short", "X-made-up-key"}
    assert custom <= home.headers.keys()
    assert len(away) == 2
    for visit in away:
        assert not custom & visit.headers.keys()
        assert (visit.headers["X-Version"], visit.headers["X-Number"]) == ("2026-01", "47110")


@pytest.mark.parametrize("way", ["asked", "redirected"])
def test_no_authorization_and_no_cookie_goes_to_another_host_whatever_it_holds(
    server: Faults, way: str
) -> None:
    """A signature that the step made itself is nothing that the runtime knows."""
    url = f"{server.elsewhere}/who"

    def step(fetch: Fetch) -> Page:
        headers = {"authorization": "Signature of-the-step", "Cookie": "of=the-step"}
        path = url if way == "asked" else f"/hop?to={url}"
        return Page(fetch.get(path, headers=headers, auth=False).rows("data"))

    (seen,) = rows(reading(server.url, step, auth=None, allowed_hosts=["localhost"]))
    assert not {"Authorization", "authorization", "Cookie"} & seen["headers"].keys()


@pytest.mark.parametrize("what", ["url", "body", "redirected body"])
def test_a_secret_in_a_url_or_body_for_another_host_is_not_sent(server: Faults, what: str) -> None:
    def step(fetch: Fetch) -> Page:
        key = fetch.secrets["apiToken"]
        if what == "url":
            fetch.get(f"{server.elsewhere}/who?key={key}")
        elif what == "body":
            fetch.post(f"{server.elsewhere}/who", json={"key": key})
        else:
            fetch.post(f"/hop?code=307&to={server.elsewhere}/who", json={"key": key})
        return Page()

    message = error(reading(server.url, step, allowed_hosts=["localhost"]))
    assert "is not sent" in message
    assert "holds a secret" in message
    assert not server.at("localhost")


@pytest.mark.parametrize("code", [401, 403])
def test_a_refusal_of_a_host_that_gets_no_credentials_does_not_ask_to_check_them(
    server: Faults, code: int
) -> None:
    options: dict[str, Any] = {"allowed_hosts": ["localhost"]}
    path = f"/status?code={code}"
    for url in (f"{server.elsewhere}{path}", f"/hop?to={quote(server.elsewhere + path)}"):
        message = error(reading(server.url, url, **options))
        assert f"answered {code}" in message and "check the secrets" not in message
    assert "check the secrets apiToken" in error(reading(server.url, path, **options))


def test_an_allowed_host_is_asked_over_https_or_on_this_machine(server: Faults) -> None:
    def step(fetch: Fetch) -> Page:
        return Page(fetch.get("http://files.example.com/x").rows())

    message = error(reading(server.url, step, allowed_hosts=["files.example.com"]))
    assert "does not start with https://" in message


@pytest.mark.parametrize(
    "form", ["whole", "rooted", "query"], ids=["whole URL", "path", "query alone"]
)
def test_link_and_follow_lead_through_all_pages(server: Faults, form: str) -> None:
    made = source(server.url)

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        response = fetch.follow("/link", params={"form": form})
        return Page(response.rows("data"), response.link("NEXT"))

    assert [row["id"] for row in rows(made)] == [1, 2, 3]
    assert {visit.headers["Authorization"] for visit in server.visits} == {TOKEN}


def test_an_api_key_in_a_next_url_is_taken_out_and_added_on_use(
    server: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_BYTES", "1")
    made = source(server.url, auth=ApiKey("apiToken", param="api_key"))

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        response = fetch.follow("/next", params={"x": "1"})
        return Page(response.rows("data"), response.value("next"))

    first = call(made)
    assert first["hasMore"]
    assert SECRETS["apiToken"] not in json.dumps(first)
    assert call(made, state=first["state"])["insert"]["thing"] == [{"id": 2}]
    for visit in server.visits:
        assert visit.target.count("api_key=") == 1
        assert visit.params["api_key"] == SECRETS["apiToken"]


@pytest.mark.parametrize("to", ["home", "elsewhere"])
def test_a_redirect_that_repeats_the_api_key_does_not_carry_it_away(
    server: Faults, to: str
) -> None:
    host = server.url if to == "home" else server.elsewhere
    target = f"{host}/who?api_key={SECRETS['apiToken']}&y=2"
    made = reading(
        server.url,
        f"/hop?{urlencode({'to': target})}",
        auth=ApiKey("apiToken", param="api_key"),
        allowed_hosts=["localhost"],
    )
    if to == "home":
        assert rows(made)[0]["params"] == {"api_key": SECRETS["apiToken"], "y": "2"}
        assert server.visits[-1].target.count("api_key=") == 1
    else:
        assert "holds a secret" in error(made)
        assert not server.at("localhost")


# ---- connections, cookies, the environment


def test_a_connection_is_kept_over_calls_and_over_connections_of_fivetrans(server: Faults) -> None:
    made = reading(server.url, "/who")
    seen = [rows(made, secrets={"apiToken": f"made-up-token-{n}"})[0] for n in range(3)]
    assert len({visit.port for visit in server.visits}) == 1
    assert [row["headers"]["Authorization"] for row in seen] == [
        f"Bearer made-up-token-{n}" for n in range(3)
    ]


def test_a_connection_is_kept_after_an_error_that_was_read_whole(
    server: Faults, clock: HeldClock
) -> None:
    error(reading(server.url, "/status?code=500"))
    rows(reading(server.url, "/hop?to=/rows"))
    assert len({visit.port for visit in server.visits[:6]}) == 1


def test_a_connection_that_rested_too_long_is_not_used_again(
    server: Faults, clock: HeldClock
) -> None:
    """Azure drops what rests for four minutes and tells nobody: the next request would hang."""
    made = reading(server.url, "/rows")
    for rest in (transport.IDLE - 1, transport.IDLE + 1, 0):
        rows(made)
        clock.advance(rest)
    first, second, third = (visit.port for visit in server.visits)
    assert first == second != third


def test_no_cookie_is_kept_within_a_call_or_after_it(server: Faults) -> None:
    def step(fetch: Fetch) -> Page:
        assert fetch.get("/cookies").headers["Set-Cookie"]
        return Page(fetch.get("/who").rows("data"))

    for _ in range(2):
        (seen,) = rows(reading(server.url, step))
        assert "Cookie" not in seen["headers"]


def test_a_netrc_and_the_environments_proxy_are_not_looked_at(
    server: Faults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password mine\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    with closed_port() as nobody:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, nobody)
        assert who(server)["headers"]["Authorization"] == TOKEN
        assert "Authorization" not in who(server, auth=None)["headers"]


def test_headers_are_the_sources_and_then_the_steps_whatever_their_case(server: Faults) -> None:
    def step(fetch: Fetch) -> Page:
        headers = {"x-version": "2", "content-type": "application/graphql+json"}
        return Page(fetch.post("/who", json={"q": 1}, headers=headers).rows("data"))

    (seen,) = rows(reading(server.url, step, headers={"X-Version": "1", "user-agent": "mine"}))
    got = {name.lower(): value for name, value in seen["headers"].items()}
    assert (got["x-version"], got["user-agent"]) == ("2", "mine")
    assert got["content-type"] == "application/graphql+json"


@pytest.mark.parametrize("value", ["a\nb", "a\r\nX-Injected: 1", "10 €", "a\0b"])
def test_a_header_that_cannot_be_sent_is_a_clear_error_at_once(
    server: Faults, clock: HeldClock, value: str
) -> None:
    message = error(
        reading(server.url, lambda fetch: fetch.get("/rows", headers={"X-Mine": value}))
    )
    assert "X-Mine" in message or "header" in message
    assert not server.visits
    assert clock.slept == []


# ---- a private CA and a proxy


def test_a_private_ca_is_trusted_when_it_is_named(
    authority: Authority, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Faults(authority.context) as server:
        made = reading(server.url, "/rows")
        message = error(made)
        assert "CONNECTOR_CA_BUNDLE" in message
        assert "certificate" in message.lower()
        assert clock.slept == [], "a certificate does not get better by waiting"
        monkeypatch.setenv("CONNECTOR_CA_BUNDLE", str(authority.ca))
        assert rows(made) == ROWS
        assert rows(made) == ROWS
        assert len({visit.port for visit in server.visits}) == 1


def test_a_missing_ca_bundle_is_told_by_its_setting(
    server: Faults, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_CA_BUNDLE", "/no/such/file.pem")
    message = error(reading(server.url, "/rows"))
    assert "CONNECTOR_CA_BUNDLE" in message
    assert "/no/such/file.pem" in message
    assert clock.slept == []


def test_requests_go_through_the_proxy(
    server: Faults, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_CA_BUNDLE", str(authority.ca))
    with Proxy() as proxy, Faults(authority.context) as safe:
        monkeypatch.setenv("CONNECTOR_PROXY", proxy.url)
        assert rows(reading(safe.url, "/rows")) == ROWS
        assert rows(reading(safe.url, "/rows")) == ROWS
        assert rows(reading(server.url, "/rows")) == ROWS
    tunnel, plain = proxy.heads
    assert tunnel.startswith(f"CONNECT 127.0.0.1:{safe.port} ")
    assert SECRETS["apiToken"] not in tunnel, "the proxy of a tunnel sees no credential"
    assert plain.startswith(f"GET {server.url}/rows ")


def test_a_proxys_user_and_password_are_sent_to_it_alone(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_CA_BUNDLE", str(authority.ca))
    with Proxy() as proxy, Faults(authority.context) as safe:
        monkeypatch.setenv("CONNECTOR_PROXY", proxy.url.replace("//", "//me:p%40ss-word@"))
        seen = who(safe)
    assert "Proxy-Authorization: Basic bWU6cEBzcy13b3Jk" in proxy.heads[0]
    assert "Proxy-Authorization" not in seen["headers"]


def test_a_proxy_that_is_down_is_an_error_that_says_so(
    server: Faults, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closed_port() as nobody:
        monkeypatch.setenv("CONNECTOR_PROXY", nobody)
        assert "ConnectionRefusedError" in error(reading(server.url, "/rows"))
    assert not server.visits


@pytest.mark.parametrize("proxy", ["proxy.example.com:3128", "http://", "socks5://x:1", "http://["])
def test_a_wrong_proxy_is_told_by_its_setting(
    server: Faults, clock: HeldClock, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("CONNECTOR_PROXY", proxy)
    assert "CONNECTOR_PROXY" in error(reading(server.url, "/rows"))
    assert clock.slept == []
    assert not server.visits


# ---- where the upstream is


def test_upstream_base_url_replaces_the_declared_one(
    server: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM_BASE_URL", server.url + "/")
    assert rows(reading("https://api.example.com", "/rows")) == ROWS


@pytest.mark.parametrize(
    "url", ["http://api.example.com", "https://", "nonsense", "https://[", "ftp://x", "https:///p"]
)
def test_a_wrong_upstream_base_url_is_told_by_its_setting(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("UPSTREAM_BASE_URL", url)
    assert "UPSTREAM_BASE_URL" in error(reading("https://api.example.com", "/rows"))


def test_a_payload_key_stands_in_the_base_url(server: Faults) -> None:
    made = reading(server.url + "/{tenant}", "")
    call(made, customPayload={"tenant": "acme-eu"})
    assert server.paths() == ["/acme-eu"]


@pytest.mark.parametrize("tenant", ["a/b", "..", "a.b", "a@b", "a:b", "a?b", "", " ", "é", "a b"])
def test_a_payload_key_leads_nowhere_else(server: Faults, tenant: str) -> None:
    made = reading(server.url + "/{tenant}", "")
    assert "tenant" in error(made, customPayload={"tenant": tenant})
    assert not server.visits


# ---- what a step sees


def test_a_query_holds_what_was_given_and_no_more(server: Faults) -> None:
    def step(fetch: Fetch) -> Page:
        params = {"since": fetch.since_as("epoch"), "q": "a b&c=é", "on": True, "ids": [1, 2]}
        fetch.get("/who?fixed=1", params=params)
        return Page()

    call(reading(server.url, step, {"cursor": "at", "start": "2026-01-01T00:00:10Z"}))
    (visit,) = server.visits
    assert visit.target.partition("?")[2] == (
        "fixed=1&since=1767225610&q=a+b%26c%3D%C3%A9&on=true&ids=1&ids=2"
    )


def test_a_reply_shows_no_request_with_credentials(server: Faults) -> None:
    def look(fetch: Fetch) -> str:
        response = fetch.get("/hop?to=/rows")
        return f"{vars(response)} {vars(response.request)}"

    assert SECRETS["apiToken"] not in asked(server.url, look)


def test_requests_of_two_calls_at_once_keep_their_own_credentials(server: Faults) -> None:
    made, found = reading(server.url, "/who"), {}
    gate = threading.Barrier(6)

    def connection(name: str) -> None:
        gate.wait()
        for _ in range(5):
            (seen,) = rows(made, secrets={"apiToken": name})
            found.setdefault(name, set()).add(seen["headers"]["Authorization"])

    names = [f"made-up-{n}-token" for n in range(6)]
    threads = [threading.Thread(target=connection, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == {name: {f"Bearer {name}"} for name in names}
