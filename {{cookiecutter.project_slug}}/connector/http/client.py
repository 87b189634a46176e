"""One request until it is answered: attempts, waits, redirects, and what an error says."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http.client import responses
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests

from connector import clock, codec, urls
from connector.budget import Budget
from connector.errors import ConnectorError, UpstreamError
from connector.http import transport, waits
from connector.http.drafts import draft, redirected
from connector.http.signing import Signer
from connector.http.transport import TransportError
from connector.log import line, logger
from connector.response import Response
from connector.secrets import Redactor, Settings
from connector.source import Source

ATTEMPTS = 5
REDIRECTS = 5
_SHOWN = 200  # characters of a body that an error shows
_MESSAGES = ("message", "error_description", "error", "errors", "detail", "title", "reason")
_LINKS = 100  # relative links whose meaning is remembered
_DAY = 86400.0


@dataclass
class Traffic:
    """What the requests of one page showed of the upstream.

    Attributes:
        request: Method and URL of the last request, before signing; for error texts.
        fingerprint: Digest over method, URL and body of all requests, before signing; "" without.
        sent_at: The upstream's clock when the first request was sent, at the earliest; None if it
            is unknown: no `Date`, an `Age` (a cache's), or a day off.
        replied_at: The upstream's clock when the last response was sent, at the latest; or None.
        followed: URL, after redirects, of the response to `fetch.follow()`, or None.
    """

    request: str | None = None
    fingerprint: str = ""
    sent_at: float | None = None
    replied_at: float | None = None
    followed: str | None = None
    _began: float | None = field(default=None, init=False, repr=False)

    def observe_request(self, request: requests.PreparedRequest, shown: str) -> None:
        """Note a request before its first attempt."""
        self.request = shown
        if self._began is None:
            self._began = clock.now()
        seen = repr((self.fingerprint, request.method, request.url, request.body))
        digest = hashlib.blake2b(seen.encode("utf-8", "replace"), digest_size=16)
        self.fingerprint = digest.hexdigest()

    def observe_response(self, response: requests.Response) -> None:
        """Note the upstream's clock."""
        now, date = clock.now(), waits.date_of(response.headers.get("Date", ""))
        if date is None or "Age" in response.headers or abs(date - now) >= _DAY:
            return
        if self.sent_at is None and self._began is not None:
            self.sent_at = date - (now - self._began)
        self.replied_at = date + 1  # a Date has no fraction


@dataclass(frozen=True, slots=True, repr=False)
class _Reply:
    """A complete response: `request` led to it, without credentials; `sent` is it with them."""

    response: requests.Response
    body: bytes
    request: requests.PreparedRequest
    sent: requests.PreparedRequest


@dataclass(frozen=True, slots=True)
class _Order:
    """How a request is sent; one for a token has its credentials, and follows no redirect."""

    fields: Mapping[str, Any]
    ok: Collection[int] = ()
    auth: bool = True
    retry: bool = True
    for_token: bool = False

    def follows(self, response: requests.Response) -> bool:
        """Whether the response is a redirect to follow."""
        status = response.status_code
        return (
            status in (301, 302, 303, 307, 308)
            and status not in self.ok
            and "Location" in response.headers
            and not self.for_token
        )


class Client:
    """Asks the upstream for one call; connections outlive it, credentials and cookies do not.

    Args:
        source: What the user declared.
        secrets: The call's secrets.
        payload: The call's custom payload.
        redactor: Learns what goes over the wire as credentials.
        budget: The time of the call.
        send: The transport; tests pass one that answers from memory.

    Attributes:
        base_url: As resolved for this call.

    Raises:
        SourceError: `UPSTREAM_BASE_URL` is not a URL that credentials may be sent to.
        MissingSetting: A payload key of `base_url` is missing.
    """

    def __init__(
        self,
        source: Source,
        secrets: Settings,
        payload: Settings,
        redactor: Redactor,
        budget: Budget,
        send: transport.Send = transport.send,
    ) -> None:
        self._source = source
        self._redactor = redactor
        self._budget = budget
        self._send = send
        self._base = urls.BaseUrl(source.base_url, source.url_keys, payload, source.allowed_hosts)
        self.base_url = self._base.text
        redactor.add(*transport.proxy_credentials())
        self._signer = Signer(source.auth, secrets, self._base, redactor, budget)
        self._cool: dict[str, float] = {}  # by host: when it may be asked again
        self._lock = threading.Lock()
        self._links: dict[str, str] = {}  # by URL: the relative link that it was, and how resolved

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Any = None,
        ok: Collection[int] = frozenset(),
        auth: bool = True,
        retry: bool = True,
        link: str | None = None,
        follow: bool = False,
        traffic: Traffic,
        fields: Mapping[str, Any],
    ) -> Response:
        """Send a request until it is answered; see `Fetch.request` for arguments and errors.

        Args:
            link: The URL of the next page, which is asked instead of the path.
            follow: Whether the page's next token is a link of this response.
            traffic: Learns what the request showed.
            fields: Fields of the log lines: sync_id, entity, page.
        """
        url = self._base.url(path)
        if link is not None:
            url = self._base.resolve(link, url)
        request = draft(
            method,
            urls.without_user(url),
            params=params,
            headers=[transport.HEADERS, self._source.headers, headers],
            json=json,
            data=data,
        )
        if auth:
            request.url = self._signer.strip(request.url or "")
        traffic.observe_request(request, self._shown(request))
        response = self._answer(request, _Order(fields, ok, auth, retry), traffic)
        if follow:
            traffic.followed = response.url
        return response

    def next_token(self, token: Any, traffic: Traffic) -> Any:
        """A page's next token as it may be stored: a link whole, and without credentials.

        Args:
            token: As the step returned it.
            traffic: What the page's requests showed.

        Raises:
            StepError: A URL in it holds a user name.
            WrongOrigin: The link leads to a host that must not be asked.
        """
        if not token or traffic.followed is None or not isinstance(token, str):
            return self._signer.strip_token(token)
        url = self._signer.strip_token(self._base.resolve(token, traffic.followed))
        self._base.owns(url)
        if not urls.is_whole(token):
            if len(self._links) >= _LINKS:
                self._links.clear()
            self._links[url] = (
                f"the link {token[:_SHOWN]!r} was resolved against {urls.shown(traffic.followed)}, "
                "the URL of the response that carried it (RFC 3986)"
            )
        return url

    def _answer(
        self, request: requests.PreparedRequest, order: _Order, traffic: Traffic | None = None
    ) -> Response:
        """Send a request until it is answered.

        A rate limit, and a wait that the upstream names, is waited out for as long as the call
        lasts; any other failure that may pass is tried five times.
        """
        host = urlsplit(request.url or "").netloc
        failures = limits = 0
        renewed = False
        while True:
            with self._lock:
                cool = self._cool.get(host, 0.0) - clock.monotonic()
            self._budget.sleep(cool, f"{host} has a rate limit")
            attempt = failures + limits + 1
            limited, wait = False, None
            try:
                reply = self._attempt(request, order, attempt)
            except TransportError as lost:
                again = order.retry and lost.retryable
                error = UpstreamError(
                    f"{self._shown(request)} got no complete response (attempt {attempt}): "
                    f"{lost.why}"
                )
            else:
                response, status = reply.response, reply.response.status_code
                if traffic is not None and not self._base.is_guest(reply.request.url or ""):
                    traffic.observe_response(response)
                limited = waits.is_rate_limit(response, reply.body)
                # A 403 that is a rate limit is no answer, also for those who expect a 403.
                if 200 <= status < 300 or (status in order.ok and not (limited and status == 403)):
                    self._links.pop(request.url or "", None)
                    return Response.of(response, reply.body, reply.request, self._redactor)
                if status == 401 and order.auth and not renewed and self._signer.renew(reply.sent):
                    renewed = True
                    continue
                again = limited or status == 503 or (order.retry and waits.may_pass(status))
                wait = waits.asked(response, limited=limited)
                error = self._refusal(request, reply, order, limited)
            if not again:
                raise error
            patient = limited or wait is not None
            if patient:
                limits += 1
                # A wait that is named again and again is too short.
                if wait is None or limits > ATTEMPTS:
                    wait = max(wait or 0.0, waits.backoff(limits))
            else:
                failures += 1
                if failures == ATTEMPTS:
                    raise error
                wait = waits.backoff(failures)
            if limited:
                with self._lock:
                    end = clock.monotonic() + wait
                    self._cool[host] = max(self._cool.get(host, 0.0), end)
            self._budget.sleep(wait, error.why, asked=patient)

    def _attempt(self, request: requests.PreparedRequest, order: _Order, attempt: int) -> _Reply:
        """Send a request and follow its redirects; each hop is signed only where it may be."""
        shown = self._shown(request)
        post = partial(self._post, order.fields)
        sent = request
        if not order.for_token:
            sent = self._signer.sign(request, post, auth=order.auth)
        for _ in range(REDIRECTS + 1):
            reply = self._once(request, sent, order, attempt)
            if not order.follows(reply.response):
                return reply
            location = reply.response.headers["Location"].encode("latin-1", "replace")
            try:
                target = self._base.resolve(location.decode("utf-8", "replace"), request.url or "")
                request = redirected(request, target, reply.response.status_code)
                if order.auth:
                    request.url = self._signer.strip(request.url or "")
                sent = self._signer.sign(request, post, auth=order.auth)
            except UpstreamError as error:
                error.why = f"{shown} redirects elsewhere: {error.why}"
                raise
        raise UpstreamError(
            f"{shown} redirects more than {REDIRECTS} times: "
            "write the final address into base_url or the path"
        )

    def _once(
        self,
        request: requests.PreparedRequest,
        sent: requests.PreparedRequest,
        order: _Order,
        attempt: int,
    ) -> _Reply:
        """Send a signed request and read its response; a redirect's body is left unread."""
        shown = self._shown(request)
        seconds, began = self._budget.check(shown), clock.monotonic()
        reply: _Reply | None = None
        lost = TransportError("no response", retryable=True)
        try:
            response = self._send(sent, seconds)
            body = b""
            if order.follows(response):
                response.close()
            else:
                body = transport.read_body(response, shown, self._budget)
            reply = _Reply(response, body, request, sent)
        except ConnectorError:
            raise
        except (TransportError, *transport.BROKEN) as error:
            lost = TransportError.of(error)
        logger.info(
            line(
                "request",
                **order.fields,
                method=request.method,
                url=shown.partition(" ")[2],
                status=reply.response.status_code if reply else "failed",
                ms=round((clock.monotonic() - began) * 1000),
                attempt=attempt if attempt > 1 else None,
                error=None if reply else lost.kind,
                bytes=len(reply.body) if reply else None,
            )
        )
        # Outside of the except: what is raised here must not drag the signed request along.
        if reply is None:
            self._budget.check(shown)
            raise lost
        return reply

    def _post(
        self,
        fields: Mapping[str, Any],
        url: str,
        headers: Mapping[str, str],
        form: Mapping[str, Any],
    ) -> Response:
        """Send a request for an OAuth token, whose credentials are in headers or form."""
        request = draft("POST", url, headers=[transport.HEADERS, headers], data=form)
        self._signer.learn(headers.get("Authorization", ""))
        return self._answer(request, _Order(fields, for_token=True))

    def _shown(self, request: requests.PreparedRequest) -> str:
        """Method and URL; of an allowed host without its query, which may open a file."""
        url = request.url or ""
        return f"{request.method} {urls.shown(url) if self._base.is_guest(url) else url}"

    def _refusal(
        self, request: requests.PreparedRequest, reply: _Reply, order: _Order, limited: bool
    ) -> UpstreamError:
        """The error for a response that is not what the step asked for."""
        response = Response.of(reply.response, reply.body, reply.request, self._redactor)
        status = response.status_code
        why = f"{self._shown(request)} answered {status} {responses.get(status, '')}".rstrip()
        why += f": {self._quote(response)}"
        challenge = response.headers.get("WWW-Authenticate", "")
        if status in (401, 403) and challenge:
            why += f" (WWW-Authenticate: {self._redactor.shorten(challenge, _SHOWN)})"
        sent = not order.for_token and self._base.is_home(reply.request.url or "")
        if status in (401, 403) and self._source.secrets and sent and not limited:
            why += f" (check the secrets {', '.join(self._source.secrets)})"
        link = self._links.get(request.url or "")
        if status == 404 and link:
            root = "/".join(self.base_url.split("/")[:3])
            why += (
                f" ({link}; if this API's links are relative to something else, return whole URLs "
                f'as next_token, for example: link and "{root}/PREFIX" + link)'
            )
        return UpstreamError(why, status=status)

    def _quote(self, response: Response) -> str:
        """The start of what the API said; of JSON that is longer, of its message."""
        start: str = response.start(_SHOWN)
        body: Any = None
        if len(start) >= _SHOWN and start.startswith("{"):
            with suppress(msgspec.MsgspecError, UnicodeError, RecursionError, UpstreamError):
                body = response.json()
        for name in _MESSAGES if isinstance(body, dict) else ():
            if body.get(name):
                message = body[name]
                text = message if isinstance(message, str) else codec.encode(message).decode()
                return self._redactor.shorten(text, _SHOWN)
        return start
