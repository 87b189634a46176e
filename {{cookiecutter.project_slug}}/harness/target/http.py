"""A function behind a URL: started with `func start`, or deployed, in any language."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

import requests

from harness.errors import UsageError
from harness.protocol.messages import AZURE_SECONDS, Answer

_LOCAL = ("localhost", "127.0.0.1", "::1")
_GATEWAYS = (429, 502, 503, 504)  # answered by a gateway in front of the function


class HttpTarget:
    """A function behind a URL, called with a function key if there is one."""

    def __init__(self, url: str, key: str) -> None:
        self.name = url
        self._session = requests.Session()
        self._session.auth = lambda request: request  # none, so that .netrc adds no credentials
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key:
            self._headers["x-functions-key"] = key

    def call(self, body: bytes) -> Answer:
        """POST one request; waits ten seconds longer than Azure lets a call run."""
        began, why = time.monotonic(), ""
        try:
            response = self._session.post(
                self.name,
                data=body,
                headers=self._headers,
                timeout=AZURE_SECONDS + 10,
                allow_redirects=False,
            )
            if response.status_code in _GATEWAYS:
                why = f"HTTP {response.status_code} from a gateway in front of the function"
        except requests.Timeout:
            why = "it took too long"
        except requests.RequestException as error:
            why = _innermost(error)
        seconds = time.monotonic() - began
        if why:
            why = f"no reply from {self.name}: {why}"
            return Answer(0, "", b"", seconds, lost=True, why=why)
        if response.is_redirect:
            raise UsageError(
                f"HTTP {response.status_code}: {self.name} redirects to "
                f"{response.headers['Location'].partition('?')[0]}, and Fivetran does not follow",
                "pass that URL to --url; if it is a login page, turn off authentication in front "
                "of the function: its key protects it",
            )
        content_type = response.headers.get("Content-Type", "")
        return Answer(response.status_code, content_type, response.content, seconds)


def _innermost(error: BaseException) -> str:
    """The message of the socket, TLS or name service, below those of requests and urllib3."""
    while isinstance(inner := getattr(error, "reason", None) or error.__context__, BaseException):
        error = inner
    return str(error) or repr(error)


def split_key(url: str) -> tuple[str, str]:
    """The URL without the function key in its query, and that key.

    Raises:
        UsageError: It is not https (nor on this machine), or has a user name or password.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("https", "http") or "@" in parts.netloc:
        raise UsageError(
            "--url is not the URL of a function",
            "write --url https://APP.azurewebsites.net/api/FUNCTION, without a user name",
        )
    if parts.scheme == "http" and host not in _LOCAL:
        raise UsageError(
            f"--url would send secrets to {host} unencrypted", "write https:// instead of http://"
        )
    query = "&".join(part for part in parts.query.split("&") if not part.startswith("code="))
    code = parse_qs(parts.query).get("code", [""])[0]
    return parts._replace(query=query, fragment="").geturl(), code


def is_local(url: str) -> bool:
    """Whether the URL is on this machine, where `func start` checks no key."""
    return urlsplit(url).hostname in _LOCAL
