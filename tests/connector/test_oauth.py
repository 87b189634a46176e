"""OAuth 2.0 client credentials: tokens are got once, renewed in time, and never shown."""

import base64
import contextlib
import threading
from typing import Any
from urllib.parse import parse_qsl

import pytest
from connector import Fetch, OAuth2ClientCredentials, Page, auth
from connector.testing import HeldClock

from .faults import ROWS, Faults
from .leaks import leaks
from .play import asked, call, error, reading, rows
from .scripted import source

CLIENT = {"id": "the-client-id", "secret": "the-client-secret"}
OAUTH = OAuth2ClientCredentials("/oauth/token", "id", "secret")


def guarded(server: Faults, **options: Any) -> Any:
    return reading(server.url, "/guarded", **{"auth": OAUTH, **options})


def oauth(path: str = "/oauth/token", **options: Any) -> OAuth2ClientCredentials:
    return OAuth2ClientCredentials(path, "id", "secret", **options)


# ---- what the endpoint is asked, and how its answer is read


@pytest.mark.parametrize(
    ("declared", "form"),
    [
        (oauth(), {}),
        (oauth(scope="read:all offline"), {"scope": "read:all offline"}),
        (
            oauth(
                audience="https://api.example.com/", extra={"resource": "a b", "n": 1, "x": None}
            ),
            {"audience": "https://api.example.com/", "resource": "a b", "n": "1"},
        ),
        (
            oauth("/oauth/token?in=body", credentials_in="body"),
            {"client_id": "the-client-id", "client_secret": "the-client-secret"},
        ),
        (oauth("/oauth/token?at=data.token", token_path="data.token"), {}),
    ],
)
def test_the_form_is_that_of_rfc_6749_and_what_is_declared(
    server: Faults, clock: HeldClock, declared: OAuth2ClientCredentials, form: dict[str, str]
) -> None:
    for _ in range(2):
        assert rows(guarded(server, auth=declared), secrets=CLIENT) == ROWS
    assert server.paths() == ["/oauth/token", "/guarded", "/guarded"]
    (got, *_) = server.visits
    assert got.method == "POST" and "json" in got.headers["Accept"]
    assert dict(parse_qsl(got.body.decode())) == {"grant_type": "client_credentials", **form}
    assert ("Authorization" in got.headers) is (declared.credentials_in == "header")
    # How long the token lives stands beside it, wherever that is.
    for seconds in (3600 - auth.EARLY - 1, 2):
        clock.advance(seconds)
        assert rows(guarded(server, auth=declared), secrets=CLIENT) == ROWS
    assert server.paths()[3:] == ["/guarded", "/oauth/token", "/guarded"]


@pytest.mark.parametrize("typed", [" the-client-secret\n", "a+b/c=d&e%41:f g~"])
def test_credentials_are_form_encoded_and_stripped(server: Faults, typed: str) -> None:
    server.clients["an id:+"] = typed.strip()
    assert rows(guarded(server), secrets={"id": "an id:+", "secret": typed}) == ROWS
    coded = server.visits[0].headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(coded).startswith(b"an+id%3A%2B:")


# ---- how long a token is used


@pytest.mark.parametrize(
    ("lives", "used"),
    [("3600", 3540), *((lives, 240) for lives in (None, 0, "soon", "inf", [1])), (100, 50)],
)
def test_a_token_is_renewed_in_time(
    server: Faults, clock: HeldClock, lives: Any, used: int
) -> None:
    server.lives = lives
    for seconds in (used - 1, 2, 0):
        rows(guarded(server), secrets=CLIENT)
        clock.advance(seconds)
    assert server.paths() == [*["/oauth/token", "/guarded", "/guarded"], "/oauth/token", "/guarded"]


def test_a_401_renews_the_token_once(server: Faults, clock: HeldClock) -> None:
    rows(guarded(server), secrets=CLIENT)
    server.tokens.clear()
    assert rows(guarded(server), secrets=CLIENT) == ROWS
    assert server.paths()[2:] == ["/guarded", "/oauth/token", "/guarded"]
    server.visits.clear()
    message = error(reading(server.url, "/status?code=401", auth=OAUTH), secrets=CLIENT)
    assert "answered 401 Unauthorized" in message and "check the secrets id, secret" in message
    assert server.paths()[:3] == ["/status", "/oauth/token", "/status"]
    server.visits.clear()
    asked(server.url, lambda f: f.get("/status?code=401", ok=[401]), auth=OAUTH, secrets=CLIENT)
    assert server.paths() == ["/status"], "a 401 that the step expects is the step's"
    assert clock.slept == []


# ---- an endpoint that gives no token


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (oauth(), ['401 Unauthorized: {"error": "invalid_client"', 'credentials_in="body"']),
        (
            oauth("/oauth/token?in=header", credentials_in="body"),
            ['400 Bad Request: {"message": "missing client id"}', 'credentials_in="header"'],
        ),
        (oauth("/html"), ["returned no token", "Maintenance"]),
        (oauth("/rows"), ["no text at 'access_token'", "token_path=", "its response are data"]),
        (oauth("/empty"), ["returned no token", "an empty body"]),
        (oauth("/half"), ["returned no token", "not a JSON object"]),
        (oauth("/hop?to=/oauth/token"), ["answered 302"]),
        (oauth("/status?code=500"), ["answered 500", "said 500"]),
        (oauth("/cut"), ["got no complete response (attempt 5)"]),
    ],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_token_endpoint_that_gives_none_is_quoted(
    server: Faults, clock: HeldClock, declared: Any, words: list[str], host: str
) -> None:
    url = f"http://{host}:{server.port}{declared.token_url}"
    whole = oauth(url, credentials_in=declared.credentials_in)
    message = error(guarded(server, auth=whole), secrets={**CLIENT, "secret": "a-wrong-secret"})
    for text in [f"POST {url} ", *words]:
        assert text in message
    assert not leaks(message, ["a-wrong-secret"]) and "the-client-id" not in message
    assert "/guarded" not in server.paths()


def test_a_token_endpoint_that_passes_is_tried_again(server: Faults, clock: HeldClock) -> None:
    for path in ("/status?code=503&times=2&after=1", "/reset?times=1", "/status?code=429&times=9"):
        message = error(guarded(server, auth=oauth(path)), secrets=CLIENT)
        assert "no text at 'access_token'" in message, "the good reply of these routes has none"
    assert server.paths() == ["/status"] * 3 + ["/reset"] * 2 + ["/status"] * 10


@pytest.mark.usefixtures("page_by_page")
def test_a_refusal_of_the_token_endpoint_does_not_give_up_the_page_token(server: Faults) -> None:
    """Else the walk would start over, for nothing."""
    tokens: list[Any] = []

    def step(fetch: Fetch) -> Page:
        tokens.append(fetch.token)
        fetch.get("/guarded")
        return Page([{"id": fetch.token or 0}], (fetch.token or 0) + 1)

    state = call(reading(server.url, step, auth=oauth()), secrets=CLIENT)["state"]
    made = reading(server.url, step, auth=oauth("/status?code=400"))
    assert "answered 400" in error(made, secrets=CLIENT, state=state)
    assert tokens[0] is None and {*tokens[1:]} == {1}


@pytest.mark.parametrize("path", ["/drip", "/silent", "/oauth/token"])
def test_the_time_of_the_call_holds_for_the_token_endpoint_too(
    server: Faults, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """And for the wait while another connection's call, which may last longer, gets the token."""
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "1")
    lock: Any = auth._slot(OAUTH, CLIENT, server.url + path).lock
    with lock if path == "/oauth/token" else contextlib.nullcontext():
        message = error(guarded(server, auth=oauth(path)), secrets=CLIENT)
    assert f"POST {server.url}{path} was not answered in the time of one call" in message


# ---- several at once


def test_each_declaration_and_pair_of_credentials_has_a_token_of_its_own(server: Faults) -> None:
    server.clients["another"] = "another-secret"
    other = {"id": "another", "secret": "another-secret"}
    uses = [(OAUTH, CLIENT), (OAUTH, other), (oauth(scope="a"), CLIENT), (oauth(scope="b"), CLIENT)]
    for declared, secrets in uses * 2:
        assert rows(guarded(server, auth=declared), secrets=secrets) == ROWS
    tokens = [v.headers["Authorization"] for v in server.visits if v.path == "/guarded"]
    assert tokens[:4] == tokens[4:] and len({*tokens}) == 4
    assert server.paths().count("/oauth/token") == 4
    error(guarded(server), secrets={**CLIENT, "secret": "a-wrong-secret"})


@pytest.mark.parametrize("refused", [False, True])
def test_workers_that_need_a_token_at_once_get_the_same_one(server: Faults, refused: bool) -> None:
    """A server may allow one token per client: a second renewal would end the first one's."""
    if refused:
        rows(guarded(server), secrets=CLIENT)
        server.tokens.clear()
        server.visits.clear()
    made = source(base_url=server.url, auth=OAUTH, workers=4)
    gate = threading.Barrier(4)

    def step(fetch: Fetch) -> Page:
        gate.wait(30)
        return Page(fetch.get("/guarded").rows("data"))

    for name in "abcd":
        made.entity(name)(step)
    assert len(call(made, secrets=CLIENT)["insert"]) == 4
    assert server.paths().count("/oauth/token") == 1


# ---- where tokens and credentials go


def test_only_the_token_endpoint_gets_the_client(server: Faults) -> None:
    declared = oauth(f"{server.elsewhere}/oauth/token")
    assert rows(guarded(server, auth=declared), secrets=CLIENT) == ROWS
    (there,), (here,) = server.at("localhost"), server.at("127.0.0.1")
    assert (there.path, here.path) == ("/oauth/token", "/guarded")
    assert there.headers["Authorization"].startswith("Basic ")
    assert here.headers["Authorization"].startswith("Bearer given-token-1-")


@pytest.mark.parametrize("token_url", ["https://login.example.com/oauth/token", "/oauth/token"])
def test_the_token_of_a_sample_upstream_comes_from_there(
    server: Faults, monkeypatch: pytest.MonkeyPatch, token_url: str
) -> None:
    """token_url names the real identity provider, which no test may ask."""
    monkeypatch.setenv("UPSTREAM_BASE_URL", server.url)
    made = reading("https://api.example.com", "/guarded", auth=oauth(token_url))
    assert rows(made, secrets=CLIENT) == ROWS
    assert server.paths() == ["/oauth/token", "/guarded"]
