# Owned by fivetran-azfn-template: updates replace this file.
"""How a request is signed; an auth object holds the names of secrets and never their values."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

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
        request.headers["Authorization"] = f"Bearer {_text(secrets, self.secret)}"


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
        key = self.prefix + _text(secrets, self.secret)
        if self.header is not None:
            request.headers[self.header] = key
        else:
            request.prepare_url(request.url, {self.param: key})

    def strip(self, url: str) -> str:
        """The URL without this key's parameter; another text comes back as it is."""
        if self.param is None or f"{self.param}=" not in url:
            return url
        parts = urlsplit(url)
        pairs = [
            pair
            for pair in parts.query.split("&")
            if next(iter(parse_qsl(pair, keep_blank_values=True)), ("",))[0] != self.param
        ]
        return urlunsplit(parts._replace(query="&".join(pairs)))


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
        pair = f"{_text(secrets, self.username_secret)}:{_text(secrets, self.password_secret)}"
        request.headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()


@dataclass(frozen=True, slots=True)
class OAuth2ClientCredentials:
    """OAuth 2.0 client credentials (RFC 6749, section 4.4).

    Args:
        token_url: Where tokens are given out: a path below `base_url`, or a full URL.
        client_id_secret: Name of the secret with the client id.
        client_secret_secret: Name of the secret with the client secret.
        scope: Scope to ask for.
    """

    token_url: str
    client_id_secret: str
    client_secret_secret: str
    scope: str | None = None

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


def _text(secrets: Mapping[str, Any], name: str) -> str:
    return str(secrets[name]).strip()
