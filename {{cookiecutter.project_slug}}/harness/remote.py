# Owned by fivetran-azfn-template: updates replace this file.
"""A function behind a URL: started with `func start`, or deployed, in any language."""

from __future__ import annotations

import re
import time
from urllib.parse import parse_qs, urlsplit

import requests

from harness.errors import HarnessError, LostReply, UsageError
from harness.target import AZURE_SECONDS, SLOW_SECONDS, Answer

_GAVE_UP = (502, 503, 504)  # a gateway's answers: what the function said is lost
_LOCAL = ("localhost", "127.0.0.1", "::1")
_TLS = re.compile(r"\[SSL: ?[A-Z_]*\] (.*?)(?: \(_ssl|['\")])")
_DIED = (
    "the function's process may have died while it answered, or a proxy has cut the reply: the "
    "function's logs say which"
)
_NOT_THERE = (
    "the function app is starting, stopped or broken: its page in the Azure portal and its logs "
    "say which; a function that takes too long is cut off later than that"
)


class HttpTarget:
    """A function behind a URL, in any language.

    Args:
        url: The function's URL, https unless it is on this machine; `?code=` is taken as the key.
        key: The function key, sent as `x-functions-key`.

    Raises:
        UsageError: The URL is none that can be called.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url, code = split_key(url)
        self._session = requests.Session()
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key or code:
            self._headers["x-functions-key"] = str(key or code)
        self.name = self.url

    def __repr__(self) -> str:
        return f"<HttpTarget {self.url}>"

    def call(self, body: bytes) -> Answer:
        """POST one request; waits ten seconds longer than Azure lets a call run."""
        began = time.monotonic()
        try:
            response = self._session.post(
                self.url,
                data=body,
                headers=self._headers,
                timeout=(10, AZURE_SECONDS + 10),
                allow_redirects=False,
            )
        except requests.Timeout:
            raise LostReply(f"no reply within {time.monotonic() - began:.0f} s") from None
        except requests.ConnectionError as error:
            raise self._broken(error) from None
        except requests.RequestException as error:
            raise LostReply(
                f"the reply could not be read to its end: {type(error).__name__}", todo=_DIED
            ) from None
        seconds = time.monotonic() - began
        self._check(response, seconds)
        kind = response.headers.get("Content-Type", "")
        return Answer(response.status_code, kind, response.content, seconds)

    def _broken(self, error: requests.ConnectionError) -> HarnessError:
        why = repr(error)
        if "NewConnectionError" in why or "NameResolutionError" in why:
            return UsageError(
                f"nothing answers at {self.url}",
                todo="is the function started (func start), and the URL right?",
            )
        if isinstance(error, requests.exceptions.SSLError) and "EOF occurred" not in why:
            found = _TLS.search(why)
            return UsageError(
                f"no TLS connection to {self.url}: {found[1] if found else 'the handshake failed'}",
                todo="a certificate must be valid for the host and known to this machine: for one "
                "of a private CA set REQUESTS_CA_BUNDLE to the CA's file; what func start serves "
                "on this machine is http://",
            )
        return LostReply("the connection broke before the reply was whole", todo=_DIED)

    def _check(self, response: requests.Response, seconds: float) -> None:
        """Raise for what comes from Azure or a gateway, and not from a function."""
        status = response.status_code
        if status in _GAVE_UP:
            raise LostReply(
                f"HTTP {status} after {seconds:.1f} s: the reply is lost",
                todo=None if seconds >= SLOW_SECONDS else _NOT_THERE,
            )
        if status == 429:
            raise LostReply(
                "HTTP 429: who stands before the function refuses so many calls",
                todo="wait a minute; Fivetran's calls come as often as these",
            )
        if response.is_redirect:
            place = response.headers["Location"].partition("?")[0]
            raise UsageError(
                f"HTTP {status}: {self.url} sends to {place}, and no redirect is followed",
                todo="name the place itself with --url; if it is a page to log in at, switch "
                "authentication off for the function app: the key is what protects it",
            )
        if status == 401 and "x-functions-key" in self._headers:
            raise UsageError(
                "HTTP 401: the function key that was given is wrong",
                todo="give one from the function's page in the Azure portal, with --key or in "
                "FUNCTION_KEY",
            )
        if status == 401:
            raise UsageError(
                "HTTP 401: the function key is missing",
                todo="set FUNCTION_KEY to a key from the function's page in the Azure portal",
            )
        if status == 404 and not response.content.lstrip().startswith(b"{"):
            raise UsageError(
                f"HTTP 404: there is no function at {self.url}",
                todo="the URL is https://<function app>.azurewebsites.net/api/<function>, "
                "and the function must take POST",
            )


def split_key(url: str) -> tuple[str, str | None]:
    """The URL without the function key that its query may carry, and that key.

    Raises:
        UsageError: The URL is not https (nor on this machine), names no function, or holds a
            user name or password, which would be shown and kept with it.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("https", "http"):
        raise UsageError(
            "--url is no URL", todo="write --url https://<app>.azurewebsites.net/api/<function>"
        )
    if "@" in parts.netloc:
        raise UsageError(
            "--url holds a user name or a password, which Fivetran cannot send",
            todo=f"write --url {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}",
        )
    if parts.scheme == "http" and host not in _LOCAL:
        raise UsageError(
            f"--url sends secrets to {host} in clear text", todo="write https:// instead of http://"
        )
    if not parts.path.strip("/"):
        raise UsageError(
            f"--url names the host {host} alone",
            todo=f"write --url {parts.scheme}://{parts.netloc}/api/<function>",
        )
    query = "&".join(part for part in parts.query.split("&") if not part.startswith("code="))
    code = parse_qs(parts.query).get("code", [None])[0]
    return parts._replace(query=query, fragment="").geturl(), code


def is_local(url: str) -> bool:
    """Whether the URL is on this machine, where `func start` checks no key."""
    return urlsplit(url).hostname in _LOCAL
