# Owned by fivetran-azfn-template: updates replace this file.
"""The upstream over HTTP: requests, retries, what is said of them; it knows no entity's rules."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from http.client import responses
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict

from connector import clock, codec, transport, urls, waits
from connector.errors import StepError, UpstreamError
from connector.log import line, logger
from connector.rows import Response
from connector.secrets import Redactor, Settings
from connector.signer import Place, Signer
from connector.source import Source
from connector.trip import Arrival, Loss, Note, Way
from connector.waits import Deadline

ATTEMPTS = 5
_FAILING = (500, 502, 504)
_SHOWN = 200  # characters of a body that an error shows

Seen = Callable[[requests.PreparedRequest, requests.Response, float, float], None]


class Upstream:
    """One call's way to the upstream; connections outlive it, credentials and cookies do not.

    Args:
        source: What the user declared.
        secrets: The call's secrets.
        payload: The call's custom payload.
        redactor: Learns what goes over the wire as credentials.
        deadline: When the last request must be through, on `clock.monotonic`.
        send: The transport; tests give one that answers from memory.

    Raises:
        SourceError: `UPSTREAM_BASE_URL` is no URL that credentials may be sent to.
        MissingSetting: A payload key of `base_url` is missing.
    """

    def __init__(
        self,
        source: Source,
        secrets: Settings,
        payload: Settings,
        redactor: Redactor,
        deadline: float,
        send: transport.Send = transport.send,
    ) -> None:
        self._source = source
        self._redactor = redactor
        self._deadline = Deadline(deadline)
        self._cool: dict[str, float] = {}
        self._home = urls.Home(source, payload)
        redactor.add(*transport.proxy_credentials())
        left = partial(self._deadline.left, "the request for a token")
        self._signer = Signer(source.auth, secrets, self._home, redactor, self._token, left)
        self._way = Way(self._signer, self._deadline, send)

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: Any = None,
        ok: Iterable[int] = (),
        signed: bool = True,
        retry: bool = True,
        seen: Seen | None = None,
        place: Place | None = None,
        token: str | None = None,
    ) -> Response:
        """Send a request until it is answered; see `Fetch.request` for the arguments.

        Args:
            seen: Told of each request as it was before signing, its reply, and when (epoch seconds)
                it was sent and answered.
            place: Fields of the log lines (sync_id, entity, page).
            token: The URL of the next page, which is asked instead of the path.
        """
        url = self._home.url(path) if token is None else self._home.next(path, token)
        request = self._drafted(method, urls.bare(url), params, headers, json, data)
        if signed:
            request.url = self._signer.stripped(request.url or "")
        wanted = frozenset(ok)
        place = place or {}
        travel = partial(self._way.travel, place=place, signed=signed, ok=wanted)
        return self._exchange(request, travel, wanted, retry=retry, seen=seen, place=place)

    def _drafted(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        json: Any,
        data: Any,
    ) -> requests.PreparedRequest:
        shown = url.partition("?")[0]
        everything: CaseInsensitiveDict[str] = CaseInsensitiveDict(transport.HEADERS)
        everything.update(self._source.headers)
        everything.update(headers or {})
        if json is not None:
            try:
                data = codec.encode(codec.plain(json))
            except TypeError as error:
                raise StepError(f"{method} {shown}: json= cannot be sent: {error}") from None
            everything.setdefault("Content-Type", "application/json")
        if not isinstance(data, (str, bytes, Mapping, list, tuple, type(None))):
            raise StepError(
                f"{method} {shown}: data is text, bytes or a form, and no {type(data).__name__}, "
                "for it may have to be sent again"
            )
        if not isinstance(params, (Mapping, type(None))):
            raise StepError(
                f"{method} {shown}: params is a dict, and no {type(params).__name__}: a list as "
                "value repeats its name"
            )
        pairs = {name: urls.param(value) for name, value in (params or {}).items()}
        try:
            request = requests.Request(
                method.upper(), url, headers=everything, params=pairs, data=data
            ).prepare()
        except (requests.RequestException, ValueError) as error:
            raise UpstreamError(
                f"{method} {shown} is no request that can be sent: {error}"
            ) from None
        return request

    def _exchange(
        self,
        request: requests.PreparedRequest,
        travel: Callable[[requests.PreparedRequest, Note], Arrival | Loss],
        ok: Collection[int],
        *,
        retry: bool,
        seen: Seen | None = None,
        place: Place,
    ) -> Response:
        """Send a request until it is answered, at most five times, and within the deadline."""
        host = urlsplit(request.url or "").netloc
        attempt, renewed = 1, False
        while True:
            cool = self._cool.get(host, 0.0) - clock.monotonic()
            self._deadline.wait(cool, f"{host} asked to wait", asked=True)
            sent = clock.now()
            got = travel(request, partial(self._note, place, attempt))
            wait: float | None = None
            if isinstance(got, Loss):
                error = UpstreamError(
                    f"{_shown(request)} got no whole reply (attempt {attempt}): {got.why}"
                )
                again = retry and got.passing
            else:
                status = got.reply.status_code
                if seen is not None:
                    seen(request, got.reply, sent, clock.now())
                # A 403 that is a rate limit is no answer, also for those who expect a 403.
                limited = waits.limited(got.reply)
                if 200 <= status < 300 or (status in ok and not waits.exhausted(got.reply)):
                    return Response.of(got.reply, got.body, got.request, self._redactor)
                if status == 401 and not renewed and self._signer.renew(got.sent):
                    renewed = True
                    continue
                wait = waits.retry_after(got.reply) if limited else None
                if wait and status != 503:
                    self._cool[host] = max(self._cool.get(host, 0.0), clock.monotonic() + wait)
                error = self._refused(request, got)
                again = limited or (retry and status in _FAILING)
            if not again or attempt == ATTEMPTS:
                raise error
            self._deadline.wait(wait or waits.backoff(attempt), error.why, asked=bool(wait))
            attempt += 1

    def _token(self, request: requests.PreparedRequest, place: Place) -> requests.Response:
        """Send Authlib's request for a token, which carries its own credentials."""
        from connector import oauth

        def once(_: requests.PreparedRequest, note: Note) -> Arrival | Loss:
            return self._way.once(shown, request, note)

        shown = request.copy()
        shown.headers.pop("Authorization", None)
        shown.body = None
        return self._exchange(shown, once, oauth.REFUSALS, retry=True, place=place)

    def _refused(self, request: requests.PreparedRequest, got: Arrival) -> UpstreamError:
        reply = Response.of(got.reply, got.body, got.request, self._redactor)
        status = reply.status_code
        said = reply.start(_SHOWN)
        why = f"{_shown(request)} answered {status} {responses.get(status, '')}".rstrip()
        why += f": {said}"
        guest = self._home.is_guest(got.request.url or "")
        if status in (401, 403) and self._source.secrets and not guest:
            why += f" (check the secrets {', '.join(self._source.secrets)})"
        return UpstreamError(why, status=status)

    def _note(
        self,
        place: Place,
        attempt: int,
        request: requests.PreparedRequest,
        got: Arrival | Loss,
        seconds: float,
    ) -> None:
        logger.info(
            line(
                "request",
                **place,
                method=request.method,
                url=self._redactor.redact(request.url or ""),
                status="failed" if isinstance(got, Loss) else got.reply.status_code,
                ms=round(seconds * 1000),
                attempt=attempt if attempt > 1 else None,
                error=got.kind if isinstance(got, Loss) else None,
                bytes=None if isinstance(got, Loss) else len(got.body),
            )
        )


def _shown(request: requests.PreparedRequest) -> str:
    return f"{request.method} {request.url}"
