"""connector.testing: one step on one canned reply, without network and without waiting."""

from datetime import UTC, datetime
from typing import Any

import pytest
from connector import BearerToken, ConnectorError, Fetch, Page, Payload, RetryLater, Source
from connector import clock as clocks
from connector.testing import Reply, call_step, held_clock

source = Source(
    base_url="https://api.example.com",
    auth=BearerToken("apiToken"),
    secrets=["signingKey"],
    payload=["region"],
)


@source.entity("thing", primary_key=["id"], cursor="at", page_size=50)
def thing(fetch: Fetch) -> Page:
    response = fetch.get(
        "/things",
        params={"since": fetch.since, "cursor": fetch.token, "limit": fetch.page_size},
        headers={"X-Signed": fetch.secrets["signingKey"], "X-Region": fetch.payload["region"]},
    )
    return Page(response.rows("data"), response.value("next"), deleted=response.rows("gone"))


REPLY = {"data": [{"id": 1, "at": "2026-01-01"}], "next": "b", "gone": [{"id": 9}]}


def test_the_page_that_the_step_returned_is_there_to_look_at() -> None:
    page = call_step(thing, REPLY)
    assert list(page.rows) == REPLY["data"]
    assert (page.next_token, list(page.deleted)) == ("b", REPLY["gone"])


def test_the_request_that_the_step_made_is_there_to_look_at() -> None:
    request = call_step(thing, REPLY, since="2025-12-31", token="a").request
    assert (request.method, request.path) == ("GET", "/things")
    assert request.params == {"since": "2025-12-31", "cursor": "a", "limit": "50"}
    assert request.url.startswith("https://api.example.com/things?")


def test_a_parameter_that_is_none_is_left_out() -> None:
    assert call_step(thing, REPLY).request.params == {"limit": "50"}


def test_the_request_shows_no_credentials() -> None:
    request = call_step(thing, REPLY, secrets={"apiToken": "real-token-77"}).request
    assert "Authorization" not in request.headers
    assert "real-token-77" not in repr(request)


def test_secrets_and_payload_are_made_up_unless_given() -> None:
    made_up = call_step(thing, REPLY).request.headers
    assert made_up["X-Signed"] and made_up["X-Region"]
    given = call_step(
        thing, REPLY, secrets={"signingKey": "key-99"}, payload={"region": "eu"}
    ).request.headers
    assert (given["X-Signed"], given["X-Region"]) == ("key-99", "eu")


def test_page_size_may_be_given() -> None:
    assert call_step(thing, REPLY, page_size=7).request.params["limit"] == "7"


@pytest.mark.parametrize(
    "reply", [REPLY, Reply(json=REPLY), b'{"data": [], "next": null, "gone": []}']
)
def test_a_reply_is_values_bytes_or_a_canned_reply(reply: Any) -> None:
    assert isinstance(call_step(thing, reply), Page)


def test_a_canned_reply_has_status_and_headers() -> None:
    made = Source(base_url="https://api.example.com")

    @made.entity("thing")
    def step(fetch: Fetch) -> Page:
        response = fetch.get("/things", ok=[404])
        return Page([{"status": response.status_code}], response.link("next"))

    link = {"Link": '<https://api.example.com/things?page=2>; rel="next"'}
    page = call_step(step, Reply(json=[], status=404, headers=link))
    assert list(page.rows) == [{"status": 404}]
    assert page.next_token == "https://api.example.com/things?page=2"


def test_a_step_may_make_several_requests() -> None:
    made = Source(base_url="https://api.example.com")

    @made.entity("thing")
    def step(fetch: Fetch) -> Page:
        job = fetch.post("/jobs", json={"since": fetch.since}).value("id")
        return Page(fetch.get(f"/jobs/{job}").rows("rows"))

    page = call_step(step, {"id": 7, "rows": []})
    assert [(ask.method, ask.path) for ask in page.requests] == [
        ("POST", "/jobs"),
        ("GET", "/jobs/7"),
    ]
    assert page.requests[0].body == b'{"since":null}'
    assert page.request is page.requests[-1]


def test_what_the_step_raises_comes_out() -> None:
    made = Source(base_url="https://api.example.com")

    @made.entity("thing")
    def step(fetch: Fetch) -> Page:
        raise RetryLater(30, "not ready")

    with pytest.raises(RetryLater, match="not ready"):
        call_step(step, {})


def test_a_step_with_a_payload_start_and_a_window_can_be_called() -> None:
    made = Source(base_url="https://{tenant}.example.com")

    @made.entity("thing", cursor="at", start=Payload("start_date", "2025-01-01"))
    def step(fetch: Fetch) -> Page:
        return Page(fetch.get("/things", params={"since": fetch.since}).rows())

    assert call_step(step, []).request.params == {"since": "2025-01-01"}


def test_the_decorated_step_is_still_an_ordinary_function() -> None:
    assert thing.__name__ == "thing" and callable(thing)


@pytest.mark.parametrize("step", [lambda fetch: Page(), "thing", None])
def test_a_function_that_is_no_step_is_refused(step: Any) -> None:
    with pytest.raises(TypeError, match=r"@source\.entity"):
        call_step(step, {})


def test_a_misspelled_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="since, started"):
        call_step(thing, REPLY, sinse="2025-01-01")


def test_nothing_sleeps_while_the_clock_is_held() -> None:
    failing = Reply(json={}, status=503)
    with held_clock(1_700_000_000) as clock:
        with pytest.raises(ConnectorError):
            call_step(thing, failing)
        assert clock.slept and clock.time > 1_700_000_000


@pytest.mark.parametrize("status", [500, 429])
def test_nothing_sleeps_where_nobody_holds_the_clock_either(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    class Sleepless(clocks.SystemClock):
        @staticmethod
        def sleep(seconds: float) -> None:
            raise AssertionError(f"slept for {seconds} s")

    monkeypatch.setattr(clocks, "current", Sleepless())
    made, started = Source(base_url="https://api.example.com"), []

    @made.entity("thing")
    def step(fetch: Fetch) -> Page:
        started.append(fetch.started)
        return Page(fetch.get("/things").rows())

    with pytest.raises(ConnectorError):
        call_step(step, Reply(json={}, status=status))
    assert isinstance(clocks.current, Sleepless)
    assert abs((datetime.now(UTC) - started[0]).total_seconds()) < 3600


def test_the_clock_is_the_tests() -> None:
    made = Source(base_url="https://api.example.com")
    started = []

    @made.entity("thing")
    def step(fetch: Fetch) -> Page:
        started.append(fetch.started)
        return Page()

    with held_clock(1_700_000_000) as clock:
        call_step(step, {})
        clock.advance(60)
        call_step(step, {})
    assert started == [datetime.fromtimestamp(1_700_000_000 + off, UTC) for off in (0, 60)]


def test_the_clock_is_given_back_whatever_happens() -> None:
    before = clocks.current
    with pytest.raises(ZeroDivisionError), held_clock():
        raise ZeroDivisionError
    assert clocks.current is before


def test_started_may_be_given() -> None:
    given = datetime(2026, 2, 3, tzinfo=UTC)
    seen = []

    @Source(base_url="https://api.example.com").entity("thing")
    def thing(fetch: Fetch) -> Page:
        seen.append(fetch.started)
        return Page()

    call_step(thing, {}, started=given)
    assert seen == [given]


def test_a_step_that_returns_no_page_is_told_so() -> None:
    @Source(base_url="https://api.example.com").entity("thing")
    def thing(fetch: Fetch) -> Page:
        return None

    with pytest.raises(ConnectorError, match="the step returned a NoneType: return Page"):
        call_step(thing, {})


def test_a_step_of_several_requests_gets_several_replies() -> None:
    """One after the other; the same one for all is no use where they ask for different things."""

    @Source(base_url="https://api.example.com").entity("issue", primary_key=["id"])
    def issue(fetch: Fetch) -> Page:
        project = fetch.get("/projects").value("id")
        return Page(fetch.get(f"/projects/{project}/issues").rows())

    page = call_step(issue, [Reply(json={"id": 7}), Reply(json=[{"id": 1}])])
    assert [sent.path for sent in page.requests] == ["/projects", "/projects/7/issues"]
    assert list(page.rows) == [{"id": 1}]
    with pytest.raises(AssertionError, match=r"no reply is left for GET .*/projects/7/issues"):
        call_step(issue, [Reply(json={"id": 7})])
