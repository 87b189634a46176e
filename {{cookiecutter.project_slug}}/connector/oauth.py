# Owned by fivetran-azfn-template: updates replace this file.
"""OAuth tokens, got with Authlib and kept per credentials until shortly before they expire."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session

from connector import clock
from connector.auth import OAuth2ClientCredentials
from connector.errors import UpstreamError

EARLY = 60.0  # seconds before the end of a token's life at which another is asked for
UNSAID = 300.0  # seconds that a token is used for when the reply does not say how long it lives

_tokens: dict[str, tuple[str, float]] = {}
_lock = threading.Lock()


def token(
    auth: OAuth2ClientCredentials, secrets: Mapping[str, Any], url: str, seconds: float
) -> str:
    """An access token that lives a while yet.

    Raises:
        UpstreamError: The token endpoint refused the client or did not answer.
    """
    with _lock:
        key = _key(auth, secrets, url)
        kept = _tokens.get(key)
        if kept is None or kept[1] <= clock.now():
            kept = _tokens[key] = _fetch(auth, secrets, url, seconds)
        return kept[0]


def forget(auth: OAuth2ClientCredentials, secrets: Mapping[str, Any], url: str) -> bool:
    """Drop a kept token; whether there was one."""
    with _lock:
        return _tokens.pop(_key(auth, secrets, url), None) is not None


def _fetch(
    auth: OAuth2ClientCredentials, secrets: Mapping[str, Any], url: str, seconds: float
) -> tuple[str, float]:
    client = OAuth2Session(
        str(secrets[auth.client_id_secret]),
        str(secrets[auth.client_secret_secret]),
        scope=auth.scope,
    )
    client.trust_env = False
    try:
        with client:
            got = client.fetch_token(
                url,
                grant_type="client_credentials",
                timeout=min(seconds, 30.0),
                allow_redirects=False,
            )
            found = str(got["access_token"])
            lives = float(got.get("expires_in") or UNSAID)
    except AuthlibBaseError as error:
        raise UpstreamError(
            f"POST {url} refused to give a token: {error.error or 'error'} "
            f"{error.description or ''} (check the secrets {auth.client_id_secret} and "
            f"{auth.client_secret_secret})".rstrip(),
            status=401,
        ) from None
    except (requests.RequestException, KeyError, TypeError, ValueError) as error:
        raise UpstreamError(f"POST {url} gave no token: {type(error).__name__}: {error}") from None
    return found, clock.now() + max(lives - EARLY, lives / 2)


def _key(auth: OAuth2ClientCredentials, secrets: Mapping[str, Any], url: str) -> str:
    parts = (url, secrets[auth.client_id_secret], secrets[auth.client_secret_secret], auth.scope)
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
