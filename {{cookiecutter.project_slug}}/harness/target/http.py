"""A function behind a URL: started with `func start`, or deployed, in any language."""

from __future__ import annotations

import re
import time
from urllib.parse import parse_qs, urlsplit

import requests

from harness.errors import UsageError
from harness.protocol.messages import AZURE_SECONDS, Answer

_LOCAL = ("localhost", "127.0.0.1", "::1")
_GATEWAY = (502, 503, 504)  # a gateway answers them: what the function said is lost
_TLS = re.compile(r"\[SSL: ?[A-Z0-9_]*\] (.*?)(?: \(_ssl|['\")])")
_NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")


class HttpTarget:
    """A function behind a URL, in any language.

    Args:
        url: The function's URL, https unless it is on this machine; `?code=` is taken as the key.
        key: The function key, sent as `x-functions-key`.

    Raises:
        UsageError: The URL cannot be called.
    """

    def __init__(self, url: str, key: str = "") -> None:
        self.name, code = split_key(url)
        self._session = requests.Session()
        self._session.auth = lambda request: request  # none, so that .netrc adds no credentials
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key or code:
            self._headers["x-functions-key"] = key or code

    def call(self, body: bytes) -> Answer:
        """POST one request; waits ten seconds longer than Azure lets a call run."""
        began = time.monotonic()

        def lost(why: str) -> Answer:
            return Answer(0, "", b"", time.monotonic() - began, lost=True, why=why)

        try:
            response = self._session.post(
                self.name,
                data=body,
                headers=self._headers,
                timeout=(10, AZURE_SECONDS + 10),
                allow_redirects=False,
            )
        except requests.Timeout:
            return lost(f"no reply from {self.name} within {time.monotonic() - began:.0f} s")
        except requests.RequestException as error:
            return lost(self._broken(error))
        if response.status_code in _GATEWAY:
            return lost(
                f"HTTP {response.status_code}: a gateway answered in the function's place; the "
                "function app may be starting, stopped or broken, its logs tell which"
            )
        if response.status_code == 429:
            return lost("HTTP 429: a gateway before the function refuses so many calls")
        if response.is_redirect:
            place = response.headers["Location"].partition("?")[0]
            raise UsageError(
                f"HTTP {response.status_code}: {self.name} redirects to {place}, and Fivetran "
                "follows no redirect of a POST",
                "name that URL with --url; if it is a login page, switch off authentication in "
                "front of the function: the function key protects it",
            )
        content_type = response.headers.get("Content-Type", "")
        seconds = time.monotonic() - began
        return Answer(response.status_code, content_type, response.content, seconds)

    def _broken(self, error: requests.RequestException) -> str:
        """Why no reply came, in words; raises where trying again cannot help."""
        why = repr(error)
        if isinstance(error, requests.exceptions.SSLError) and "EOF occurred" not in why:
            if any(sign in why for sign in _NOT_TLS):
                raise UsageError(
                    f"{self.name}: that port does not speak https",
                    f"write --url {self.name.replace('https:', 'http:', 1)}",
                )
            found = _TLS.search(why)
            raise UsageError(
                f"no TLS connection to {self.name}: {found[1] if found else 'handshake failed'}",
                "the certificate must be valid for the host and known to this machine; for a "
                "private CA, set REQUESTS_CA_BUNDLE to its file",
            )
        if "NameResolutionError" in why:
            raise UsageError(f"the host of {self.name} has no address", "is the name right?")
        if "NewConnectionError" in why:
            refused = "refused" in why
            return f"{self.name}: {'connection refused' if refused else 'no connection'}"
        return f"{self.name}: the connection broke before the reply was complete"


def split_key(url: str) -> tuple[str, str]:
    """The URL without the function key that its query may hold, and that key.

    Raises:
        UsageError: It is not https (nor on this machine), or holds a user name or password.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("https", "http"):
        raise UsageError(
            "--url is not a URL", "write --url https://APP.azurewebsites.net/api/FUNCTION"
        )
    if "@" in parts.netloc:
        raise UsageError(
            "--url holds a user name or a password, which Fivetran cannot send",
            f"write --url {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}",
        )
    if parts.scheme == "http" and host not in _LOCAL:
        raise UsageError(
            f"--url would send secrets to {host} unencrypted", "write https:// instead of http://"
        )
    if host.endswith(".azurewebsites.net") and not parts.path.strip("/"):
        raise UsageError(
            f"--url names the host {host} without a function",
            f"write --url https://{host}/api/FUNCTION",
        )
    query = "&".join(part for part in parts.query.split("&") if not part.startswith("code="))
    code = parse_qs(parts.query).get("code", [""])[0]
    return parts._replace(query=query, fragment="").geturl(), code


def is_local(url: str) -> bool:
    """Whether the URL is on this machine, where `func start` checks no key."""
    return urlsplit(url).hostname in _LOCAL
