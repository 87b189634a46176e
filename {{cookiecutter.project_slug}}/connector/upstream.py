# Owned by fivetran-azfn-template: updates replace this file.
"""The upstream over HTTP: origin, credentials, deadline and retries; it knows no entity's rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from connector import clock, codec, transport, urls, waits
from connector.auth import ApiKey, OAuth2ClientCredentials
from connector.errors import DeadlineExceeded, RateLimited, UpstreamError
from connector.log import line, logger
from connector.rows import Response
from connector.secrets import Redactor, Settings
from connector.source import Source

ATTEMPTS = 5
_LIMITED = (429, 503)
_FAILING = (500, 502, 504)
_REDIRECTS = (301, 302, 303, 307, 308)
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
        self._secrets = secrets
        self._redactor = redactor
        self._deadline = deadline
        self._send = send
        self._cool: dict[str, float] = {}
        self._base = urls.base_url(source, payload).rstrip("/")
        self._origin = urls.origin(self._base)

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
        place: Mapping[str, Any] | None = None,
    ) -> Response:
        """Send a request until it is answered; see `Fetch.request` for the arguments.

        Args:
            seen: Told of each request as it was before signing, its reply, and when (epoch seconds)
                it was sent and answered.
            place: Fields of the log lines (sync_id, entity, page).
        """
        request = self._prepare(method, path, params, headers, json, data)
        host = urlsplit(request.url or "").netloc
        renewed = False
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            self._wait(self._cool.get(host, 0.0) - clock.monotonic(), f"{host} asked to wait")
            sent = clock.now(), clock.monotonic()
            try:
                reply, body = self._follow(request, signed)
            except DeadlineExceeded:
                raise
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                self._note(request, place, "failed", sent[1], attempt, error=type(error).__name__)
                if last or not retry:
                    raise UpstreamError(
                        f"{_shown(request)} got no reply, {attempt} times: {_cause(error)}"
                    ) from None
                why = f"{_shown(request)} got no reply: {_cause(error)}"
                self._wait(waits.backoff(attempt), why, asked=False)
                continue
            status = reply.status_code
            self._note(request, place, status, sent[1], attempt, bytes=len(body))
            if seen is not None:
                seen(request, reply, sent[0], clock.now())
            if 200 <= status < 300 or status in ok:
                return Response.of(reply, body, request, self._redactor.redact)
            limited = status in _LIMITED or waits.exhausted(reply)
            if status == 401 and signed and not renewed and self._renew():
                renewed = True
                continue
            if not limited and not (retry and status in _FAILING):
                raise self._refused(request, reply, body)
            wait = waits.retry_after(reply)
            if wait is not None and status != 503:
                self._cool[host] = max(self._cool.get(host, 0.0), clock.monotonic() + wait)
            if last:
                raise self._refused(request, reply, body)
            self._wait(
                waits.backoff(attempt) if wait is None else wait,
                f"{_shown(request)} answered {status}",
                asked=wait is not None,
            )
        raise AssertionError("unreachable")

    def _prepare(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        json: Any,
        data: Any,
    ) -> requests.PreparedRequest:
        url = path if path.startswith(("http://", "https://")) else self._base + urls.below(path)
        if isinstance(self._source.auth, ApiKey):
            url = self._source.auth.strip(url)
        everything = {**transport.HEADERS, **self._source.headers, **(headers or {})}
        if json is not None:
            data = codec.encode(codec.plain(json))
            everything.setdefault("Content-Type", "application/json")
        pairs = {name: urls.param(value) for name, value in (params or {}).items()}
        try:
            request = requests.Request(
                method.upper(), url, headers=everything, params=pairs, data=data
            ).prepare()
        except (requests.RequestException, ValueError) as error:
            raise UpstreamError(
                f"{method} {path} is no request that can be sent: {error}"
            ) from None
        self._credible(request.url or "")
        return request

    def _credible(self, url: str) -> bool:
        """Whether credentials may go to the URL; one of a strange host is refused."""
        if urls.origin(url) == self._origin:
            return True
        parts = urlsplit(url)
        if (parts.hostname or "").lower() in self._source.allowed_hosts:
            return False
        raise UpstreamError(
            f"{url.partition('?')[0]} is not of {self._base}, where the credentials belong: "
            "if records are to be read there, without credentials, name its host in "
            f'Source(allowed_hosts=["{parts.hostname}"])'
        )

    def _follow(
        self, request: requests.PreparedRequest, signed: bool
    ) -> tuple[requests.Response, bytes]:
        """Send, and follow redirects; each hop is signed only where credentials belong."""
        for _ in range(6):
            hop = request.copy()
            if signed and self._credible(hop.url or ""):
                self._sign(hop)
            left = self._left(request)
            reply = self._send(hop, left)
            if reply.status_code not in _REDIRECTS or "location" not in reply.headers:
                return reply, transport.body(reply, partial(self._left, request))
            reply.close()
            request = request.copy()
            request.prepare_url(urljoin(request.url or "", reply.headers["location"]), {})
            self._credible(request.url or "")
            if reply.status_code == 303 or (reply.status_code < 303 and request.method == "POST"):
                request.prepare_method("GET")
                request.body = None
                for name in ("Content-Length", "Content-Type", "Transfer-Encoding"):
                    request.headers.pop(name, None)
        raise UpstreamError(f"{_shown(request)} redirects again and again, more than 5 times")

    def _sign(self, request: requests.PreparedRequest) -> None:
        auth = self._source.auth
        if auth is None:
            return
        before, url = dict(request.headers), request.url or ""
        if isinstance(auth, OAuth2ClientCredentials):
            from connector import oauth

            token = oauth.token(auth, self._secrets, self._token_url(auth), self._left(request))
            self._redactor.add(token)
            request.headers["Authorization"] = f"Bearer {token}"
        else:
            auth(request, self._secrets)
        for name, value in request.headers.items():
            if before.get(name) != value:
                text = value if isinstance(value, str) else value.decode("latin-1")
                self._redactor.add(text, text.rpartition(" ")[2])
        known = set(urlsplit(url).query.split("&"))
        for pair in set(urlsplit(request.url or "").query.split("&")) - known:
            self._redactor.add(pair.partition("=")[2])

    def _token_url(self, auth: OAuth2ClientCredentials) -> str:
        path = auth.token_url
        return path if path.startswith(("http://", "https://")) else self._base + urls.below(path)

    def _renew(self) -> bool:
        """Forget an OAuth token that was refused; whether there is another to be had."""
        auth = self._source.auth
        if not isinstance(auth, OAuth2ClientCredentials):
            return False
        from connector import oauth

        return oauth.forget(auth, self._secrets, self._token_url(auth))

    def _left(self, request: requests.PreparedRequest) -> float:
        left = self._deadline - clock.monotonic()
        if left <= 0:
            raise DeadlineExceeded(
                f"{_shown(request)} was not answered in the time of one call: "
                "ask for smaller pages (page_size=)"
            )
        return left

    def _wait(self, seconds: float, why: str, *, asked: bool = True) -> None:
        if seconds <= 0:
            return
        if seconds >= self._deadline - clock.monotonic():
            if asked:
                raise RateLimited(seconds, f"{why}, to be asked again in {seconds:.0f} s")
            raise DeadlineExceeded(f"{why}, and the time of this call is over")
        clock.sleep(seconds)

    def _refused(
        self, request: requests.PreparedRequest, reply: requests.Response, body: bytes
    ) -> UpstreamError:
        status = reply.status_code
        said = self._redactor.redact(body[: 64 * 1024].decode("utf-8", "replace")).strip()[:_SHOWN]
        why = f"{_shown(request)} answered {status} {_phrase(status)}: {said or 'an empty body'}"
        if status in (401, 403) and self._source.secrets:
            why += f" (check the secrets {', '.join(self._source.secrets)})"
        return UpstreamError(why, status=status)

    def _note(
        self,
        request: requests.PreparedRequest,
        place: Mapping[str, Any] | None,
        status: Any,
        since: float,
        attempt: int,
        **fields: Any,
    ) -> None:
        logger.info(
            line(
                "request",
                **(place or {}),
                method=request.method,
                url=self._redactor.redact(request.url or ""),
                status=status,
                ms=round((clock.monotonic() - since) * 1000),
                attempt=attempt if attempt > 1 else None,
                **fields,
            )
        )


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _shown(request: requests.PreparedRequest) -> str:
    return f"{request.method} {request.url}"


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None or (
        isinstance(error.args[:1], tuple)
        and error.args
        and (isinstance(error.args[0], BaseException))
    ):
        error = error.__cause__ or error.args[0]
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        error = reason
    return f"{type(error).__name__}: {error}"
