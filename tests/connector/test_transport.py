"""Connections and bodies over real HTTP: bounded in time and size, reused, and tried again."""

import ssl
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from itertools import product

import pytest
from connector import Page
from connector.http import transport
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .faults import MIB, ROWS, Faults, bomb
from .leaks import listening
from .play import asked, call, error, reading, rows
from .scripted import SECRETS

PACKED = ["gzip", "deflate", "raw-deflate", "twice", "members", "gzip-and-more"]


@pytest.mark.parametrize("kind", [*PACKED, "gzip&mb=3", "raw-deflate&mb=3", "gzip&chunked=1"])
def test_records_are_the_same_however_the_body_is_packed(server, kind):
    assert rows(reading(server.url, f"/packed?as={kind}")) == ROWS


@pytest.mark.parametrize("kind", ["gzip", "deflate", "raw-deflate", "members"])
@pytest.mark.parametrize("cut", [1, 60, 200])
def test_a_packed_body_that_is_cut_is_an_error(server, clock, kind, cut):
    """With right framing, read as text: half of the rows must not pass for all of them."""
    path = f"/packed?as={kind}&cut={cut}&csv=1"
    made = reading(server.url, lambda fetch: Page([{"id": fetch.get(path).text}]))
    assert "body ended early" in error(made)


def test_a_json_body_that_lacks_only_its_end_mark_is_taken_and_logged(server):
    with listening() as lines:
        assert rows(reading(server.url, "/packed?as=gzip&cut=8")) == ROWS
    assert "event=cut_body" in lines.text
    assert asked(server.url, lambda fetch: fetch.get("/packed?as=nothing").content) == b""


@pytest.mark.parametrize("path", ["/big", "/big?announced=1", "/bomb"])
def test_a_body_of_300_mb_is_refused_by_a_limit(server, path):
    bomb()  # so that what is measured is the unpacking
    tracemalloc.start()
    try:
        message = error(reading(server.url, path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "larger than 64 MiB" in message and "page_size=" in message
    assert peak < 100 * MIB
    assert rows(reading(server.url, "/rows")) == ROWS


def test_a_connection_outlives_calls_errors_and_secrets(server, clock):
    made = reading(server.url, "/who")
    for n in range(2):
        (seen,) = rows(made, secrets={"apiToken": f"made-up-token-{n}"})
        assert seen["headers"]["Authorization"] == f"Bearer made-up-token-{n}"
    error(reading(server.url, "/status?code=500"))
    rows(reading(server.url, "/packed?as=gzip-and-more"))
    rows(reading(server.url, "/hop?to=/rows"))
    assert len({visit.port for visit in server.visits[:9]}) == 1
    # Azure drops what rests for four minutes and tells nobody: the next request would hang.
    for rest in (transport.IDLE - 1, transport.IDLE + 1, 0):
        rows(made)
        clock.advance(rest)
    first, second, third = (visit.port for visit in server.visits[-3:])
    assert first == second != third


def test_no_cookie_is_kept_within_a_call_or_after_it(server):
    def step(fetch):
        assert fetch.get("/cookies").headers["Set-Cookie"]
        return Page(fetch.get("/who").rows("data"))

    for _ in range(2):
        (seen,) = rows(reading(server.url, step))
        assert "Cookie" not in seen["headers"]


def test_a_netrc_and_the_environments_proxy_are_ignored(server, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password mine\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    rows(reading(server.url, "/rows"))
    rows(reading(server.url, "/rows", auth=None))
    sent = [visit.headers.get("Authorization") for visit in server.visits]
    assert sent == ["Bearer " + SECRETS["apiToken"], None]


@pytest.fixture(scope="module")
def safe(tmp_path_factory):
    """A server with a certificate that no known CA has signed; `ca_bundle` is the file of it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    names = [x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file = tmp_path_factory.mktemp("tls") / "ca.pem"
    file.write_bytes(key.private_bytes(pem, *form) + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with Faults(context) as faults:
        faults.ca_bundle = str(file)
        yield faults


def test_a_private_ca_is_trusted_when_it_is_named(safe, clock, monkeypatch):
    made = reading(safe.url, "/rows")
    message = error(made)
    assert "CONNECTOR_CA_BUNDLE" in message and "certificate" in message.lower()
    assert clock.slept == [], "a certificate does not get better by waiting"
    monkeypatch.setenv("CONNECTOR_CA_BUNDLE", safe.ca_bundle)
    assert rows(made) == ROWS


def test_requests_go_through_the_proxy_with_its_password(server, monkeypatch):
    url = server.url.replace("//", "//me:p%40ss-word@")
    monkeypatch.setenv("CONNECTOR_PROXY", url)
    assert rows(reading("http://localhost:1", "/rows")) == ROWS
    (visit,) = server.visits
    assert visit.target == "http://localhost:1/rows"
    assert visit.headers["Proxy-Authorization"] == "Basic bWU6cEBzcy13b3Jk"


PROXIES = ("a.example:31", "http://", "http://[", "socks5://x:1")
WRONG = [("CONNECTOR_CA_BUNDLE", "/no/such.pem"), *product(["CONNECTOR_PROXY"], PROXIES)]


@pytest.mark.parametrize("setting, value", WRONG)
def test_a_wrong_setting_is_named(server, clock, monkeypatch, setting, value):
    monkeypatch.setenv(setting, value)
    assert setting in error(reading(server.url, "/rows"))
    assert clock.slept == [] and not server.visits


SLOW = ["/drip", "/drip-head", "/drip-chunks", "/silent", "/stall", "/stall?connection=close"]


@pytest.mark.parametrize("path", [*SLOW, "tls/drip", "tls/silent"])
def test_a_response_that_is_not_complete_in_time_ends_with_the_call(
    server, safe, monkeypatch, path
):
    """A socket's timeout begins anew with each byte; Azure ends a call after 230 seconds."""
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "0.25")
    monkeypatch.setenv("CONNECTOR_CA_BUNDLE", safe.ca_bundle)
    url = (safe if "tls" in path else server).url
    path = path.removeprefix("tls")
    began = time.monotonic()
    message = error(reading(url, path), state={"other": 1})
    assert f"GET {url}{path} was not answered in the time of one call" in message
    assert time.monotonic() - began < 5


def test_a_stall_late_in_a_response_does_not_get_the_whole_time_anew(server, monkeypatch):
    """At each read the socket's timeout is set to what remains."""
    timeouts = []

    class Watched(transport._Stream):
        def readinto(self, buffer):
            try:
                return super().readinto(buffer)
            finally:
                timeouts.append(self._sock.gettimeout())

    monkeypatch.setattr(transport, "_Stream", Watched)
    monkeypatch.setenv("CONNECTOR_CALL_SECONDS", "0.5")
    error(reading(server.url, "/stall?after=0.2"))
    assert len(timeouts) > 1 and timeouts == sorted(timeouts, reverse=True) and timeouts[-1] < 0.35


LOST = "got no complete response (attempt 5): "
ATTEMPTS = [
    ("/reset", f"{LOST}ConnectionResetError"),
    ("/cut", f"{LOST}IncompleteRead"),
    ("/cut-chunk", LOST),
    ("/packed?as=bad-gzip", f"{LOST}the body cannot be unpack"),
    ("/packed?as=gzip&cut=12", f"{LOST}the gzip body ended early"),
    ("/status?code=500", '500 Internal Server Error: {"message": "said 500"}'),
    ("/status?code=522", "answered 522: "),
]


@pytest.mark.parametrize("path, reason", ATTEMPTS)
def test_five_attempts_are_made(server, clock, path, reason):
    message = error(reading(server.url, path))
    assert reason in message and f"GET {server.url}{path}" in message
    assert len(server.visits) == 5
    for attempt, seconds in enumerate(clock.slept):
        assert 2**attempt / 2 <= seconds < 2**attempt, "twice as long each time, with jitter"


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 501, 505])
def test_what_another_attempt_cannot_change_is_asked_once(server, code):
    """A refusal quotes the scheme that is expected; a first page asks about base_url and path."""
    server.headers = {"WWW-Authenticate": f'Token realm="{SECRETS["apiToken"]}"'}
    message = error(reading(server.url, f"/status?code={code}"))
    assert f"answered {code}" in message and "  " not in message
    assert ("check the secrets apiToken" in message) is (code in (401, 403))
    assert ('(WWW-Authenticate: Token realm="[secret]")' in message) is (code in (401, 403))
    assert ("(are base_url and the path right?)" in message) is (code == 404)
    assert len(server.visits) == 1


PASSING = (408, 425, 429, 500, 504, 520, 529)
METHODS = [
    ("GET", "/reset?times=2", {}, 3),
    *(("GET", f"/status?code={code}&times=2", {}, 3) for code in PASSING),
    *((method, "/status?code=500&times=1", {}, 2) for method in ("PUT", "PATCH")),
    *(("POST", f"/status?code={code}&times=1", {}, 1) for code in (408, 425, 500, 520)),
    ("POST", "/status?code=500&times=1", {"retry": True}, 2),
    *(("POST", f"/status?code={code}&times=1", {}, 2) for code in (429, 503)),
    ("POST", "/status?code=403&times=1&remaining=0", {}, 2),
    ("POST", "/reset?times=1", {}, 1),
    ("POST", "/reset?times=1", {"retry": True}, 2),
]


@pytest.mark.parametrize("method, path, retry, visits", METHODS)
def test_what_passes_is_tried_again_unless_a_post_may_have_created_something(
    server, clock, method, path, retry, visits
):
    def step(fetch):
        ask = fetch.post if method == "POST" else partial(fetch.request, method)
        return Page(ask(path, json={"n": 1}, **retry).rows("data"))

    made = reading(server.url, step)
    assert "errorMessage" in call(made) if visits == 1 else rows(made) == ROWS
    sent = [(visit.method, visit.body) for visit in server.visits]
    assert sent == [(method, b'{"n":1}')] * visits
