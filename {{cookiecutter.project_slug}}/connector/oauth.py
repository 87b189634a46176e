# Owned by fivetran-azfn-template: updates replace this file.
"""OAuth tokens, got with Authlib and kept per credentials until shortly before they expire."""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from requests.adapters import BaseAdapter

from connector import clock, transport
from connector.auth import OAuth2ClientCredentials, text_of
from connector.errors import SourceError, UpstreamError

EARLY = 60.0  # seconds before the end of a token's life at which another is asked for
UNSAID = 300.0  # seconds that a token is used for when the reply does not say how long it lives
REFUSALS = (400, 401, 403)  # RFC 6749, 5.2, and what is met besides

_kept: dict[str, _Kept] = {}
_lock = threading.Lock()


class _Kept:
    """The token of one pair of credentials; while one is got, others that need it wait."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.token: str | None = None
        self.end = 0.0


class _Carrier(BaseAdapter):
    """Sends Authlib's requests our way: same CA and proxy, same deadline and retries."""

    def __init__(self, post: Callable[[requests.PreparedRequest], requests.Response]) -> None:
        super().__init__()
        self._post = post

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        return self._post(request)

    def close(self) -> None:
        pass


def token(
    auth: OAuth2ClientCredentials,
    secrets: Mapping[str, Any],
    url: str,
    post: Callable[[requests.PreparedRequest], requests.Response],
    left: Callable[[], float],
) -> str:
    """An access token that lives a while yet.

    Args:
        auth: As declared.
        secrets: The call's secrets.
        url: The token endpoint.
        post: Sends a request, and gives 2xx and the REFUSALS back with their body.
        left: Seconds that are left; raises when there are none.

    Raises:
        DeadlineExceeded: No token came in time.
        UpstreamError: The token endpoint refused the client or gave no token.
        SourceError: The credentials hold characters that cannot be sent.
    """
    kept = _slot(auth, secrets, url)
    while not kept.lock.acquire(timeout=left()):
        pass
    try:
        if kept.token is None or kept.end <= clock.now():
            kept.token, kept.end = _fetch(auth, secrets, url, post)
        return kept.token
    finally:
        kept.lock.release()


def forget(
    auth: OAuth2ClientCredentials, secrets: Mapping[str, Any], url: str, refused: str
) -> None:
    """Drop a token that was refused, unless another has taken its place already."""
    kept = _slot(auth, secrets, url)
    with kept.lock:
        if kept.token == refused:
            kept.token = None


def _fetch(
    auth: OAuth2ClientCredentials,
    secrets: Mapping[str, Any],
    url: str,
    post: Callable[[requests.PreparedRequest], requests.Response],
) -> tuple[str, float]:
    names = f"{auth.client_id_secret} and {auth.client_secret_secret}"
    client = OAuth2Session(
        _sendable(secrets, auth.client_id_secret),
        _sendable(secrets, auth.client_secret_secret),
        scope=auth.scope,
    )
    client.headers.update(transport.HEADERS)
    client.trust_env = False  # a .netrc would replace the credentials
    for scheme in ("https://", "http://"):
        client.mount(scheme, _Carrier(post))
    began = clock.now()
    got: Mapping[str, Any] = {}
    try:
        with client:
            got = client.fetch_token(url, grant_type="client_credentials", allow_redirects=False)
        why = "its reply has no access_token"
    except UpstreamError as error:
        error.status = None  # a 404 of the token endpoint says nothing of a page
        raise
    except AuthlibBaseError as error:
        why = f"{error.error or 'error'} {error.description or ''}".strip()
    except (requests.RequestException, TypeError, ValueError) as error:
        why = f"its reply is none of RFC 6749 ({type(error).__name__})"
    found = got.get("access_token")
    if isinstance(found, str) and found.strip():
        return found.strip(), began + _life(got.get("expires_in"))
    raise UpstreamError(f"POST {url} gave no token: {why} (check the secrets {names})", status=401)


def _life(said: Any) -> float:
    """For how many seconds a token is used that is said to live for so many."""
    try:
        seconds = float(said)
    except (TypeError, ValueError):
        seconds = UNSAID
    if not math.isfinite(seconds) or seconds <= 0:
        seconds = UNSAID
    return max(seconds - EARLY, seconds / 2)


def _sendable(secrets: Mapping[str, Any], name: str) -> str:
    text = text_of(secrets, name)
    if any(char > "ÿ" or char < " " for char in text):
        raise SourceError(
            f"the secret {name!r} cannot be sent: it has a line break or a character that HTTP "
            "does not know; was something pasted that does not belong there?"
        )
    return text


def _slot(auth: OAuth2ClientCredentials, secrets: Mapping[str, Any], url: str) -> _Kept:
    parts = (
        url,
        text_of(secrets, auth.client_id_secret),
        text_of(secrets, auth.client_secret_secret),
        auth.scope,
    )
    key = hashlib.blake2b(repr(parts).encode("utf-8", "replace"), digest_size=16).hexdigest()
    with _lock:
        return _kept.setdefault(key, _Kept())
