# Owned by fivetran-azfn-template: updates replace this file.
"""HTTP connections whose replies must be whole by a fixed time; they know nothing of upstreams.

A socket's timeout begins anew with each byte, so a reply that drips would never time out.
"""

from __future__ import annotations

import http.client
import io
import math
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

_thread = threading.local()


@contextmanager
def until(seconds: float) -> Iterator[None]:
    """Requests that this thread sends inside must be answered, body included, in so many seconds.

    What has not arrived by then raises TimeoutError where it is read, be it outside.
    """
    _thread.end = time.monotonic() + seconds
    try:
        yield
    finally:
        _thread.end = math.inf


class _Stream(io.RawIOBase):
    """What a socket sends, with the same end for all reads together."""

    def __init__(self, raw: Any, sock: socket.socket, end: float) -> None:
        self._raw = raw
        self._sock = sock
        self._end = end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        if left < math.inf:
            self._sock.settimeout(left)
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


class Adapter(HTTPAdapter):
    """Requests' adapter, with these connections."""

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = _Https if pool.scheme == "https" else _Http
        return pool
