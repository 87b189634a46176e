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


@pytest.mark.parametrize("status", [401, 404, 429, 500, 502, 503])
def test_only_a_gateways_answer_is_a_lost_reply(status: int) -> None:
    with served(lambda request: Response("no", status)) as url:
        answer = HttpTarget(f"{url}/api/acme", "").call(b"{}")
    lost = status in (429, 502, 503)
    assert (answer.lost, answer.body) == (lost, b"" if lost else b"no")
    assert not lost or f"HTTP {status} of a gateway" in answer.why


def test_a_broken_body_and_nobody_there_are_lost_replies_that_say_why() -> None:
    broken = Response(b"no gzip", headers={"Content-Encoding": "gzip"})
    with served(lambda request: broken) as url:
        assert "decompressing" in HttpTarget(url, "").call(b"{}").why
        assert "SSL" in HttpTarget(url.replace("http:", "https:"), "").call(b"{}").why
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    nobody = HttpTarget(f"http://127.0.0.1:{port}/api/acme", "").call(b"{}")
    assert (nobody.lost, "refused" in nobody.why) == (True, True)


def test_a_redirect_is_not_followed_and_names_its_place() -> None:
    seen: list[str] = []

    def handle(request: Request) -> Response:
        seen.append(request.path)
        return Response("", 302, {"Location": "https://login.example.com/authorize?state=long"})

    says = r"302: .* redirects to https://login\.example\.com/authorize,"
    with served(handle) as url, pytest.raises(UsageError, match=says):
        HttpTarget(f"{url}/api/acme", "").call(b"{}")
    assert seen == ["/api/acme"]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://example.com/api/acme", "would send secrets to example.com unencrypted"),
        ("acme.azurewebsites.net/api/acme", "is not the URL"),
        ("https://[", "is not the URL"),
        ("https://example.com:port/a", "is not the URL"),
        ("", "is not the URL"),
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
