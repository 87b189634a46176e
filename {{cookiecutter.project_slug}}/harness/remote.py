# Owned by fivetran-azfn-template: updates replace this file.
"""A function behind a URL: started with `func start`, or deployed, in any language."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

import requests

from harness.errors import LostReply, UsageError
from harness.target import AZURE_SECONDS, Answer

_GAVE_UP = (502, 503, 504)  # a gateway's answers: what the function said is lost
_LOCAL = ("localhost", "127.0.0.1", "::1")


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
            if "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error):
                raise UsageError(
                    f"nothing answers at {self.url}",
                    todo="is the function started (func start), and the URL right?",
                ) from None
            raise LostReply("the connection broke before the reply was whole") from None
        except requests.RequestException as error:
            raise LostReply(f"the reply could not be read: {type(error).__name__}") from None
        seconds = time.monotonic() - began
        if response.status_code in _GAVE_UP:
            raise LostReply(f"HTTP {response.status_code} after {seconds:.1f} s: the reply is lost")
        if response.status_code == 401:
            raise UsageError(
                "HTTP 401: the function key is missing or wrong",
                todo="set FUNCTION_KEY to a key from the function's page in the Azure portal",
            )
        if response.status_code == 404 and not response.content.lstrip().startswith(b"{"):
            raise UsageError(
                f"HTTP 404: there is no function at {self.url}",
                todo="the URL is https://<function app>.azurewebsites.net/api/<function>, "
                "and the function must take POST",
            )
        kind = response.headers.get("Content-Type", "")
        return Answer(response.status_code, kind, response.content, seconds)


def split_key(url: str) -> tuple[str, str | None]:
    """The URL without the function key that its query may carry, and that key.

    Raises:
        UsageError: The URL is not https (nor on this machine) or names no function.
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
    if parts.scheme == "http" and host not in _LOCAL:
        raise UsageError(
            f"--url sends secrets to {host} in clear text", todo="write https:// instead of http://"
        )
    if not parts.path.strip("/"):
        raise UsageError(
            f"--url names the host {host} alone",
            todo=f"write --url {url.rstrip('/')}/api/<function>",
        )
    query = "&".join(part for part in parts.query.split("&") if not part.startswith("code="))
    code = parse_qs(parts.query).get("code", [None])[0]
    return parts._replace(query=query, fragment="").geturl(), code


def is_local(url: str) -> bool:
    """Whether the URL is on this machine, where `func start` checks no key."""
    return urlsplit(url).hostname in _LOCAL
