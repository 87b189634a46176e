"""Credentials reach base_url's origin as they were typed, and no other host ever."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from connector import ApiKey, BasicAuth, BearerToken, Fetch, OAuth2ClientCredentials, Page
from connector.errors import SourceError
from connector.testing import HeldClock

from .faults import Faults
from .leaks import leaks, listening
from .play import call, error, reading, rows

OAUTH = OAuth2ClientCredentials("/oauth/token", "id", "secret")
KEY = {"key": "made-up-key"}


def who(server: Faults, auth: Any, secrets: Mapping[str, Any], path: str = "/who") -> Any:
    (seen,) = rows(reading(server.url, path, auth=auth), secrets=secrets)
    return seen


# ---- a key or a password


@pytest.mark.parametrize("space", [("", ""), ("  ", "\n"), ("\t", "\r\n")])
@pytest.mark.parametrize("key", ["a b+c/d=e&f%41", "!#$%&'()*,;:@[]", "Zoë"])
def test_a_secret_is_sent_as_it_was_typed(server: Faults, key: str, space: tuple[str, str]) -> None:
    secrets = {"key": key.join(space)}
    headers = who(server, BearerToken("key"), secrets)["headers"]
    assert headers["Authorization"] == f"Bearer {key}"
    headers = who(server, ApiKey("key", header="X-Api-Key", prefix="Token "), secrets)["headers"]
    assert headers["X-Api-Key"] == f"Token {key}" and "Authorization" not in headers


@pytest.mark.parametrize(
    ("path", "others"),
    [
        ("/who?x=a%20b#part", {"x": "a b"}),
        ("/who?api%20key[]=an-old-key&x=1", {"x": "1"}),
        ("/who?api+key%5b%5D=an-old-key&my[]=2", {"my[]": "2"}),
    ],
)
def test_an_api_key_replaces_an_older_one(
    server: Faults, path: str, others: dict[str, str]
) -> None:
    key = "a b+c/d=e&f%41#g?h 10 €"
    seen = who(server, ApiKey("key", param="api key[]"), {"key": key}, path)
    assert seen["params"] == {**others, "api key[]": key}
    assert "an-old-key" not in server.visits[0].target


@pytest.mark.parametrize("password", ["with:colon", "Zoë €", "a b", None])
def test_basic_auth_sends_user_and_password_or_a_blank(
    server: Faults, password: str | None
) -> None:
    auth = BasicAuth("user", "word") if password else BasicAuth("user")
    seen = who(server, auth, {"user": "bob", **({"word": password} if password else {})})
    scheme, _, coded = seen["headers"]["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(coded).decode()) == ("Basic", f"bob:{password or ''}")


URLS = ["http://login.example.com/t", "ftp://login.example.com/t", "https://{tenant}.example.com/t"]


@pytest.mark.parametrize(
    "declare",
    [
        lambda: ApiKey("key"),
        lambda: ApiKey("key", header="X", param="y"),
        lambda: ApiKey("key", "X"),  # type: ignore[misc]  # a header or a parameter?
        *(lambda url=url: OAuth2ClientCredentials(url, "id", "secret") for url in URLS),
        lambda: OAuth2ClientCredentials("/t", "id", "secret", credentials_in="query"),
        lambda: OAuth2ClientCredentials("/t", "id", "secret", "scope", "audience"),  # type: ignore
    ],
)
def test_what_is_unclear_or_unsafe_is_refused_where_it_is_declared(declare: Any) -> None:
    with pytest.raises((SourceError, TypeError)):
        declare()


# ---- functions of the user's own


def coded(text: bytes, key: str = KEY["key"]) -> str:
    return hmac.new(key.encode(), text, hashlib.sha256).hexdigest()


def signature(request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
    """Signs method, URL and body, as many APIs ask for."""
    text = f"{request.method}{request.path_url}".encode() + bytes(request.body or b"")
    request.headers["Authorization"] = f"Signature {coded(text, secrets['key'])}"
    request.headers["Accept"] = "application/vnd.acme+json"


def test_a_function_signs_each_attempt_and_each_hop(server: Faults, clock: HeldClock) -> None:
    def step(fetch: Fetch) -> Page:
        fetch.get("/hop?to=/status?code=500%26times=1", params={"page": 1})
        fetch.post("/who", json={"page": 2})
        return Page()

    call(reading(server.url, step, auth=signature, secrets=["key"]), secrets=KEY)
    assert server.paths() == ["/hop", "/status", "/hop", "/status", "/who"]
    for visit in server.visits:
        text = f"{visit.method}{visit.target}".encode() + visit.body
        assert visit.headers["Authorization"] == f"Signature {coded(text)}"
        assert visit.headers["Accept"] == "application/vnd.acme+json"


@pytest.mark.parametrize(
    ("header", "length"),
    [
        ("SharedKey account:{}", 64),
        ("AWS4 Credential=the-key-id/20260101/us-east-1/s3/aws4_request, Signature={}", 64),
        (None, 10),
    ],
)
def test_what_a_function_adds_is_not_shown(server: Faults, header: str | None, length: int) -> None:
    """The upstream says it back without the words around it; a time beside it is no secret."""
    made_up = coded(b"")[:length]

    def auth(request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
        if header:
            request.headers["Authorization"] = header.format(made_up)
        else:
            request.prepare_url(str(request.url), {"sig": made_up, "at": "1767225600"})

    def step(fetch: Fetch) -> Page:
        fetch.post("/status?code=400", json={"a": "an-ordinary-value"}, ok=[400])
        raise ValueError(f"{made_up} is not taken: us-east-1 aws4_request 1767225600 account")

    with listening() as lines:
        message = error(reading(server.url, step, auth=auth, secrets=["key"]), secrets=KEY)
    sent = server.visits[-1]
    assert made_up in sent.target + "".join(sent.headers.values())
    assert "[secret] is not taken: us-east-1 aws4_request 1767225600 account" in message
    assert not leaks(message + lines.text, [made_up])


@pytest.mark.parametrize(
    ("auth", "secrets", "text"),
    [
        (
            lambda request, _: setattr(request, "url", "https://elsewhere.example.com/thing"),
            KEY,
            "auth changed the host of the request to https://elsewhere.exa",
        ),
        (
            lambda _, secrets: Path(f"/{secrets['key']}").read_bytes(),
            KEY,
            "No such file or directory: '/[secret]'",
        ),
        (signature, {}, "the secret 'key' is missing or blank"),
    ],
)
def test_a_function_that_cannot_sign_is_an_error_at_once(
    server: Faults, clock: HeldClock, auth: Any, secrets: dict[str, str], text: str
) -> None:
    options = {"secrets": [*secrets], "allowed_hosts": ["elsewhere.example.com"]}
    assert text in error(reading(server.url, "/who", auth=auth, **options), secrets=secrets)
    assert not server.visits and clock.slept == []


# ---- where credentials go


def test_auth_false_leaves_them_off_and_gets_no_token(server: Faults) -> None:
    def step(fetch: Fetch) -> Page:
        return Page(fetch.get("/who", auth=False).rows("data"))

    for auth in (OAUTH, BearerToken("apiToken"), ApiKey("apiToken", header="Authorization")):
        (seen,) = rows(reading(server.url, step, auth=auth))
        assert "Authorization" not in seen["headers"]
    assert server.paths() == ["/who"] * 3


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
            # These stay, whatever they hold: the runtime does not know a signature of the step's.
            "authorization": "Signature of-the-step",
            "Cookie": "of=the-step",
        }
        for url in ("/who", f"{server.elsewhere}/who", f"/hop?to={server.elsewhere}/who"):
            fetch.get(url, headers=headers, auth=False)
        return Page()

    call(reading(server.url, step, **options), secrets=secrets)
    (home, *_), away = server.at("127.0.0.1"), server.at("localhost")
    custom = {"X-Source", "X-Pin", "X-Step", "X-Coded", "X-Short", "X-made-up-key"}
    custom |= {"authorization", "Cookie"}
    assert custom <= home.headers.keys()
    assert len(away) == 2
    for visit in away:
        assert not custom & visit.headers.keys()
        assert (visit.headers["X-Version"], visit.headers["X-Number"]) == ("2026-01", "47110")


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
    assert "is not sent" in message and "contains a secret" in message
    assert not server.at("localhost")
