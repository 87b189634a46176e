"""One request with its retries, waits, redirects and error messages."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import partial
from http.client import responses
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests

from connector import clock, codec, urls
from connector.auth import MESSAGES
from connector.budget import Budget
from connector.errors import ConnectorError, DeadlineExceeded, UpstreamError
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
_QUOTED = 200  # characters of a body that an error quotes


class Traffic:
    """What the requests of one page showed of the upstream.

    Attributes:
        request: Method and URL of the last request, for error texts; or None.
        fingerprint: Digest over method, URL and body of all requests; "" without.
        sent_at: The upstream's clock when the first request was sent, at the earliest; None if it
            is unknown: no `Date`, an `Age` (a cache's), or a day off.
        answered_at: The upstream's clock when the last response was sent, at the latest; or None.
        followed: URL, after redirects, of the response to `fetch.follow()`, or None.
        response: The last one.
    """

    def __init__(self) -> None:
        self.request: str | None = None
        self.fingerprint = ""
        self.sent_at: float | None = None
        self.answered_at: float | None = None
        self.followed: str | None = None
        self.response: Response | None = None
        self._began = clock.now()

    def observe_request(self, request: requests.PreparedRequest, label: str) -> None:
        """Note a request before its first attempt."""
        if self.request is None:
            self._began = clock.now()
        self.request = label
        seen = repr((self.fingerprint, request.method, request.url, request.body))
        digest = hashlib.blake2b(seen.encode("utf-8", "replace"), digest_size=16)
        self.fingerprint = digest.hexdigest()

    def observe_response(self, response: requests.Response) -> None:
        """Note the upstream's clock."""
        date = waits.clock_of(response)
        if date is None:
            return
        if self.sent_at is None:
            self.sent_at = date - (clock.now() - self._began)
        self.answered_at = date + 1  # a Date has no fraction


class _Options(msgspec.Struct, frozen=True):
    """How a request is sent; one for a token has its credentials, and follows no redirect."""

    fields: Mapping[str, Any]
    ok: Collection[int] = ()
    auth: bool = False
    retry: bool = True
    is_link: bool = False
    for_token: bool = False

    def redirects(self, response: requests.Response) -> bool:
        """Whether the response is a redirect to follow."""
        return response.is_redirect and response.status_code not in self.ok and not self.for_token


class Client:
    """Asks the upstream for one call; connections outlive it, credentials and cookies do not."""

    def __init__(
        self,
        source: Source,
        secrets: Settings,
        payload: Settings,
        redactor: Redactor,
        budget: Budget,
        send: transport.Send,
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

        `link`, the URL of the next page, is asked instead of the path; `follow`: the page's next
        token is a link of this response. `fields` are in the log lines.
        """
        url = self._base.url(path)
        if link is not None:
            url = self._base.next_url(link, url)
        request = draft(
            method,
            urls.without_user(url),
            params=params,
            headers=(self._source.headers, headers),
            json=json,
            data=data,
        )
        if auth:
            request.url = self._signer.strip(request.url or "")
        traffic.observe_request(request, self._label(request))
        options = _Options(fields, ok, auth, retry, is_link=link is not None)
        response = traffic.response = self._answer(request, options, traffic)
        if follow:
            traffic.followed = response.url
        return response

    def next_token(self, token: Any, traffic: Traffic) -> Any:
        """A page's next token as it may be stored: a link whole, and without credentials."""
        if token and isinstance(token, str) and traffic.followed is not None:
            token = self._base.next_url(token, traffic.followed)
        return self._signer.strip_token(token)

    def _answer(
        self, request: requests.PreparedRequest, options: _Options, traffic: Traffic
    ) -> Response:
        """Send a request and follow its redirects until it is answered.

        A rate limit, and a wait that the upstream names, is waited out for as long as the call
        lasts; any other failure that may pass is tried five times, from the first address on.
        """
        post = partial(self._post_for_token, options.fields)
        hop, hops = request, 0
        failures = limits = 0
        limit: UpstreamError | None = None  # the last answer that asked to wait
        renewed = False
        while True:
            label, host = self._label(hop), urlsplit(hop.url or "").netloc
            attempt = failures + limits + 1
            cool = self._cool.get(host, 0.0) - clock.monotonic()
            self._budget.sleep(cool, f"{host} has a rate limit", fields=options.fields)
            signed = hop
            if not options.for_token:
                signed = self._signer.sign(hop, post, auth=options.auth)
            limited, wait = False, None
            try:
                response = self._exchange(hop, signed, options, label, attempt)
            except DeadlineExceeded:
                if limit is None:
                    raise
                # No time is left, so this raises: a broken connection does not hide the limit.
                self._budget.sleep(waits.backoff(limits), limit.why)
                raise
            except TransportError as lost:
                again = options.retry and lost.retryable
                error = UpstreamError(
                    f"{label} got no complete response (attempt {attempt}): {lost.why}"
                )
            else:
                if options.redirects(response):
                    hops += 1
                    if hops > REDIRECTS:
                        raise UpstreamError(
                            f"{self._label(request)} redirects more than {REDIRECTS} times: "
                            "write the final address into base_url or the path"
                        )
                    hop = self._redirected(hop, response, auth=options.auth)
                    continue
                if not self._base.is_guest(hop.url or ""):
                    traffic.observe_response(response)
                status = response.status_code
                limited = waits.is_rate_limit(response)
                # A 403 that is a rate limit is no answer, also for those who expect a 403.
                if 200 <= status < 300 or (
                    status in options.ok and not (limited and status == 403)
                ):
                    return response
                if status == 401 and options.auth and not renewed and self._signer.renew(signed):
                    renewed = True
                    continue
                again = limited or status == 503 or (options.retry and waits.may_pass(status))
                wait, limit = waits.asked(response, limited=limited), None
                error = self._refusal(response, options, label, limited=limited)
            if not again:
                raise error
            patient = limited or wait is not None
            if patient:
                limits, limit = limits + 1, error
                # A wait that is named again and again is too short.
                if wait is None or limits > ATTEMPTS:
                    wait = max(wait or 0.0, waits.backoff(limits))
            else:
                failures += 1
                if failures == ATTEMPTS:
                    raise error
                wait = waits.backoff(failures)
            if limited:
                self._cool[host] = max(self._cool.get(host, 0.0), clock.monotonic() + wait)
            why = error.why if wait < self._budget.remaining() else (limit or error).why
            self._budget.sleep(wait, why, asked=limit is not None, fields=options.fields)
            hop, hops = request, 0

    def _redirected(
        self, request: requests.PreparedRequest, response: Response, *, auth: bool
    ) -> requests.PreparedRequest:
        """The request that a redirect asks for."""
        location = response.headers["Location"].encode("latin-1", "replace")
        try:
            target = self._base.resolve(location.decode("utf-8", "replace"), request.url or "")
            hop = redirected(request, target, response.status_code)
            self._base.check(hop.url or "")
        except UpstreamError as error:
            error.why = f"{self._label(request)} redirects elsewhere: {error.why}"
            raise
        if auth:
            hop.url = self._signer.strip(hop.url or "")
        return hop

    def _exchange(
        self,
        request: requests.PreparedRequest,
        signed: requests.PreparedRequest,
        options: _Options,
        label: str,
        attempt: int,
    ) -> Response:
        """Send a signed request and read its response; a redirect's body is left unread."""
        seconds, began = self._budget.check(label), clock.monotonic()
        response: Response | None = None
        lost = TransportError("no response", retryable=True)
        try:
            received = self._send(signed, seconds)
            if options.redirects(received):
                received.close()
                body = b""
            else:
                body = transport.read_body(received, label, self._budget)
            response = Response.of(received, body, request, self._redactor)
        except ConnectorError:
            raise
        except (TransportError, *transport.BROKEN) as error:
            lost = TransportError.of(error)
        logger.info(
            line(
                "request",
                **options.fields,
                method=request.method,
                url=label.partition(" ")[2],
                status=response.status_code if response is not None else "failed",
                ms=round((clock.monotonic() - began) * 1000),
                attempt=attempt if attempt > 1 else None,
                error=None if response is not None else lost.kind,
                bytes=len(body) if response is not None else None,
            )
        )
        # Outside of the except: what is raised here must not drag the signed request along.
        if response is None:
            self._budget.check(label)
            raise lost
        return response

    def _post_for_token(
        self,
        fields: Mapping[str, Any],
        url: str,
        headers: Mapping[str, str],
        form: Mapping[str, Any],
    ) -> Response:
        """Send a request for an OAuth token, whose credentials are in headers or form."""
        request = draft("POST", url, headers=(headers,), data=form)
        self._signer.learn(headers.get("Authorization", ""))
        return self._answer(request, _Options(fields, for_token=True), Traffic())

    def _label(self, request: requests.PreparedRequest) -> str:
        """Method and URL; of an allowed host without its query, which may open a file."""
        url = request.url or ""
        return f"{request.method} {urls.without_query(url) if self._base.is_guest(url) else url}"

    def _refusal(
        self, response: Response, options: _Options, label: str, *, limited: bool
    ) -> UpstreamError:
        """The error for a response with a status that the step does not accept."""
        status = response.status_code
        why = f"{label} answered {status} {responses.get(status, '')}".rstrip()
        why += f": {self._quote(response)}"
        challenge = response.headers.get("WWW-Authenticate", "")
        if status in (401, 403) and challenge:
            why += f" (WWW-Authenticate: {self._redactor.shorten(challenge, _QUOTED)})"
        refused = status in (401, 403) and not limited and not options.for_token
        if refused and self._source.secrets and self._base.is_home(response.url):
            why += f" (check the secrets {', '.join(self._source.secrets)})"
        if status == 404 and options.is_link:
            why += (
                " (a relative link is resolved against the URL of the response that carried it, "
                "by RFC 3986; if this API's links are relative to something else, return whole "
                f'URLs as next_token, for example: "{self._base.root}/PREFIX" + link)'
            )
        elif status == 404 and options.fields.get("page") == 1:
            why += " (are base_url and the path right?)"
        return UpstreamError(why, status=status)

    def _quote(self, response: Response) -> str:
        """The start of the body; of JSON that is longer, of its message."""
        start = response.start(_QUOTED)
        body: Any = None
        if len(start) >= _QUOTED and start.startswith("{"):
            with suppress(msgspec.MsgspecError, UnicodeError, RecursionError, UpstreamError):
                body = response.json()
        for name in MESSAGES if isinstance(body, dict) else ():
            if body.get(name):
                message = body[name]
                text = message if isinstance(message, str) else codec.encode(message).decode()
                return self._redactor.shorten(text, _QUOTED)
        return start
