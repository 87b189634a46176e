# Owned by fivetran-azfn-template: updates replace this file.
"""Connections that outlive a call, bodies bounded in time and size; it signs nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from http.cookiejar import DefaultCookiePolicy

import requests
from requests.adapters import HTTPAdapter

from connector.errors import UpstreamError

LARGEST_BODY = 64 * 1024 * 1024  # bytes, unpacked
CONNECT_SECONDS = 10.0
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
    chunks, size = [], 0
    shutdown = getattr(reply.raw, "shutdown", None)
    # A drip of bytes never times out by itself: the socket is shut when the time is over.
    watch = threading.Timer(left(), shutdown) if shutdown else None
    if watch:
        watch.daemon = True
        watch.start()
    try:
        for chunk in reply.iter_content(64 * 1024):
            size += len(chunk)
            if size > LARGEST_BODY:
                raise UpstreamError(
                    f"the reply is larger than {LARGEST_BODY // 2**20} MiB: "
                    "ask for smaller pages (page_size=)",
                    status=reply.status_code,
                )
            chunks.append(chunk)
            left()
        left()
    except (requests.RequestException, OSError):
        left()
        raise
    finally:
        if watch:
            watch.cancel()
        reply.close()
    return b"".join(chunks)


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
