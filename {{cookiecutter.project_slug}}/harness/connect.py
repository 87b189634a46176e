"""The deployed function as a connection at Fivetran, by its REST API.

Source: Fivetran's REST API reference, "Connections" and "Azure Functions API Configuration".
"""

from __future__ import annotations

import base64
import os
import re
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
import typer

from harness.codec import decode, encode
from harness.command import Work
from harness.errors import HarnessError, UsageError
from harness.project import Connection
from harness.redact import MASK
from harness.target.http import is_local
from harness.target.local import FunctionTarget

URL = "https://api.fivetran.com"
_SECONDS = 600  # setup tests call the function, twice where it reports an error
_AZURE = ".azurewebsites.net"
_APP = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_ROUTE = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_ID = re.compile(r"[A-Za-z0-9_-]+")
_STYLES = {"PASSED": "green", "FAILED": "red", "JOB_FAILED": "red", "WARNING": "yellow"}
_ADVICE = {
    401: "set FIVETRAN_API_KEY and FIVETRAN_API_SECRET: Fivetran's dashboard, user name, API Key",
    403: "the API key's user may not do this: ask for the rights, or take another key",
    429: "wait a minute and run it again",
}


class SetupFailed(HarnessError):
    """A setup test failed at Fivetran."""

    exit_code = 1


class Fivetran:
    """Fivetran's REST API, with the key in the environment.

    Args:
        work: Learns what must not be printed.

    Raises:
        UsageError: No key is set, or FIVETRAN_API_URL would get it in clear text.
    """

    def __init__(self, work: Work, *secrets: str) -> None:
        names = ("FIVETRAN_API_KEY", "FIVETRAN_API_SECRET")
        if missing := [name for name in names if not os.environ.get(name)]:
            raise UsageError(
                f"{' and '.join(missing)} must be set in the environment", _ADVICE[401]
            )
        key, secret = (os.environ[name].encode() for name in names)
        basic = base64.b64encode(key + b":" + secret).decode("ascii")
        work.hide(*secrets, key.decode(), secret.decode(), basic)
        self._headers = {
            "Accept": "application/json;version=2",
            "Content-Type": "application/json",
            "Authorization": f"Basic {basic}",
        }
        self._url = api_url()

    def create(self, body: Mapping[str, Any]) -> str:
        """Create a connection; its id."""
        return str(self._send("POST", "", body, "id"))

    def test(self, connection: str) -> list[dict[str, Any]]:
        """Run the setup tests of a connection, which may take minutes."""
        tests = self._send("POST", f"/{connection}/test", {}, "setup_tests")
        return [test for test in tests if isinstance(test, dict)] if tests else []

    def state(self, connection: str) -> Any:
        """The state that the connection sends with its next call."""
        return self._send("GET", f"/{connection}/state", None, "state")

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None, part: str) -> Any:
        """One request; the entry `part` of its response's `data`."""
        what = f"{method} /v1/connections{path}"
        try:
            response = requests.request(
                method,
                f"{self._url}/v1/connections{path}",
                data=None if body is None else encode(body),
                headers=self._headers,
                timeout=(10, _SECONDS),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            changed = "look in Fivetran's dashboard whether it was done all the same"
            raise UsageError(
                f"{what}: no response from {self._url} ({type(error).__name__})",
                "check the network" if method == "GET" else changed,
            ) from None
        try:
            content = decode(response.content)
        except ValueError:
            content = {}
        content = content if isinstance(content, dict) else {}
        if response.status_code // 100 != 2:
            why = ": ".join(str(content[n]) for n in ("code", "message") if content.get(n))
            raise UsageError(
                f"{what}: Fivetran answers HTTP {response.status_code}{why and f', {why}'}",
                _ADVICE.get(response.status_code, ""),
            )
        data = content.get("data")
        if not isinstance(data, dict) or part not in data:
            raise UsageError(f"{what}: Fivetran's response has no data.{part}")
        return data[part]


def create(work: Work, group: str, app: str, function: str, key: str, *, send: bool) -> None:
    """Print the request that creates a paused connection, or send it and run the setup tests.

    Args:
        work: Of the command.
        group: Id of the destination's group.
        app: The function app's name, without .azurewebsites.net.
        function: The function's name, "" for the one of this folder.
        key: Function key, "" to ask for it.
        send: Whether to send it.

    Raises:
        SetupFailed: A setup test failed; the connection is there.
        UsageError: An option is wrong, or Fivetran refuses.
    """
    if not group:
        raise UsageError(
            "--group is missing: the id of the destination's group",
            "copy it from the destination's page in Fivetran's dashboard",
        )
    if not _APP.fullmatch(app) or app.lower().endswith(_AZURE):
        raise UsageError(
            f"--app must be the function app's name: the part of its URL before {_AZURE}",
            "write --app acme-connector",
        )
    function = function or _route(work)
    if not send:
        body = _body(work.connection, group, app, function, MASK)
        for pair in body["config"]["secrets_list"]:
            pair["value"] = MASK
        work.hide(key)
        _print(work, "", body)
        _warn(work)
        return
    if not key:
        if not sys.stdin.isatty():
            raise UsageError("the function key is missing", "set FUNCTION_KEY")
        key = typer.prompt("Function key", hide_input=True)
    fivetran = Fivetran(work, key)
    _warn(work)
    connection = fivetran.create(_body(work.connection, group, app, function, key))
    work.console.say(f"created connection {connection} in group {group}, paused")
    _test(work, fivetran, connection)
    work.console.say("start it in Fivetran's dashboard", "dim")


def look(work: Work, connection: str, *, state: bool, send: bool) -> None:
    """Read the state of a connection, or run its setup tests.

    Raises:
        SetupFailed: A setup test failed.
        UsageError: The id is wrong, or Fivetran refuses.
    """
    if not _ID.fullmatch(connection):
        raise UsageError(
            "a connection's id has letters, digits, _ and - only",
            "copy it from the Setup tab of the connection in Fivetran's dashboard",
        )
    if state:
        found = Fivetran(work).state(connection)
        work.console.state(found, f"state of {connection}", whole=True)
        work.result |= {"id": connection, "state": found}
    elif send:
        _test(work, Fivetran(work), connection)
    else:
        _print(work, f"/{connection}/test", {})


def api_url() -> str:
    """Where the API is: FIVETRAN_API_URL, or Fivetran's."""
    url = os.environ.get("FIVETRAN_API_URL", URL)
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise UsageError(
            "FIVETRAN_API_URL has a user name or a password in it",
            "set FIVETRAN_API_KEY and FIVETRAN_API_SECRET instead",
        )
    local = parts.scheme == "http" and is_local(url)
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise UsageError(
            "FIVETRAN_API_URL must begin with https:// (http:// for localhost only)",
            f"leave it unset for {URL}",
        )
    return url.rstrip("/")


def _body(connection: Connection, group: str, app: str, function: str, key: str) -> dict[str, Any]:
    """The body of `POST /v1/connections`. Empty secrets are left out: they are app settings."""
    return {
        "service": "azure_function",
        "group_id": group,
        "paused": True,
        "run_setup_tests": False,
        "destination_schema_names": "FIVETRAN_NAMING",
        "config": {
            "schema": connection.schema,
            "function_app": app,
            "function_name": function,
            "function_key": key,
            "connection_method": "DIRECT",
            "secrets_list": _pairs(connection.secrets),
            "custom_payloads": _pairs(connection.payload),
        },
    }


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": name, "value": value} for name, value in values.items() if value]


def _route(work: Work) -> str:
    local = work.project.settings()
    settings = {name: value for name, value in local.items() if name not in os.environ}
    with work.console.printed():
        route = FunctionTarget(work.project.folder, settings).route
    if not _ROUTE.fullmatch(route):
        raise UsageError(
            f"the function's route is {route}: Fivetran calls /api/<function name>",
            "write the function's name as route in function_app.py",
        )
    return route


def _print(work: Work, path: str, body: dict[str, Any]) -> None:
    """Print a request that would be sent, without its secrets."""
    url = f"{api_url()}/v1/connections{path}"
    text = work.console.redactor.text(msgspec.json.format(encode(body), indent=2).decode("utf-8"))
    work.console.say(f"POST {url}", "bold")
    work.console.say(text)
    work.console.say("nothing was sent: --send does", "dim")
    work.result |= {"method": "POST", "url": url, "body": decode(text)}


def _test(work: Work, fivetran: Fivetran, connection: str) -> None:
    work.result["id"] = connection
    work.console.say("Fivetran runs the setup tests …", "dim")
    tests = fivetran.test(connection)
    names = ("title", "status", "message")
    work.result["setup_tests"] = [{name: test.get(name) for name in names} for test in tests]
    failed = []
    for test in tests:
        status, title, message = test.get("status"), test.get("title"), test.get("message")
        line = f"{status or '?':<10} {title}" + (f": {message}" if message else "")
        work.console.say(line, _STYLES.get(str(status), ""))
        if status in ("FAILED", "JOB_FAILED"):
            failed.append(str(title))
    if failed:
        raise SetupFailed(
            f"{', '.join(failed)} failed at Fivetran; connection {connection} is there",
            f"fix it, and run `python -m harness connect --id {connection} --send`",
        )
    if not tests:
        work.console.warn("Fivetran names no setup test")


def _warn(work: Work) -> None:
    """Say what the request leaves out."""
    connection = work.connection
    if empty := [name for name, value in connection.secrets.items() if not value]:
        work.result["left_out"] = empty
        work.console.warn(
            f"left out, since connection.json has no value: {', '.join(empty)}; "
            "the function needs it as an app setting"
        )
    if connection.blocked or connection.hashed:
        work.console.warn(
            "blocked and hashed columns are not part of the request: choose them in the "
            "connection's Schema tab at Fivetran"
        )
