# Owned by fivetran-azfn-template: updates replace this file.
"""Connections that outlive a call, bodies bounded in time and size; it signs nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from http.cookiejar import DefaultCookiePolicy

import requests
import urllib3
from requests.adapters import HTTPAdapter

from connector.errors import UpstreamError

LARGEST_BODY = 64 * 1024 * 1024  # bytes, unpacked
CONNECT_SECONDS = 10.0
_CHUNK = 64 * 1024
HEADERS = {
    "User-Agent": "fivetran-azfn-connector",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
}

Send = Callable[[requests.PreparedRequest, float], requests.Response]

_sessions: dict[tuple[str, str], requests.Session] = {}
_lock = threading.Lock()


def send(request: requests.PreparedRequest, seconds: float) -> requests.Response:
    """Send a request over a kept connection; the reply's body is not read yet.

    Args:
        request: Signed and ready.
        seconds: How long to wait for the reply to begin.
    """
    ca_bundle = os.environ.get("CONNECTOR_CA_BUNDLE", "")
    proxy = os.environ.get("CONNECTOR_PROXY", "")
    return _session(ca_bundle, proxy).send(
        request,
        stream=True,
        allow_redirects=False,
        timeout=(min(seconds, CONNECT_SECONDS), seconds),
        verify=ca_bundle or True,
        proxies={"http": proxy, "https": proxy} if proxy else {},
    )


def body(reply: requests.Response, left: Callable[[], float]) -> bytes:
    """The whole body, unpacked.

    Args:
        reply: A reply whose body was not read yet.
        left: Seconds that are left; raises when there are none.

    Raises:
        UpstreamError: The body is larger than 64 MiB, or it did not arrive in time.
    """
    chunks: list[bytes] = []
    size = 0
    try:
        while True:
            _hurry(reply, left())
            # One read of the socket at a time: a slow drip comes back here after each drop.
            chunk = reply.raw.read1(_CHUNK, decode_content=True)
            if not chunk:
                return b"".join(chunks)
            chunks.append(chunk)
            size += len(chunk)
            if size > LARGEST_BODY:
                raise UpstreamError(
                    f"the reply is larger than {LARGEST_BODY // 2**20} MiB: "
                    "ask for smaller pages (page_size=)",
                    status=reply.status_code,
                )
    except (urllib3.exceptions.HTTPError, OSError):
        left()
        raise
    finally:
        reply.close()


def _hurry(reply: requests.Response, seconds: float) -> None:
    """Let the next read of the socket take no longer than this."""
    connection = getattr(reply.raw, "connection", None)
    sock = getattr(connection, "sock", None)
    if sock is not None:
        sock.settimeout(seconds)


def _session(ca_bundle: str, proxy: str) -> requests.Session:
    with _lock:
        session = _sessions.get((ca_bundle, proxy))
        if session is None:
            session = _sessions[ca_bundle, proxy] = requests.Session()
            session.trust_env = False  # a .netrc would replace the token
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            adapter = HTTPAdapter(pool_connections=8, pool_maxsize=32)
            session.mount("https://", adapter)
            session.mount("http://", adapter)
        return session
