"""The seven kinds of auth: made-up credentials, and what a request must carry."""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import Any

from werkzeug import Request

from harness.sample.spec import Auth

_EXPIRES_IN = 3600


def made_up(name: str) -> str:
    """The value that stands in for the secret of this name; the same in every process."""
    return "sample-" + hashlib.sha256(name.encode()).hexdigest()[:20]


class Guard:
    """Accepts the made-up credentials of one upstream and no others."""

    def __init__(self, auth: Auth) -> None:
        self.auth = auth
        self.secrets = {name: made_up(name) for name in auth.secrets}
        self._values = tuple(self.secrets.values())
        self._expiry: dict[str, float] = {}
        # What a request must carry, and what a 401 has in WWW-Authenticate:
        first, second = [*(f"<{name}>" for name in auth.secrets), "", ""][:2]
        oauth = f"Authorization: Bearer with a token of POST {auth.token_path}"
        self.wanted, self.challenge = {
            "bearer": (f"Authorization: Bearer {first}", "Bearer"),
            "token": (f"Authorization: Token {first}", "Token"),
            "api_key_header": (f"{auth.header}: {auth.prefix}{first}", "ApiKey"),
            "api_key_query": (f"?{auth.param}={first}", "ApiKey"),
            "basic": (f"Authorization: Basic with {first}:{second} in base64", "Basic"),
            "oauth2_client_credentials": (oauth, "Bearer"),
            "none": ("nothing", ""),
        }[auth.kind]
        self.challenge += ' realm="sample"'

    def refusal(self, request: Request) -> str:
        """Why the request is refused, "" where it is not; never shows what it carried."""
        kind = self.auth.kind
        if kind == "none":
            return ""
        sent = self._sent(request)
        if sent is None:
            scheme = request.authorization.type.title() if request.authorization else ""
            known = scheme in ("Basic", "Bearer", "Token")  # else it may be the secret itself
            return (
                f"the request has {f'Authorization: {scheme}' if known else 'no such credentials'}"
            )
        if kind != "oauth2_client_credentials":
            return "" if sent == self._values else "the request has another value"
        expiry = self._expiry.get(sent[0] or "")
        if expiry is None:
            return "the request has a token that was not issued here"
        return "" if time.monotonic() < expiry else "the token has expired"

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
        self._expiry[token] = time.monotonic() + _EXPIRES_IN
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": _EXPIRES_IN}

    def _sent(self, request: Request) -> tuple[str | None, ...] | None:
        """The credentials that a request carries in the right place."""
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
                is_basic = sent is not None and sent.type == "basic"
                return (sent.username, sent.password) if sent and is_basic else None
            case kind:
                scheme = "token" if kind == "token" else "bearer"
                return (sent.token,) if sent and sent.type == scheme and sent.token else None

    def _client(self, request: Request) -> tuple[str | None, ...]:
        sent = request.authorization
        if sent is not None and sent.type == "basic":
            return (sent.username, sent.password)
        return (request.form.get("client_id"), request.form.get("client_secret"))
