# Owned by fivetran-azfn-template: updates replace this file.
"""Credentials: put on requests to `base_url`'s origin, kept off all others; it sends nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit

import msgspec
import requests

from connector import codec
from connector.auth import ApiKey, Auth, OAuth2ClientCredentials, names_of
from connector.errors import SourceError, UpstreamError
from connector.secrets import Redactor, texts_in
from connector.urls import Home, origin

_PERSONAL = ("Authorization", "Proxy-Authorization", "Cookie")
# What auth sets beside credentials: neither these headers nor a time is a secret.
_ORDINARY = ("accept", "content-length", "content-type", "date", "host", "user-agent")
_TIME = re.compile(r"[\d\s.,:TZ+-]+")
# Shorter words of a value may be what all requests share, as `us-east-1` or `aws4_request`.
_WORD = re.compile(r"""[^\s,;:=&"'<>]{16,}""")
_NAME = re.compile(r"[A-Za-z]{1,15}")

Place = Mapping[str, Any]  # fields of log lines: sync_id, entity, page
Post = Callable[[requests.PreparedRequest, Place], requests.Response]


class Signer:
    """Signs the requests of one call, and tells the redactor what it put on the wire.

    Args:
        auth: As declared.
        secrets: The call's secrets.
        home: Where credentials belong.
        redactor: Learns what auth made of the secrets.
        post: Sends a request for an OAuth token, which is logged at a place.
        left: Seconds that are left for a request; raises when there are none.
    """

    def __init__(
        self,
        auth: Auth | None,
        secrets: Mapping[str, Any],
        home: Home,
        redactor: Redactor,
        post: Post,
        left: Callable[[], float],
    ) -> None:
        self._auth = auth
        self._secrets = secrets
        self._home = home
        self._redactor = redactor
        self._post = post
        self._left = left

    def stripped(self, url: str) -> str:
        """A URL of the upstream without the query parameter that carries the API key."""
        if isinstance(self._auth, ApiKey) and self._home.owns(url):
            return self._auth.strip(url)
        return url

    def sent(
        self, request: requests.PreparedRequest, place: Place, *, signed: bool
    ) -> requests.PreparedRequest:
        """The request as it goes over the wire.

        Args:
            request: As it was drafted; it stays as it is.
            place: Where a request for a token is logged.
            signed: Whether it gets credentials, where it may have some.

        Raises:
            UpstreamError: A secret would go to another host.
            SourceError: A header cannot be sent.
        """
        hop = request.copy()
        if not self._home.owns(hop.url or ""):
            self._bare(hop)
        elif signed and self._auth is not None:
            self._sign(hop, self._auth, place)
        self._check_headers(hop)
        return hop

    def renew(self, refused: requests.PreparedRequest) -> bool:
        """Forget the OAuth token that a request was refused with; whether there was one."""
        auth = self._auth
        _, _, token = str(refused.headers.get("Authorization", "")).partition("Bearer ")
        if not isinstance(auth, OAuth2ClientCredentials) or not token:
            return False
        from connector import oauth

        oauth.forget(auth, self._secrets, self._home.token_url(auth.token_url), token)
        return True

    def _sign(self, hop: requests.PreparedRequest, auth: Auth, place: Place) -> None:
        before = hop.copy()
        if isinstance(auth, OAuth2ClientCredentials):
            # Authlib is there only where OAuth was chosen.
            from connector import oauth

            url_of_tokens = self._home.token_url(auth.token_url)
            post = partial(self._token_reply, place)
            token = oauth.token(auth, self._secrets, url_of_tokens, post, self._left)
            self._redactor.add(token)
            hop.headers["Authorization"] = f"Bearer {token}"
        else:
            auth(hop, self._secrets)
        if origin(hop.url or "") != origin(before.url or ""):
            raise SourceError(
                f"auth changed the host of the request to {(hop.url or '').partition('?')[0]}: "
                "an auth function changes headers, query or body alone"
            )
        for value in _made(before, hop):
            self._learn(value)

    def _token_reply(self, place: Place, request: requests.PreparedRequest) -> requests.Response:
        self._learn(_text(request.headers.get("Authorization", "")))
        self._check_headers(request)
        return self._post(request, place)

    def _learn(self, value: str) -> None:
        """Count a value that auth made as a secret, and each long word of it."""
        if _TIME.fullmatch(value):
            return
        scheme, _, rest = value.partition(" ")
        whole = rest if rest and scheme.isalpha() else value
        self._redactor.add_passing(whole, *_WORD.findall(whole))

    def _bare(self, hop: requests.PreparedRequest) -> None:
        """Take off what is not another host's to see."""
        for name, value in list(hop.headers.items()):
            secret = self._redactor.finds(name) or self._redactor.in_header(_text(value))
            if secret or name.title() in _PERSONAL:
                del hop.headers[name]
        body = hop.body or ""
        for what, text in (("URL", hop.url or ""), ("body", _text(body))):
            if self._redactor.finds(text):
                raise UpstreamError(
                    f"{hop.method} {(hop.url or '').partition('?')[0]} is not sent: its {what} "
                    "holds a secret, and secrets go to base_url's host alone"
                )
        query = urlsplit(hop.url or "").query
        long = (unquote_plus(pair.partition("=")[2]) for pair in query.split("&"))
        self._redactor.add_presigned(*filter(_WORD.fullmatch, long))

    def _check_headers(self, hop: requests.PreparedRequest) -> None:
        for name, value in hop.headers.items():
            text = _text(value)
            bad = next((at for at, char in enumerate(text) if char in "\r\n\0" or char > "ÿ"), None)
            if bad is not None:
                names = ", ".join(names_of(self._auth))
                what = "a line break" if text[bad] in "\r\n\0" else "no character that HTTP knows"
                raise SourceError(
                    f"the header {name} cannot be sent, its character {bad + 1} is {what}: was "
                    "something pasted that does not belong there?"
                    + (f" (check the secrets {names})" if names else "")
                )


def _made(before: requests.PreparedRequest, after: requests.PreparedRequest) -> Iterator[str]:
    """What auth put on the wire: headers, path segments, parameters, and values of the body."""
    for name, value in after.headers.items():
        if before.headers.get(name) == value or name.lower() in _ORDINARY:
            continue
        yield _text(value)
        if name.lower() == "cookie":
            yield from _new(_text(before.headers.get(name, "")), _text(value), ";")
    old, new = urlsplit(before.url or ""), urlsplit(after.url or "")
    for segment in {*new.path.split("/")} - {*old.path.split("/")}:
        # Where a path leads is no secret: /accounts or /v2.
        if not _NAME.fullmatch(segment):
            yield unquote(segment)
    yield from map(unquote_plus, _new(old.query, new.query, "&"))
    if after.body != before.body and isinstance(after.body, (str, bytes)):
        kind = _text(after.headers.get("Content-Type", ""))
        yield from _told(_text(before.body or ""), _text(after.body), kind)


def _told(before: str, after: str, kind: str) -> Iterator[str]:
    """What a body has of new values: of a form, of JSON, or long words of any other text."""
    if "form" in kind:
        yield from map(unquote_plus, _new(before, after, "&"))
        return
    try:
        values = {*texts_in(codec.parse(after.encode()))}
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        yield from {*_WORD.findall(after)} - {*_WORD.findall(before)}
        return
    with suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
        values -= {*texts_in(codec.parse(before.encode()))}
    yield from values


def _new(before: str, after: str, mark: str) -> Iterator[str]:
    """The values of `name=value` pairs that were not there before."""
    for pair in {*after.split(mark)} - {*before.split(mark)}:
        yield pair.partition("=")[2].strip(' "')


def _text(value: Any) -> str:
    return value if isinstance(value, str) else bytes(value).decode("utf-8", "replace")
