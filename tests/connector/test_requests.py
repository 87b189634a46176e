"""What a step can ask with: how its requests go out, and what it is told about the reply."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from connector import BearerToken, Fetch, Page, Payload, Source
from connector.testing import Reply

from .leaks import listening
from .play import Player
from .scripted import SECRETS, Asked, Upstream, script, source

pytestmark = pytest.mark.usefixtures("clock")

TOKEN = "Bearer " + SECRETS["apiToken"]


def asked(look: Callable[[Fetch], Any], reply: Any = None, **options: Any) -> list[Asked]:
    """The requests of a step that does this; the step must succeed."""
    made = source(**options)

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        look(fetch)
        return Page()

    upstream = Upstream(lambda _: {} if reply is None else reply)
    assert Player(made, upstream).sync().error == ""
    return upstream.asked


def error(look: Callable[[Fetch], Any], reply: Any = None, **options: Any) -> tuple[str, int]:
    """The error of a step that does this, and how many requests it made."""
    made = source(**options)

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        look(fetch)
        return Page()

    upstream = Upstream(lambda _: {} if reply is None else reply)
    return Player(made, upstream).sync().error, len(upstream.asked)


# ---- requests


@pytest.mark.parametrize(
    ("base", "path", "whole"),
    [
        ("https://api.example.com", "/things", "/things"),
        ("https://api.example.com/v2", "/things", "/v2/things"),
        ("https://api.example.com/v2/", "/things", "/v2/things"),
        ("https://api.example.com/v2", "things", "/v2/things"),
        ("https://api.example.com/v2", "https://api.example.com/other", "/other"),
        ("https://api.example.com/v2", "https://API.example.com:443/other", "/other"),
    ],
)
def test_a_path_is_appended_to_the_base_url_and_a_full_url_stands_for_itself(
    base: str, path: str, whole: str
) -> None:
    (ask,) = asked(lambda fetch: fetch.get(path), base_url=base)
    assert (ask.path, ask.headers["Authorization"]) == (whole, TOKEN)


def test_parameters_that_are_none_are_left_out_and_truth_is_lower_case() -> None:
    params = {"a": None, "b": True, "c": False, "d": 0, "e": "", "f": "x y", "g": 1.5}
    (ask,) = asked(lambda fetch: fetch.get("/thing?fixed=1", params=params))
    expected = {"fixed": "1", "b": "true", "c": "false", "d": "0", "e": "", "f": "x y", "g": "1.5"}
    assert ask.params == expected


def test_headers_of_the_source_go_with_every_request_and_a_steps_own_win() -> None:
    headers = {"X-Version": "1", "X-Tenant": "t"}
    first, second = asked(
        lambda fetch: (fetch.get("/a"), fetch.get("/b", headers={"X-Version": "2"})),
        headers=headers,
    )
    assert (first.headers["X-Version"], second.headers["X-Version"]) == ("1", "2")
    assert second.headers["X-Tenant"] == "t"


def test_a_post_sends_json_or_a_form() -> None:
    first, second = asked(
        lambda fetch: (fetch.post("/a", json={"q": "é"}), fetch.post("/b", data={"q": "é"}))
    )
    assert (first.method, first.json) == ("POST", {"q": "é"})
    assert first.headers["Content-Type"] == "application/json"
    assert second.body == b"q=%C3%A9"


def test_json_that_cannot_be_sent_is_named_with_its_request_and_field() -> None:
    said, sent = error(lambda fetch: fetch.post("/search", json={"ids": {1, 2}}))
    assert "/search: json= cannot be sent: field ids: a value of type set" in said
    assert sent == 0


def test_an_auth_function_that_changes_the_host_is_refused() -> None:
    def auth(request: Any, secrets: Any) -> None:
        request.url = "https://elsewhere.example.com/thing"

    said, sent = error(lambda fetch: fetch.get("/thing"), auth=auth)
    assert "auth changed the host of the request to https://elsewhere.example.com/thing" in said
    assert sent == 0


def test_any_method_can_be_asked() -> None:
    (ask,) = asked(lambda fetch: fetch.request("report", "/thing", json=[1]))
    assert (ask.method, ask.json) == ("REPORT", [1])


@pytest.mark.parametrize(
    ("status", "retry", "tries"),
    [(429, False, 2), (503, False, 2), (500, False, 1), (500, True, 2), (504, True, 2)],
)
def test_a_post_is_tried_again_on_429_and_503_alone_unless_told(
    status: int, retry: bool, tries: int
) -> None:
    made, hiccups = source(), [Reply(json={}, status=status)]

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        return Page(fetch.post("/thing", json={}, retry=retry).rows())

    upstream = Upstream(lambda _: hiccups.pop() if hiccups else [{"id": 1}])
    sync = Player(made, upstream).sync(calls=1)
    assert (bool(sync.error), len(upstream.asked)) == (tries == 1, tries)


@pytest.mark.parametrize("status", [204, 404, 410])
def test_a_status_listed_in_ok_is_given_to_the_step(status: int) -> None:
    statuses = []
    asked(
        lambda fetch: statuses.append(fetch.get("/thing", ok=(404, 410)).status_code),
        Reply(body=b"", status=status),
    )
    assert statuses == [status]


def test_follow_asks_the_path_first_and_the_tokens_url_then() -> None:
    made = source()

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        response = fetch.follow("/thing", params={"limit": 2})
        return Page(response.rows("data"), response.value("next"))

    def answers(ask: Asked) -> Any:
        more = "https://api.example.com/thing?page=2&limit=2" if "page" not in ask.params else None
        return {"data": [{"id": ask.params.get("page", "1")}], "next": more}

    upstream = Upstream(answers)
    assert Player(made, upstream).sync().ids() == ["1", "2"]
    assert [ask.params for ask in upstream.asked] == [{"limit": "2"}, {"page": "2", "limit": "2"}]


def test_follow_with_a_token_that_is_no_url_is_an_error() -> None:
    made = source()

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        fetch.follow("/thing")
        return Page([{"id": 1}], 2)

    assert "URL" in Player(made, script({None: []})).sync().error


# ---- where credentials go


def test_auth_false_leaves_the_credentials_off() -> None:
    (ask,) = asked(lambda fetch: fetch.get("/thing", auth=False))
    assert "Authorization" not in ask.headers


def test_an_allowed_host_is_asked_without_credentials() -> None:
    (ask,) = asked(
        lambda fetch: fetch.get("https://files.example.net/part?sig=1"),
        allowed_hosts=["Files.example.net"],
    )
    assert "Authorization" not in ask.headers


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com.evil.net/x",
        "https://api.example.com:8443/x",
        "http://api.example.com/x",
        "https://user@evil.net/x",
        "https://evil.net/api.example.com",
    ],
)
def test_another_origin_is_refused(url: str) -> None:
    message, requests = error(lambda fetch: fetch.get(url))
    assert "credentials" in message and requests == 0


def test_a_redirect_elsewhere_is_refused_and_one_at_home_is_followed() -> None:
    def to(where: str) -> Any:
        return Upstream(
            lambda ask: (
                Reply(json={}, status=302, headers={"Location": where})
                if ask.path == "/thing"
                else {"data": []}
            )
        )

    made = source()

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        return Page(fetch.get("/thing").rows("data"))

    home, elsewhere = to("/moved"), to("https://evil.net/moved")
    assert Player(made, home).sync().error == ""
    assert [ask.headers["Authorization"] for ask in home.asked] == [TOKEN] * 2
    assert "evil.net" in Player(made, elsewhere).sync().error
    assert len(elsewhere.asked) == 1


def test_the_response_shows_the_request_without_credentials() -> None:
    headers = []
    asked(lambda fetch: headers.append(dict(fetch.get("/thing").request.headers)))
    assert "Authorization" not in headers[0]


# ---- settings


def test_secrets_may_be_app_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("apiToken", "from-the-settings")
    made = source()
    made.entity("thing", primary_key=["id"])(lambda fetch: Page(fetch.get("/thing").rows()))
    upstream = Upstream(lambda _: [])
    assert Player(made, upstream, secrets={}).sync().error == ""
    Player(made, upstream).sync()
    assert [ask.headers["Authorization"] for ask in upstream.asked] == [
        "Bearer from-the-settings",
        TOKEN,
    ]


def tenant() -> Source:
    made = Source(base_url="https://{subdomain}.example.com", auth=BearerToken("apiToken"))
    made.entity("thing", primary_key=["id"])(lambda fetch: Page(fetch.get("/thing").rows()))
    return made


def test_base_url_may_hold_payload_keys() -> None:
    urls: list[str] = []

    class Watched(Upstream):
        def __call__(self, request: Any, seconds: float) -> Any:
            urls.append(request.url)
            return super().__call__(request, seconds)

    player = Player(tenant(), Watched(lambda _: []), customPayload={"subdomain": "acme-eu"})
    assert (player.sync().error, urls) == ("", ["https://acme-eu.example.com/thing"])


@pytest.mark.parametrize("value", ["evil.net/", "a.b", "a@b", "", "ümlaut", "a b", None])
def test_a_payload_key_of_base_url_is_a_name_and_nothing_else(value: Any) -> None:
    upstream = Upstream(lambda _: [])
    sync = Player(tenant(), upstream, customPayload={"subdomain": value}).sync()
    assert "'subdomain'" in sync.error and upstream.asked == []


def test_where_the_caller_chooses_the_host_secrets_come_from_the_request_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else anybody with the function's key could have the app's own secret sent to his host."""
    monkeypatch.setenv("apiToken", "from-the-settings")
    upstream = Upstream(lambda _: [])
    player = Player(tenant(), upstream, secrets={}, customPayload={"subdomain": "evil"})
    said = player.sync().error
    assert "'apiToken'" in said and "app setting" not in said
    assert upstream.asked == []


def test_upstream_base_url_replaces_the_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_BASE_URL", "https://sandbox.example.com/v9")
    (ask,) = asked(lambda fetch: fetch.get("/thing"))
    assert ask.path == "/v9/thing"


@pytest.mark.parametrize("url", ["http://sandbox.example.com", "file:///etc", "sandbox"])
def test_upstream_base_url_is_https_or_localhost(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("UPSTREAM_BASE_URL", url)
    assert "UPSTREAM_BASE_URL" in error(lambda fetch: fetch.get("/thing"))[0]


def test_a_missing_payload_key_is_named_with_the_places_where_it_can_be_given() -> None:
    message, _ = error(lambda fetch: fetch.payload["region"])
    for said in ("'region'", "custom payload", "connection.json", "entity thing"):
        assert said in message


def test_secrets_and_payload_are_mappings_that_show_names_alone() -> None:
    found = []
    asked(lambda fetch: found.append((dict(fetch.secrets), repr(fetch.secrets), repr(fetch))))
    values, shown, whole = found[0]
    assert values == SECRETS
    assert SECRETS["apiToken"] not in shown + whole and "apiToken" in shown


@pytest.mark.parametrize(
    ("token", "asked"),
    [
        ("https://api.example.com/api/v1/items?page=2", "/api/v1/items?page=2"),
        ("/api/v1/items?page=2", "/api/v1/items?page=2"),
        ("?page=2", "/api/v1/items?page=2"),
        ("/items?page=2", "/api/v1/items?page=2"),
        ("items?page=2", "/api/v1/items?page=2"),
    ],
)
def test_a_next_url_may_be_written_in_any_form(token: str, asked: str) -> None:
    """Whole, from the server's root, as a query, or as a path below base_url."""
    made = source(base_url="https://api.example.com/api/v1")

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        response = fetch.follow("/items", params={"page": 1})
        return Page(response.rows("data"), response.value("next", default=None))

    def answers(ask: Asked) -> Any:
        first = ask.params["page"] == "1"
        return {"data": [{"id": ask.params["page"]}], "next": token if first else None}

    upstream = Upstream(answers)
    sync = Player(made, upstream).sync()
    assert (sync.error, sync.ids()) == ("", ["1", "2"])
    last = upstream.asked[-1]
    assert f"{last.path}?page={last.params['page']}" == asked


@pytest.mark.parametrize("default", [None, "", " ", 0, False, []])
@pytest.mark.parametrize("typed", [{}, {"option": None}, {"option": " "}])
def test_a_default_that_is_nothing_is_given_as_it_is_declared(default: Any, typed: Any) -> None:
    made = source(payload=[Payload("option", default=default)])
    seen: list[Any] = []

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        seen.append(fetch.payload["option"])
        return Page()

    assert Player(made, Upstream(lambda _: []), customPayload=typed).sync().error == ""
    request = {"state": {}, "setup_test": True, "secrets": SECRETS, "customPayload": typed}
    assert "errorMessage" not in Player(made, Upstream(lambda _: []), **request).call()
    assert seen == [default, default]


@pytest.mark.parametrize("default", [None, "", " "])
def test_a_default_that_is_nothing_is_no_part_of_base_url(default: Any) -> None:
    made = Source(
        base_url="https://{tenant}.example.com", payload=[Payload("tenant", default=default)]
    )
    made.entity("thing", primary_key=["id"])(lambda fetch: Page(fetch.get("/thing").rows()))
    upstream = Upstream(lambda _: [])
    said = Player(made, upstream).sync().error
    assert "the payload key 'tenant' is a part of base_url" in said and upstream.asked == []


@pytest.mark.parametrize("params", [[("a", 1)], "a=1", ("a", 1)])
def test_parameters_that_are_no_dict_are_refused_clearly(params: Any) -> None:
    message, asked = error(lambda fetch: fetch.get("/thing", params=params))
    kind = type(params).__name__
    assert f"GET https://api.example.com/thing: params is a dict, and no {kind}" in message
    assert asked == 0


def test_payload_keys_may_have_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts for base_url, for fetch.payload, and in the setup test."""
    made = Source(
        base_url="https://{tenant}.example.com",
        auth=BearerToken("apiToken"),
        payload=[Payload("tenant", default="acme"), Payload("region", default="eu"), "team"],
    )
    seen = []

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        seen.append(dict(fetch.payload))
        return Page(fetch.get("/thing").rows())

    hosts: list[str] = []

    class Watched(Upstream):
        def __call__(self, request: Any, seconds: float) -> Any:
            hosts.append(request.url)
            return super().__call__(request, seconds)

    upstream = Watched(lambda _: [])
    assert Player(made, upstream, customPayload={"team": "t", "region": " "}).sync().error == ""
    assert Player(made, upstream, customPayload={"team": "t", "tenant": "b"}).sync().error == ""
    assert hosts == ["https://acme.example.com/thing", "https://b.example.com/thing"]
    assert seen[0] == {"tenant": "acme", "region": "eu", "team": "t"}
    asked = {"state": {}, "setup_test": True, "secrets": SECRETS, "customPayload": {}}
    said = Player(made, upstream, **asked).call()["errorMessage"]
    assert "'team'" in said and "tenant" not in said and "region" not in said


def test_the_signature_of_a_presigned_url_stands_in_no_text() -> None:
    """It opens the file for whoever has it; and it may be a token, and be sent again."""
    signature = "c2lnbmF0dXJlLW9mLXRoZS1maWxl+/="
    url = f"https://files.example.com/f1?{urlencode({'sig': signature, 'part': '1'})}"
    made = source(allowed_hosts=["files.example.com"])
    seen: list[Asked] = []

    @made.entity("thing", primary_key=["id"])
    def thing(fetch: Fetch) -> Page:
        if fetch.token is None:
            return Page([{"id": 0}], next_token=url)
        return Page(fetch.get(fetch.token).rows("data"))

    def answers(asked: Asked) -> Any:
        seen.append(asked)
        return b"<html>" if len(seen) < 3 else {"data": [{"id": 1}]}

    player = Player(made, Upstream(answers))
    with listening() as lines:
        sync = player.sync()
        assert "https://files.example.com/f1?" in sync.error and "part=1" in sync.error
        player.sync()
    assert [asked.params["sig"] for asked in seen] == [signature] * 3
    texts = [sync.error, str(sync.report), *lines.told]
    assert not any(way in text for way in (signature, quote(signature)) for text in texts)
    assert sorted(player.alive()) == [0, 1]
