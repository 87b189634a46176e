# Owned by fivetran-azfn-template: updates replace this file.
"""The six kinds of auth: made-up credentials, what a request must carry, tokens that expire."""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import Any

from werkzeug import Request

from harness.sample.spec import Auth


def made_up(name: str) -> str:
    """The value that stands in a sample run for the secret of this name."""
    return "sample-" + hashlib.sha256(name.encode()).hexdigest()[:20]


class Guard:
    """Accepts the made-up credentials of one upstream and no others.

    Attributes:
        secrets: A made-up value for each name in [auth]'s secrets; the same in every process.
    """

    def __init__(self, auth: Auth) -> None:
        self.auth = auth
        self.secrets = {name: made_up(name) for name in auth.secrets}
        self._values = tuple(self.secrets.values())
        self._expiry: dict[str, float] = {}

    @property
    def wanted(self) -> str:
        """What a request must carry, with the names of the secrets for their values."""
        names = [f"<{name}>" for name in self.auth.secrets]
        match self.auth.kind:
            case "bearer":
                return f"Authorization: Bearer {names[0]}"
            case "api_key_header":
                return f"{self.auth.header}: {self.auth.prefix}{names[0]}"
            case "api_key_query":
                return f"?{self.auth.param}={names[0]}"
            case "basic":
                return f"Authorization: Basic, base64 of {names[0]}:{names[1]}"
            case "oauth2_client_credentials":
                return f"Authorization: Bearer <a token from POST {self.auth.token_path}>"
            case _:
                return "nothing"

    @property
    def challenge(self) -> str:
        """What a 401 says in WWW-Authenticate."""
        if self.auth.kind == "basic":
            return 'Basic realm="sample"'
        return "ApiKey" if self.auth.kind.startswith("api_key") else "Bearer"

    def refusal(self, request: Request) -> str | None:
        """Why the request is not let in, or None; never tells what it carried."""
        if self.auth.kind == "none":
            return None
        given = self._given(request)
        if given is None:
            return "nothing of the kind came"
        if self.auth.kind != "oauth2_client_credentials":
            return None if given == self._values else "another value came"
        expiry = self._expiry.get(given[0] or "")
        if expiry is None:
            return "a token came that was not given out here"
        return None if time.monotonic() < expiry else "the token has expired"

    def grant(self, request: Request) -> tuple[int, dict[str, Any]]:
        """Status and body for a request to the token endpoint (RFC 6749, 4.4 and 5.2)."""
        kind = request.form.get("grant_type")
        if kind != "client_credentials":
            error = "unsupported_grant_type" if kind else "invalid_request"
            return 400, {
                "error": error,
                "error_description": "send a form with grant_type=client_credentials",
            }
        if self._client(request) != self._values:
            return 401, {
                "error": "invalid_client",
                "error_description": "the client id or the client secret is wrong or missing",
            }
        token = secrets.token_urlsafe(24)
        self._expiry[token] = time.monotonic() + self.auth.expires_in
        return 200, {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self.auth.expires_in,
        }

    def _given(self, request: Request) -> tuple[str | None, ...] | None:
        sent = request.authorization
        match self.auth.kind:
            case "api_key_query":
                key = request.args.get(self.auth.param)
                return None if key is None else (key,)
            case "api_key_header":
                value = request.headers.get(self.auth.header, "")
                found = value.startswith(self.auth.prefix) and value[len(self.auth.prefix) :]
                return (found,) if found else None
            case "basic":
                found_basic = sent is not None and sent.type == "basic"
                return (sent.username, sent.password) if sent and found_basic else None
            case _:
                return (sent.token,) if sent and sent.type == "bearer" and sent.token else None

    def _client(self, request: Request) -> tuple[str | None, ...]:
        sent = request.authorization
        if sent is not None and sent.type == "basic":
            return (sent.username, sent.password)
        return (request.form.get("client_id"), request.form.get("client_secret"))
