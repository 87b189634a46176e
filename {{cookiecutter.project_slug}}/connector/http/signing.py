"""Credentials: added to requests of base_url's origin, removed from others and from page tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests

from connector.auth import ApiKey, Auth, OAuth2ClientCredentials, Post, access_token, forget_token
from connector.budget import Budget
from connector.errors import SourceError, StepError, UpstreamError
from connector.secrets import Redactor
from connector.urls import BaseUrl, has_user, is_whole, origin, without_params, without_query

_PERSONAL = ("authorization", "proxy-authorization", "cookie")
# What auth sets beside credentials: neither these headers nor a time is a secret.
_ORDINARY = ("accept", "content-length", "content-type", "date", "host", "user-agent")
_TIME = re.compile(r"[\d\s.,:TZ+-]+")
# Shorter words of a value may be what all requests share, such as `us-east-1` or `aws4_request`.
_WORD = re.compile(r"""[^\s,;:=&"'<>]{16,}""")
_NOT_IN_URL = frozenset(" \t\r\n\"'<>{}")


class Signer:
    """Signs the requests of one call: a signed request is one that carries its credentials."""

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
        """A copy as it goes over the wire, with credentials if it may have some and `auth` is set;
        UpstreamError if it, or a secret in it, must not be sent there. `post` gets tokens."""
        signed = request.copy()
        self._base.check(request.url or "")
        if not self._base.is_home(request.url or ""):
            self._clean(signed)
        elif auth and self._auth is not None:
            if isinstance(self._auth, OAuth2ClientCredentials):
                url = self._base.token_url(self._auth.token_url)
                token = access_token(self._auth, self._secrets, url, post, self._budget)
                signed.headers["Authorization"] = f"Bearer {token}"
            else:
                self._auth(signed, self._secrets)
            self._learn_changes(request, signed)
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
        """A page token without the query parameters that auth adds, in all URLs in it."""
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
                f"auth changed the host of the request to {without_query(after)}: "
                "an auth function may change headers, query and body only"
            )
        pairs = parse_qsl(urlsplit(before).query, keep_blank_values=True)
        for name, value in parse_qsl(urlsplit(after).query, keep_blank_values=True):
            if (name, value) not in pairs:
                self.learn(value)
            # A parameter that the step sent is not a credential, also where auth rewrote it.
            if name not in dict(pairs):
                self._params.add(name)

    def _clean(self, request: requests.PreparedRequest) -> None:
        """Take off what another host must not see."""
        for name, value in list(request.headers.items()):
            secret = self._redactor.in_header(name) or self._redactor.in_header(_text(value))
            if secret or name.lower() in _PERSONAL:
                del request.headers[name]
        for what, text in (("URL", request.url or ""), ("body", _text(request.body or b""))):
            if self._redactor.blocks(text):
                raise UpstreamError(
                    f"{request.method} {without_query(request.url or '')} is not sent: its {what} "
                    "contains a secret, and secrets go to base_url's host only"
                )

    def _strip_text(self, text: str) -> str:
        if has_user(text):
            raise StepError(
                f"the next token is a URL with a user name ({without_query(text)}), and tokens "
                "are stored in the state: take it out"
            )
        if is_whole(text):
            return self.strip(text)
        # Another text could be anything, unless it is a query with what was sent as a credential.
        path, _, query = text.rpartition("?")
        pairs = parse_qsl(query, keep_blank_values=True)
        found = [value for name, value in pairs if name in self._params]
        if not any(map(self._redactor.blocks, found)) or not _NOT_IN_URL.isdisjoint(text):
            return text
        stripped = without_params(f"{path}?{query}", self._params)
        return stripped if path or text[0] == "?" else stripped[1:]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else bytes(value).decode("utf-8", "replace")
