# Owned by fivetran-azfn-template: updates replace this file.
"""How a request is signed; an auth object holds the names of secrets and never their values."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus, urlsplit

import requests

from connector.errors import SourceError

Auth = Callable[[requests.PreparedRequest, Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class BearerToken:
    """`Authorization: Bearer <secret>`.

    Args:
        secret: Name of the secret.
    """

    secret: str

    def __call__(self, request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
        request.headers["Authorization"] = f"Bearer {text_of(secrets, self.secret)}"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key in a header or a query parameter of its own.

    Args:
        secret: Name of the secret.
        header: Name of the header; or
        param: name of the query parameter, which next URLs lose and get back on use.
        prefix: What stands before the key in the header ("Token ").

    Raises:
        SourceError: Neither or both of header and param were given.
    """

    secret: str
    header: str | None = None
    param: str | None = None
    prefix: str = ""

    def __post_init__(self) -> None:
        if (self.header is None) == (self.param is None):
            raise SourceError('ApiKey takes header="X-Api-Key" or param="api_key", one of them')

    def __call__(self, request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
        key = self.prefix + text_of(secrets, self.secret)
        if self.header is not None:
            request.headers[self.header] = key
        else:
            # One that stands there already would leave the choice to the upstream.
            request.prepare_url(self.strip(request.url or ""), {self.param: key})

    def strip(self, url: str) -> str:
        """The URL without this key's parameter; another text comes back as it is."""
        head, mark, rest = url.partition("?")
        query, hash_mark, fragment = rest.partition("#")
        pairs = query.split("&")
        kept = [pair for pair in pairs if unquote_plus(pair.partition("=")[0]) != self.param]
        if self.param is None or not mark or len(kept) == len(pairs):
            return url
        return head + (mark if kept else "") + "&".join(kept) + hash_mark + fragment


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """HTTP Basic authentication.

    Args:
        username_secret: Name of the secret with the user name.
        password_secret: Name of the secret with the password.
    """

    username_secret: str
    password_secret: str

    def __call__(self, request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
        username = text_of(secrets, self.username_secret)
        if ":" in username:
            raise SourceError(
                f"the secret {self.username_secret!r} holds a colon, and a user name has none"
            )
        pair = f"{username}:{text_of(secrets, self.password_secret)}"
        request.headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()


@dataclass(frozen=True, slots=True)
class OAuth2ClientCredentials:
    """OAuth 2.0 client credentials (RFC 6749, section 4.4).

    Args:
        token_url: Where tokens are given out: a path below `base_url`, or a full URL.
        client_id_secret: Name of the secret with the client id.
        client_secret_secret: Name of the secret with the client secret.
        scope: Scope to ask for.

    Raises:
        SourceError: `token_url` is a URL that the client's secret must not be sent to, or holds
            payload keys.
    """

    token_url: str
    client_id_secret: str
    client_secret_secret: str
    scope: str | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.token_url)
        local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if parts.scheme not in ("", "https") and not (local and parts.scheme == "http"):
            raise SourceError(
                f"token_url is {self.token_url!r}; it is a path below base_url, or starts with "
                "https:// (http:// for localhost only)"
            )
        if "{" in self.token_url or "}" in self.token_url:
            raise SourceError(
                f"token_url is {self.token_url!r}; payload keys in braces are filled in in "
                "base_url alone: write the whole URL, or a path below base_url"
            )

    def __call__(self, request: requests.PreparedRequest, secrets: Mapping[str, Any]) -> None:
        raise SourceError(
            "OAuth2ClientCredentials is applied by the upstream, which gets the token"
        )


def names_of(auth: Auth | None) -> tuple[str, ...]:
    """The names of the secrets that an auth object needs."""
    fields = (
        "secret",
        "username_secret",
        "password_secret",
        "client_id_secret",
        "client_secret_secret",
    )
    return tuple(
        getattr(auth, field) for field in fields if isinstance(getattr(auth, field, None), str)
    )


def text_of(secrets: Mapping[str, Any], name: str) -> str:
    """A secret as it is sent: without the space and line breaks around it."""
    return str(secrets[name]).strip()
