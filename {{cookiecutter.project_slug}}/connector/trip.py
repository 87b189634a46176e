# Owned by fivetran-azfn-template: updates replace this file.
"""One attempt of one request: signed, sent, redirected, read; it repeats nothing."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urljoin

import requests
import urllib3

from connector import clock, transport, urls
from connector.errors import ConnectorError, UpstreamError
from connector.signer import Place, Signer
from connector.waits import Deadline

HOPS = 5  # redirects that are followed
_REDIRECTS = (301, 302, 303, 307, 308)
_BROKEN = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A whole reply.

    Attributes:
        reply: Its status and headers; the body was read.
        body: The whole body, unpacked.
        request: The last request, without credentials.
        sent: The same, as it went over the wire.
    """

    reply: requests.Response
    body: bytes
    request: requests.PreparedRequest
    sent: requests.PreparedRequest

    def __repr__(self) -> str:
        return f"<Arrival {self.reply.status_code}>"


@dataclass(frozen=True, slots=True)
class Loss:
    """No whole reply.

    Attributes:
        kind: The error's class, for the log.
        why: What happened.
        passing: Whether it may be better the next time.
    """

    kind: str
    why: str
    passing: bool


# Told of a request without credentials, what came of it, and after how many seconds.
Note = Callable[[requests.PreparedRequest, Arrival | Loss, float], None]


class Way:
    """How requests of one call travel.

    Args:
        signer: Puts credentials where they belong.
        deadline: When all must be through.
        send: The transport.
    """

    def __init__(self, signer: Signer, deadline: Deadline, send: transport.Send) -> None:
        self._signer = signer
        self._deadline = deadline
        self._send = send

    def travel(
        self,
        request: requests.PreparedRequest,
        note: Note,
        *,
        place: Place,
        signed: bool,
        ok: Collection[int] = (),
    ) -> Arrival | Loss:
        """Send a request and follow its redirects; each hop is signed only where it may be.

        Args:
            request: Without credentials.
            note: Told of each hop.
            place: Where a request for a token is logged.
            signed: Whether it gets credentials.
            ok: Redirects that are not followed.

        Raises:
            UpstreamError: It is redirected in circles, or to where it must not go.
            DeadlineExceeded: The time is over.
        """
        shown = f"{request.method} {request.url}"
        sent = self._signer.sent(request, place, signed=signed)
        for _ in range(HOPS + 1):
            arrival = self.once(request, sent, note, ok)
            if isinstance(arrival, Loss) or not _redirects(arrival.reply, ok):
                return arrival
            try:
                request = self._redirected(request, arrival.reply, signed=signed)
                sent = self._signer.sent(request, place, signed=signed)
            except UpstreamError as error:
                error.why = f"{shown} redirects elsewhere: {error.why}"
                raise
        raise UpstreamError(
            f"{shown} redirects again and again, more than {HOPS} times: "
            "write the final address into base_url or the path"
        )

    def once(
        self,
        request: requests.PreparedRequest,
        sent: requests.PreparedRequest,
        note: Note,
        ok: Collection[int] = (),
    ) -> Arrival | Loss:
        """Send a request as it is, and read its reply; a redirect's body is left unread."""
        began = clock.monotonic()
        got = self._answered(request, sent, ok)
        note(request, got, clock.monotonic() - began)
        return got

    def _answered(
        self, request: requests.PreparedRequest, sent: requests.PreparedRequest, ok: Collection[int]
    ) -> Arrival | Loss:
        shown = f"{request.method} {request.url}"
        left = partial(self._deadline.left, shown)
        seconds = left()
        try:
            reply = self._send(sent, seconds)
            if _redirects(reply, ok):
                reply.close()
                return Arrival(reply, b"", request, sent)
            return Arrival(reply, transport.body(reply, shown, left), request, sent)
        except ConnectorError:
            raise
        except _BROKEN as error:
            loss = _loss(error)
        # Outside of the except: what is raised here must not drag the signed request along.
        left()
        return loss

    def _redirected(
        self, request: requests.PreparedRequest, reply: requests.Response, *, signed: bool
    ) -> requests.PreparedRequest:
        place = reply.headers["Location"].encode("latin-1", "replace").decode("utf-8", "replace")
        request = request.copy()
        try:
            request.prepare_url(urls.bare(urljoin(request.url or "", place)), {})
            if signed:
                request.url = self._signer.stripped(request.url or "")
        except (requests.RequestException, ValueError):
            raise UpstreamError(f"{place!r} is no URL") from None
        if reply.status_code == 303 or (reply.status_code < 303 and request.method == "POST"):
            request.prepare_method("GET")
            request.body = None
            for name in ("Content-Length", "Content-Type", "Transfer-Encoding"):
                request.headers.pop(name, None)
        return request


def _redirects(reply: requests.Response, ok: Collection[int]) -> bool:
    status = reply.status_code
    return status in _REDIRECTS and status not in ok and "Location" in reply.headers


def _loss(error: Exception) -> Loss:
    causes = list(_causes(error))
    untrusted = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes)
    why = f"{type(causes[-1]).__name__}: {causes[-1]}"
    if untrusted:
        why += " (the app setting CONNECTOR_CA_BUNDLE names the file of a private CA)"
    if isinstance(causes[-1], socket.gaierror):
        why += " (is the host in base_url spelled right?)"
    # A ValueError of requests' means that this request can never be sent.
    return Loss(type(error).__name__, why, not untrusted and not isinstance(error, ValueError))


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
