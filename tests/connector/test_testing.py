"""connector.testing: one step on one canned reply, without network and without waiting."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from connector import ConnectorError, OAuth2ClientCredentials, Page, Payload, Source, codec
from connector import clock as clocks
from connector.errors import StepError
from connector.testing import Reply, call_step, held_clock

AUTH = OAuth2ClientCredentials("https://login.example.com/token", "clientId", "clientSecret")
SOURCE = {"base_url": "https://{tenant}.example.com", "auth": AUTH}
source = Source(**SOURCE, secrets=["key"], payload=["region"])


@source.entity("thing", primary_key=["id"], cursor="at", page_size=50)
def thing(fetch):
    response = fetch.get(
        "/things",
        params={"since": fetch.since, "cursor": fetch.token, "limit": fetch.page_size},
        headers={"X-Signed": fetch.secrets["key"], "X-Region": fetch.payload["region"]},
    )
    return Page(response.rows("data"), response.value("next"), deleted=response.rows("removed"))


REPLY = {"data": [{"id": 1, "at": "2026-01-01"}], "next": "b", "removed": [{"id": 9}]}


def ran(step, reply=(), entity=None, **fetch):
    """call_step() on a step that is declared for the purpose."""
    return call_step(Source(**SOURCE).entity("thing", **(entity or {}))(step), reply, **fetch)


def seen(look, entity=None, **fetch):
    """What a step sees that asks nothing."""
    (row,) = ran(lambda fetch: Page([{"is": look(fetch)}]), (), entity, **fetch).rows
    return row["is"]


@pytest.mark.parametrize("reply", [REPLY, codec.encode(REPLY), Reply(REPLY), [Reply(REPLY)]])
def test_the_page_that_the_step_returned_is_there_to_look_at(reply):
    """A reply is values, bytes, a canned reply, or a list of those; no OAuth token is asked for."""
    page = call_step(thing, reply)
    assert list(page.rows) == REPLY["data"]
    assert (page.next_token, list(page.deleted)) == ("b", REPLY["removed"])
    assert thing.__name__ == "thing" and callable(thing), "a step stays an ordinary function"


def test_the_request_that_the_step_made_is_there_to_look_at():
    """Secrets and payload are made up unless passed in; credentials are left out."""
    request = call_step(thing, REPLY, since="2025", token="a").request
    assert (request.method, request.path) == ("GET", "/things")
    assert request.params == {"since": "2025", "cursor": "a", "limit": "50"}
    assert request.headers["X-Signed"] and request.headers["X-Region"]
    secrets = {"key": "key-99", "clientSecret": "real-secret-77"}
    payload = {"region": "eu", "tenant": "x"}
    request = call_step(thing, REPLY, page_size=7, secrets=secrets, payload=payload).request
    assert request.url == "https://x.example.com/things?limit=7"
    assert (request.headers["X-Signed"], request.headers["X-Region"]) == ("key-99", "eu")
    assert "Authorization" not in request.headers and "real-secret-77" not in repr(request)


def test_a_step_of_several_requests_gets_several_replies():
    """One after the other from a list, else the same one for all."""

    def step(fetch):
        job = fetch.post("/jobs", json={"since": fetch.since}).value("id")
        return Page(fetch.get(f"/jobs/{job}").rows("rows"))

    for reply in ({"id": 7, "rows": []}, [Reply(json={"id": 7}), Reply(json={"rows": []})]):
        page = ran(step, reply)
        asked = [(request.method, request.path) for request in page.requests]
        assert asked == [("POST", "/jobs"), ("GET", "/jobs/7")]
        assert page.requests[0].body == b'{"since":null}' and page.request is page.requests[-1]
    with pytest.raises(AssertionError, match=r"no reply is left for GET .*/jobs/7"):
        ran(step, [Reply(json={"id": 7})])


WINDOW = {"start": "2020-01-01", "window": timedelta(days=1)}
BOUNDS = [
    ({"cursor": "at", "start": Payload("x", "2025-01-01")}, {}, ("2025-01-01", None)),
    ({"cursor": "at", "start": Payload("from")}, {}, (None, None)),
    ({"cursor": "at", "start": Payload("from")}, {"from": "2025-03-01"}, ("2025-03-01", None)),
    ({"cursor": "at", **WINDOW}, {}, ("2020-01-01", "2020-01-02")),
    ({"soft_delete": True, "primary_key": ["id"]}, {}, (None, None)),
]


@pytest.mark.parametrize("entity, payload, bounds", BOUNDS)
def test_an_entity_of_any_kind_can_be_called(entity, payload, bounds):
    assert seen(lambda fetch: (fetch.since, fetch.until), entity, payload=payload) == bounds


WRONG = [
    (lambda fetch: Page(), {}, TypeError, r"@source\.entity"),
    (thing, {"sinse": "2025-01-01"}, TypeError, "since, started"),
    (source.entity("none")(lambda fetch: None), {}, ConnectorError, "returned a NoneType"),
    (source.entity("fails")(lambda fetch: 1 / 0), {}, ZeroDivisionError, "division"),
    (
        source.entity("loops")(lambda fetch: [fetch.get("/things") for _ in count()]),
        {},
        AssertionError,
        r"no reply is left .*\(1000 requests before it\): a step gets one page, and returns",
    ),
]


@pytest.mark.parametrize("step, passed, error, text", WRONG)
def test_what_is_wrong_comes_out(step, passed, error, text):
    with pytest.raises(error, match=text):
        call_step(step, REPLY, **passed)


@pytest.mark.parametrize("status", [500, 429])
def test_nothing_sleeps(monkeypatch, status):
    class Sleepless(clocks.SystemClock):
        sleep = None

    monkeypatch.setattr(clocks, "current", Sleepless())
    failing = Reply(json={}, status=status)
    with pytest.raises(ConnectorError):
        call_step(thing, failing)
    assert isinstance(clocks.current, Sleepless), "it is restored whatever happens"
    with held_clock(1_700_000_000) as clock:
        with pytest.raises(ConnectorError):
            call_step(thing, failing)
        assert clock.slept and clock.time > 1_700_000_000


def test_started_is_the_tests_clock_unless_passed_in():
    passed = datetime(2026, 2, 3, tzinfo=UTC)
    with held_clock(1_700_000_000) as clock:
        clock.advance(60)
        assert seen(lambda f: f.started) == datetime.fromtimestamp(1_700_000_060, UTC)
        assert seen(lambda f: f.started, started=passed) == passed
    assert abs((datetime.now(UTC) - seen(lambda f: f.started)).total_seconds()) < 3600


FORMS = [
    ("2025-12-31T20:00:00.25Z", {}, "iso", "2025-12-31T20:00:00.25Z"),
    ("2025-12-31T20:00:00.75Z", {}, "epoch", 1767211200),
    ("2025-12-31T20:00:00.75Z", {}, "epoch_ms", 1767211200750),
    ("2026-11-27T18:36:47.000-0800", {}, "%Y/%m/%d %H:%M", "2026/11/27 18:36"),
    (1767211200750, {"cursor_type": "epoch_ms"}, "epoch", 1767211200),
    ("2025-12-31T20:00:00", {"timezone": "America/Denver"}, "epoch", 1767236400),
    ("31.12.2025", {"cursor_type": "%d.%m.%Y", "timezone": "Asia/Tokyo"}, "%b %d", "Dec 31"),
    (None, {}, "iso", None),
    ("2026-11-27T18:41:47.000-0800", {"timezone": "Asia/Tokyo"}, "%d. %H:%M", "28. 11:41"),
    ("2026-11-27T18:41:47.999-0800", {}, "iso", "2026-11-28T02:41:47.999Z"),
    ("2026-11-27T18:41:47Z", {}, "%S.%f 100%%", "47.000000 100%"),
    ("2025-11-02 01:30", {"timezone": "America/New_York"}, "epoch", 1762061400),
    (-1, {"cursor_type": "epoch_ms"}, "epoch", -1),
]


@pytest.mark.parametrize("since, options, form, value", FORMS)
def test_since_can_be_had_in_another_form(since, options, form, value):
    found = seen(lambda fetch: fetch.since_as(form), {"cursor": "at", **options}, since=since)
    assert found == value and type(found) is type(value)


NO_FORMS = [
    ("event-17", {"cursor_type": "text"}, "epoch", "'event-17', which is not an instant"),
    (17, {"cursor_type": "sequence"}, "epoch", "17, which is not an instant"),
    ("2025-12-31T20:00:00", {}, "epoch", "timezone="),
    *(
        ("2026-01-05T08:30:00Z", {}, form, '"iso", "epoch", "epoch_ms" or a strftime text')
        for form in ("epoch_us", "seconds", "", None, 1)
    ),
]


@pytest.mark.parametrize("since, options, form, text", NO_FORMS)
def test_since_that_has_no_such_form_is_an_error(since, options, form, text):
    with pytest.raises(StepError, match=rf"since_as\({form!r}\).*{text}"):
        seen(lambda fetch: fetch.since_as(form), {"cursor": "at", **options}, since=since)
