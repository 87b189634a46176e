"""Bodies that are no request of the protocol, and secrets that are missing."""

from typing import Any

import pytest
from connector.answer import answer

from .play import checked, encoded, report
from .scripted import one, script

pytestmark = pytest.mark.usefixtures("clock")


@pytest.mark.parametrize(
    ("body", "said"),
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
        (b'{"state": {}, "secrets": "x"}', "secrets"),
        (b'{"state": {}, "customPayload": [1]}', "customPayload"),
        (b'{"state": {}, "setup_test": "yes"}', "setup_test"),
    ],
)
def test_a_body_that_is_no_request_of_the_protocol_gets_400_and_the_reason(
    body: bytes, said: str
) -> None:
    reply = report(*answer(one(), body, script({None: []})), status=400)
    assert said in reply["errorMessage"]


@pytest.mark.parametrize(
    "member",
    [
        {"secrets": "x"},
        {"secrets": ["made-up-key"]},
        {"setup_test": 1},
        {"customPayload": "made-up"},
    ],
)
def test_a_malformed_member_does_not_lose_the_state(member: dict[str, Any]) -> None:
    """Whoever takes the report's state for the new one would read everything again."""
    state = {"thing": "2020-01-01", "other": {"x": [1, None, "ü"]}}
    body = encoded({"state": state, "secrets": {"apiToken": "made-up-token-1"}, **member})
    assert report(*answer(one(), body, script({})), status=400)["state"] == state


@pytest.mark.parametrize("secrets", ["made-up-key", ["made-up-key"], {"apiToken": "made-up-key"}])
def test_a_secret_in_the_state_of_a_malformed_request_is_not_sent_back(secrets: Any) -> None:
    body = encoded({"state": {"thing": "made-up-key"}, "secrets": secrets, "setup_test": 1})
    status, reply = answer(one(), body, script({}))
    assert b"made-up-key" not in reply
    assert report(status, reply, status=400)["state"] == {}


@pytest.mark.parametrize("state", [None, [], "x", 17])
def test_a_state_that_is_no_object_is_answered_with_an_empty_one(state: Any) -> None:
    body = encoded({"state": state, "secrets": {}})
    assert report(*answer(one(), body, script({})), status=400)["state"] == {}


@pytest.mark.parametrize("extra", [b"", b' "sync_id": 17,', b' "unknown": {"a": [1]},'])
def test_a_request_may_have_more_fields_than_are_known(extra: bytes) -> None:
    body = b'\xef\xbb\xbf{"agent": "x", %b "state": {}, "secrets": {"apiToken": "made-up-token-1"}}'
    assert "errorMessage" not in checked(*answer(one(), body % extra, script({None: []})))


@pytest.mark.parametrize("secrets", [{}, {"apiToken": ""}, {"apiToken": "  "}, {"apiToken": None}])
def test_a_missing_secret_is_named_with_every_place_where_it_can_be_given(
    secrets: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("apiToken", raising=False)
    body = encoded({"state": {}, "secrets": secrets})
    message = report(*answer(one(), body, script({None: []})))["errorMessage"]
    for place in ("'apiToken'", "setup form", "app setting", "connection.json"):
        assert place in message


def test_a_key_vault_reference_that_azure_could_not_resolve_is_a_missing_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("apiToken", "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/x)")
    message = report(*answer(one(), b'{"state": {}}', script({None: []})))["errorMessage"]
    assert "'apiToken'" in message and "Key Vault" in message
