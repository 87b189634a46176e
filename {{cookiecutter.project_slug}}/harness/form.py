# Owned by fivetran-azfn-template: updates replace this file.
"""What is typed in Fivetran's setup form, as a REST request's body; it sends nothing.

Source: Fivetran's page "Azure Functions API Configuration".
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.connection import Connection
from harness.errors import UsageError
from harness.project import local_settings
from harness.redact import MASK
from harness.target import FunctionTarget

SERVICE = "azure_function"
_APP = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_ROUTE = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_AZURE = ".azurewebsites.net"


@dataclass(frozen=True)
class Place:
    """Where the function is, and where its data go.

    Attributes:
        group: Id of the destination's group at Fivetran.
        app: The function app's name: what stands before .azurewebsites.net.
        function: The function's name: what stands behind /api/.
        key: The function key; it is needed to send only.
    """

    group: str
    app: str
    function: str
    key: str = field(default="", repr=False)

    def with_key(self, key: str) -> Place:
        """The same place with a key."""
        return replace(self, key=key)


def body(connection: Connection, place: Place) -> dict[str, Any]:
    """The body of `POST /v1/connections`, secrets included.

    It starts paused: nothing is synced before its tests have passed. Empty secrets are left out,
    for the function takes them from its app settings. Names follow Fivetran's rules, as in the
    warehouse here.
    """
    return {
        "service": SERVICE,
        "group_id": place.group,
        "paused": True,
        "run_setup_tests": False,
        "destination_schema_names": "FIVETRAN_NAMING",
        "config": {
            "schema": connection.schema,
            "function_app": place.app,
            "function_name": place.function,
            "function_key": place.key,
            "connection_method": "DIRECT",
            "secrets_list": _pairs(connection.secrets),
            "custom_payloads": _pairs(connection.payload),
        },
    }


def masked(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body with `[secret]` for the function key and the value of every secret."""
    secrets = [{**pair, "value": MASK} for pair in body["config"]["secrets_list"]]
    config = {**body["config"], "function_key": MASK, "secrets_list": secrets}
    return {**body, "config": config}


def place_of(
    folder: Path, group: str | None, app: str | None, function: str | None, key: str
) -> Place:
    """Check what was typed; the function's name is that of this folder where none was.

    Raises:
        UsageError: Something is missing, or cannot be what it should be.
    """
    if not group:
        raise UsageError(
            "--group is missing: the id of the destination's group",
            todo="copy it from the destination's page in Fivetran's dashboard",
        )
    if not app or not _APP.fullmatch(app) or app.lower().endswith(_AZURE):
        raise UsageError(
            f"--app must be the function app's name: what stands before {_AZURE} in its URL",
            todo="write --app acme-connector",
        )
    return Place(group, app, function or _registered(folder), key)


def _registered(folder: Path) -> str:
    local = local_settings(folder)
    settings = {name: value for name, value in local.items() if name not in os.environ}
    route = FunctionTarget(folder, settings).route
    if not _ROUTE.fullmatch(route):
        raise UsageError(
            f"the function's route is {route}: Fivetran calls /api/<function name>",
            todo="write the function's name as route in function_app.py",
        )
    return route


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": name, "value": value} for name, value in values.items() if value]
