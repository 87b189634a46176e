# Owned by fivetran-azfn-template: updates replace this file.
"""URLs of the upstream: where it is, and what counts as the same place; it sends nothing."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from connector.errors import SourceError, UpstreamError
from connector.secrets import Settings

if TYPE_CHECKING:
    from connector.source import Source

_HOST_PART = re.compile(r"[A-Za-z0-9-]+")
_WHOLE = re.compile(r"https?://", re.IGNORECASE)
_NO_BASE = re.compile(r"""[?#{}\s\\<>"^`|]""")
_USER = re.compile(r"^(https?://)[^/?#]*@", re.IGNORECASE)
_LOCAL = ("localhost", "127.0.0.1", "::1")


class Home:
    """Where the upstream is: the one place that credentials may be sent to.

    Args:
        source: What the user declared.
        payload: The call's custom payload.

    Raises:
        SourceError: `UPSTREAM_BASE_URL` is no URL that credentials may be sent to.
        MissingSetting: A payload key of `base_url` is missing.
    """

    def __init__(self, source: Source, payload: Settings) -> None:
        self._base = _base_url(source, payload).rstrip("/")
        self._origin = origin(self._base)
        self._allowed = source.allowed_hosts

    def url(self, path: str) -> str:
        """The URL of a path below `base_url`; a full URL comes back as it is."""
        if _WHOLE.match(path):
            return path
        return self._base + (path if not path or path[0] in "/?" else f"/{path}")

    def token_url(self, url: str) -> str:
        """The URL of an OAuth token.

        Where `UPSTREAM_BASE_URL` is of this machine (a sample upstream), so is this one, by its
        path: a test must not knock at a real identity provider.
        """
        if not _WHOLE.match(url) or not os.environ.get("UPSTREAM_BASE_URL"):
            return self.url(url)
        here = urlsplit(self._base)
        return urlunsplit(here[:2] + urlsplit(url)[2:]) if here.hostname in _LOCAL else url

    def next(self, path: str, token: str) -> str:
        """The URL that a token means: whole, below the server's root, or only another query.

        Args:
            path: What was asked for the first page.
            token: As the upstream gave it.
        """
        parts = urlsplit(self._base)
        if token.startswith("?"):
            return self.url(path).partition("?")[0] + token
        if parts.path and token.startswith(f"{parts.path}/"):
            return f"{parts.scheme}://{parts.netloc}{token}"
        return self.url(token)

    def owns(self, url: str) -> bool:
        """Whether credentials may go to the URL.

        Raises:
            UpstreamError: It is of a host that may not be asked at all.
        """
        if origin(url) == self._origin:
            return True
        parts = _split(url)
        host = ((parts.hostname if parts else None) or "").lower()
        if parts and self.is_guest(url) and _safe(parts):
            return False
        shown = url.partition("?")[0]
        if host in self._allowed:
            raise UpstreamError(f"{shown} is not asked: it does not start with https://")
        why = f"{shown} is not of {self._base}, where the credentials belong"
        if parts and host and parts.scheme in ("http", "https"):
            why += (
                ": if records are to be read there, without credentials, name its host in "
                f'Source(allowed_hosts=["{host}"])'
            )
        error = UpstreamError(why)
        error.elsewhere = True
        raise error

    def is_guest(self, url: str) -> bool:
        """Whether the URL is of an allowed host, which is asked without credentials."""
        away = origin(url)
        return away != self._origin and away[1] in self._allowed


def bare(url: str) -> str:
    """The URL without a user name and password, which would be sent as credentials and shown."""
    return _USER.sub(r"\1", url, count=1)


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port; of what is no URL, nothing."""
    parts = _split(url)
    if parts is None:
        return "", "", None
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port


def is_base(url: str) -> bool:
    """Whether paths can be appended to the URL, and credentials be sent there."""
    parts = _split(url)
    if parts is None or not parts.hostname or not _safe(parts):
        return False
    return "@" not in parts.netloc and not _NO_BASE.search(url)


def param(value: Any) -> Any:
    """A query parameter's value as it is sent."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return [param(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def _base_url(source: Source, payload: Settings) -> str:
    base = os.environ.get("UPSTREAM_BASE_URL") or source.base_url
    for key in source.url_keys:
        if "{" + key + "}" in base:
            value = payload[key]
            if value is None or not _HOST_PART.fullmatch(str(value)):
                raise SourceError(
                    f"the payload key {key!r} is a part of base_url: letters, digits and hyphens, "
                    "as acme-eu"
                )
            base = base.replace("{" + key + "}", str(value))
    if not is_base(base):
        raise SourceError(
            "the app setting UPSTREAM_BASE_URL is a whole URL that starts with https:// "
            "(http:// for localhost only), as https://api.example.com, and has no user name, "
            "no ? and no #"
        )
    return base


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        return parts if parts.port != 0 else None
    except ValueError:
        return None


def _safe(parts: SplitResult) -> bool:
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL)
