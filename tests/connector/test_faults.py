"""The fault server does what the tests that stand on it take for granted."""

import base64
import contextlib
import gzip
import json
import socket
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_plus

import pytest
import requests

from . import echoes
from .faults import GOOD, MIB, ROWS, Faults, closed_port
from .tls import Authority, Proxy


@pytest.fixture
def server() -> Iterator[Faults]:
    with Faults() as faults:
        yield faults


def raw(server: Faults, path: str, seconds: float) -> bytes:
    """What comes over the wire in so many seconds."""
    got = b""
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
        end = time.monotonic() + seconds
        with contextlib.suppress(TimeoutError):
            while (left := end - time.monotonic()) > 0:
                sock.settimeout(left)
                more = sock.recv(65536)
                got += more
                if not more:
                    return got + b"<end>"
    return got


@pytest.mark.parametrize("path", ["/drip", "/drip-head", "/drip-chunks", "/drip-close"])
def test_a_drip_comes_slowly_and_has_no_end(server: Faults, path: str) -> None:
    shorter, longer = raw(server, path, 0.2), raw(server, path, 0.6)
    assert 0 < len(shorter) < len(longer) < 1000
    assert not longer.endswith(b"<end>")


def test_silence_says_nothing(server: Faults) -> None:
    assert raw(server, "/silent", 0.2) == b""


@pytest.mark.parametrize("path", ["/stall", "/stall?connection=close"])
def test_a_stall_sends_the_half(server: Faults, path: str) -> None:
    assert raw(server, path, 0.3).endswith(GOOD.encode()[:20])


def test_a_reset_is_one(server: Faults) -> None:
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)) as got:
        assert requests.get(server.url + "/reset?times=1", timeout=5).text
    assert "reset" in str(got.value).lower()
    assert requests.get(server.url + "/reset?times=1", timeout=5).json()["data"] == ROWS


@pytest.mark.parametrize("path", ["/cut", "/cut-chunk"])
def test_a_cut_body_ends_too_early(server: Faults, path: str) -> None:
    assert raw(server, path, 5).endswith(GOOD.encode()[:20] + b"<end>")


@pytest.mark.parametrize("query", ["mb=3", "mb=3&announced=1"])
def test_a_big_body_has_as_many_mib_as_asked_for(server: Faults, query: str) -> None:
    assert len(requests.get(f"{server.url}/big?{query}", timeout=5).content) == 3 * MIB


def test_a_bomb_is_small_on_the_wire(server: Faults) -> None:
    reply = requests.get(server.url + "/bomb?mb=20", timeout=5, stream=True)
    packed = reply.raw.read(decode_content=False)
    assert len(packed) < MIB / 10
    assert len(gzip.decompress(packed)) == 20 * MIB


@pytest.mark.parametrize("kind", ["gzip", "deflate", "raw-deflate"])
def test_packed_bodies_unpack(server: Faults, kind: str) -> None:
    reply = requests.get(f"{server.url}/packed?as={kind}", timeout=5)
    assert reply.headers["Content-Encoding"] in kind
    assert reply.json()["data"] == ROWS


@pytest.mark.parametrize("kind", ["bad-gzip", "cut-gzip"])
def test_badly_packed_bodies_do_not(server: Faults, kind: str) -> None:
    reply = requests.get(f"{server.url}/packed?as={kind}", timeout=5, stream=True)
    with pytest.raises((OSError, EOFError)):
        gzip.decompress(reply.raw.read(decode_content=False))


def test_spelled_bodies_are_in_the_charset_asked_for(server: Faults) -> None:
    reply = requests.get(server.url + "/spelled?in=latin-1&said=utf-8", timeout=5)
    assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
    assert json.loads(reply.content.decode("latin-1"))["data"][0] == ROWS[0]
    assert requests.get(server.url + "/spelled?mark=bom", timeout=5).content[:3] == b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/rows", 200, GOOD),
        ("/html", 200, "<html><h1>Maintenance</h1></html>"),
        ("/half", 200, GOOD.encode()[:30].decode("utf-8", "ignore")),
        ("/empty", 200, ""),
        ("/no-content", 204, ""),
        ("/nowhere", 404, "no such route"),
    ],
)
def test_plain_replies(server: Faults, path: str, status: int, body: str) -> None:
    reply = requests.get(server.url + path, timeout=5)
    assert (reply.status_code, reply.content.decode()) == (status, body)


def test_a_status_is_good_again_after_so_many_times(server: Faults) -> None:
    path = "/status?code=503&times=2&after=7&remaining=0&reset=99&date=0"
    replies = [requests.get(server.url + path, timeout=5) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [503, 503, 200]
    headers = replies[0].headers
    assert headers["Retry-After"] == "7"
    assert headers["X-RateLimit-Remaining"] == "0"
    assert headers["X-RateLimit-Reset"] == "99"
    assert headers["Date"] == "Thu, 01 Jan 1970 00:00:00 GMT"


def test_a_loop_has_no_end(server: Faults) -> None:
    with pytest.raises(requests.TooManyRedirects):
        requests.get(server.url + "/loop", timeout=5)


def test_a_hop_goes_where_it_is_told_to(server: Faults) -> None:
    reply = requests.get(f"{server.url}/hop?to={server.elsewhere}/rows", timeout=5)
    assert reply.url == server.elsewhere + "/rows"
    assert [visit.path for visit in server.at("localhost")] == ["/rows"]


def test_a_session_keeps_the_cookie(server: Faults) -> None:
    session = requests.Session()
    session.get(server.url + "/cookies", timeout=5)
    seen = session.get(server.url + "/who", timeout=5).json()["data"][0]
    assert seen["headers"]["Cookie"] == "session=kept-by-a-browser"


@pytest.mark.parametrize("form", ["whole", "rooted", "query"])
def test_links_lead_through_three_pages(server: Faults, form: str) -> None:
    url, ids = f"{server.url}/link?form={form}", []
    while url:
        reply = requests.get(url, timeout=5)
        ids += [row["id"] for row in reply.json()["data"]]
        link = reply.links.get("next", {}).get("url")
        url = requests.compat.urljoin(url, link) if link else ""
    assert ids == [1, 2, 3]


def test_next_urls_repeat_the_parameters(server: Faults) -> None:
    url = requests.get(server.url + "/next?api_key=k&x=1", timeout=5).json()["next"]
    assert url == server.url + "/next?api_key=k&x=1&page=2"
    assert requests.get(url, timeout=5).json()["next"] is None


def test_tokens_are_given_to_known_clients_and_taken_until_they_expire(server: Faults) -> None:
    def ask(secret: str) -> requests.Response:
        return requests.post(
            server.url + "/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=("the-client-id", secret),
            timeout=5,
        )

    def status(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(server.url + "/guarded", headers=headers, timeout=5).status_code

    assert ask("wrong").status_code == 401
    token = ask("the-client-secret").json()["access_token"]
    assert (status(token), status("other")) == (200, 401)
    server.tokens.clear()
    assert status(token) == 401


@pytest.mark.parametrize("where", sorted(echoes.ECHOES))
def test_an_echo_says_the_credential(server: Faults, where: str) -> None:
    secret = "s3cret/Ö+&"
    basic = base64.b64encode(f"bob:{secret}".encode()).decode()
    reply = requests.get(
        f"{server.url}/echo?where={where}",
        headers={"Authorization": f"Basic {basic}"},
        timeout=5,
        allow_redirects=False,
    )
    body = reply.content.decode("utf-16" if where == "utf-16" else "latin-1").replace("\0", "")
    said = body + str(reply.headers)
    assert basic in said or quote_plus(basic) in said


def test_the_spellings_are_those_of_the_world() -> None:
    said = echoes.spellings("a b/'\"<é")
    for spelling in (
        "a b/'\"<é",
        "a%20b%2F%27%22%3C%C3%A9",
        "a+b%2F%27%22%3C%C3%A9",
        "YSBiLyciPMOp",
        "a b/'\\\"<\\u00e9",
        "a b\\/'\\\"<\\u00e9",
        "a b/\\'\"<é",
        "a b/'&quot;&lt;é".replace("'", "&#x27;"),
    ):
        assert spelling in said


def test_tls_is_signed_by_a_private_ca(tmp_path: Path) -> None:
    authority = Authority.made(tmp_path)
    with Faults(authority.context) as server:
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(server.url + "/rows", timeout=5)
        for url in (server.url, server.elsewhere):
            assert requests.get(url + "/rows", timeout=5, verify=authority.ca).status_code == 200


def test_the_proxy_passes_on_and_tunnels(server: Faults, tmp_path: Path) -> None:
    authority = Authority.made(tmp_path)
    with Faults(authority.context) as safe, Proxy() as proxy:
        proxies = {"http": proxy.url, "https": proxy.url}
        assert requests.get(server.url + "/rows", timeout=5, proxies=proxies).json()["data"] == ROWS
        reply = requests.get(safe.url + "/rows", timeout=5, proxies=proxies, verify=authority.ca)
        assert reply.json()["data"] == ROWS
    assert proxy.heads[0].startswith(f"GET {server.url}/rows HTTP/1.1")
    assert proxy.heads[1].startswith(f"CONNECT 127.0.0.1:{safe.port} HTTP/1.")


def test_nobody_listens_on_a_closed_port() -> None:
    with closed_port() as url, pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


def test_memory_is_not_held_for_what_the_server_sends(server: Faults) -> None:
    """So that what a test measures is the client's."""
    requests.get(server.url + "/bomb?mb=1", timeout=5)
    tracemalloc.start()
    try:
        for _ in requests.get(server.url + "/big?mb=80", timeout=30, stream=True).iter_content(MIB):
            pass
        assert tracemalloc.get_traced_memory()[1] < 20 * MIB
    finally:
        tracemalloc.stop()
