"""No secret leaves a call: not in its error, its state or a log record, whatever fails in it."""

import base64
import html
import itertools
import json
import logging
from urllib.parse import quote, quote_plus
from uuid import uuid4

import pytest
from connector import ApiKey, BasicAuth, BearerToken, OAuth2ClientCredentials, Page
from connector.errors import RetryLater, StartOver, UpstreamError
from connector.sync import protocol
from connector.sync.handler import handle
from connector.testing import held_clock
from msgspec.structs import replace

from .faults import ROWS
from .leaks import ALL_ENCODINGS, leaks, listening
from .play import call, encoded, error, reading
from .test_secrets import PASSWORD

AUTHS = {
    "bearer": BearerToken("apiToken"),
    "header": ApiKey("apiToken", header="X-Api-Key", prefix="Key "),
    "param": ApiKey("apiToken", param="api_key"),
    "basic": BasicAuth("user", "apiToken"),
    "basic without a password": BasicAuth("apiToken"),
    "oauth": OAuth2ClientCredentials("/oauth/token", "user", "apiToken"),
    "oauth in the body": OAuth2ClientCredentials(
        "/oauth/token?in=body", "user", "apiToken", credentials_in="body"
    ),
}
CLIENT = {"user": "the-client-id", "apiToken": "the-client-secret"}


def _besides_records(reply):
    """What a reply says besides records, which are the user's."""
    rest = {name: value for name, value in reply.items() if name not in ("insert", "delete")}
    return "\n".join([encoded(rest).decode(), json.dumps(rest, default=str), str(rest)])


def _raise(error):
    raise error


def _read(step, secret=PASSWORD, **request):
    """The reply of a step that asks nothing, and all that left the process besides its records."""
    made = reading("http://127.0.0.1:9", step, {"cursor": "at"}, auth=None, secrets=["apiToken"])
    with listening() as listener:
        reply = call(made, secrets={"apiToken": secret}, **request)
    return reply, _besides_records(reply) + listener.text


@pytest.mark.parametrize("kind", ["basic", "basic without a password", "oauth", "param"])
def test_what_auth_put_on_the_wire_is_refused_in_the_state_too(server, kind):
    """The base64 of user and password; a key that stands for a user name; the OAuth token; the key
    in another parameter of a URL."""

    def step(fetch):
        fetch.get("/who")
        sent = server.visits[-1]
        value = sent.headers.get("Authorization", "").partition(" ")[2]
        if kind == "basic without a password":
            value = CLIENT["apiToken"]
        return Page([{"id": 1}], value or f"/x?other={sent.params['api_key']}")

    message = error(reading(server.url, step, auth=AUTHS[kind]), secrets=CLIENT)
    assert "contains a secret" in message


@pytest.mark.parametrize("kind", ["basic", "param"])
def test_what_is_not_a_secret_stops_nothing_and_is_never_rewritten(server, kind):
    """Timestamps that contain a numeric secret, a user name, what looks like a template, a mask, or
    what auth adds to URLs: in a token, a URL, a header, the payload, a cursor, a row."""
    odd = "{subdomain} %(a)s ${b} {{c}} [secret] \\u0041 the-client-id"
    tokens = [None, {"page": 123456}, odd, "1234567890", "a token like ?api_key=1&other", None]
    tokens[1:1] = ["api_key=1", ["api_key=1", {"api_key": 1}], "https://a.example/x?api_key=of-it"]
    tokens[1:1] = [f"{server.url}/x?since=20261234567&by=the-client-id"] * (kind == "basic")

    def step(fetch):
        fetch.get("/rows", headers={"X-Text": fetch.payload["text"]})
        nth = tokens.index(fetch.token)
        return Page([{"id": nth, "at": f"{nth} {odd}"}], tokens[nth + 1])

    made = reading(server.url, step, {"cursor": "at", "cursor_type": "text"}, auth=AUTHS[kind])
    secrets = {"apiToken": "123456"} | ({"user": "the-client-id"} if kind == "basic" else {})
    with listening() as listener:
        reply = call(made, secrets=secrets, customPayload={"text": odd}, state={"other": odd})
    last = len(tokens) - 2
    assert [row["id"] for row in reply["insert"]["thing"]] == [*range(last + 1)]
    assert reply["state"] == {"thing": f"{last} {odd}", "other": odd}
    assert {visit.headers["X-Text"] for visit in server.visits} == {odd}
    assert "event=secret_in_row" not in listener.text


@pytest.mark.parametrize("setup_test", [False, True])
def test_a_secret_in_the_state_that_came_is_not_sent_back(setup_test):
    request = {"agent": "test", "state": {"thing": PASSWORD}, "secrets": {"apiToken": PASSWORD}}
    made = reading("http://127.0.0.1:9", "/x", {"cursor": "at"}, auth=None, secrets=["apiToken"])
    with listening() as listener:
        _, body = handle(made, encoded({**request, "setup_test": setup_test}))
    assert "errorMessage" in json.loads(body)
    assert not leaks(body.decode() + listener.text, [PASSWORD])


def test_a_secret_in_a_row_is_delivered_and_logged():
    row = {"id": 1, "at": "2026-01-01", "note": f"my key is {PASSWORD}"}
    reply, texts = _read(lambda _: Page([row]))
    assert reply["insert"]["thing"] == [row]
    assert "event=secret_in_row" in texts and not leaks(texts, [PASSWORD])


@pytest.mark.parametrize("forged", ["x\nevent=call rows=1", f"\u2028{PASSWORD}", "\x1b[31m"])
def test_a_forged_sync_id_forges_no_line_and_shows_nothing(forged):
    _, texts = _read(lambda _: Page(), sync_id=forged, agent=forged)
    assert not leaks(texts, [PASSWORD])
    assert "sync_id=invalid" in texts
    assert "\nevent=call rows=1" not in texts and "\x1b" not in texts


# A log line is quoted after it is masked.
TEXTS = ["made-up line\n\tmade-up line", {"a": "made-up-a", "b": ["made-up-b"]}, [["made-up-a"]]]


@pytest.mark.parametrize("secret", TEXTS)
def test_a_secret_of_several_lines_or_texts_is_masked(secret):
    reply, texts = _read(lambda _: _raise(ValueError(f"{secret} {json.dumps(secret)}")), secret)
    assert "[secret]" in reply["errorMessage"] and "made-up" not in texts


def test_type_trace_and_line_of_code_are_redacted(monkeypatch):
    """The line of code that the trace shows is this file's, which holds the secret."""
    monkeypatch.setattr(protocol, "PROJECT", protocol.Path(__file__).parent)
    secret = "made_up_secret_in_a_name"

    def step(fetch):
        raise type(secret, (Exception,), {})("made_up_secret_in_a_name")

    reply, texts = _read(step, secret)
    assert reply["errorType"] == "[secret]" and secret not in texts
    (line,) = [frame[3] for frame in reply["stackTrace"] if frame[0] == "test_leaks.py"]
    assert '{})("[secret]")' in line


def test_the_proxys_password_is_a_secret(monkeypatch):
    url = "http://me:made%2Dup%2Fproxy@127.0.0.1:9"
    monkeypatch.setenv("CONNECTOR_PROXY", url)
    _, texts = _read(lambda _: _raise(ValueError(f"{url} made-up/proxy")))
    assert not leaks(texts, ["made-up/proxy"])


def _credentials(visit):
    """What the request carries: headers and parameters as sent, Basic taken apart, the body."""
    sent = visit.headers.get("Authorization", "")
    coded = sent.partition(" ")[2]
    found = [sent, coded, visit.headers.get("X-Api-Key"), visit.params.get("api_key")]
    if sent.startswith("Basic "):
        pair = base64.b64decode(coded).decode()
        found += [pair, *pair.split(":", 1)]
    return "\n".join(text for text in [*found, visit.body.decode()] if text)


def _body(make, kind="text/plain"):
    return lambda visit, text: visit.reply(make(text), 400, Content_Type=kind)


def _token(visit, text):
    visit.reply(json.dumps({"data": ROWS, "next": text}))


def _redirect(visit, text):
    visit.reply(b"", 302, Location=f"{visit.server.elsewhere}/rows?was={quote_plus(text)}")


ECHOES = {
    "body": _body(str),
    "json": _body(lambda text: json.dumps({"you sent": text}), "application/json"),
    "html": _body(lambda text: f"<html>{html.escape(text)}</html>", "text/html"),
    "far-on": _body(lambda text: "x" * 180 + text),
    "many": _body(lambda text: " ".join([text] * 2000)),
    "all": _body(lambda text: "\n".join(encode(text) for encode in ALL_ENCODINGS.values())),
    "utf-16": _body(lambda text: text.encode("utf-16")),
    "latin-1": _body(lambda text: text.encode("latin-1"), "text/plain; charset=latin-1"),
    "content-type": lambda visit, text: visit.reply(b"<", Content_Type=f"text/x; a={quote(text)}"),
    "redirect": _redirect,
    "token": _token,
    "next": lambda visit, text: _token(visit, f"{visit.url}/rows?was={quote_plus(text)}"),
    "keys": lambda visit, text: visit.reply(json.dumps({text: 1})),
}


def _echo(where):
    return lambda f, key: Page(f.get("/echo", params={"where": where}).rows("data"))


def _everything(fetch):
    """What somebody prints who looks for a mistake."""
    keys = {name: fetch.secrets[name] for name in fetch.secrets}
    return f"{fetch!r} {vars(fetch)} {keys} {json.dumps(keys)} {fetch.payload._values} {keys!r:.60}"


def _raise_from(fetch, key):
    try:
        fetch.get("/echo?where=json")
    except UpstreamError as raised:
        raise KeyError(key, raised) from raised


def _log_all(fetch, key):
    try:
        fetch.get("/echo?where=html")
    except UpstreamError:
        fetch.log.exception("failed with %s", _everything(fetch))
    logging.getLogger("mine.own").debug("%r", key, stack_info=True)
    logging.getLogger("requests.mine").warning(_everything(fetch), extra={"it": _everything(fetch)})
    return Page([{"id": 1}], key)


def _elsewhere(fetch, path, headers=None):
    return fetch.get(fetch.payload["elsewhere"] + path, headers=headers)


PLACES = {
    **{f"echo {where}": _echo(where) for where in ECHOES},
    "echoed next URL": lambda f, key: Page([{"id": 1}], f.get("/echo?where=next").value("next")),
    "echoed token": lambda f, key: Page([{"id": 1}], f.get("/echo?where=token").value("next")),
    "echoed position": lambda f, key: Page([], cursor=f.get("/echo?where=token").value("next")),
    "echoed keys": lambda f, key: f.get("/echo?where=keys").value("data"),
    "path": lambda f, key: f.get(f"/nowhere/{key}"),
    "query": lambda f, key: f.get("/nowhere", params={"k": key}),
    "query of what is cut": lambda f, key: f.get("/cut", params={"k": key}),
    "query of a loop": lambda f, key: f.get("/loop", params={"k": key}),
    "query of a wait": lambda f, key: f.get("/status?code=429&after=9999", params={"k": key}),
    "header": lambda f, key: f.get("/status?code=400", headers={"X-Key": key}),
    "header's name": lambda f, key: f.get("/rows", headers={key: "1"}),
    "body": lambda f, key: f.post("/echo?where=json", json={"key": key}),
    "method": lambda f, key: f.request(key, "/rows"),
    "host": lambda f, key: f.get(f"https://{key}.example/"),
    "other host": lambda f, key: _elsewhere(f, f"/x?key={key}"),
    "header for another host": lambda f, key: _elsewhere(f, "/status?code=400", {"X-Key": key}),
    "body for another host": lambda f, key: f.post(f.payload["elsewhere"] + "/x", json={"k": key}),
    "body of a redirect": lambda f, key: f.post(
        f"/hop?code=307&to={f.payload['elsewhere']}/x", json={"k": key}
    ),
    "redirect": lambda f, key: f.get("/hop", params={"to": f"http://elsewhere.example/?k={key}"}),
    "redirect to nonsense": lambda f, key: f.get("/hop", params={"to": f"http://[{key}"}),
    "raise all": lambda f, key: _raise(RuntimeError(_everything(f))),
    "raise at the cut": lambda f, key: _raise(ValueError("x" * (protocol._LONGEST - 85) + key)),
    "second page": lambda f, key: _raise(OSError(key)) if f.token else Page([{"id": 1}], 1),
    "raise text": lambda f, key: _raise(KeyError(f.get("/echo?where=all", ok=[400]).text[:3000])),
    "raise from": _raise_from,
    "retry later": lambda f, key: _raise(RetryLater(9999, key)),
    "start over": lambda f, key: _raise(StartOver(key)),
    "upstream error": lambda f, key: _raise(UpstreamError(key)),
    "log all": _log_all,
    "missing key": lambda f, key: f.secrets[key],
    "unicode error": lambda f, key: key.encode("ascii") + b"\xff".decode(),
    "wrong page": lambda f, key: key,
    "wrong rows": lambda f, key: Page(key),
    "wrong value": lambda f, key: Page([{"id": 1, key: object()}]),
    "wrong key": lambda f, key: Page([{"id": [key]}]),
    "undeclared table": lambda f, key: Page([], tables={key: [{"id": 1}]}),
    "wrong token": lambda f, key: Page([], {key: object()}),
    "wrong since": lambda f, key: replace(f, since=key).since_as("iso"),
    "key of a row": lambda f, key: Page([{"id": key}] * 2, 1),
    "good": lambda f, key: Page(f.get("/who").rows("data")),
}
HARMLESS = {"good", "echo redirect", "echo token", "echo next", "log all", "key of a row"}


@pytest.mark.parametrize("place, kind", [*zip(PLACES, itertools.cycle(AUTHS))])
@pytest.mark.parametrize("refused", [False, True])
def test_no_place_shows_a_secret(server, place, kind, refused):
    """With each kind of auth in turn; a server that knows another secret refuses this one."""
    secret, user = "made-up/pass+word&'%-_~0815", "the client's id/é?"
    server.clients = {user: "x" if refused else secret}
    server.routes["/echo"] = lambda v: ECHOES[v.params["where"]](v, _credentials(v))

    def step(fetch):
        page = PLACES[place](fetch, fetch.secrets["apiToken"])
        right = isinstance(page, Page) or place == "wrong page"
        return page if right else Page([{"id": 1}], str(page))

    options = {"secrets": ["apiToken"], "allowed_hosts": ["localhost"]}
    made = reading(server.url, step, auth=AUTHS[kind], **options)
    request = {
        "secrets": {"apiToken": secret, "user": user},
        "customPayload": {"elsewhere": server.elsewhere, "same": secret},
        "sync_id": f"\n{secret}" if refused else str(uuid4()),
    }
    with held_clock(), listening() as listener:
        replies = [call(made, **request, setup_test=True), call(made, **request)]
        # A wait, and an error after rows were read, go out in the reply after a successful one.
        while replies[-1]["hasMore"] and len(replies) < 4:
            replies.append(call(made, **request, state=replies[-1]["state"]))
    assert "errorMessage" in replies[-1] or place in HARMLESS, replies
    texts = "".join(map(_besides_records, replies)) + listener.text
    assert "urllib3.connectionpool" in texts or place != "good"
    assert not leaks(texts, [secret, *server.tokens]) and secret[:9] not in texts
    # A user name may stand in the state.
    messages = "".join(str(reply.get("errorMessage")) for reply in replies)
    assert not leaks(messages + listener.text, [user])
    elsewhere = [(visit.target, visit.headers, visit.body) for visit in server.at("localhost")]
    assert not leaks(f"{elsewhere}", [secret])
