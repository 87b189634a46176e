# Owned by fivetran-azfn-template: updates replace this file.
"""Connections that outlive a call, bodies bounded in time and size; it signs nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter

from connector import clock, punctual
from connector.errors import SourceError, UpstreamError

LARGEST_BODY = 64 * 1024 * 1024  # bytes, unpacked
CONNECT_SECONDS = 10.0
IDLE = 120.0  # seconds; Azure and load balancers drop connections that rest longer, untold
HEADERS = {
    "User-Agent": "fivetran-azfn-connector",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
}
_CHUNK = 64 * 1024

Send = Callable[[requests.PreparedRequest, float], requests.Response]

_kept: dict[tuple[str, str], tuple[HTTPAdapter, float]] = {}
_lock = threading.Lock()


def send(request: requests.PreparedRequest, seconds: float) -> requests.Response:
    """Send a request over a kept connection; the reply's body is not read yet.

    Neither cookies nor redirects nor the environment's `.netrc` and proxies are looked at.

    Args:
        request: Signed and ready.
        seconds: How long the whole reply may take to arrive.

    Raises:
        SourceError: `CONNECTOR_CA_BUNDLE` names no file, or `CONNECTOR_PROXY` is no URL.
        requests.RequestException: There is no connection, or no reply in time.
    """
    ca_bundle = os.environ.get("CONNECTOR_CA_BUNDLE", "").strip()
    proxy = _proxy()
    if ca_bundle and not Path(ca_bundle).exists():
        raise SourceError(f"the app setting CONNECTOR_CA_BUNDLE names {ca_bundle!r}: no such file")
    with punctual.until(seconds):
        return _adapter(ca_bundle, proxy).send(
            request,
            stream=True,
            timeout=(min(seconds, CONNECT_SECONDS), seconds),
            verify=ca_bundle or True,
            proxies={"http": proxy, "https": proxy} if proxy else {},
        )


def body(reply: requests.Response, asked: str, left: Callable[[], float]) -> bytes:
    """The whole body, unpacked; the connection is free again afterwards, or closed.

    Args:
        reply: A reply whose body was not read yet.
        asked: The request without credentials, for the error.
        left: Seconds that are left; raises when there are none.

    Raises:
        UpstreamError: The body is larger than 64 MiB.
        urllib3.exceptions.HTTPError: It broke off, cannot be unpacked, or took too long.
    """
    raw: Any = reply.raw
    chunks: list[bytes] = []
    size = _announced(reply)
    try:
        if size <= LARGEST_BODY:
            size = 0
            for chunk in raw.stream(_CHUNK, decode_content=True):
                left()
                size += len(chunk)
                if size > LARGEST_BODY:
                    break
                chunks.append(chunk)
        if size > LARGEST_BODY:
            raise UpstreamError(
                f"the reply to {asked} is larger than {LARGEST_BODY // 2**20} MiB: "
                "ask for smaller pages (page_size=)",
                status=reply.status_code,
            )
        left()
    finally:
        reply.close()
    return b"".join(chunks)


def proxy_credentials() -> list[str]:
    """The secrets that `CONNECTOR_PROXY` holds."""
    password = urlsplit(_proxy()).password
    return [password, unquote(password)] if password else []


def _announced(reply: requests.Response) -> int:
    """How many bytes a body that is not packed says that it has."""
    length = reply.headers.get("Content-Length", "")
    return int(length) if length.isdigit() and "Content-Encoding" not in reply.headers else 0


def _proxy() -> str:
    proxy = os.environ.get("CONNECTOR_PROXY", "").strip()
    try:
        parts = urlsplit(proxy)
        usable = not proxy or (parts.scheme in ("http", "https") and parts.port != 0)
        usable = usable and (not proxy or bool(parts.hostname))
    except ValueError:
        usable = False
    if not usable:
        raise SourceError(
            "the app setting CONNECTOR_PROXY is a whole URL, as http://proxy.example.com:3128"
        )
    return proxy


def _adapter(ca_bundle: str, proxy: str) -> HTTPAdapter:
    """The connections by one CA and proxy; they know no connection of Fivetran's."""
    now = clock.monotonic()
    with _lock:
        adapter, used = _kept.get((ca_bundle, proxy), (None, now))
        if adapter is None or now - used > IDLE:
            adapter = punctual.Adapter(pool_connections=8, pool_maxsize=32)
        _kept[ca_bundle, proxy] = adapter, now
        return adapter
