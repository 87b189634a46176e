# Owned by fivetran-azfn-template: updates replace this file.
"""Fivetran's REST API as far as a function connection needs it; it must not print anything.

Source: Fivetran's REST API reference, "Connections".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import HTTPBasicAuth

from harness.errors import UsageError
from harness.protocol import decode, encode
from harness.remote import is_local

URL = "https://api.fivetran.com"
FAILED = ("FAILED", "JOB_FAILED")  # of PASSED, SKIPPED, WARNING, FAILED, JOB_FAILED
_TEST_SECONDS = 600  # setup tests call the function, twice where it reports an error
_ID = re.compile(r"[A-Za-z0-9_-]+")
_REMEDIES = {
    401: "set FIVETRAN_API_KEY and FIVETRAN_API_SECRET: Fivetran's dashboard, user name, API Key",
    403: "the API key's user may not do this: ask for the rights, or take another key",
    409: "a sync is running: wait until it is over",
    429: "wait a minute and run it again",
}


@dataclass(frozen=True)
class Test:
    """One of a connection's setup tests.

    Attributes:
        title: What was tested.
        status: `PASSED`, `SKIPPED`, `WARNING`, `FAILED` or `JOB_FAILED`.
        message: Why, "" where nothing is to be said.
    """

    title: str
    status: str
    message: str


class Fivetran:
    """The API, for one key.

    Args:
        key: API key.
        secret: Its secret.
        url: Where the API is; https, unless it is on this machine.

    Raises:
        UsageError: The URL would send the key in clear text.
    """

    def __init__(self, key: str, secret: str, url: str = URL) -> None:
        self.url = checked(url)
        self._auth = HTTPBasicAuth(key.encode("utf-8"), secret.encode("utf-8"))

    def __repr__(self) -> str:
        return f"<Fivetran {self.url}>"

    def create(self, body: Mapping[str, Any]) -> str:
        """Create a connection; its id."""
        return str(self._send("POST", "", body, part="id"))

    def test(self, connection: str) -> list[Test]:
        """Run the setup tests of a connection, which may take minutes."""
        tests = self._send("POST", f"/{checked_id(connection)}/test", {}, part="setup_tests")
        return [
            Test(str(test.get("title")), str(test.get("status")), str(test.get("message") or ""))
            for test in tests
        ]

    def state(self, connection: str) -> dict[str, Any]:
        """The state that the connection sends with its next call."""
        state: dict[str, Any] = self._send(
            "GET", f"/{checked_id(connection)}/state", None, part="state"
        )
        return state

    def set_state(self, connection: str, state: Mapping[str, Any]) -> None:
        """Replace the state of a paused connection."""
        self._send("PATCH", f"/{checked_id(connection)}/state", {"state": state}, part=None)

    def paused(self, connection: str) -> bool:
        """Whether the connection is paused."""
        return bool(self._send("GET", f"/{checked_id(connection)}", None, part="paused"))

    def pause(self, connection: str, paused: bool) -> None:
        """Pause the connection, or let it go on."""
        self._send("PATCH", f"/{checked_id(connection)}", {"paused": paused}, part=None)

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, *, part: str | None
    ) -> Any:
        """One request.

        Args:
            method: Its method.
            path: Behind `/v1/connections`.
            body: What is sent, None for nothing.
            part: The entry of the reply's `data` that is wanted, None for none.

        Raises:
            UsageError: Fivetran cannot be reached, refuses, or answers without that entry.
        """
        what = f"{method} /v1/connections{path}"
        try:
            response = requests.request(
                method,
                f"{self.url}/v1/connections{path}",
                data=None if body is None else encode(body),
                headers={
                    "Accept": "application/json;version=2",
                    "Content-Type": "application/json",
                },
                auth=self._auth,
                timeout=(10, _TEST_SECONDS),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise UsageError(
                f"{what}: no answer from {self.url} ({type(error).__name__})",
                todo="look in Fivetran's dashboard whether it was done all the same"
                if method != "GET"
                else "is the network there?",
            ) from None
        answer = _decoded(response.content)
        if not response.ok or response.is_redirect:
            told = ": ".join(filter(None, (answer.get("code"), answer.get("message"))))
            raise UsageError(
                f"{what}: Fivetran answers HTTP {response.status_code}"
                + (f", {told}" if told else ""),
                todo=_REMEDIES.get(response.status_code),
            )
        data = answer.get("data")
        if part is None:
            return None
        if not isinstance(data, dict) or part not in data:
            raise UsageError(f"{what}: Fivetran's answer has no data.{part}")
        return data[part]


def checked(url: str) -> str:
    """The API's URL without a slash at the end.

    Raises:
        UsageError: It is not https, nor on this machine.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise UsageError(
            "FIVETRAN_API_URL holds a user name or a password",
            todo="set FIVETRAN_API_KEY and FIVETRAN_API_SECRET instead",
        )
    if not parts.hostname or not (
        parts.scheme == "https" or (parts.scheme == "http" and is_local(url))
    ):
        raise UsageError(
            "FIVETRAN_API_URL must begin with https:// (http:// for localhost only)",
            todo=f"leave it unset for {URL}",
        )
    return url.rstrip("/")


def checked_id(connection: str) -> str:
    """A connection's id, fit for a path.

    Raises:
        UsageError: It is none.
    """
    if not _ID.fullmatch(connection):
        raise UsageError(
            "a connection's id has letters, digits, _ and - only",
            todo="copy it from the Setup tab of the connection in Fivetran's dashboard",
        )
    return connection


def _decoded(content: bytes) -> dict[str, Any]:
    try:
        answer = decode(content)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
