"""A function behind a URL."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from harness.errors import LostReply, UsageError
from harness.remote import HttpTarget, is_local, split_key
from werkzeug import Request, Response

Serve = Callable[[Callable[[Request], Response]], Any]


def test_a_call_is_a_post_with_its_length_and_the_key_in_a_header(served: Serve) -> None:
    seen: list[Request] = []

    def handle(request: Request) -> Response:
        request.get_data()
        seen.append(request)
        return Response('{"a": 1}', mimetype="application/json")

    with served(handle) as url:
        answer = HttpTarget(f"{url}/api/acme", "key-of-function").call(b'{"state":{}}')
    request = seen[0]
    assert (request.method, request.path, request.data) == ("POST", "/api/acme", b'{"state":{}}')
    assert request.headers["x-functions-key"] == "key-of-function"
    assert request.headers["Content-Length"] == "12"
    assert "Transfer-Encoding" not in request.headers
    assert (answer.status, answer.content_type, answer.body) == (
        200,
        "application/json",
        b'{"a": 1}',
    )


def test_without_a_key_none_is_sent(served: Serve) -> None:
    seen: list[bool] = []

    def handle(request: Request) -> Response:
        seen.append("x-functions-key" in request.headers)
        return Response("{}")

    with served(handle) as url:
        HttpTarget(f"{url}/api/acme").call(b"{}")
    assert seen == [False]


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateway_that_gave_up_is_a_lost_reply(served: Serve, status: int) -> None:
    with (
        served(lambda request: Response("", status)) as url,
        pytest.raises(LostReply, match=f"HTTP {status}"),
    ):
        HttpTarget(f"{url}/api/acme").call(b"{}")


def test_a_connection_that_breaks_is_a_lost_reply() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def hang_up() -> None:
            taken, _ = listener.accept()
            taken.recv(10)
            taken.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(LostReply, match="broke before the reply was whole"):
            HttpTarget(f"http://127.0.0.1:{port}/api/acme").call(b"{}")
        thread.join()


def test_a_place_where_nothing_listens_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UsageError, match=f"nothing answers at http://127.0.0.1:{port}/api/acme"):
        HttpTarget(f"http://127.0.0.1:{port}/api/acme").call(b"{}")


@pytest.mark.parametrize(
    ("key", "says", "todo"),
    [
        ("wrong-key", "key that was given is wrong", "with --key or in FUNCTION_KEY"),
        (None, "key is missing", "set FUNCTION_KEY"),
    ],
)
def test_a_key_that_is_refused_says_where_the_right_one_is_found(
    served: Serve, key: str | None, says: str, todo: str
) -> None:
    with (
        served(lambda request: Response("", 401)) as url,
        pytest.raises(UsageError, match=says) as caught,
    ):
        HttpTarget(f"{url}/api/acme", key).call(b"{}")
    assert todo in str(caught.value.todo)
    assert "wrong-key" not in f"{caught.value} {caught.value.todo}"


def test_a_wrong_place_says_what_a_url_looks_like(served: Serve) -> None:
    with (
        served(lambda request: Response("", 404)) as url,
        pytest.raises(UsageError, match="no function at") as caught,
    ):
        HttpTarget(f"{url}/api/acme").call(b"{}")
    assert "azurewebsites.net/api/" in str(caught.value.todo)


def test_a_redirect_is_not_followed_and_names_its_place(served: Serve) -> None:
    place = "https://login.example.com/authorize?state=long"
    seen: list[str] = []

    def handle(request: Request) -> Response:
        seen.append(request.path)
        return Response("", 302, {"Location": place})

    with (
        served(handle) as url,
        pytest.raises(UsageError, match=r"302: .* sends to https://login\.example\.com/authorize,"),
    ):
        HttpTarget(f"{url}/api/acme").call(b"{}")
    assert seen == ["/api/acme"]


@pytest.mark.parametrize(
    ("status", "todo"), [(503, "starting, stopped or broken"), (429, "wait a minute")]
)
def test_a_refusal_that_comes_at_once_is_no_call_that_took_too_long(
    served: Serve, status: int, todo: str
) -> None:
    with served(lambda request: Response("", status)) as url, pytest.raises(LostReply) as caught:
        HttpTarget(f"{url}/api/acme").call(b"{}")
    assert todo in str(caught.value.todo)


def test_a_body_that_cannot_be_unpacked_is_no_call_that_took_too_long(served: Serve) -> None:
    broken = Response(b"no gzip", headers={"Content-Encoding": "gzip"})
    with (
        served(lambda request: broken) as url,
        pytest.raises(LostReply, match="could not be read to its end") as caught,
    ):
        HttpTarget(f"{url}/api/acme").call(b"{}")
    assert "logs say which" in str(caught.value.todo)


def test_a_server_that_speaks_no_tls_is_no_lost_reply(served: Serve) -> None:
    with (
        served(lambda request: Response("{}")) as url,
        pytest.raises(UsageError, match=r"no TLS connection to https://\S+: \S+") as caught,
    ):
        HttpTarget(f"{url.replace('http:', 'https:')}/api/acme").call(b"{}")
    assert "certificate" in str(caught.value.todo)


def test_the_key_in_a_url_goes_into_the_header_and_out_of_sight() -> None:
    url = "https://acme.azurewebsites.net/api/acme?a=1&code=ab%2Fcd%3D%3D"
    assert split_key(url) == ("https://acme.azurewebsites.net/api/acme?a=1", "ab/cd==")
    assert "ab" not in repr(HttpTarget("https://x.net/api/c?code=abcd")).replace("<", "")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://example.com/api/acme", "sends secrets to example.com in clear text"),
        ("acme.azurewebsites.net/api/acme", "is no URL"),
        ("ftp://example.com/a", "is no URL"),
        ("https://[", "is no URL"),
        ("", "is no URL"),
        ("https://bob:pa55-word@example.com/api/acme", "holds a user name or a password"),
        ("https://example.com?code=pa55-word", "names the host example.com alone"),
        ("https://acme.azurewebsites.net/", "names the host acme.azurewebsites.net alone"),
    ],
)
def test_a_url_that_cannot_be_called_is_refused(url: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        split_key(url)
    assert "pa55-word" not in f"{caught.value} {caught.value.todo}"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_http_is_fine_on_this_machine(host: str) -> None:
    url = f"http://{host}:7071/api/acme"
    assert split_key(url) == (url, None)
    assert is_local(url)
