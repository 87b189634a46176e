"""Creates a connection for the deployed function through Fivetran's REST API.

Source: Fivetran's REST API reference, "Connections" and "Azure Functions API Configuration".
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import Any

import msgspec
import requests
import typer

from harness.codec import decode, encode
from harness.command import Work
from harness.errors import HarnessError, UsageError
from harness.redact import MASK
from harness.target.local import FunctionTarget

URL = "https://api.fivetran.com/v1/connections"
_SECONDS = 600  # setup tests call the function, twice if it reports an error
_WHERE = (
    "create a key in Fivetran's dashboard (user name, API Key), and set FIVETRAN_API_KEY and "
    "FIVETRAN_API_SECRET"
)
_AZURE = ".azurewebsites.net"
_STYLES = {"PASSED": "green", "FAILED": "red", "JOB_FAILED": "red", "WARNING": "yellow"}


class SetupFailed(HarnessError):
    """A setup test failed at Fivetran."""

    exit_code = 1


def create(work: Work, group: str, app: str, function: str, key: str, *, send: bool) -> None:
    """Print the request that creates a paused connection, or send it and run the setup tests.

    Without `function` it is the one of this folder; without `key` it is asked for.

    Raises:
        SetupFailed: A setup test failed; the connection is there.
        UsageError: An option is wrong, or Fivetran refuses.
    """
    if not group:
        raise UsageError(
            "--group is missing: the id of the destination's group",
            "copy it from the destination's page in Fivetran's dashboard",
        )
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9.-]*", app) or app.lower().endswith(_AZURE):
        raise UsageError(
            f"--app must be the function app's name: the part of its URL before {_AZURE}",
            "write --app acme-connector",
        )
    function = function or _route(work)
    if send and not key:
        if not sys.stdin.isatty():
            raise UsageError("the function key is missing", "set FUNCTION_KEY")
        key = typer.prompt("Function key", hide_input=True)
    connection, secrets = work.connection, work.connection.secrets
    body = {
        "service": "azure_function",
        "group_id": group,
        "paused": True,
        "run_setup_tests": False,
        "destination_schema_names": "FIVETRAN_NAMING",
        "config": {
            "schema": connection.schema,
            "function_app": app,
            "function_name": function,
            "function_key": key if send else MASK,
            "connection_method": "DIRECT",
            "secrets_list": _pairs({n: v and (v if send else MASK) for n, v in secrets.items()}),
            "custom_payloads": _pairs(connection.payload),
        },
    }
    work.hide(key, *(_login() if send else ()))
    if empty := [name for name, value in secrets.items() if not value]:
        work.console.warn(
            f"not sent, because connection.json has no value: {', '.join(empty)}; "
            "the function must have it as an app setting"
        )
    if connection.blocked or connection.hashed:
        work.console.warn(
            "blocked and hashed columns are not sent: set them in the connection's Schema tab in "
            "Fivetran"
        )
    if not send:
        work.result |= {"method": "POST", "url": URL, "body": body}
        work.console.say(f"POST {URL}", "bold")
        work.console.say(msgspec.json.format(encode(body), indent=2).decode("utf-8"))
        work.console.say("nothing was sent; add --send to create the connection", "dim")
        return
    new = str(_ask("POST", "", body, "id"))
    work.console.say(f"created connection {new} in group {group}, paused")
    _test(work, new)
    work.console.say("start it in Fivetran's dashboard", "dim")


def look(work: Work, connection: str, *, state: bool) -> None:
    """Run the setup tests of a connection, or show the state that it sends with its next call.

    Raises:
        SetupFailed: A setup test failed.
        UsageError: The id is wrong, or Fivetran refuses.
    """
    if not re.fullmatch("[A-Za-z0-9_-]+", connection):
        raise UsageError(
            "a connection's id has letters, digits, _ and - only",
            "copy it from the Setup tab of the connection in Fivetran's dashboard",
        )
    work.hide(*_login())
    if not state:
        _test(work, connection)
        return
    found = _ask("GET", f"/{connection}/state", None, "state")
    work.console.state(found, f"state of {connection}", whole=True)
    work.result |= {"id": connection, "state": found}


def _test(work: Work, connection: str) -> None:
    """Run the setup tests of a connection, which may take minutes."""
    work.result["id"] = connection
    work.console.say("Fivetran runs the setup tests …", "dim")
    tests = _ask("POST", f"/{connection}/test", {}, "setup_tests") or []
    work.result["setup_tests"] = tests
    for each in tests:
        status, message = str(each.get("status")), each.get("message")
        line = f"{status:<10} {each.get('title')}" + (f": {message}" if message else "")
        work.console.say(line, _STYLES.get(status, ""))
    if failed := [each.get("title") for each in tests if "FAILED" in str(each.get("status"))]:
        raise SetupFailed(
            f"{', '.join(map(str, failed))} failed at Fivetran; connection {connection} exists",
            f"fix it, and run `python -m harness connect --id {connection}`",
        )
    if not tests:
        work.console.warn("Fivetran ran no setup test")


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": name, "value": value} for name, value in values.items() if value]


def _route(work: Work) -> str:
    local = work.project.settings()
    settings = {name: value for name, value in local.items() if name not in os.environ}
    with work.console.printed():
        route = FunctionTarget(work.project.folder, settings).route
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_-]*", route):
        raise UsageError(
            f"the function's route is {route}, but Fivetran calls /api/<function name>",
            "set route to the function's name in function_app.py",
        )
    return route


def _login() -> tuple[str, str]:
    """The API key and its secret."""
    names = ("FIVETRAN_API_KEY", "FIVETRAN_API_SECRET")
    if missing := [name for name in names if not os.environ.get(name)]:
        raise UsageError(f"{' and '.join(missing)} must be set in the environment", _WHERE)
    return os.environ[names[0]], os.environ[names[1]]


def _ask(method: str, path: str, body: Mapping[str, Any] | None, part: str) -> Any:
    """One request about connections; the entry `part` of its response's `data`."""
    what = f"{method} /v1/connections{path}"
    try:
        response = requests.request(
            method,
            URL + path,
            data=None if body is None else encode(body),
            headers={"Accept": "application/json;version=2", "Content-Type": "application/json"},
            auth=_login(),
            timeout=(10, _SECONDS),
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise UsageError(
            f"{what}: no response from {URL} ({type(error).__name__})",
            "check the network; look in Fivetran's dashboard whether it was done anyway",
        ) from None
    try:
        content = decode(response.content)
        data = content.get("data") or {}
    except (ValueError, AttributeError):
        content = data = {}
    if response.status_code // 100 != 2:
        why = ": ".join(str(content[n]) for n in ("code", "message") if content.get(n))
        raise UsageError(
            f"{what}: Fivetran answered HTTP {response.status_code}{why and f', {why}'}",
            _WHERE if response.status_code == 401 else "",
        )
    if part not in data:
        raise UsageError(f"{what}: Fivetran's response has no data.{part}")
    return data[part]
