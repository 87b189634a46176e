"""Pooled connections, a deadline for the whole response, and a size limit for bodies."""

from __future__ import annotations

import http.client
import io
import math
import os
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import msgspec
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from connector import clock
from connector.budget import Budget
from connector.errors import SourceError, UpstreamError
from connector.log import line, logger

LARGEST_BODY = 64 * 2**20  # bytes, unpacked
CONNECT_SECONDS = 10.0
IDLE = 120.0  # seconds; Azure and load balancers silently drop connections that rest longer
BROKEN = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
)
_CHUNK = 64 * 1024
_GZIP = b"\x1f\x8b"

Send = Callable[[requests.PreparedRequest, float], requests.Response]

_adapters: dict[tuple[str, str], tuple[HTTPAdapter, float]] = {}
_lock = threading.Lock()
_thread = threading.local()


class TransportError(Exception):
    """No complete response came; `kind` is the class of the innermost error, for the log."""

    def __init__(self, why: str, *, retryable: bool, kind: str = "TransportError") -> None:
        super().__init__(why)
        self.why = why
        self.retryable = retryable
        self.kind = kind

    @classmethod
    def of(cls, error: BaseException) -> TransportError:
        """The same of an error that requests, urllib3 or the socket raised."""
        if isinstance(error, TransportError):
            return error
        cause = _innermost(error)
        why = f"{type(cause).__name__}: {cause}"
        untrusted = isinstance(cause, ssl.SSLCertVerificationError)
        if untrusted:
            why += " (the app setting CONNECTOR_CA_BUNDLE names the file of a private CA)"
        if type(error) in (ValueError, UnicodeEncodeError):
            why += " (a header cannot be sent: was the wrong text pasted as a secret?)"
        if isinstance(cause, socket.gaierror):
            why += " (is the host in base_url correct?)"
        # A ValueError of requests means that this request can never be sent.
        retryable = not untrusted and not isinstance(error, ValueError)
        return cls(why, retryable=retryable, kind=type(cause).__name__)


def _innermost(error: BaseException) -> BaseException:
    """What was wrapped; not by `__context__`, which may be the error of an earlier request."""
    for inner in (error.__cause__, *error.args):
        if isinstance(inner, BaseException):
            return _innermost(inner)
    return error


def send(request: requests.PreparedRequest, seconds: float) -> requests.Response:
    """Send a signed request over a pooled connection; the response's body is not read yet.

    Cookies, redirects and the environment's `.netrc` and proxies are ignored. The complete
    response, body included, may take so many seconds.
    """
    ca_bundle = os.environ.get("CONNECTOR_CA_BUNDLE", "").strip()
    proxy = _proxy(os.environ.get("CONNECTOR_PROXY", "").strip())
    if ca_bundle and not Path(ca_bundle).exists():
        raise SourceError(f"the app setting CONNECTOR_CA_BUNDLE names {ca_bundle!r}: no such file")
    _thread.end = time.monotonic() + seconds
    try:
        return _adapter(ca_bundle, proxy).send(
            request,
            stream=True,
            timeout=(min(seconds, CONNECT_SECONDS), seconds),
            verify=ca_bundle or True,
            proxies={"http": proxy, "https": proxy} if proxy else {},
        )
    finally:
        _thread.end = math.inf


def proxy_credentials() -> list[str]:
    """The secrets in `CONNECTOR_PROXY`."""
    proxy = os.environ.get("CONNECTOR_PROXY", "").strip()
    password = urlsplit(_proxy(proxy)).password if proxy else None
    return [password, unquote(password)] if password else []


def read_body(response: requests.Response, label: str, budget: Budget) -> bytes:
    """The whole body, unpacked; the connection is then free again, or closed.

    Raises UpstreamError if it is too large, else what `TransportError.of` takes.
    """
    encoding = response.headers.get("Content-Encoding", "").lower()
    chunks = response.raw.stream(_CHUNK, decode_content=False)
    for name in reversed(encoding.split(",")):
        if name.strip() in ("gzip", "x-gzip", "deflate"):
            chunks = _inflated(chunks, gzip="gzip" in name)
    parts, size = [], 0
    try:
        for chunk in chunks:
            budget.check(label)
            parts.append(chunk)
            size += len(chunk)
            if size > LARGEST_BODY:
                raise UpstreamError(
                    f"the response to {label} is larger than {LARGEST_BODY // 2**20} MiB: "
                    "ask for smaller pages (page_size=)",
                    status=response.status_code,
                )
        budget.check(label)
    except _CutShort:
        # Some servers leave out the end mark of gzip; a JSON text shows by itself that it is whole.
        if not _is_json(b"".join(parts)):
            raise TransportError(
                f"the {encoding} body ended early, after {size} unpacked bytes", retryable=True
            ) from None
        logger.warning(line("cut_body", request=label, encoding=encoding, bytes=size))
    finally:
        response.close()
    return b"".join(parts)


class _CutShort(Exception):
    """A compressed body ended before its end mark."""


def _inflated(chunks: Iterator[bytes], *, gzip: bool) -> Iterator[bytes]:
    """Unpack gzip (of any number of members) or deflate (with or without zlib's header).

    Not urllib3's decoder: it takes a body that was cut in the middle for a whole one.
    """
    form, unpacker, data, fresh = (31 if gzip else 15), None, b"", True
    for chunk in chunks:
        data += chunk
        # The first two bytes show whether there is a header.
        while data and (not fresh or len(data) > 1):
            unpacker = unpacker or zlib.decompressobj(form)
            try:
                yield unpacker.decompress(data, _CHUNK)
            except zlib.error as error:
                if form == 15 and fresh:
                    form, unpacker = -15, None
                    continue
                raise TransportError(
                    f"the body cannot be unpacked: {error}", retryable=True, kind="zlib.error"
                ) from None
            fresh = False
            data = unpacker.unconsumed_tail
            if unpacker.eof:
                data, unpacker = unpacker.unused_data, None
                # Another member, its first byte perhaps; what else follows is no part of the body.
                if not gzip or not _GZIP.startswith(data[:2]):
                    yield from (b"" for _ in chunks)  # so that the connection can be used again
                    return
    if unpacker is not None:
        yield unpacker.flush()
    if data or (unpacker is not None and not unpacker.eof):
        raise _CutShort


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return True


class _Stream(io.RawIOBase):
    """What a socket sends, with one end for all reads together.

    A socket's timeout starts again with each byte, so a slow response would never time out.
    """

    def __init__(self, raw: Any, sock: socket.socket, end: float) -> None:
        self._raw = raw
        self._sock = sock
        self._end = end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        remaining = self._end - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("timed out")
        if remaining < math.inf:
            self._sock.settimeout(remaining)
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _HTTPResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        end = getattr(_thread, "end", math.inf)
        self.fp = io.BufferedReader(_Stream(self.fp.detach(), sock, end))


class _Http(HTTPConnection):
    response_class = _HTTPResponse


class _Https(HTTPSConnection):
    response_class = _HTTPResponse


class _Adapter(HTTPAdapter):
    """The adapter of requests with these connections; finding a pool is most of its time."""

    def __init__(self) -> None:
        super().__init__(pool_connections=8, pool_maxsize=32)
        self._pools: dict[tuple[str, ...], Any] = {}  # by scheme and host

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> Any:
        place = urlsplit(request.url or "")[:2]
        pool = self._pools.get(place)
        if pool is None or pool.pool is None:  # new, or closed as the one not used for longest
            pool = cast("Any", super().get_connection_with_tls_context(request, *args, **kwargs))
            pool.ConnectionCls = _Https if pool.scheme == "https" else _Http
            self._pools[place] = pool
        return pool


def _adapter(ca_bundle: str, proxy: str) -> HTTPAdapter:
    """The pooled connections by one CA and proxy, whatever connection of Fivetran's asks."""
    now = clock.monotonic()
    with _lock:
        adapter, used = _adapters.get((ca_bundle, proxy), (None, now))
        if adapter is None or now - used > IDLE:
            adapter = _Adapter()
        _adapters[ca_bundle, proxy] = adapter, now
        return adapter


@lru_cache(maxsize=4)
def _proxy(proxy: str) -> str:
    """The proxy's URL, checked."""
    try:
        parts = urlsplit(proxy)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if proxy and not usable:
        raise SourceError(
            "the app setting CONNECTOR_PROXY must be a whole URL, such as "
            "http://proxy.example.com:3128"
        )
    return proxy
