"""A function behind a URL."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from handmade import served
from harness.errors import UsageError
from harness.target.http import HttpTarget, is_local, split_key
from werkzeug import Request, Response


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_call_is_a_post_with_its_length_and_the_key_in_a_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    seen: list[Request] = []

    def handle(request: Request) -> Response:
        request.get_data()
        seen.append(request)
        return Response('{"a": 1}', 201, mimetype="application/json")

    with served(handle) as url:
        answer = HttpTarget(f"{url}/api/acme", "key-of-function").call(b'{"state":{}}')
        HttpTarget(f"{url}/").call(b"{}")  # a function at the root of its host
    first, second = seen
    assert (first.method, first.path, first.data) == ("POST", "/api/acme", b'{"state":{}}')
    assert (first.headers["x-functions-key"], first.headers["Content-Length"]) == (
        "key-of-function",
        "12",
    )
    assert not {"Transfer-Encoding", "Authorization"} & {name for name, _ in first.headers}
    assert (answer.status, answer.content_type) == (201, "application/json")
    assert (second.path, "x-functions-key" in second.headers) == ("/", False)


@pytest.mark.parametrize(
    ("status", "says"), [(502, "HTTP 502: a gateway"), (503, "may be starting"), (429, "HTTP 429")]
)
def test_a_gateways_answer_is_a_lost_reply(status: int, says: str) -> None:
    with served(lambda request: Response("", status)) as url:
        answer = HttpTarget(f"{url}/api/acme").call(b"{}")
    assert (answer.lost, says in answer.why) == (True, True)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 500])
def test_what_the_function_says_is_judged_by_others(status: int) -> None:
    with served(lambda request: Response("no", status)) as url:
        answer = HttpTarget(f"{url}/api/acme").call(b"{}")
    assert (answer.lost, answer.status, answer.body) == (False, status, b"no")


def test_a_broken_connection_a_broken_body_and_nobody_there_are_lost_replies() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def hang_up() -> None:
            taken, _ = listener.accept()
            taken.recv(10)
            taken.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        why = HttpTarget(f"http://127.0.0.1:{port}/api/acme").call(b"{}").why
        thread.join()
    assert "the connection broke before the reply was complete" in why
    broken = Response(b"no gzip", headers={"Content-Encoding": "gzip"})
    with served(lambda request: broken) as url:
        assert HttpTarget(f"{url}/api/acme").call(b"{}").lost
    nobody = HttpTarget(f"http://127.0.0.1:{unused_port()}/api/acme").call(b"{}")
    assert (nobody.lost, nobody.why.endswith("connection refused")) == (True, True)


def test_a_redirect_is_not_followed_and_names_its_place() -> None:
    seen: list[str] = []

    def handle(request: Request) -> Response:
        seen.append(request.path)
        return Response("", 302, {"Location": "https://login.example.com/authorize?state=long"})

    says = r"302: .* redirects to https://login\.example\.com/authorize,"
    with served(handle) as url, pytest.raises(UsageError, match=says):
        HttpTarget(f"{url}/api/acme").call(b"{}")
    assert seen == ["/api/acme"]


def test_https_to_an_http_port_says_so() -> None:
    with (
        served(lambda request: Response("{}")) as url,
        pytest.raises(UsageError, match="that port does not speak https") as caught,
    ):
        HttpTarget(f"{url.replace('http:', 'https:')}/api/acme").call(b"{}")
    assert caught.value.todo == f"write --url {url}/api/acme"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://example.com/api/acme", "would send secrets to example.com unencrypted"),
        ("acme.azurewebsites.net/api/acme", "is not a URL"),
        ("ftp://example.com/a", "is not a URL"),
        ("https://[", "is not a URL"),
        ("https://example.com:port/a", "is not a URL"),
        ("", "is not a URL"),
        ("https://bob:pa55-word@example.com/api/acme", "holds a user name or a password"),
        ("https://acme.azurewebsites.net/", "names the host .* without a function"),
    ],
)
def test_a_url_that_cannot_be_called_is_refused(url: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        split_key(url)
    assert "pa55-word" not in f"{caught.value} {caught.value.todo}"


def test_the_key_in_a_url_is_taken_out_of_it() -> None:
    url = "https://acme.azurewebsites.net/api/acme?a=1&code=ab%2Fcd%3D%3D"
    assert split_key(url) == ("https://acme.azurewebsites.net/api/acme?a=1", "ab/cd==")
    assert HttpTarget(url).name == "https://acme.azurewebsites.net/api/acme?a=1"
    for host in ("localhost", "127.0.0.1", "[::1]"):
        assert split_key(f"http://{host}:7071/") == (f"http://{host}:7071/", "")
        assert is_local(f"http://{host}:7071/")
    assert not is_local("https://example.com/")
