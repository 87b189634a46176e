"""Six kinds of auth against a server that looks at what came: at home always, elsewhere never."""

import base64
import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
import requests
from connector import ApiKey, BasicAuth, BearerToken, Fetch, OAuth2ClientCredentials, Page, oauth
from connector.errors import SourceError
from connector.testing import HeldClock

from .calls import asked, call, error, reading, rows, source
from .faults import _ROUTES, ROWS, Faults, Visit
from .leaks import leaks, listening
from .tls import Authority, Proxy

MINE = logging.getLogger("mine.own")
CLIENT = {"id": "the-client-id", "secret": "the-client-secret"}
OAUTH = OAuth2ClientCredentials("/oauth/token", "id", "secret")


@pytest.fixture
def server() -> Iterator[Faults]:
    with Faults() as faults:
        yield faults


@pytest.fixture(autouse=True)
def no_tokens() -> Iterator[None]:
    """Ports are used again, so a token of another test's server might be taken for this one's."""
    oauth._kept.clear()
    yield
    oauth._kept.clear()


def who(server: Faults, auth: Any, secrets: Mapping[str, Any], path: str = "/who") -> Any:
    (seen,) = rows(reading(server.url, path, auth=auth), secrets=secrets)
    return seen


# ---- a key or a password


@pytest.mark.parametrize("typed", ["abc-DEF_123.~", "a b+c/d=e&f%41", "!#$%&'()*,;:@[]", "Zoë"])
def test_a_bearer_token_is_sent_as_it_was_typed(server: Faults, typed: str) -> None:
    seen = who(server, BearerToken("key"), {"key": typed})
    assert seen["headers"]["Authorization"] == f"Bearer {typed}"


@pytest.mark.parametrize("typed", ["  made-up-token\n", "made-up-token\r\n", "\tmade-up-token"])
def test_space_and_line_breaks_around_a_secret_are_taken_off(server: Faults, typed: str) -> None:
    seen = who(server, BearerToken("key"), {"key": typed})
    assert seen["headers"]["Authorization"] == "Bearer made-up-token"


@pytest.mark.parametrize("prefix", ["", "Token ", "key="])
def test_an_api_key_goes_into_a_header_of_its_own(server: Faults, prefix: str) -> None:
    seen = who(server, ApiKey("key", header="X-Api-Key", prefix=prefix), {"key": "made-up-key"})
    assert seen["headers"]["X-Api-Key"] == prefix + "made-up-key"
    assert "Authorization" not in seen["headers"]


@pytest.mark.parametrize("typed", ["made-up-key", "a b+c/d=e&f%41#g?h", "10 € / Zoë"])
@pytest.mark.parametrize("path", ["/who", "/who?x=1", "/who?x=a%20b#part"])
def test_an_api_key_goes_into_a_parameter_of_its_own(server: Faults, typed: str, path: str) -> None:
    seen = who(server, ApiKey("key", param="api key[]"), {"key": typed}, path)
    expected = {"api key[]": typed, "x": "a b" if "20" in path else "1"}
    assert seen["params"] == (expected if "x=" in path else {"api key[]": typed})


@pytest.mark.parametrize("name", ["api_key", "api%5Fkey", "api%5fkey"])
def test_an_api_key_that_stands_in_a_url_already_is_replaced(server: Faults, name: str) -> None:
    path = f"/who?{name}=an-old-key&x=1&myapi_key=2"
    seen = who(server, ApiKey("key", param="api_key"), {"key": "made-up-key"}, path)
    assert seen["params"] == {"x": "1", "myapi_key": "2", "api_key": "made-up-key"}
    assert "an-old-key" not in server.visits[0].target


@pytest.mark.parametrize(
    ("url", "stripped"),
    [
        ("https://a.example/x?key=1", "https://a.example/x"),
        ("https://a.example/x?a=1&key=1&b=%20#f", "https://a.example/x?a=1&b=%20#f"),
        ("https://a.example/x?key=1&key=2&a", "https://a.example/x?a"),
        ("https://a.example/x?monkey=1", "https://a.example/x?monkey=1"),
        ("key=1", "key=1"),
        ("?key=1", ""),
        ("a token like ?any=1&other", "a token like ?any=1&other"),
    ],
)
def test_a_keys_parameter_is_taken_out_and_nothing_else_touched(url: str, stripped: str) -> None:
    assert ApiKey("key", param="key").strip(url) == stripped
    assert ApiKey("key", header="X-Key").strip(url) == url


@pytest.mark.parametrize("password", ["made-up-password", "with:colon", "Zoë €", "a b"])
def test_basic_auth_sends_user_and_password(server: Faults, password: str) -> None:
    seen = who(server, BasicAuth("user", "word"), {"user": "bob", "word": password})
    scheme, _, coded = seen["headers"]["Authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(coded).decode() == f"bob:{password}"


def test_a_user_name_with_a_colon_is_refused_for_it_would_be_cut_there(server: Faults) -> None:
    message = error(
        reading(server.url, "/who", auth=BasicAuth("user", "word")),
        secrets={"user": "bob:by", "word": "made-up-password"},
    )
    assert "'user'" in message
    assert "colon" in message
    assert not server.visits


@pytest.mark.parametrize(
    "typed", ["made-up\ntoken-1", "made-up\r\nX-Other: 1", "made-up–dash-1", "a\0bcdef"]
)
@pytest.mark.parametrize("auth", [BearerToken("key"), ApiKey("key", header="X-Api-Key")])
def test_a_secret_that_no_header_can_hold_is_a_clear_error_at_once(
    server: Faults, clock: HeldClock, auth: Any, typed: str
) -> None:
    """A line break in the middle, or the long dash that a word processor made."""
    message = error(reading(server.url, "/who", auth=auth), secrets={"key": typed})
    assert "the header " in message
    assert "cannot be sent" in message
    assert "check the secrets key" in message
    assert typed not in message
    assert not server.visits
    assert clock.slept == []


@pytest.mark.parametrize(
    "declared",
    [
        lambda: ApiKey("key"),
        lambda: ApiKey("key", header="X", param="y"),
        lambda: OAuth2ClientCredentials("http://login.example.com/token", "id", "secret"),
        lambda: OAuth2ClientCredentials("ftp://login.example.com/token", "id", "secret"),
        lambda: OAuth2ClientCredentials("https://{tenant}.example.com/token", "id", "secret"),
        lambda: OAuth2ClientCredentials("/{tenant}/token", "id", "secret"),
    ],
)
def test_what_contradicts_itself_is_refused_where_it_is_declared(
    declared: Callable[[], Any],
) -> None:
    with pytest.raises(SourceError):
        declared()


def test_an_auth_object_shows_names_and_never_values(server: Faults) -> None:
    auths = [BearerToken("key"), ApiKey("key", param="k"), BasicAuth("user", "word"), OAUTH]
    for auth in auths:
        assert "key" in repr(auth) or "user" in repr(auth) or "id" in repr(auth)
        assert "made-up" not in repr(vars(type(auth))) + repr(auth)


@pytest.mark.parametrize(
    ("auth", "names"),
    [
        (BearerToken("key"), ["key"]),
        (ApiKey("key", param="k"), ["key"]),
        (BasicAuth("user", "word"), ["user", "word"]),
        (OAUTH, ["id", "secret"]),
    ],
)
def test_the_setup_test_asks_for_what_auth_needs(
    server: Faults, auth: Any, names: list[str]
) -> None:
    made = reading(server.url, "/rows", auth=auth, secrets=["more"])
    message = error(made, secrets={}, setup_test=True)
    for name in [*names, "more"]:
        assert f"the secret {name!r} is missing or blank" in message
    assert not server.visits


@pytest.mark.parametrize("redirected", [False, True])
def test_a_parameter_of_the_api_keys_name_is_the_steps_own_where_nothing_is_signed(
    server: Faults, redirected: bool
) -> None:
    def step(fetch: Fetch) -> Page:
        path = f"/hop?{urlencode({'to': '/who?key=sort&z=1'})}" if redirected else "/who"
        params = None if redirected else {"key": "sort", "z": 1}
        return Page(fetch.get(path, params=params, auth=False).rows("data"))

    (seen,) = rows(reading(server.url, step, auth=ApiKey("apiToken", param="key")))
    assert seen["params"] == {"key": "sort", "z": "1"}


@pytest.mark.parametrize("way", ["asked", "followed", "redirected"])
@pytest.mark.parametrize("auth", [None, BearerToken("apiToken")])
def test_a_user_and_password_in_a_url_are_not_sent_and_not_shown(
    server: Faults, monkeypatch: pytest.MonkeyPatch, way: str, auth: Any
) -> None:
    """Also where the user name is an e-mail address."""
    url = f"http://me@x.example:made-up-pw@127.0.0.1:{server.port}/status?code=400"

    def step(fetch: Fetch) -> Page:
        if way == "asked":
            return Page(fetch.get(url, auth=False).rows())
        if way == "followed":
            return Page(replace(fetch, token=url).follow("/x", auth=False).rows())
        return Page(fetch.get("/to-me", auth=False).rows())

    monkeypatch.setitem(_ROUTES, "/to-me", lambda visit: visit.reply(b"", 302, Location=url))
    with listening() as listener:
        message = error(reading(server.url, step, auth=auth))
    last = server.visits[-1]
    assert (last.path, last.headers.get("Authorization")) == ("/status", None)
    assert "127.0.0.1" in message
    assert "made-up-pw" not in message + listener.text


def test_auth_false_sends_nothing_and_renews_nothing(server: Faults) -> None:
    def step(fetch: Fetch) -> Page:
        return Page(fetch.get("/who", auth=False).rows("data"))

    (seen,) = rows(reading(server.url, step, auth=OAUTH), secrets=CLIENT)
    assert "Authorization" not in seen["headers"]
    assert server.paths() == ["/who"]


# ---- functions of the user's own


def signature(request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
    """Signs method, URL and body, as many APIs ask for."""
    said = f"{request.method}{request.path_url}".encode() + bytes(request.body or b"")
    coded = hmac.new(secrets["key"].encode(), said, hashlib.sha256).hexdigest()
    request.headers["Authorization"] = f"Signature {coded}"
    request.headers["X-Timestamp"] = "1767225600"
    request.headers["Accept"] = "application/vnd.acme+json"


def in_the_form(request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
    form = dict(parse_qsl(str(request.body or "")))
    request.prepare_body({**form, "signature": secrets["key"][::-1]}, None)


def test_a_function_signs_each_request_as_it_is_sent(server: Faults) -> None:
    def step(fetch: Fetch) -> Page:
        fetch.get("/who", params={"page": 1})
        fetch.post("/who", json={"page": 2})
        return Page()

    call(reading(server.url, step, auth=signature, secrets=["key"]), secrets={"key": "made-up-key"})
    for visit in server.visits:
        said = f"{visit.method}{visit.target}".encode() + visit.body
        coded = hmac.new(b"made-up-key", said, hashlib.sha256).hexdigest()
        assert visit.headers["Authorization"] == f"Signature {coded}"
        assert visit.headers["Accept"] == "application/vnd.acme+json"


def test_a_function_signs_again_at_each_attempt_and_each_hop(
    server: Faults, clock: HeldClock
) -> None:
    signed: list[str] = []

    def auth(request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
        signed.append(request.path_url)
        request.headers["X-Nonce"] = f"made-up-nonce-{len(signed)}"

    made = reading(server.url, "/hop?to=/status?code=500%26times=1", auth=auth)
    assert rows(made) == ROWS
    nonces = [visit.headers["X-Nonce"] for visit in server.visits]
    assert nonces == [f"made-up-nonce-{n}" for n in (1, 2, 3, 4)]


def test_what_a_function_made_of_a_secret_is_a_secret_too(server: Faults) -> None:
    """The signature is echoed; the time beside it is no secret."""

    def step(fetch: Fetch) -> Page:
        sent = fetch.get("/who").json()["data"][0]["headers"]
        raise ValueError(f"{sent['Authorization']} at {sent['X-Timestamp']} {sent['Accept']}")

    made = reading(server.url, step, auth=signature, secrets=["key"])
    message = error(made, secrets={"key": "made-up-key"})
    assert message.endswith("Signature [secret] at 1767225600 application/vnd.acme+json")


def test_what_a_function_put_into_a_form_is_a_secret_too(server: Faults) -> None:
    def step(fetch: Fetch) -> Page:
        sent = fetch.post("/who", data={"a": "an-ordinary-value"}).json()["data"][0]["body"]
        raise ValueError(sent)

    made = reading(server.url, step, auth=in_the_form, secrets=["key"])
    message = error(made, secrets={"key": "made-up-key"})
    assert message.endswith("a=an-ordinary-value&signature=[secret]")


def signed_with(secrets: Mapping[str, Any]) -> str:
    return hmac.new(secrets["key"].encode(), b"", hashlib.sha256).hexdigest()


def in_json(request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
    body = json.loads(request.body or b"{}")
    signed = {**body, "signed": [{"by": signed_with(secrets)[:12]}]}
    request.prepare_body(json.dumps(signed).encode(), None)


def in_xml(request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
    request.prepare_body(f"<a><digest>{signed_with(secrets)}</digest></a>", None)


def in_the_path(request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
    url = str(request.url).replace("/status", f"/v2/{signed_with(secrets)[:8]}/status")
    request.url = url


def after_a_colon(request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
    request.headers["Authorization"] = f"SharedKey account:{signed_with(secrets)}"


def in_a_cookie(request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
    request.headers["Cookie"] = f"lang=en; sid={signed_with(secrets)[:9]};theme=none"


def in_the_scope(request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
    scope = "20260101/us-east-1/s3/aws4_request"
    request.headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential=the-key-id/{scope}, Signature={signed_with(secrets)}"
    )


def in_a_parameter(request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
    request.prepare_url(str(request.url), {"sig": signed_with(secrets)[:10]})


@pytest.mark.parametrize(
    ("auth", "length"),
    [
        (in_json, 12),
        (in_xml, 64),
        (in_the_path, 8),
        (after_a_colon, 64),
        (in_a_cookie, 9),
        (in_the_scope, 64),
        (in_a_parameter, 10),
    ],
)
def test_what_a_function_puts_anywhere_on_the_wire_stays_in_no_text(
    server: Faults, auth: Any, length: int
) -> None:
    """The upstream says it back without the words around it."""
    made_up = signed_with({"key": "made-up-key"})[:length]

    def step(fetch: Fetch) -> Page:
        fetch.post("/status?code=400", json={"a": "an-ordinary-value"}, ok=[400, 404])
        MINE.warning("it was signed with %s", made_up)
        raise ValueError(f"{made_up} is not taken: us-east-1 aws4_request v2 status account")

    with listening() as listener:
        made = reading(server.url, step, auth=auth, secrets=["key"])
        message = error(made, secrets={"key": "made-up-key"})
    sent = server.visits[-1]
    assert made_up in sent.target + sent.body.decode() + "".join(sent.headers.values())
    assert message.endswith("[secret] is not taken: us-east-1 aws4_request v2 status account")
    assert "it was signed with [secret]" in listener.text
    assert not leaks(message + listener.text, [made_up])


def test_what_the_step_wrote_beside_a_signature_is_no_secret(server: Faults) -> None:
    def step(fetch: Fetch) -> Page:
        fetch.post("/accounts/list-of-2026", json={"a": "an-ordinary-value"}, ok=[404])
        following = None if fetch.token else "an-ordinary-value/accounts/list-of-2026"
        return Page([{"id": fetch.token or 0}], following)

    made = reading(server.url, step, auth=in_json, secrets=["key"])
    assert len(rows(made, secrets={"key": "made-up-key"})) == 2


def test_a_time_that_auth_sends_may_stand_in_a_token(server: Faults) -> None:
    def step(fetch: Fetch) -> Page:
        fetch.get("/who")
        return Page([{"id": fetch.token or 0}], None if fetch.token else 1767225600)

    made = reading(server.url, step, auth=signature, secrets=["key"])
    assert len(rows(made, secrets={"key": "made-up-key"})) == 2


def test_a_function_that_changes_the_host_is_refused(server: Faults) -> None:
    def auth(request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
        request.prepare_url(f"{server.elsewhere}/who?key={secrets['key']}", {})

    made = reading(server.url, "/who", auth=auth, secrets=["key"], allowed_hosts=["localhost"])
    error(made, secrets={"key": "made-up-key"})
    assert not server.visits


def test_a_function_that_raises_is_reported_with_its_place_and_not_repeated(
    server: Faults, clock: HeldClock
) -> None:
    def auth(request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
        raise OSError(f"no such key file as {secrets['key']}")

    made = reading(server.url, "/who", auth=auth, secrets=["key"])
    message = error(made, secrets={"key": "made-up-key"})
    assert "OSError" in message
    assert "no such key file as [secret]" in message
    assert clock.slept == []


def test_a_function_that_asks_for_a_missing_secret_is_told_where_to_type_it(
    server: Faults,
) -> None:
    message = error(reading(server.url, "/who", auth=signature), secrets={})
    assert "the secret 'key' is missing or blank" in message


# ---- OAuth 2.0 client credentials


def guarded(server: Faults, **options: Any) -> Any:
    return reading(server.url, "/guarded", **{"auth": OAUTH, **options})


def test_a_token_is_got_once_and_kept_over_calls(server: Faults) -> None:
    for _ in range(3):
        assert rows(guarded(server), secrets=CLIENT) == ROWS
    assert server.paths() == ["/oauth/token", *["/guarded"] * 3]
    (got, *_) = server.visits
    assert got.method == "POST"
    assert dict(parse_qsl(got.body.decode())) == {"grant_type": "client_credentials"}


def test_a_scope_is_asked_for(server: Faults) -> None:
    auth = OAuth2ClientCredentials("/oauth/token", "id", "secret", scope="read:all offline")
    rows(guarded(server, auth=auth), secrets=CLIENT)
    assert dict(parse_qsl(server.visits[0].body.decode()))["scope"] == "read:all offline"


@pytest.mark.parametrize("lives", [3600, "3600", 3600.0])
def test_a_token_is_renewed_before_it_expires(server: Faults, clock: HeldClock, lives: Any) -> None:
    server.lives = lives
    for seconds in (3600 - oauth.EARLY - 1, 2):
        rows(guarded(server), secrets=CLIENT)
        clock.advance(seconds)
        server.tokens[:-1] = []
    rows(guarded(server), secrets=CLIENT)
    tokens = ["/oauth/token", "/guarded", "/guarded", "/oauth/token", "/guarded"]
    assert server.paths() == tokens


@pytest.mark.parametrize(
    ("lives", "used"), [(100, 50), (None, 240), (0, 240), (-5, 240), (10**9, 10**9 - 60)]
)
def test_a_token_that_says_little_of_its_life_is_used_for_a_while(
    server: Faults, clock: HeldClock, lives: Any, used: int
) -> None:
    server.lives = lives
    for seconds in (used - 1, 2, 0):
        rows(guarded(server), secrets=CLIENT)
        clock.advance(seconds)
    assert server.paths().count("/oauth/token") == 2


def test_a_401_renews_the_token_once(server: Faults) -> None:
    rows(guarded(server), secrets=CLIENT)
    server.tokens.clear()
    server.visits.clear()
    assert rows(guarded(server), secrets=CLIENT) == ROWS
    assert server.paths() == ["/guarded", "/oauth/token", "/guarded"]


def test_a_401_that_stays_is_an_error_after_one_renewal(server: Faults, clock: HeldClock) -> None:
    message = error(reading(server.url, "/status?code=401", auth=OAUTH), secrets=CLIENT)
    assert "answered 401 Unauthorized" in message
    assert "check the secrets id, secret" in message
    assert server.paths() == ["/oauth/token", "/status", "/oauth/token", "/status"]
    assert clock.slept == []


def test_a_401_after_other_trouble_still_renews(server: Faults, clock: HeldClock) -> None:
    """Renewing is no attempt: it works at the last one too."""
    turn = 0

    def auth_after_four(fetch: Fetch) -> Page:
        nonlocal turn
        turn += 1
        return Page(fetch.get("/wobbly").rows("data"))

    def wobbly(visit: Visit) -> None:
        if visit.nth <= 4:
            visit.reply("{}", 500)
        elif visit.nth == 5:
            visit.reply("{}", 401)
        else:
            visit.reply()

    _ROUTES["/wobbly"] = wobbly
    try:
        assert rows(reading(server.url, auth_after_four, auth=OAUTH), secrets=CLIENT) == ROWS
    finally:
        del _ROUTES["/wobbly"]
    assert turn == 1


def test_a_401_that_the_step_wants_is_given_to_it(server: Faults) -> None:
    status = asked(
        server.url,
        lambda fetch: fetch.get("/status?code=401", ok=[401]).status_code,
        auth=OAUTH,
        secrets=CLIENT,
    )
    assert status == 401
    assert server.paths() == ["/oauth/token", "/status"]


def test_a_refused_client_says_so_and_which_secrets_to_check(
    server: Faults, clock: HeldClock
) -> None:
    secrets = {"id": "the-client-id", "secret": "a-wrong-secret"}
    message = error(guarded(server), secrets=secrets)
    assert f"POST {server.url}/oauth/token gave no token: invalid_client" in message
    assert "check the secrets id and secret" in message
    assert "a-wrong-secret" not in message
    assert server.paths() == ["/oauth/token"]
    assert clock.slept == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/html", ["no JSON", "Maintenance"]),
        ("/rows", ["has no access_token"]),
        ("/empty", ["no JSON", "an empty body"]),
        ("/nowhere", ["answered 404"]),
        ("/hop?to=/oauth/token", ["answered 302"]),
        ("/status?code=500", ["answered 500", "said 500"]),
        ("/cut", ["got no whole reply (attempt 5)"]),
    ],
)
def test_a_token_endpoint_that_gives_none_is_an_error_that_names_it(
    server: Faults, clock: HeldClock, path: str, said: list[str]
) -> None:
    auth = OAuth2ClientCredentials(path, "id", "secret")
    message = error(guarded(server, auth=auth), secrets=CLIENT)
    for text in [f"POST {server.url}{path}", *said]:
        assert text in message
    assert "/guarded" not in server.paths()


@pytest.mark.parametrize("path", ["/status?code=500", "/nowhere", "/status?code=403&after=9999"])
@pytest.mark.parametrize("allowed", [[], ["localhost"]])
def test_a_token_endpoint_of_another_host_that_fails_is_an_error_that_names_it(
    server: Faults, clock: HeldClock, path: str, allowed: list[str]
) -> None:
    auth = OAuth2ClientCredentials(f"{server.elsewhere}{path}", "id", "secret")
    message = error(guarded(server, auth=auth, allowed_hosts=allowed), secrets=CLIENT)
    assert f"POST {server.elsewhere}{path} answered" in message
    assert "credentials belong" not in message


def test_a_token_endpoint_that_passes_is_tried_again(server: Faults, clock: HeldClock) -> None:
    for path in ("/status?code=503&times=2&after=1", "/reset?times=1"):
        auth = OAuth2ClientCredentials(path, "id", "secret")
        message = error(guarded(server, auth=auth), secrets=CLIENT)
        assert "has no access_token" in message, "the good reply of these routes is none of OAuth's"
    assert server.paths() == ["/status"] * 3 + ["/reset"] * 2


def test_a_404_of_the_token_endpoint_is_not_taken_for_a_refused_page_token(
    server: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the walk would start over, for nothing."""
    monkeypatch.setenv("CONNECTOR_CALL_BYTES", "1")
    broken = [False]

    def step(fetch: Fetch) -> Page:
        if fetch.token and not broken[0]:
            broken[0] = True
            oauth._kept.clear()
            server.clients.clear()
            fetch.get("/guarded")
        return Page([{"id": fetch.token or 0}], 1)

    made = reading(server.url, step, auth=OAUTH)
    first = call(made, secrets=CLIENT)
    assert "gave no token" in error(made, secrets=CLIENT, state=first["state"])


@pytest.mark.parametrize("path", ["/drip", "/drip-head", "/silent"])
def test_the_time_of_the_call_holds_for_the_token_endpoint_too(
    server: Faults, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "1")
    auth = OAuth2ClientCredentials(path, "id", "secret")
    message = error(guarded(server, auth=auth), secrets=CLIENT)
    assert f"POST {server.url}{path}" in message
    assert "the time of one call" in message


def test_a_token_endpoint_that_floods_is_refused(server: Faults) -> None:
    auth = OAuth2ClientCredentials("/big?mb=100", "id", "secret")
    assert "larger than 64 MiB" in error(guarded(server, auth=auth), secrets=CLIENT)


def test_each_pair_of_credentials_has_a_token_of_its_own(server: Faults) -> None:
    server.clients["another"] = "another-secret"
    other = {"id": "another", "secret": "another-secret"}
    for secrets in (CLIENT, other, CLIENT, other):
        assert rows(guarded(server), secrets=secrets) == ROWS
    tokens = [v.headers["Authorization"] for v in server.visits if v.path == "/guarded"]
    assert tokens[0] == tokens[2] != tokens[1] == tokens[3]
    assert server.paths().count("/oauth/token") == 2


def test_workers_that_need_a_token_at_once_get_the_same_one(server: Faults) -> None:
    made = source(server.url, auth=OAUTH, workers=4)
    gate = threading.Barrier(4)
    for name in ("a", "b", "c", "d"):

        @made.entity(name)
        def step(fetch: Fetch) -> Page:
            gate.wait(5)
            return Page(fetch.get("/guarded").rows("data"))

    assert len(call(made, secrets=CLIENT)["insert"]) == 4
    assert server.paths().count("/oauth/token") == 1


def test_workers_whose_token_was_refused_at_once_renew_it_once(server: Faults) -> None:
    """A server may allow one token per client: a second renewal would end the first one's."""
    made = source(server.url, auth=OAUTH, workers=4)
    rows(guarded(server), secrets=CLIENT)
    server.tokens.clear()
    server.visits.clear()
    gate = threading.Barrier(4)
    for name in ("a", "b", "c", "d"):

        @made.entity(name)
        def step(fetch: Fetch) -> Page:
            gate.wait(5)
            return Page(fetch.get("/guarded").rows("data"))

    assert len(call(made, secrets=CLIENT)["insert"]) == 4
    assert server.paths().count("/oauth/token") == 1


def test_a_slow_token_of_one_connection_does_not_hold_up_another(
    server: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "2")
    slow = guarded(server, auth=OAuth2ClientCredentials("/silent", "id", "secret"))
    waiting = threading.Thread(target=call, args=(slow,), kwargs={"secrets": CLIENT}, daemon=True)
    waiting.start()
    while "/silent" not in server.paths():
        waiting.join(0.01)
    assert rows(guarded(server), secrets=CLIENT) == ROWS
    assert waiting.is_alive()
    waiting.join(60)


def test_the_token_endpoint_may_be_of_another_host_and_alone_gets_the_client(
    server: Faults,
) -> None:
    auth = OAuth2ClientCredentials(f"{server.elsewhere}/oauth/token", "id", "secret")
    assert rows(guarded(server, auth=auth), secrets=CLIENT) == ROWS
    (there,), (here,) = server.at("localhost"), server.at("127.0.0.1")
    assert (there.path, here.path) == ("/oauth/token", "/guarded")
    assert there.headers["Authorization"].startswith("Basic ")
    assert here.headers["Authorization"].startswith("Bearer given-token-1-")


@pytest.mark.parametrize("name", ["id", "secret"])
@pytest.mark.parametrize("typed", ["made-up–dash", "made\nup-secret", "10 €"])
def test_client_credentials_that_cannot_be_sent_are_told_by_name(
    server: Faults, name: str, typed: str
) -> None:
    message = error(guarded(server), secrets={**CLIENT, name: typed})
    assert f"the secret {name!r} cannot be sent" in message
    assert typed not in message
    assert not server.visits


def test_client_credentials_are_sent_without_the_space_around_them(server: Faults) -> None:
    secrets = {name: f" {value}\n" for name, value in CLIENT.items()}
    assert rows(guarded(server), secrets=secrets) == ROWS


def test_tokens_come_through_the_proxy_and_by_the_private_ca(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority.made(tmp_path)
    monkeypatch.setenv("CONNECTOR_CA_BUNDLE", str(authority.ca))
    with Proxy() as proxy, Faults(authority.context) as safe:
        monkeypatch.setenv("CONNECTOR_PROXY", proxy.url)
        assert rows(guarded(safe), secrets=CLIENT) == ROWS
        assert len({visit.port for visit in safe.visits}) == 1
    assert len(proxy.heads) == 1


def test_a_netrc_does_not_replace_the_clients_credentials(
    server: Faults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login me password mine\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert rows(guarded(server), secrets=CLIENT) == ROWS


def test_a_redirect_after_a_401_is_no_way_to_get_a_token(server: Faults) -> None:
    made = reading(
        server.url, f"/hop?to={server.elsewhere}/who", auth=OAUTH, allowed_hosts=["localhost"]
    )
    (seen,) = rows(made, secrets=CLIENT)
    assert "Authorization" not in seen["headers"]
    assert json.dumps(server.tokens[0]) not in json.dumps(seen)


def test_the_token_of_a_sample_upstream_comes_from_there(
    server: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """token_url names the real identity provider, at which no test may knock."""
    auth = OAuth2ClientCredentials("https://login.example.com/oauth/token", "id", "secret")
    monkeypatch.setenv("UPSTREAM_BASE_URL", server.url)
    made = guarded(server, auth=auth)
    assert rows(made, secrets=CLIENT) == ROWS
    assert server.paths() == ["/oauth/token", "/guarded"]
