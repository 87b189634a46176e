"""A function behind a URL."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from handmade import served
from harness.errors import UsageError
from harness.target.http import HttpTarget, is_local, split_key
from werkzeug import Request, Response


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
        HttpTarget(f"{url}/", "").call(b"{}")  # a function at the root of its host
    first, second = seen
    assert (first.method, first.path, first.data) == ("POST", "/api/acme", b'{"state":{}}')
    assert first.headers["x-functions-key"] == "key-of-function"
    assert first.headers["Content-Length"] == "12"
    assert not {"Transfer-Encoding", "Authorization"} & {name for name, _ in first.headers}
    assert (answer.status, answer.content_type) == (201, "application/json")
    assert (second.path, "x-functions-key" in second.headers) == ("/", False)


GATEWAY = "HTTP {} from a gateway"
NO_GZIP = Response(b"no gzip", headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (Response("no", 401), ""),
        (Response("no", 500), ""),
        (Response("no", 429), GATEWAY.format(429)),
        (Response("no", 503), GATEWAY.format(503)),
        (NO_GZIP, "decompressing"),
    ],
)
def test_an_answer_of_a_gateway_or_a_broken_one_is_a_lost_reply(
    response: Response, why: str
) -> None:
    with served(lambda request: response) as url:
        answer = HttpTarget(f"{url}/api/acme", "").call(b"{}")
    assert (answer.lost, answer.body) == (bool(why), b"" if why else b"no")
    assert why in answer.why


def test_nobody_there_is_a_lost_reply_that_says_why() -> None:
    with served(lambda request: NO_GZIP) as url:
        assert "SSL" in HttpTarget(url.replace("http:", "https:"), "").call(b"{}").why
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    nobody = HttpTarget(f"http://127.0.0.1:{port}/api/acme", "").call(b"{}")
    assert (nobody.lost, "refused" in nobody.why) == (True, True)


def test_a_redirect_is_not_followed_and_names_its_place() -> None:
    away = Response("", 302, {"Location": "https://login.example.com/authorize?state=long"})
    says = r"302: .* redirects to https://login\.example\.com/authorize,"
    with served(lambda request: away) as url, pytest.raises(UsageError, match=says):
        HttpTarget(f"{url}/api/acme", "").call(b"{}")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://example.com/api/acme", "would send secrets to example.com unencrypted"),
        ("acme.azurewebsites.net/api/acme", "is not the URL"),
        ("https://[", "is not the URL"),
        ("https://example.com:port/a", "is not the URL"),
        ("https://bob:pa55-word@example.com/api/acme", "is not the URL"),
    ],
)
def test_a_url_that_cannot_be_called_is_refused(url: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        split_key(url)
    assert "pa55-word" not in f"{caught.value} {caught.value.todo}"


def test_the_key_in_a_url_is_taken_out_of_it() -> None:
    url = "https://acme.azurewebsites.net/api/acme?a=1&code=ab%2Fcd%3D%3D"
    assert split_key(url) == ("https://acme.azurewebsites.net/api/acme?a=1", "ab/cd==")
    assert is_local("http://[::1]:7071/") and not is_local("https://example.com/")
