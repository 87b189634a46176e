"""Credentials reach base_url's origin as they were typed, and no other host; OAuth's tokens too."""

import base64
import hashlib
import hmac
import threading
from urllib.parse import parse_qsl, quote

import pytest
from connector import ApiKey, BasicAuth, BearerToken, OAuth2ClientCredentials, Page, auth
from connector.errors import SourceError

from . import faults
from .faults import ROWS
from .leaks import leaks, listening
from .play import asked, call, error, reading, rows
from .scripted import source

KEY = {"key": "made-up-key"}
CLIENT = {"id": "the-client-id", "secret": "the-client-secret"}
WRONG = {**CLIENT, "secret": "a-wrong-secret"}


def oauth(path="/oauth/token", **options):
    return OAuth2ClientCredentials(path, "id", "secret", **options)


def who(server, auth, secrets, path="/who"):
    """What a request looked like."""
    (seen,) = rows(reading(server.url, path, auth=auth), secrets=secrets)
    return seen


# ---- a key or a password


@pytest.mark.parametrize("space", [("", ""), ("  ", "\n"), ("\t", "\r\n")])
@pytest.mark.parametrize("key", ["a b+c/d=e&f%41", "!#$%&'()*,;:@[]", "Zoë"])
def test_a_secret_is_sent_as_it_was_typed(server, key, space):
    secrets = {"key": key.join(space)}
    headers = who(server, BearerToken("key"), secrets)["headers"]
    assert headers["Authorization"] == f"Bearer {key}"
    headers = who(server, ApiKey("key", header="X-Api-Key", prefix="Token "), secrets)["headers"]
    assert headers["X-Api-Key"] == f"Token {key}" and "Authorization" not in headers
    path = "/who?api+key%5b%5D=an-old-key&my[]=2"
    seen = who(server, ApiKey("key", param="api key[]"), secrets, path)
    assert seen["params"] == {"my[]": "2", "api key[]": key}
    assert "an-old-key" not in server.visits[-1].target
    pairs = {BasicAuth("key", "key"): f"{key}:{key}", BasicAuth("key"): f"{key}:"}
    for declared, pair in pairs.items():
        sent = who(server, declared, secrets)["headers"]["Authorization"]
        assert base64.b64decode(sent.removeprefix("Basic ")).decode() == pair


UNSAFE = [
    lambda: ApiKey("key"),
    lambda: ApiKey("key", header="X", param="y"),
    lambda: oauth("http://login.example.com/t"),
    lambda: oauth("https://{tenant}.example.com/t"),
    lambda: oauth(credentials_in="query"),
]


@pytest.mark.parametrize("declare", UNSAFE)
def test_what_is_unclear_or_unsafe_is_refused_where_it_is_declared(declare):
    with pytest.raises(SourceError):
        declare()


# ---- functions of the user's own


def coded(text, key=KEY["key"]):
    return hmac.new(key.encode(), text, hashlib.sha256).hexdigest()


def signature(request, secrets):
    """Signs method, URL and body, as many APIs ask for."""
    text = f"{request.method}{request.path_url}".encode() + bytes(request.body or b"")
    request.headers["Authorization"] = f"Signature {coded(text, secrets['key'])}"
    request.headers["Accept"] = "application/vnd.acme+json"


def test_a_function_signs_each_attempt_and_each_hop(server, clock):
    def step(fetch):
        fetch.get("/hop?to=/status?code=500%26times=1", params={"page": 1})
        fetch.post("/who", json={"page": 2})
        return Page()

    call(reading(server.url, step, auth=signature, secrets=["key"]), secrets=KEY)
    assert server.paths() == ["/hop", "/status", "/hop", "/status", "/who"]
    for visit in server.visits:
        text = f"{visit.method}{visit.target}".encode() + visit.body
        assert visit.headers["Authorization"] == f"Signature {coded(text)}"
        assert visit.headers["Accept"] == "application/vnd.acme+json"


ADDED = [
    ("SharedKey account:{}", 64),
    ("AWS4 Credential=the-key-id/20260101/us-east-1/s3/aws4_request, Signature={}", 64),
    (None, 10),
]


@pytest.mark.parametrize("header, length", ADDED)
def test_what_a_function_adds_is_not_shown(server, header, length):
    """The upstream says it back without the words around it; a time beside it is no secret."""
    made_up = coded(b"")[:length]

    def auth(request, secrets):
        if header:
            request.headers["Authorization"] = header.format(made_up)
        else:
            request.prepare_url(request.url, {"sig": made_up, "at": "1767225600"})

    def step(fetch):
        fetch.post("/status?code=400", json={"a": "an-ordinary-value"}, ok=[400])
        raise ValueError(f"{made_up} is not taken: us-east-1 aws4_request 1767225600 account")

    with listening() as lines:
        message = error(reading(server.url, step, auth=auth, secrets=["key"]), secrets=KEY)
    sent = server.visits[-1]
    assert made_up in sent.target + "".join(sent.headers.values())
    assert "[secret] is not taken: us-east-1 aws4_request 1767225600 account" in message
    assert not leaks(message + lines.text, [made_up])


def elsewhere(request, secrets):
    request.url = "https://elsewhere.example.com/thing"


CANNOT_SIGN = [
    (elsewhere, KEY, "auth changed the host of the request to https://elsewhere.exa"),
    (signature, {}, "the secret 'key' is missing or blank"),
]


@pytest.mark.parametrize("auth, secrets, text", CANNOT_SIGN)
def test_a_function_that_cannot_sign_is_an_error_at_once(server, clock, auth, secrets, text):
    options = {"allowed_hosts": ["elsewhere.example.com"], "auth": auth}
    assert text in error(reading(server.url, "/who", **options), secrets=secrets)
    assert not server.visits and clock.slept == []


# ---- where credentials go


def test_auth_false_leaves_them_off_and_gets_no_token(server):
    for declared in (oauth(), BearerToken("apiToken"), ApiKey("apiToken", header="Authorization")):
        ask = lambda fetch: fetch.get("/who", auth=False).rows("data")  # noqa: E731
        (seen,) = asked(server.url, ask, auth=declared)
        assert "Authorization" not in seen["headers"]
    assert server.paths() == ["/who"] * 3


def test_custom_headers_that_hold_a_secret_stay_at_home(server):
    secrets = {"apiToken": "made-up-token-1", "key": "made-up-key", "pin": "4711"}
    options = {
        "headers": {"X-Source": "tenant made-up-key", "X-Version": "2026-01", "X-Pin": "pin 4711"},
        "allowed_hosts": ["localhost"],
        "secrets": ["key", "pin"],
    }
    kept = {
        "X-Step": "key=made-up-key",
        "X-Coded": quote("made-up-token-1", safe=""),
        "X-Short": "4711",
        "X-made-up-key": "1",
        # These stay, whatever they hold: the runtime does not know a signature of the step's.
        "authorization": "Signature of-the-step",
        "Cookie": "of=the-step",
    }

    def step(fetch):
        for url in ("/who", f"{server.elsewhere}/who", f"/hop?to={server.elsewhere}/who"):
            fetch.get(url, headers={**kept, "X-Number": "47110"}, auth=False)
        return Page()

    call(reading(server.url, step, **options), secrets=secrets)
    (home, *_), away = server.at("127.0.0.1"), server.at("localhost")
    custom = {*kept, "X-Source", "X-Pin"}
    assert custom <= home.headers.keys()
    assert len(away) == 2
    for visit in away:
        assert not custom & visit.headers.keys()
        assert (visit.headers["X-Version"], visit.headers["X-Number"]) == ("2026-01", "47110")


# ---- OAuth: what the token endpoint is asked, and how its answer is read


def guarded(server, declared=None):
    """A source that reads records which want a token."""
    return reading(server.url, "/guarded", auth=declared or oauth())


EXTRA = {"audience": "https://x/", "extra": {"resource": "a b", "n": 1, "x": None}}
TYPED = {"id": "an id:+", "secret": " a+b/c=d&e%41:f g~\n"}
IN_BODY = {"client_id": TYPED["id"], "client_secret": TYPED["secret"].strip()}
FORMS = [
    (oauth(), {}),
    (oauth(scope="read:all offline"), {"scope": "read:all offline"}),
    (oauth(**EXTRA), {"audience": "https://x/", "resource": "a b", "n": "1"}),
    (oauth("/oauth/token?in=body", credentials_in="body"), IN_BODY),
    (oauth("/oauth/token?at=data.token", token_path="data.token"), {}),
]


@pytest.mark.parametrize("declared, form", FORMS)
def test_the_form_is_that_of_rfc_6749_and_what_is_declared(server, clock, declared, form):
    """In the header credentials are form-encoded, and space around them is left out."""
    server.clients[TYPED["id"]] = TYPED["secret"].strip()
    for _ in range(2):
        assert rows(guarded(server, declared), secrets=TYPED) == ROWS
    assert server.paths() == ["/oauth/token", "/guarded", "/guarded"]
    (got, *_) = server.visits
    assert got.method == "POST" and "json" in got.headers["Accept"]
    assert dict(parse_qsl(got.body.decode())) == {"grant_type": "client_credentials", **form}
    coded = got.headers.get("Authorization", "").removeprefix("Basic ")
    in_header = declared.credentials_in == "header"
    assert base64.b64decode(coded).startswith(b"an+id%3A%2B:") is in_header
    # How long the token lives stands beside it, wherever that is.
    for seconds in (3600 - auth.EARLY - 1, 2):
        clock.advance(seconds)
        assert rows(guarded(server, declared), secrets=TYPED) == ROWS
    assert server.paths()[3:] == ["/guarded", "/oauth/token", "/guarded"]


NO_TOKEN = [
    (oauth(), 1, ['401 Unauthorized: {"error": "invalid_client"', 'credentials_in="body"']),
    (
        oauth("/oauth/token?in=header", credentials_in="body"),
        1,
        ['400 Bad Request: {"message": "missing client id"}', 'credentials_in="header"'],
    ),
    (oauth("/html"), 1, ["returned no token", "Maintenance"]),
    (oauth("/rows"), 1, ["no text at 'access_token'", "token_path=", "its response are data"]),
    (oauth("/empty"), 1, ["returned no token", "an empty body"]),
    (oauth("/half"), 1, ["returned no token", "not a JSON object"]),
    (oauth("/hop?to=/oauth/token"), 1, ["answered 302"]),
    (oauth("/status?code=500"), 5, ["answered 500", "said 500"]),
    (oauth("/cut"), 5, ["got no complete response (attempt 5)"]),
    # These pass; what comes then has no token.
    (oauth("/status?code=503&times=2&after=1"), 3, ["no text at 'access_token'"]),
    (oauth("/status?code=429&times=9"), 10, ["no text at 'access_token'"]),
    (oauth("/reset?times=1"), 2, ["no text at 'access_token'"]),
]


@pytest.mark.parametrize("declared, attempts, words", NO_TOKEN)
def test_a_token_endpoint_that_gives_none_is_quoted(server, clock, declared, attempts, words):
    message = error(guarded(server, declared), secrets=WRONG)
    expected = [f"POST {server.url}{declared.token_url} ", *words]
    assert [text for text in expected if text not in message] == []
    assert not leaks(message, ["a-wrong-secret"]) and "the-client-id" not in message
    assert server.paths() == [declared.token_url.partition("?")[0]] * attempts


@pytest.mark.parametrize("held", [False, True])
def test_the_time_of_the_call_holds_for_the_token_endpoint_too(server, monkeypatch, held):
    """And for the wait while another connection's call, which may last longer, gets the token."""
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "0.3")
    declared = oauth() if held else oauth("/silent")
    url = server.url + declared.token_url
    lock = auth._slot(declared, CLIENT, url).lock
    if held:
        lock.acquire()
    message = error(guarded(server, declared), secrets=CLIENT)
    assert f"POST {url} was not answered in the time of one call" in message


# ---- how long a token is used, by whom, and where it goes


LIVES = [("3600", 3540), (100, 50), *((odd, 240) for odd in (None, 0, "soon", "inf", [1]))]


@pytest.mark.parametrize("lives, used", LIVES)
def test_a_token_is_renewed_in_time(server, clock, lives, used):
    server.lives = lives
    for seconds in (used - 1, 2, 0):
        rows(guarded(server), secrets=CLIENT)
        clock.advance(seconds)
    assert server.paths() == [*["/oauth/token", "/guarded", "/guarded"], "/oauth/token", "/guarded"]


def test_a_401_renews_the_token_once(server, clock):
    rows(guarded(server), secrets=CLIENT)
    server.tokens.clear()
    assert rows(guarded(server), secrets=CLIENT) == ROWS
    assert server.paths()[2:] == ["/guarded", "/oauth/token", "/guarded"]
    server.visits.clear()
    message = error(reading(server.url, "/status?code=401", auth=oauth()), secrets=CLIENT)
    assert "answered 401 Unauthorized" in message and "check the secrets id, secret" in message
    assert server.paths()[:3] == ["/status", "/oauth/token", "/status"]
    server.visits.clear()
    asked(server.url, lambda f: f.get("/status?code=401", ok=[401]), auth=oauth(), secrets=CLIENT)
    assert server.paths() == ["/status"], "a 401 that the step expects is the step's"
    assert clock.slept == []


def test_each_declaration_and_pair_of_credentials_has_a_token_of_its_own(server):
    server.clients["another"] = "another-secret"
    other = {"id": "another", "secret": "another-secret"}
    uses = [(oauth(), CLIENT), (oauth(), other)]
    uses += [(oauth(scope=scope), CLIENT) for scope in "ab"]
    for declared, secrets in uses * 2:
        assert rows(guarded(server, declared), secrets=secrets) == ROWS
    tokens = [v.headers["Authorization"] for v in server.visits if v.path == "/guarded"]
    assert tokens[:4] == tokens[4:] and len({*tokens}) == 4
    assert server.paths().count("/oauth/token") == 4
    error(guarded(server), secrets=WRONG)


@pytest.mark.parametrize("refused", [False, True])
def test_workers_that_need_a_token_at_once_get_the_same_one(server, refused):
    """A server may allow one token per client: a second renewal would end the first one's. One of
    the workers hears of the refusal only when another already uses a new token."""
    if refused:
        rows(guarded(server), secrets=CLIENT)
        server.tokens.clear()
        server.visits.clear()
    made, gate = source(base_url=server.url, auth=oauth(), workers=4), threading.Barrier(4)

    def answer(visit):
        while visit.nth == 5 and len(server.visits) < 6:
            server.stopping.wait(0.01)
        faults.guarded(visit)

    def step(fetch):
        gate.wait(30)
        return Page(fetch.get("/guarded").rows("data"))

    server.routes["/guarded"] = answer
    for name in "abcd":
        made.entity(name)(step)
    assert len(call(made, secrets=CLIENT)["insert"]) == 4
    assert server.paths().count("/oauth/token") == 1


def test_upstream_base_url_replaces_base_url_and_the_place_of_tokens(server, monkeypatch):
    """token_url names the real identity provider, which no test may ask."""
    monkeypatch.setenv("UPSTREAM_BASE_URL", server.url + "/")
    declared = oauth("https://login.example.com/oauth/token")
    made = reading("https://api.example.com", "/guarded", auth=declared)
    assert rows(made, secrets=CLIENT) == ROWS
    assert server.paths() == ["/oauth/token", "/guarded"]
