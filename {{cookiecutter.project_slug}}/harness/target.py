# Owned by fivetran-azfn-template: updates replace this file.
"""What can be called, and the function of this folder, called in this process as Azure would.

Source of what Azure does: Microsoft's documentation of Azure Functions and its Python worker.
"""

from __future__ import annotations

import asyncio
import inspect
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import azure.functions as func

from harness.errors import LostReply, ProtocolBroken, UsageError
from harness.project import Project

AZURE_SECONDS = 230  # Azure cuts an HTTP-triggered call off then, whatever functionTimeout says
SLOW_SECONDS = 150  # a call that takes longer is near that


@dataclass(frozen=True)
class Answer:
    """What came back from one call.

    Attributes:
        status: HTTP status.
        content_type: Value of the Content-Type header, "" when absent.
        body: Bytes of the reply.
        seconds: How long the call took.
        failure: Text of the exception that the function did not catch, where it is known.
    """

    status: int
    content_type: str
    body: bytes
    seconds: float
    failure: str | None = None


class Target(Protocol):
    """Something that takes a request of the protocol."""

    @property
    def name(self) -> str:
        """What is called, for people."""

    def call(self, body: bytes) -> Answer:
        """Send one request.

        Raises:
            LostReply: No reply came, or it came too late.
            UsageError: There is no function to be called.
        """


class FunctionTarget:
    """The HTTP function of a project folder, called in this process.

    Args:
        folder: Folder with function_app.py.
        settings: App settings, set in the environment around calls alone.

    Attributes:
        route: What stands behind /api/ in its URL.

    Raises:
        UsageError: There is no function_app.py, it cannot be imported, or it has no HTTP function.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.settings = dict(settings or {})
        self._project = Project(folder)
        with self._project.active(self.settings):
            app = _app(self._project.load("function_app"), folder)
            function = _http_function(app, folder)
        trigger = function.get_trigger().get_dict_repr()
        self.route = str(trigger.get("route") or function.get_function_name())
        self._parameter = str(trigger["name"])
        self._handler = function.get_user_function()
        self._check(trigger)
        self.name = f"{function.get_function_name()} in {folder / 'function_app.py'}"

    def call(self, body: bytes) -> Answer:
        """Call it as Azure's worker would: an exception is HTTP 500 with an empty body."""
        request = func.HttpRequest(
            "POST",
            f"http://localhost:7071/api/{self.route}",
            headers={"content-type": "application/json", "content-length": str(len(body))},
            body=body,
        )
        began = time.monotonic()
        failure = None
        response: Any = None
        with self._project.active(self.settings):
            try:
                response = self._handler(**{self._parameter: request})
                if inspect.iscoroutine(response):
                    response = asyncio.run(response)
            except (Exception, SystemExit) as error:
                # The first frame is this one.
                frames = error.__traceback__.tb_next if error.__traceback__ else None
                failure = "".join(traceback.format_exception(type(error), error, frames))
        seconds = time.monotonic() - began
        if seconds > AZURE_SECONDS:
            raise LostReply(
                f"the call took {seconds:.0f} s: Azure cuts a call off after {AZURE_SECONDS} s",
                todo="answer sooner, with hasMore: true",
            )
        if isinstance(response, str):
            response = func.HttpResponse(response)
        if failure is None and not isinstance(response, func.HttpResponse):
            failure = f"the function returned {response!r}, not an azure.functions.HttpResponse"
        if failure is not None:
            return Answer(500, "", b"", seconds, failure)
        return Answer(response.status_code, _type(response), response.get_body(), seconds)

    def _check(self, trigger: Mapping[str, Any]) -> None:
        methods = [
            getattr(method, "value", method) for method in trigger.get("methods") or ["POST"]
        ]
        if "POST" not in methods:
            raise ProtocolBroken(
                f"the function takes {', '.join(methods)} alone: Fivetran's POST gets a 404",
                rule="no-post",
                todo='write methods=["POST"] in function_app.py',
            )
        known = inspect.signature(self._handler).parameters
        others = [name for name in known if name != self._parameter]
        if self._parameter not in known or others:
            raise UsageError(
                f"the function takes {', '.join(known)}: in this process only one with a single "
                f"parameter, {self._parameter}, can be called",
                todo="start it with func start and name it with --url",
            )


def _app(module: Any, folder: Path) -> func.FunctionApp:
    apps = [item for item in vars(module).values() if isinstance(item, func.FunctionApp)]
    if len(apps) != 1:
        raise UsageError(
            f"{folder / 'function_app.py'} has {len(apps)} FunctionApps at its top level",
            todo="Azure wants exactly one: app = func.FunctionApp(…)",
        )
    return apps[0]


def _http_function(app: func.FunctionApp, folder: Path) -> Any:
    for function in app.get_functions():
        trigger: Any = function.get_trigger()
        if trigger.get_dict_repr().get("type") == "httpTrigger":
            return function
    raise UsageError(
        f"{folder / 'function_app.py'} has no HTTP function",
        todo='write @app.route(route="<function>", methods=["POST"]) over it',
    )


def _type(response: func.HttpResponse) -> str:
    given = response.headers.get("content-type")
    if given:
        return str(given)
    if response.mimetype.startswith("text/"):
        return f"{response.mimetype}; charset={response.charset}"
    return str(response.mimetype)
