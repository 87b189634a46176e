"""Pooled connections, a deadline over the whole response, and bodies bounded in size."""

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
from contextlib import contextmanager
from pathlib import Path
from typing import Any
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
HEADERS = {
    "User-Agent": "fivetran-azfn-connector",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
}
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
    """No complete response came.

    Args:
        why: What happened.
        retryable: Whether another attempt may succeed.
        kind: Class of the error behind it, for the log.
    """

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
        causes = _causes(error)
        untrusted = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes)
        why = f"{type(causes[-1]).__name__}: {causes[-1]}"
        if untrusted:
            why += " (the app setting CONNECTOR_CA_BUNDLE names the file of a private CA)"
        if isinstance(causes[-1], socket.gaierror):
            why += " (is the host in base_url spelled right?)"
        # A ValueError of requests means that this request can never be sent.
        retryable = not untrusted and not isinstance(error, ValueError)
        return cls(why, retryable=retryable, kind=type(error).__name__)


def send(request: requests.PreparedRequest, seconds: float) -> requests.Response:
    """Send a request over a pooled connection; the body of the response is not read yet.

    Cookies, redirects and the environment's `.netrc` and proxies are ignored.

    Args:
        request: Signed and ready.
        seconds: How long the complete response may take, body included.

    Raises:
        SourceError: `CONNECTOR_CA_BUNDLE` names no file, or `CONNECTOR_PROXY` is not a URL.
        requests.RequestException: There is no connection, or no response in time.
    """
    ca_bundle = os.environ.get("CONNECTOR_CA_BUNDLE", "").strip()
    proxy = _proxy()
    if ca_bundle and not Path(ca_bundle).exists():
        raise SourceError(f"the app setting CONNECTOR_CA_BUNDLE names {ca_bundle!r}: no such file")
    with until(seconds):
        return _adapter(ca_bundle, proxy).send(
            request,
            stream=True,
            timeout=(min(seconds, CONNECT_SECONDS), seconds),
            verify=ca_bundle or True,
            proxies={"http": proxy, "https": proxy} if proxy else {},
        )


def read_body(response: requests.Response, shown: str, budget: Budget) -> bytes:
    """The whole body, unpacked; the connection is then free again, or closed.

    Args:
        response: A response whose body was not read yet.
        shown: The request without credentials, for errors.
        budget: The time of the call.

    Raises:
        UpstreamError: The body is larger than 64 MiB.
        DeadlineExceeded: The time is over.
        TransportError: A compressed body ended early or cannot be unpacked.
        urllib3.exceptions.HTTPError: The connection broke.
    """
    announced = response.headers.get("Content-Length", "")
    encoding = response.headers.get("Content-Encoding", "").lower()
    size = int(announced[:20]) if announced.isdecimal() and not encoding else 0
    chunks: list[bytes] = []
    cut = False
    try:
        if size <= LARGEST_BODY:
            size = 0
            for chunk in _unpacked(response.raw.stream(_CHUNK, decode_content=False), encoding):
                budget.check(shown)
                size += len(chunk)
                if size > LARGEST_BODY:
                    break
                chunks.append(chunk)
        if size > LARGEST_BODY:
            raise UpstreamError(
                f"the response to {shown} is larger than {LARGEST_BODY // 2**20} MiB: "
                "ask for smaller pages (page_size=)",
                status=response.status_code,
            )
        budget.check(shown)
    except _CutShort:
        cut = True
    finally:
        response.close()
    body = b"".join(chunks)
    if cut:
        if not _is_json(body):
            raise TransportError(
                f"the {encoding} body ended early, after {len(body)} unpacked bytes",
                retryable=True,
            )
        # Some servers leave out the end mark of gzip; a JSON text shows by itself that it is whole.
        logger.warning(line("cut_body", request=shown, encoding=encoding, bytes=len(body)))
    return body


@contextmanager
def until(seconds: float) -> Iterator[None]:
    """Requests that this thread sends inside must be answered in so many seconds, body included.

    What has not arrived by then raises TimeoutError where it is read, even outside. A socket's
    timeout begins anew with each byte, so a response that drips would never time out.
    """
    _thread.end = time.monotonic() + seconds
    try:
        yield
    finally:
        _thread.end = math.inf


def proxy_credentials() -> list[str]:
    """The secrets that `CONNECTOR_PROXY` holds."""
    password = urlsplit(_proxy()).password
    return [password, unquote(password)] if password else []


class _Stream(io.RawIOBase):
    """What a socket sends, with one end for all reads together."""

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

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Reply(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        end = getattr(_thread, "end", math.inf)
        self.fp = io.BufferedReader(_Stream(self.fp.detach(), sock, end))


class _Http(HTTPConnection):
    response_class = _Reply


class _Https(HTTPSConnection):
    response_class = _Reply


class _Adapter(HTTPAdapter):
    """The adapter of requests, with these connections."""

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = _Https if pool.scheme == "https" else _Http
        return pool


class _CutShort(Exception):
    """A compressed body ended before its end mark."""


def _unpacked(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """The chunks of a body without its compressions; what is no known compression stays."""
    for name in reversed([name.strip() for name in encoding.split(",")]):
        if name in ("gzip", "x-gzip", "deflate"):
            chunks = _inflated(chunks, gzip=name != "deflate")
    return chunks


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


def _causes(error: BaseException) -> list[BaseException]:
    """An error, what it came from, and so on; the last one says what happened."""
    found: list[BaseException] = []
    following: Any = error
    while isinstance(following, BaseException) and following not in found:
        found.append(following)
        inner = following.args[0] if following.args else None
        following = next(
            (
                cause
                for cause in (following.__cause__, inner, getattr(following, "reason", None))
                if isinstance(cause, BaseException)
            ),
            None,
        )
    return found


def _proxy() -> str:
    proxy = os.environ.get("CONNECTOR_PROXY", "").strip()
    try:
        parts = urlsplit(proxy)
        usable = not proxy or (
            parts.scheme in ("http", "https") and parts.port != 0 and bool(parts.hostname)
        )
    except ValueError:
        usable = False
    if not usable:
        raise SourceError(
            "the app setting CONNECTOR_PROXY must be a whole URL, such as "
            "http://proxy.example.com:3128"
        )
    return proxy


def _adapter(ca_bundle: str, proxy: str) -> HTTPAdapter:
    """The pooled connections by one CA and proxy, whatever connection of Fivetran's asks."""
    now = clock.monotonic()
    with _lock:
        adapter, used = _adapters.get((ca_bundle, proxy), (None, now))
        if adapter is None or now - used > IDLE:
            adapter = _Adapter(pool_connections=8, pool_maxsize=32)
        _adapters[ca_bundle, proxy] = adapter, now
        return adapter
