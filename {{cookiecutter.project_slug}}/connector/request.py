# Owned by fivetran-azfn-template: updates replace this file.
"""The request of one call, read or refused; it does not look into the state."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from connector import codec
from connector.errors import RequestError


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """What Fivetran sent (https://fivetran.com/docs/connectors/functions/azure-functions).

    Attributes:
        state: What the last reply carried; `{}` at first and after a re-sync.
        secrets: Keys typed in the setup form.
        payload: Custom payload typed in the setup form.
        setup_test: Whether this is a setup test.
        sync_id: UUID of the sync or "setup-test"; a digest of anything else; None if none came.
    """

    state: Mapping[str, Any]
    secrets: Mapping[str, Any]
    payload: Mapping[str, Any]
    setup_test: bool
    sync_id: str | None

    @property
    def shown_id(self) -> str | None:
        """The sync id as it may be logged."""
        return "invalid" if (self.sync_id or "").startswith("invalid") else self.sync_id


def opened(body: bytes) -> dict[str, Any]:
    """The members of the request in a body, not looked at yet.

    Raises:
        RequestError: It is no JSON object.
    """
    try:
        sent = codec.decode_exact(codec.utf8(body))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise RequestError(
            f"the body is no JSON ({error}): send a request as Fivetran does, "
            'such as {"agent": "test", "state": {}, "secrets": {}}'
        ) from None
    if not isinstance(sent, dict):
        raise RequestError("the body is JSON but no object: send a request as Fivetran does")
    return sent


def read(sent: Mapping[str, Any]) -> Request:
    """The request that these members make.

    Raises:
        RequestError: One is missing, or of the wrong type.
    """
    setup_test = sent.get("setup_test") or False
    if not isinstance(setup_test, bool):
        raise RequestError("setup_test in the request is neither true nor false")
    if "state" not in sent and not setup_test:
        raise RequestError(
            'the request has no state: Fivetran always sends one, at first "state": {}'
        )
    return Request(
        state=_object(sent, "state"),
        secrets=_object(sent, "secrets"),
        payload=_object(sent, "customPayload"),
        setup_test=setup_test,
        sync_id=_sync_id(sent.get("sync_id")),
    )


def _object(sent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = sent.get(name, {})
    if value is None and name != "state":
        return {}
    if not isinstance(value, dict):
        raise RequestError(f"{name} in the request is no object")
    return value


def _sync_id(value: Any) -> str | None:
    if value is None or value == "":
        return None
    text = str(value)
    if text == "setup-test":
        return text
    try:
        return str(UUID(text))
    except ValueError:
        return (
            "invalid-" + hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
        )
