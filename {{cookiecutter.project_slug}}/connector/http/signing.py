"""Credentials: onto requests of base_url's origin, off all others, and out of page tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import unquote_plus, urlsplit

import requests

from connector.auth import (
    ApiKey,
    Auth,
    OAuth2ClientCredentials,
    Post,
    access_token,
    forget_token,
    names_of,
)
from connector.budget import Budget
from connector.errors import SourceError, StepError, UpstreamError
from connector.secrets import Redactor
from connector.urls import BaseUrl, has_user, is_whole, origin, shown, without_params

_PERSONAL = ("authorization", "proxy-authorization", "cookie")
# What auth sets beside credentials: neither these headers nor a time is a secret.
_ORDINARY = ("accept", "content-length", "content-type", "date", "host", "user-agent")
_TIME = re.compile(r"[\d\s.,:TZ+-]+")
# Shorter words of a value may be what all requests share, such as `us-east-1` or `aws4_request`.
_WORD = re.compile(r"""[^\s,;:=&"'<>]{16,}""")


class Signer:
    """Signs the requests of one call: a signed request is one that carries its credentials.

    Args:
        auth: As declared.
        secrets: The call's secrets.
        base: Where credentials may be sent.
        redactor: Learns what auth made of the secrets.
        budget: The time of the call.
    """

    def __init__(
        self,
        auth: Auth | None,
        secrets: Mapping[str, Any],
        base: BaseUrl,
        redactor: Redactor,
        budget: Budget,
    ) -> None:
        self._auth = auth
        self._secrets = secrets
        self._base = base
        self._redactor = redactor
        self._budget = budget
        # Query parameters that auth adds.
        self._params = {auth.param} if isinstance(auth, ApiKey) and auth.param else set[str]()

    def sign(
        self, request: requests.PreparedRequest, post: Post, *, auth: bool
    ) -> requests.PreparedRequest:
        """The request as it goes over the wire; the one passed in stays without credentials.

        Args:
            request: Without credentials.
            post: Sends a request for an OAuth token.
            auth: Whether it gets credentials where it may have some.

        Raises:
            WrongOrigin: It would go to a host that must not be asked.
            UpstreamError: A secret would go to another host, or there is no OAuth token.
            SourceError: A header cannot be sent.
        """
        signed = request.copy()
        self._base.check(request.url or "")
        if not self._base.is_home(request.url or ""):
            self._clean(signed)
        elif auth and self._auth is not None:
            self._add_credentials(signed, self._auth, post)
            self._learn_changes(request, signed)
        self._check_headers(signed)
        return signed

    def renew(self, refused: requests.PreparedRequest) -> bool:
        """Forget the OAuth token that a signed request was refused with; whether it had one."""
        auth = self._auth
        _, _, token = _text(refused.headers.get("Authorization", "")).partition("Bearer ")
        if not isinstance(auth, OAuth2ClientCredentials) or not token:
            return False
        forget_token(auth, self._secrets, self._base.token_url(auth.token_url), token)
        return True

    def strip(self, url: str) -> str:
        """A URL of base_url's origin without the query parameters that auth adds."""
        if self._params and self._base.is_home(url):
            return without_params(url, self._params)
        return url

    def strip_token(self, token: Any) -> Any:
        """A page token without the query parameters that auth adds, wherever URLs stand in it.

        Raises:
            StepError: A URL in it holds a user name.
        """
        if isinstance(token, str):
            return self._strip_text(token)
        if isinstance(token, Mapping):
            return {name: self.strip_token(value) for name, value in token.items()}
        if isinstance(token, (list, tuple)):
            return [self.strip_token(value) for value in token]
        return token

    def learn(self, value: str) -> None:
        """Count a value that auth put on the wire as a secret, and each long word of it."""
        if _TIME.fullmatch(value):
            return
        scheme, _, rest = value.partition(" ")
        whole = rest if rest and scheme.isalpha() else value
        self._redactor.add_passing(whole, *_WORD.findall(whole))

    def _add_credentials(self, request: requests.PreparedRequest, auth: Auth, post: Post) -> None:
        if isinstance(auth, OAuth2ClientCredentials):
            url = self._base.token_url(auth.token_url)
            token = access_token(auth, self._secrets, url, post, self._budget)
            request.headers["Authorization"] = f"Bearer {token}"
        else:
            auth(request, self._secrets)

    def _learn_changes(
        self, request: requests.PreparedRequest, signed: requests.PreparedRequest
    ) -> None:
        """Count the headers and query parameters that auth added as secrets."""
        for name, value in signed.headers.items():
            if request.headers.get(name) != value and name.lower() not in _ORDINARY:
                self.learn(_text(value))
        before, after = request.url or "", signed.url or ""
        if after == before:
            return
        if origin(after) != origin(before):
            raise SourceError(
                f"auth changed the host of the request to {shown(after)}: "
                "an auth function may change headers, query and body only"
            )
        pairs = [*_pairs(urlsplit(before).query)]
        for name, value in _pairs(urlsplit(after).query):
            if (name, value) not in pairs:
                self.learn(value)
            # What the step asked for is the step's, though auth may have written it anew.
            if name not in dict(pairs):
                self._params.add(name)

    def _clean(self, request: requests.PreparedRequest) -> None:
        """Take off what another host must not see."""
        for name, value in list(request.headers.items()):
            secret = self._redactor.in_header(name) or self._redactor.in_header(_text(value))
            if secret or name.lower() in _PERSONAL:
                del request.headers[name]
        for what, text in (("URL", request.url or ""), ("body", _text(request.body or b""))):
            if self._redactor.finds(text):
                raise UpstreamError(
                    f"{request.method} {shown(request.url or '')} is not sent: its {what} "
                    "contains a secret, and secrets go to base_url's host only"
                )

    def _check_headers(self, request: requests.PreparedRequest) -> None:
        """Refuse a header with a line break or a character beyond Latin-1."""
        for name, value in request.headers.items():
            text = _text(value)
            if text.isascii() and text.isprintable():
                continue
            if any(char in "\r\n\0" or char > "ÿ" for char in text):
                names = ", ".join(names_of(self._auth))
                raise SourceError(
                    f"the header {name} cannot be sent: it contains a line break or a character "
                    "that HTTP does not allow; was the wrong text pasted?"
                    + (f" (check the secrets {names})" if names else "")
                )

    def _strip_text(self, text: str) -> str:
        if has_user(text):
            raise StepError(
                f"the next token is a URL with a user name ({shown(text)}), and tokens are stored "
                "in the state: take it out"
            )
        if not self._params:
            return text
        if is_whole(text):
            return self.strip(text)
        if _relative().fullmatch(text):
            return without_params(text, self._params)
        if not _query().fullmatch(text):
            return text
        # A query alone could be anything, unless it holds what was sent as a credential.
        pairs = _pairs(text)
        if any(name in self._params and self._redactor.finds(value) for name, value in pairs):
            return without_params(f"?{text}", self._params).removeprefix("?")
        return text


def _pairs(query: str) -> Iterator[tuple[str, str]]:
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        yield unquote_plus(name), unquote_plus(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else bytes(value).decode("utf-8", "replace")


@cache
def _relative() -> re.Pattern[str]:
    """A relative URL with a query."""
    return re.compile(r"""[^\s"'<>{}\[\]?]*\?[^\s"'<>{}]*""")


@cache
def _query() -> re.Pattern[str]:
    return re.compile(r"""[^\s"'<>{}?&=]+=[^\s"'<>{}?&]*(&[^\s"'<>{}?&]*)*""")
