"""How requests are authorized. Auth objects hold the names of secrets, never their values."""

from __future__ import annotations

import base64
import hashlib
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import quote_plus, urlsplit

import msgspec
import requests

from connector import clock, urls
from connector.budget import Budget
from connector.errors import SourceError, UpstreamError
from connector.response import Response

Auth = Callable[[requests.PreparedRequest, Mapping[str, Any]], Any]
Post = Callable[[str, Mapping[str, str], Mapping[str, Any]], Response]  # URL, headers, form

EARLY = 60.0  # seconds before the end of a token's life at which it is renewed
UNKNOWN_LIFE = 300.0  # seconds that a token without `expires_in` is used for
# Where APIs put what went wrong, the most useful first.
MESSAGES = ("message", "error_description", "error", "errors", "detail", "title", "reason")


class _Secret(msgspec.Struct, frozen=True):
    secret: str


class BearerToken(_Secret, frozen=True):
    """`Authorization: Bearer <secret>`.

    Args:
        secret: Name of the secret.
    """

    def __call__(self, request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
        request.headers["Authorization"] = f"Bearer {text_of(secrets, self.secret)}"


class ApiKey(_Secret, frozen=True, kw_only=True):
    """A key in a header or a query parameter that the API has for it.

    Args:
        secret: Name of the secret.
        header: Name of the header; or
        param: name of the query parameter, which is taken out of next URLs and added on use.
        prefix: Text before the key ("Token ").

    Raises:
        SourceError: Neither or both of header and param are set.
    """

    header: str | None = None
    param: str | None = None
    prefix: str = ""

    def __post_init__(self) -> None:
        if (self.header is None) == (self.param is None):
            raise SourceError('ApiKey takes either header="X-Api-Key" or param="api_key"')

    def __call__(self, request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
        key = self.prefix + text_of(secrets, self.secret)
        if self.header is not None:
            request.headers[self.header] = key
        elif self.param is not None:
            request.prepare_url(request.url or "", {self.param: key})


class BasicAuth(msgspec.Struct, frozen=True):
    """HTTP Basic authentication.

    Args:
        username_secret: Name of the secret with the user name.
        password_secret: Name of the secret with the password; None: a blank password.
    """

    username_secret: str
    password_secret: str | None = None

    def __call__(self, request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
        username = text_of(secrets, self.username_secret)
        password = text_of(secrets, self.password_secret) if self.password_secret else ""
        request.headers["Authorization"] = _basic(username, password)


class _Client(msgspec.Struct, frozen=True):
    token_url: str
    client_id_secret: str
    client_secret_secret: str
    scope: str | None = None


class OAuth2ClientCredentials(_Client, frozen=True, kw_only=True):
    """OAuth 2.0 client credentials (RFC 6749, section 4.4).

    Args:
        token_url: The token endpoint: a path below `base_url`, or a whole URL.
        client_id_secret: Name of the secret with the client id.
        client_secret_secret: Name of the secret with the client secret.
        scope: Scope to ask for.
        audience: Audience to ask for (Auth0 and others).
        credentials_in: Where the endpoint expects the credentials: in the "header" (HTTP Basic)
            or in the "body" (client_id and client_secret).
        extra: Further fields of the form.
        token_path: Dotted path of the token in the endpoint's response.

    Raises:
        SourceError: `token_url` is a URL that the client secret must not be sent to, or
            `credentials_in` has another value.
    """

    audience: str | None = None
    credentials_in: Literal["header", "body"] = "header"
    extra: Mapping[str, Any] | None = None
    token_path: str = "access_token"

    def __post_init__(self) -> None:
        if urlsplit(self.token_url).scheme and not urls.is_base(self.token_url.partition("?")[0]):
            raise SourceError(
                f"token_url is {self.token_url!r}; it must be a path below base_url, or start with "
                "https:// (http:// for localhost only)"
            )
        if self.credentials_in not in ("header", "body"):
            raise SourceError(
                f'credentials_in is {self.credentials_in!r}; it must be "header" or "body"'
            )

    def __call__(self, request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
        raise SourceError("OAuth2ClientCredentials needs a token, which only the runtime gets")


def names_of(auth: Auth | None) -> tuple[str, ...]:
    """The names of the secrets that an auth object needs."""
    fields = ("secret", "username_secret", "password_secret", "client_id_secret")
    names = (getattr(auth, field, None) for field in (*fields, "client_secret_secret"))
    return tuple(name for name in names if isinstance(name, str))


def identifying_names(auth: Auth | None) -> tuple[str, ...]:
    """The names of those secrets that identify and open nothing: a user name, a client id."""
    if isinstance(auth, BasicAuth):
        # With a blank password, the "user name" is the key.
        return (auth.username_secret,) if auth.password_secret else ()
    return (auth.client_id_secret,) if isinstance(auth, OAuth2ClientCredentials) else ()


def text_of(secrets: Mapping[str, Any], name: str) -> str:
    """A secret as it is sent: without the space and line breaks around it."""
    return str(secrets[name]).strip()


class _Slot:
    """The token of one pair of credentials. While one thread gets it, others wait for it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.token: str | None = None
        self.end = 0.0


_slots: dict[str, _Slot] = {}


def access_token(
    auth: OAuth2ClientCredentials, secrets: Mapping[str, Any], url: str, post: Post, budget: Budget
) -> str:
    """An access token that is valid for a while yet, from the cache if there is one."""
    slot = _slot(auth, secrets, url)
    while not slot.lock.acquire(timeout=budget.check(f"POST {url}")):
        pass
    try:
        token, began = slot.token, clock.now()
        if token is None or slot.end <= began:
            token, life = _new_token(auth, secrets, url, post)
            slot.token, slot.end = token, began + life
        return token
    finally:
        slot.lock.release()


def forget_token(
    auth: OAuth2ClientCredentials, secrets: Mapping[str, Any], url: str, refused: str
) -> None:
    """Drop a token that was refused, unless another has already taken its place."""
    slot = _slot(auth, secrets, url)
    if slot.token == refused:
        slot.token = None


def _new_token(
    auth: OAuth2ClientCredentials, secrets: Mapping[str, Any], url: str, post: Post
) -> tuple[str, float]:
    """A token, and for how many seconds it is used."""
    names = f"check the secrets {auth.client_id_secret} and {auth.client_secret_secret}"
    client = text_of(secrets, auth.client_id_secret)
    secret = text_of(secrets, auth.client_secret_secret)
    form = {"grant_type": "client_credentials", "scope": auth.scope, "audience": auth.audience}
    headers, other = {}, "header"
    if auth.credentials_in == "body":
        form |= {"client_id": client, "client_secret": secret}
    else:
        # Both are form-encoded first: RFC 6749, section 2.3.1.
        headers, other = {"Authorization": _basic(quote_plus(client), quote_plus(secret))}, "body"
    try:
        response = post(url, headers, {**form, **(auth.extra or {})})
    except UpstreamError as error:
        if error.status in (400, 401, 403):
            error.why += f' ({names}; some endpoints need credentials_in="{other}")'
        error.status = None  # a 404 of the token endpoint says nothing about a page
        raise
    where = auth.token_path
    try:
        token = response.value(where, default=None)
        life = response.value(f"{where.rpartition('.')[0]}.expires_in".strip("."), default=None)
    except UpstreamError:
        token = life = None
    if isinstance(token, str) and token.strip():
        return token.strip(), _life(life)
    raise UpstreamError(
        f"POST {url} returned no token: there is no text at {where!r} (token_path=); "
        f"{_answered(response)} ({names})"
    )


def _answered(response: Response) -> str:
    """What may be quoted of a 2xx response of a token endpoint: a token may be anywhere in it."""
    start = response.start(200)
    if start.startswith("<") or not response.content.strip():
        return f"it answered {start}"
    try:
        body = response.json()
    except UpstreamError:
        body = None
    if not isinstance(body, Mapping):
        return "its response is not a JSON object"
    texts = [f"{name}: {body[name]}" for name in MESSAGES if isinstance(body.get(name), str)]
    keys = f"the keys of its response are {', '.join(map(str, body)) or 'none'}"
    return "; ".join([keys, *texts])


def _life(seconds: Any) -> float:
    """For how many seconds a token is used whose endpoint says that it lives so many."""
    try:
        life = float(seconds)
    except (TypeError, ValueError):
        life = UNKNOWN_LIFE
    if not math.isfinite(life) or life <= 0:
        life = UNKNOWN_LIFE
    return max(life - EARLY, life / 2)


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _slot(auth: OAuth2ClientCredentials, secrets: Mapping[str, Any], url: str) -> _Slot:
    client = text_of(secrets, auth.client_id_secret)
    secret = text_of(secrets, auth.client_secret_secret)
    key = hashlib.blake2b(repr((auth, url, client, secret)).encode("utf-8", "replace"))
    return _slots.setdefault(key.hexdigest(), _Slot())
