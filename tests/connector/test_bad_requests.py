"""Bodies that are no request of the protocol, and secrets that are missing."""

from typing import Any

import pytest
from connector import Source
from connector.sync.handler import handle

from .play import checked, encoded, report
from .scripted import one, script

pytestmark = pytest.mark.usefixtures("clock")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "JSON"),
        (b"hello", "JSON"),
        (b"\xff\xfe\x00", "JSON"),
        (b'{"state": {}', "JSON"),
        (b'{"state": {"a": "\xfc"}}', "JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "JSON"),
        (b"[]", "object"),
        (b"null", "object"),
        (b"{}", "state"),
        (b'{"state": []}', "state"),
        (b'{"state": null}', "state"),
        (b'{"state": "x"}', "state"),
        (b'{"state": {}, "secrets": "x"}', "secrets"),
        (b'{"state": {}, "customPayload": [1]}', "customPayload"),
        (b'{"state": {}, "setup_test": "yes"}', "setup_test"),
    ],
)
def test_a_body_that_is_no_request_of_the_protocol_gets_400_and_the_reason(
    body: bytes, text: str
) -> None:
    reply = report(*handle(one(), body, script({None: []})), status=400)
    assert text in reply["errorMessage"]
    assert reply["state"] == {}


@pytest.mark.parametrize(
    "member",
    [{"secrets": "x"}, {"secrets": ["made-up-key"]}, {"setup_test": 1}, {"customPayload": "x"}],
    ids=str,
)
def test_a_malformed_member_does_not_lose_the_state(member: dict[str, Any]) -> None:
    """Whoever takes the report's state for the new one would read everything again."""
    state = {"thing": "2020-01-01", "other": {"x": [1, None, "ü"]}}
    body = encoded({"state": state, "secrets": {"apiToken": "made-up-token-1"}, **member})
    assert report(*handle(one(), body, script({})), status=400)["state"] == state


@pytest.mark.parametrize("secrets", ["made-up-key", ["made-up-key"], {"apiToken": "made-up-key"}])
def test_a_secret_in_the_state_of_a_malformed_request_is_not_sent_back(secrets: Any) -> None:
    body = encoded({"state": {"thing": "made-up-key"}, "secrets": secrets, "setup_test": 1})
    status, reply = handle(one(), body, script({}))
    assert b"made-up-key" not in reply
    assert report(status, reply, status=400)["state"] == {}


@pytest.mark.parametrize("extra", [b"", b' "sync_id": 17,', b' "unknown": {"a": [1]},'])
def test_a_request_may_have_more_fields_than_are_known(extra: bytes) -> None:
    body = b'\xef\xbb\xbf{"agent": "x", %b "state": {}, "secrets": {"apiToken": "made-up-token-1"}}'
    assert "errorMessage" not in checked(*handle(one(), body % extra, script({None: []})))


def test_a_source_without_entities_says_how_to_declare_one() -> None:
    made = Source(base_url="https://api.example.com")
    for request in ({"state": {}}, {"state": {}, "setup_test": True}):
        message = report(*handle(made, encoded(request), script({})))["errorMessage"]
        assert "@source.entity" in message


@pytest.mark.parametrize(
    ("secrets", "setting"),
    [
        ({}, None),
        ({"apiToken": ""}, None),
        ({"apiToken": "  "}, None),
        ({"apiToken": None}, ""),
        ({}, "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/x)"),
    ],
)
def test_a_missing_secret_is_named_with_every_place_where_it_can_be_given(
    secrets: dict[str, Any], setting: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Key Vault reference that Azure could not resolve stands in the setting as it is."""
    monkeypatch.delenv("apiToken", raising=False)
    if setting is not None:
        monkeypatch.setenv("apiToken", setting)
    body = encoded({"state": {}, "secrets": secrets})
    message = report(*handle(one(), body, script({None: []})))["errorMessage"]
    places = ["Key Vault"] if setting else ["app setting", "connection.json"]
    for place in ["'apiToken'", "setup form", *places]:
        assert place in message
