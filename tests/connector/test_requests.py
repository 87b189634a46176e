"""What a step can ask with: how its requests go out, and what it gets back."""

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest
from connector import Page, Payload
from connector.testing import Reply

from .leaks import listening
from .play import Player
from .scripted import SECRETS, Upstream, source

pytestmark = pytest.mark.usefixtures("clock")


def run(look, reply=None, request=None, **options):
    """A sync of a step that does this, and the requests that it made."""
    made, upstream = source(**options), Upstream(lambda _: {} if reply is None else reply)
    made.entity("thing", primary_key=["id"])(lambda fetch: (look(fetch), Page())[1])
    return Player(made, upstream, **(request or {})).sync(), upstream.asked


MOMENT = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
VALUES = [
    (None, []),
    ("", [""]),
    ("a b&c=é", ["a b&c=é"]),
    (True, ["true"]),
    (False, ["false"]),
    (1.5, ["1.5"]),
    (Decimal("1.50"), ["1.50"]),
    (date(2026, 1, 5), ["2026-01-05"]),
    (MOMENT, ["2026-01-05T08:30:00Z"]),
    (UUID(int=7), [str(UUID(int=7))]),
    (Enum("Kind", {"OPEN": "open"}).OPEN, ["open"]),
    ([1, None, True], ["1", "true"]),
    ((date(2026, 1, 5), "x"), ["2026-01-05", "x"]),
    ([], []),
]


@pytest.mark.parametrize("value, written", VALUES)
def test_values_are_written_alike_wherever_they_stand(value, written):
    fields = {"x": value, "y": 1}
    headers = fields if str(value).isascii() else {}
    _, (first, second) = run(
        lambda f: (f.get("/a?fixed=1", params=fields, headers=headers), f.post("/b", data=fields))
    )
    expected = [*(("x", text) for text in written), ("y", "1")]
    query = parse_qsl(urlsplit(first.url).query, keep_blank_values=True)
    assert query == [("fixed", "1"), *expected]
    assert parse_qsl(second.body.decode(), keep_blank_values=True) == expected
    if headers:
        assert first.headers.get("x") == (", ".join(written) if written else None)


NESTED = {"f": {"at": {"gte": 1}}}
REFUSED = [
    ({"params": NESTED}, "params['f']: a dict cannot be sent as one value"),
    ({"headers": NESTED}, "headers['f']: a dict cannot be sent as one value"),
    ({"data": NESTED}, "data['f']: a dict cannot be sent as one value"),
    ({"params": {"f": [[1]]}}, "POST https://api.example.com/thing: params['f']: a list within"),
    ({"headers": {"f": {1, 2}}}, "headers['f']: a value of type set"),
    ({"data": {"f": object()}}, "data['f']: a value of type object"),
    ({"params": [("a", 1)]}, "params must be a dict, not a list"),
    ({"data": [("a", 1)]}, "data must be text, bytes or a form"),
    ({"ok": 404}, "ok is 404; it must be a list of statuses, such as ok=[404]"),
    ({"data": "x", "json": 1}, "json= and data= are two bodies"),
    ({"json": {"ids": {1, 2}}}, "json= cannot be sent: field ids"),
    ({"headers": {"X-Mine": "a\r\nX-Injected: 1"}}, "in header value"),
]


@pytest.mark.parametrize("options, why", REFUSED)
def test_what_is_no_request_is_refused_before_it_is_asked(options, why):
    sync, requests = run(lambda fetch: fetch.post("/thing", **options))
    assert "entity thing, page 1" in sync.error and why in sync.error and requests == []


MOMENT_AS_JSON = '{"q":"é","at":"2026-01-05T08:30:00Z","n":1.10}'.encode()
FORM = "application/x-www-form-urlencoded"
BODIES = [
    ({"json": {"q": "é", "at": MOMENT, "n": Decimal("1.10")}}, MOMENT_AS_JSON, "application/json"),
    ({"data": {"q": "é"}}, b"q=%C3%A9", FORM),
    ({"data": "q=é"}, "q=é".encode(), None),
    ({"data": b"\x00"}, b"\x00", None),
    ({"json": 0}, b"0", "application/json"),
]


@pytest.mark.parametrize("options, body, kind", BODIES)
def test_a_body_is_json_a_form_text_or_bytes(options, body, kind):
    _, (ask,) = run(lambda fetch: fetch.request("report", "/a", **options))
    assert (ask.method, ask.body, ask.headers.get("Content-Type")) == ("REPORT", body, kind)


def test_headers_are_the_sources_and_then_the_steps_whatever_their_case():
    mine = {"x-version": 2, "content-type": "application/graphql+json", "X-Tenant": None}
    _, (first, second) = run(
        lambda fetch: (fetch.get("/a"), fetch.post("/b", json={"q": 1}, headers=mine)),
        headers={"X-Version": "1", "user-agent": "mine", "X-Tenant": "t", "X-None": None},
    )
    for ask, version in ((first, "1"), (second, "2")):
        got = {name.lower(): value for name, value in ask.headers.items()}
        assert (got["x-version"], got["user-agent"], got["x-tenant"]) == (version, "mine", "t")
        assert "x-none" not in got and got["authorization"] == "Bearer " + SECRETS["apiToken"]
    assert second.headers["content-type"] == "application/graphql+json"


@pytest.mark.parametrize("reply", [{"data": []}, Reply(body=b"gone", status=410)])
def test_the_query_of_an_allowed_host_is_neither_logged_nor_reported(reply):
    """It opens the file for whoever has it."""
    url = "https://files.example.com/f1?sig=c2lnbmF0dXJl&part=1"
    with listening() as lines:
        sync, requests = run(
            lambda fetch: (fetch.get("/a?x=1", ok=[410]), fetch.get(url)),
            reply,
            allowed_hosts=["Files.example.com"],
        )
    assert 'url="https://api.example.com/a?x=1"' in lines.text
    assert "url=https://files.example.com/f1 " in lines.text
    assert "c2lnbmF0dXJl" not in lines.text + str(sync.report)
    assert requests[1].url == url


@pytest.mark.parametrize("status", [200, 204, 404, 302, 429])
def test_a_status_listed_in_ok_is_given_to_the_step(status):
    found = []
    reply = Reply(body=b"", status=status, headers={"Location": "https://cdn.example.com/x"})
    run(lambda fetch: found.append(fetch.get("/thing", ok=(404, 302, 429)).status_code), reply)
    assert found == [status]


SENT = [("typed", "typed"), (None, "stored"), ("", "stored"), (" \n", "stored")]


@pytest.mark.parametrize("sent, used", SENT)
def test_a_secret_of_the_request_comes_before_an_app_setting(monkeypatch, sent, used):
    monkeypatch.setenv("apiToken", "stored")
    _, (ask,) = run(lambda fetch: fetch.get("/thing"), request={"secrets": {"apiToken": sent}})
    assert ask.headers["Authorization"] == f"Bearer {used}"


def test_where_the_caller_chooses_the_host_it_sends_secrets(monkeypatch):
    """Else anybody with the function's key could have the app's own secret sent to his host."""
    monkeypatch.setenv("apiToken", "from-the-settings")
    request = {"secrets": {}, "customPayload": {"subdomain": "evil"}}
    base_url = "https://{subdomain}.example.com"
    sync, requests = run(lambda f: f.get("/thing"), request=request, base_url=base_url)
    assert "'apiToken'" in sync.error and "app setting" not in sync.error and not requests


def test_payload_keys_may_have_a_default():
    """It counts for base_url and for fetch.payload."""
    seen, urls = [], []
    options = {
        "base_url": "https://{tenant}.example.com",
        "payload": [Payload("tenant", default="acme"), Payload("region", default="eu"), "team"],
    }
    look = lambda fetch: (seen.append({**fetch.payload}), fetch.get("/thing"))  # noqa: E731
    for sent in ({"team": "t", "region": " "}, {"team": "t", "tenant": "b"}):
        sync, requests = run(look, request={"customPayload": sent}, **options)
        assert sync.error == ""
        urls += [ask.url for ask in requests]
    assert urls == ["https://acme.example.com/thing", "https://b.example.com/thing"]
    assert seen[0] == {"tenant": "acme", "region": "eu", "team": "t"}
