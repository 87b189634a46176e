"""Each kind of auth accepts the made-up secret in its place, and says what it wants otherwise."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import requests
from harness.sample import made_up

from .conftest import Serve

ONE, TWO = ["apiToken"], ["user", "password"]
BASIC = base64.b64encode(f"{made_up('user')}:{made_up('password')}".encode()).decode()
KINDS: list[tuple[dict[str, Any], dict[str, str], str, str]] = [
    ({"kind": "bearer", "secrets": ONE}, {"Authorization": "Bearer {}"}, "Bearer ", "Bearer"),
    ({"kind": "token", "secrets": ONE}, {"Authorization": "Token {}"}, "Token ", "Token"),
    ({"kind": "api_key_header", "secrets": ONE}, {"X-Api-Key": "{}"}, "X-Api-Key", "ApiKey"),
    (
        {"kind": "api_key_header", "secrets": ONE, "header": "Authorization", "prefix": "Key "},
        {"Authorization": "Key {}"},
        "Authorization: Key ",
        "Key",
    ),
    ({"kind": "basic", "secrets": TWO}, {"Authorization": f"Basic {BASIC}"}, "Basic", "Basic"),
]


@pytest.mark.parametrize(("auth", "headers", "wanted", "scheme"), KINDS)
def test_the_right_credentials_and_no_others(
    serve: Serve, auth: dict[str, Any], headers: dict[str, str], wanted: str, scheme: str
) -> None:
    value = made_up("apiToken")
    with serve(auth=auth) as client:
        for given in ({}, {"Authorization": value}, dict.fromkeys(headers, "wrong")):
            client.headers = dict(given)
            message = client.refusal()
            assert message.startswith("sample.toml line 3")
            assert wanted in message
            assert value not in message
            assert "change [auth] there or auth= in fetch.py" in message
            challenge = client.get().headers["WWW-Authenticate"]
            assert challenge.startswith(scheme)
        client.headers = {name: text.format(value) for name, text in headers.items()}
        assert client.get().status_code == 200
        assert client.sample.checks


def test_oauth_tokens_are_issued_and_wanted(serve: Serve) -> None:
    auth = {"kind": "oauth2_client_credentials", "secrets": ["id", "secret"]}
    with serve(auth=auth) as client:
        url, form = f"{client.server.url}/t", {"grant_type": "client_credentials"}
        other = requests.post(url, {"grant_type": "password"}, timeout=5)
        assert other.json()["error"] == "unsupported_grant_type"
        refused = requests.post(url, form, timeout=5)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
        names = {"client_id": made_up("id"), "client_secret": made_up("secret")}
        for given in ({"data": {**form, **names}}, {"data": form, "auth": tuple(names.values())}):
            token = requests.post(url, timeout=5, **given).json()  # type: ignore[arg-type]
            client.headers["Authorization"] = f"Bearer {token['access_token']}"
            assert client.get().status_code == 200
        client.headers["Authorization"] = "Bearer other"
        assert "an access_token of the token endpoint" in client.refusal()
        assert client.get().headers["WWW-Authenticate"].startswith("Bearer")
