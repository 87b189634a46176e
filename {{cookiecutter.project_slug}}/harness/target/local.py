"""The function of a folder, called in this process as Azure's worker would, and what it logs.

Source: Microsoft's documentation of Azure Functions and its Python worker.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import azure.functions as func

from harness.errors import ProtocolBroken, UsageError
from harness.project import ENTRY, Project
from harness.protocol.messages import AZURE_SECONDS, Answer

_FIELD = re.compile(r'([A-Za-z_]\w*)=("(?:[^"\\]|\\.)*"|\S*)')
_ESCAPE = re.compile(r"\\(.)")


class FunctionTarget:
    """The HTTP function of a project's folder, imported anew by each instance.

    Args:
        folder: Folder with function_app.py.
        settings: App settings, in the environment during calls alone.

    Attributes:
        name: What is called, for people.
        route: What stands behind /api/ in its URL.
        settings: The app settings of the next call.

    Raises:
        UsageError: There is no function_app.py, it cannot be imported, or it has no HTTP function.
        ProtocolBroken: The function does not take POST.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.settings = dict(settings or {})
        self._project = Project(folder)
        with self._project.active(self.settings):
            function = _http_function(self._project.load("function_app"))
        trigger = function.get_trigger().get_dict_repr()
        methods = [str(getattr(each, "value", each)) for each in trigger.get("methods") or ["POST"]]
        if "POST" not in methods:
            raise ProtocolBroken(
                f"the function takes {', '.join(methods)} only: Fivetran's POST gets a 404",
                'write methods=["POST"] in function_app.py',
                rule="no-post",
            )
        self._handler = function.get_user_function()
        self._parameter = str(trigger["name"])
        if [self._parameter] != list(inspect.signature(self._handler).parameters):
            raise UsageError(
                f"in this process only a function with one parameter, {self._parameter}, can be "
                "called",
                "start it with func start and name it with --url",
            )
        self.route = str(trigger.get("route") or function.get_function_name())
        self.name = f"{function.get_function_name()} in {folder / ENTRY}"

    def call(self, body: bytes) -> Answer:
        """Call it; an exception is HTTP 500 with an empty body, as Azure answers."""
        request = func.HttpRequest(
            "POST",
            f"http://localhost:7071/api/{self.route}",
            headers={"content-type": "application/json", "content-length": str(len(body))},
            body=body,
        )
        began = time.monotonic()
        failure, response = "", None
        with self._project.active(self.settings):
            try:
                response = self._handler(**{self._parameter: request})
                if inspect.iscoroutine(response):
                    response = asyncio.run(response)
            except (Exception, SystemExit) as error:
                frames = error.__traceback__.tb_next if error.__traceback__ else None  # not ours
                failure = "".join(traceback.format_exception(type(error), error, frames))
        seconds = time.monotonic() - began
        if seconds > AZURE_SECONDS:
            why = f"the call took {seconds:.0f} s: Azure ends a call after {AZURE_SECONDS} s"
            return Answer(0, "", b"", seconds, lost=True, why=why)
        if isinstance(response, str):
            response = func.HttpResponse(response)
        if not failure and not isinstance(response, func.HttpResponse):
            failure = f"the function returned {response!r}, not an azure.functions.HttpResponse"
        if failure or response is None:
            return Answer(500, "", b"", seconds, failure)
        content_type = str(response.headers.get("content-type") or response.mimetype)
        return Answer(response.status_code, content_type, response.get_body(), seconds)


class Event(NamedTuple):
    """One log record.

    Attributes:
        level: `logging.INFO`, …
        logger: The logger's name.
        line: The text, with the traceback where there is one.
        fields: The `key=value` pairs of the text; `fields["event"]` is the kind of event.
    """

    level: int
    logger: str
    line: str
    fields: dict[str, str]


class Logs(logging.Handler):
    """Hands every log record of this process to a function while the block lasts.

    Args:
        on_record: Takes the records; it may be called from several threads, one at a time.
        level: From which level on. Azure's default is INFO.
    """

    def __init__(self, on_record: Callable[[Event], None], level: int = logging.INFO) -> None:
        super().__init__(level)
        self._on_record = on_record
        self._before = logging.WARNING

    def __enter__(self) -> Logs:
        root = logging.getLogger()
        self._before = root.level
        root.setLevel(min(self.level, root.level))
        root.addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        root = logging.getLogger()
        root.removeHandler(self)
        root.setLevel(self._before)

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on one record."""
        try:
            line = self.format(record)
            self._on_record(Event(record.levelno, record.name, line, fields(line)))
        except Exception:
            self.handleError(record)


def fields(line: str) -> dict[str, str]:
    """The `key=value` pairs of a log line; a value in quotes may hold blanks and escapes."""
    found: dict[str, str] = {}
    for name, value in _FIELD.findall(line):
        if value.startswith('"') and len(value) > 1:
            value = _ESCAPE.sub(lambda at: "\n" if at[1] == "n" else at[1], value[1:-1])
        found[name] = value
    return found


def _http_function(module: Any) -> Any:
    apps = [item for item in vars(module).values() if isinstance(item, func.FunctionApp)]
    functions = [function for app in apps for function in app.get_functions()]
    for function in functions if len(apps) == 1 else ():
        trigger: Any = function.get_trigger()
        if trigger.get_dict_repr().get("type") == "httpTrigger":
            return function
    raise UsageError(
        f"{module.__file__} needs one FunctionApp at its top level, with an HTTP function",
        'write app = func.FunctionApp(), and @app.route(route="FUNCTION", methods=["POST"]) above '
        "the function",
    )
