"""What a step can ask with: how its requests go out, and what it gets back."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest
from connector import Fetch, Page, Payload
from connector.testing import Reply

from .leaks import listening
from .play import Player
from .scripted import SECRETS, Asked, Upstream, script, source, stepping

pytestmark = pytest.mark.usefixtures("clock")

TOKEN = "Bearer " + SECRETS["apiToken"]


def asked(look: Callable[[Fetch], Any], reply: Any = None, **options: Any) -> list[Asked]:
    """The requests of a step that does this; the step must succeed."""
    sync, upstream = run(look, reply, **options)
    assert sync.error == ""
    found: list[Asked] = upstream.asked
    return found


def error(look: Callable[[Fetch], Any], reply: Any = None, **options: Any) -> str:
    """The error of a step that does this, which must ask nothing."""
    sync, upstream = run(look, reply, **options)
    assert upstream.asked == []
    return sync.error


def run(look: Callable[[Fetch], Any], reply: Any, **options: Any) -> tuple[Any, Any]:
    made = source(**options)
    made.entity("thing", primary_key=["id"])(lambda fetch: (look(fetch), Page())[1])
    upstream = Upstream(lambda _: {} if reply is None else reply)
    return Player(made, upstream).sync(), upstream


class Kind(Enum):
    OPEN = "open"


MOMENT = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
VALUES: list[tuple[Any, list[str]]] = [
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
    (Kind.OPEN, ["open"]),
    ([1, None, True], ["1", "true"]),
    ((date(2026, 1, 5), "x"), ["2026-01-05", "x"]),
    ([], []),
]


@pytest.mark.parametrize(("value", "written"), VALUES)
def test_values_are_written_alike_wherever_they_stand(value: Any, written: list[str]) -> None:
    fields = {"x": value, "y": 1}
    headers = fields if str(value).isascii() else {}

    def look(fetch: Fetch) -> None:
        fetch.get("/a?fixed=1", params=fields, headers=headers)
        fetch.post("/b", data=fields)

    _, upstream = run(look, None)
    first, second = upstream.asked
    expected = [*(("x", text) for text in written), ("y", "1")]
    query = parse_qsl(urlsplit(upstream.asked[0].url).query, keep_blank_values=True)
    assert query == [("fixed", "1"), *expected]
    assert parse_qsl(second.body.decode(), keep_blank_values=True) == expected
    if headers:
        assert first.headers.get("x") == (", ".join(written) if written else None)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        *(
            ({kind: {"f": {"at": {"gte": 1}}}}, f"{kind}['f']: a dict cannot be sent as one value")
            for kind in ("params", "headers", "data")
        ),
        (
            {"params": {"f": [[1]]}},
            "POST https://api.example.com/thing: params['f']: a list within a list",
        ),
        ({"headers": {"f": {1, 2}}}, "headers['f']: a value of type set"),
        ({"data": {"f": object()}}, "data['f']: a value of type object"),
        ({"params": [("a", 1)]}, "params must be a dict, not a list"),
        ({"headers": ["a"]}, "headers must be a dict, not a list"),
        ({"data": iter([b"x"])}, "data must be text, bytes or a form"),
        ({"data": [("a", 1)]}, "data must be text, bytes or a form"),
        ({"data": "x", "json": 1}, "json= and data= are two bodies"),
        ({"json": {"ids": {1, 2}}}, "json= cannot be sent: field ids"),
        ({"headers": {"X-Mine": "a\r\nX-Injected: 1"}}, "in header value"),
    ],
)
def test_what_is_no_request_is_refused_before_it_is_asked(options: Any, why: str) -> None:
    message = error(lambda fetch: fetch.post("/thing", **options))
    assert "entity thing, page 1" in message and why in message


def test_a_body_is_json_a_form_text_or_bytes() -> None:
    bodies: list[dict[str, Any]] = [
        {"json": {"q": "é", "at": MOMENT, "n": Decimal("1.10")}},
        {"data": {"q": "é"}},
        {"data": "q=é"},
        {"data": b"\x00"},
        {"json": 0},
    ]
    asks = asked(lambda fetch: [fetch.request("report", "/a", **body) for body in bodies])
    assert {ask.method for ask in asks} == {"REPORT"}
    assert [ask.body for ask in asks] == [
        '{"q":"é","at":"2026-01-05T08:30:00Z","n":1.10}'.encode(),
        b"q=%C3%A9",
        "q=é".encode(),
        b"\x00",
        b"0",
    ]
    kinds = [ask.headers.get("Content-Type") for ask in asks]
    form = "application/x-www-form-urlencoded"
    assert kinds == ["application/json", form, None, None, "application/json"]


def test_headers_are_the_sources_and_then_the_steps_whatever_their_case() -> None:
    mine = {"x-version": 2, "content-type": "application/graphql+json", "X-Tenant": None}
    first, second = asked(
        lambda fetch: (fetch.get("/a"), fetch.post("/b", json={"q": 1}, headers=mine)),
        headers={"X-Version": "1", "user-agent": "mine", "X-Tenant": "t", "X-None": None},
    )
    for ask, version in ((first, "1"), (second, "2")):
        got = {name.lower(): value for name, value in ask.headers.items()}
        assert (got["x-version"], got["user-agent"], got["x-tenant"]) == (version, "mine", "t")
        assert "x-none" not in got and got["authorization"] == TOKEN
    assert second.headers["content-type"] == "application/graphql+json"


def test_the_log_has_a_line_for_each_request_without_the_query_of_an_allowed_host() -> None:
    """It opens the file for whoever has it."""
    url = "https://files.example.com/f1?sig=c2lnbmF0dXJl&part=1"
    options: dict[str, Any] = {"allowed_hosts": ["Files.example.com"]}
    for reply in ({"data": []}, Reply(body=b"gone", status=410)):
        with listening() as lines:
            sync, upstream = run(
                lambda fetch: (fetch.get("/a?x=1", ok=[410]), fetch.get(url)), reply, **options
            )
        assert 'url="https://api.example.com/a?x=1"' in lines.text
        assert "url=https://files.example.com/f1 " in lines.text
        assert "c2lnbmF0dXJl" not in lines.text + str(sync.report)
        assert upstream.asked[1].url == url


@pytest.mark.parametrize("status", [200, 204, 404, 302, 429])
def test_a_status_listed_in_ok_is_given_to_the_step(status: int) -> None:
    found = []
    reply = Reply(body=b"", status=status, headers={"Location": "https://cdn.example.com/x"})
    asked(lambda f: found.append(f.get("/thing", ok=(404, 302, 429)).status_code), reply)
    assert found == [status]


# ---- settings


def test_where_the_caller_chooses_the_host_it_sends_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else anybody with the function's key could have the app's own secret sent to his host."""
    monkeypatch.setenv("apiToken", "from-the-settings")
    made = source(base_url="https://{subdomain}.example.com")
    made.entity("thing", primary_key=["id"])(lambda fetch: Page(fetch.get("/thing").rows()))
    upstream = Upstream(lambda _: [])
    player = Player(made, upstream, secrets={}, customPayload={"subdomain": "evil"})
    message = player.sync().error
    assert "'apiToken'" in message and "app setting" not in message and not upstream.asked


def test_payload_keys_may_have_a_default() -> None:
    """It counts for base_url, for fetch.payload, and in the setup test."""
    seen = []

    def step(fetch: Fetch) -> Page:
        seen.append({**fetch.payload})
        return Page(fetch.get("/thing").rows())

    payload = [Payload("tenant", default="acme"), Payload("region", default="eu"), "team"]
    made = source(base_url="https://{tenant}.example.com", payload=payload)
    made.entity("thing", primary_key=["id"])(step)
    upstream = Upstream(lambda _: [])
    for sent in ({"region": " "}, {"tenant": "b"}):
        assert Player(made, upstream, customPayload={"team": "t", **sent}).sync().error == ""
    assert [ask.url for ask in upstream.asked] == [
        "https://acme.example.com/thing",
        "https://b.example.com/thing",
    ]
    assert seen[0] == {"tenant": "acme", "region": "eu", "team": "t"}
    message = Player(made, upstream, customPayload={}, setup_test=True).call()["errorMessage"]
    assert "'team'" in message and "tenant" not in message and "region" not in message


def test_follow_needs_a_url() -> None:
    made = stepping(lambda fetch: (fetch.follow("/thing"), Page([{"id": 1}], 2))[1])
    message = Player(made, script({None: []})).sync().error
    assert "follow() needs a URL as token, not a int" in message
