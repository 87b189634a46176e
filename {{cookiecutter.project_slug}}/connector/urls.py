"""URLs: the base URL, how links are resolved, and which hosts may be requested."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import unquote_plus, urljoin, urlsplit, urlunsplit

from connector.errors import SourceError, UpstreamError, WrongOrigin

_WHOLE = re.compile(r"https?://", re.IGNORECASE)
_NOT_IN_BASE = re.compile(r"""[?#{}\s\\<>"^`|]""")
_USER = re.compile(r"^(https?://)[^/?#]*@", re.IGNORECASE)
_HTTP = r"(?i)^http:(//[^/?#:]*)(:80)?(?![^/?#])"
_LOCAL = ("localhost", "127.0.0.1", "::1")


class BaseUrl:
    """The resolved `base_url`, and what may be asked from there."""

    def __init__(
        self,
        declared: str,
        keys: Iterable[str],
        payload: Mapping[str, Any],
        allowed_hosts: Collection[str],
    ) -> None:
        self.text = _resolved(declared, keys, payload).rstrip("/")
        self.root = "/".join(self.text.split("/", 3)[:3])
        self._origin = origin(self.text)
        self._home = f"{self.root}/".lower()
        self._allowed = allowed_hosts

    def url(self, path: str) -> str:
        """The URL of a path below `base_url`; a whole URL stays as it is."""
        if is_whole(path):
            return self._secured(path)
        return self.text + (path if not path or path[0] in "/?" else f"/{path}")

    def token_url(self, url: str) -> str:
        """The URL of an OAuth token endpoint; of a sample API if `UPSTREAM_BASE_URL` is one.

        A test must not ask a real identity provider.
        """
        if is_whole(url) and os.environ.get("UPSTREAM_BASE_URL") and self._origin[1] in _LOCAL:
            return urlunsplit(urlsplit(self.text)[:2] + urlsplit(url)[2:])
        return self.url(url)

    def resolve(self, link: str, carrier: str) -> str:
        """The URL that a link in the response of another URL means, by RFC 3986."""
        try:
            return self._secured(urljoin(carrier, link.strip()))
        except ValueError:
            raise UpstreamError(f"the link {link[:200]!r} is not a URL") from None

    def next_url(self, link: str, carrier: str) -> str:
        """The same for the next page, which must be of `base_url`'s origin."""
        url = self.resolve(link, carrier)
        if not self.is_home(url):
            raise WrongOrigin(
                f"the next link {without_query(url)} is on another host than {self.text}: "
                "fetch.follow stays on that host; pages of an allowed host are read with fetch.get"
            )
        return url

    def is_home(self, url: str) -> bool:
        """Whether the URL is of `base_url`'s origin, the only one that gets credentials."""
        return url.startswith(self._home) or origin(url) == self._origin

    def is_guest(self, url: str) -> bool:
        """Whether the URL is of an allowed host, which gets no credentials."""
        return bool(self._allowed) and not self.is_home(url) and origin(url)[1] in self._allowed

    def check(self, url: str) -> None:
        """Refuse a URL that is neither of `base_url`'s origin nor of an allowed host."""
        if self.is_home(url):
            return
        scheme, host, _ = origin(url)
        if host not in self._allowed:
            why = (
                f"{without_query(url)} is on another host than {self.text}, "
                "and credentials are sent only there"
            )
            if host and scheme in ("http", "https"):
                why += (
                    "; to read records there without credentials, name its host in "
                    f'Source(allowed_hosts=["{host}"])'
                )
            raise WrongOrigin(why)
        if not _is_safe(scheme, host):
            raise WrongOrigin(
                f"{without_query(url)} is not requested: it does not start with https://"
            )

    def _secured(self, url: str) -> str:
        """The URL over https if it differs from `base_url`'s origin in `http:` alone."""
        secured = re.sub(_HTTP, r"https:\1", url)
        return secured if secured != url and self.is_home(secured) else url


def without_query(url: str) -> str:
    """The URL without its query."""
    return without_user(url).partition("?")[0]


def is_whole(url: str) -> bool:
    """Whether a text is a whole URL."""
    return _WHOLE.match(url) is not None


def has_user(url: str) -> bool:
    """Whether a URL has a user name."""
    return _USER.match(url.strip()) is not None


def without_user(url: str) -> str:
    """The URL without a user name and password, which would be sent as credentials."""
    return _USER.sub(r"\1", url, count=1) if "@" in url else url


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port; blank for what is not a URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", "", None
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", default if port is None else port


def is_base(url: str) -> bool:
    """Whether paths can be appended to the URL and credentials be sent there."""
    scheme, host, _ = origin(url)
    usable = host and not has_user(url) and not _NOT_IN_BASE.search(url)
    return bool(usable) and _is_safe(scheme, host)


def without_params(url: str, names: Collection[str]) -> str:
    """The URL without these query parameters; everything else stays as it is written."""
    head, mark, rest = url.partition("?")
    if not mark or not names:
        return url
    query, hash_mark, fragment = rest.partition("#")
    pairs = query.split("&")
    others = [pair for pair in pairs if unquote_plus(pair.partition("=")[0]) not in names]
    if len(others) == len(pairs):
        return url
    return head + (mark if others else "") + "&".join(others) + hash_mark + fragment


def _is_safe(scheme: str, host: str) -> bool:
    return scheme == "https" or (scheme == "http" and host in _LOCAL)


def _resolved(declared: str, keys: Iterable[str], payload: Mapping[str, Any]) -> str:
    base = os.environ.get("UPSTREAM_BASE_URL") or declared
    for key in keys:
        if "{" + key + "}" in base:
            value = payload[key]
            if value is None or not re.fullmatch("[A-Za-z0-9-]+", str(value)):
                raise SourceError(
                    f"the payload key {key!r} is a part of base_url: it may contain only "
                    "letters, digits and hyphens, such as acme-eu"
                )
            base = base.replace("{" + key + "}", str(value))
    if not is_base(base):
        raise SourceError(
            "the app setting UPSTREAM_BASE_URL must be a whole URL that starts with https:// "
            "(http:// for localhost only), such as https://api.example.com, without a user name, "
            "? or #"
        )
    return base
