"""The function of a folder, called in this process as Azure's worker would, and what it logs.

Source: Microsoft's documentation of Azure Functions and its Python worker.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import azure.functions as func

from harness.errors import ProtocolBroken, UsageError
from harness.project import ENTRY
from harness.protocol.messages import AZURE_SECONDS, Answer

_NOT_THE_FUNCTIONS = ("harness", "tests", "conftest")
_FIELD = re.compile(r'([A-Za-z_]\w*)=("(?:[^"\\]|\\.)*"|\S*)')
_ESCAPE = re.compile(r"\\(.)")


class FunctionTarget:
    """The HTTP function of a project's folder, imported again by each instance.

    Attributes:
        route: The part of its URL after /api/.

    Raises:
        UsageError: There is no function_app.py, it cannot be imported, or it has no HTTP function.
        ProtocolBroken: The function does not take POST.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self._folder, self._settings = folder.resolve(), dict(settings or {})
        names = {path.stem for path in self._folder.glob("*.py")}
        names |= {path.parent.name for path in self._folder.glob("*/*.py")}
        self._names = names - {*_NOT_THE_FUNCTIONS, *sys.stdlib_module_names}
        self._modules: dict[str, ModuleType] = {}
        self._record_factory: Callable[..., logging.LogRecord] = logging.LogRecord
        with self._active():
            function = _http_function(self._imported())
        trigger = function.get_trigger().get_dict_repr()
        methods = [str(getattr(each, "value", each)) for each in trigger.get("methods") or ["POST"]]
        if "POST" not in methods:
            raise ProtocolBroken(
                f"the function accepts only {', '.join(methods)}: Fivetran's POST gets a 404",
                'write methods=["POST"] in function_app.py',
                rule="no-post",
            )
        self._handler, self._parameter = function.get_user_function(), str(trigger["name"])
        if [self._parameter] != list(inspect.signature(self._handler).parameters):
            raise UsageError(
                f"only a function whose single parameter is {self._parameter} can be called in "
                "this process",
                "start it with func start, and pass its URL with --url",
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
        with self._active():
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
        if isinstance(response, func.HttpResponse):
            content_type = str(response.headers.get("content-type") or response.mimetype)
            return Answer(response.status_code, content_type, response.get_body(), seconds)
        returned = f"the function returned {response!r}, not an azure.functions.HttpResponse"
        return Answer(500, "", b"", seconds, failure or returned)

    def _imported(self) -> ModuleType:
        file = self._folder / ENTRY
        if not file.exists():
            raise UsageError(
                f"{file} is missing",
                "run this in the project's folder, or pass the URL of a running function with "
                "--url",
            )
        importlib.invalidate_caches()
        try:
            return importlib.import_module(file.stem)
        except (Exception, SystemExit) as error:
            what = error.msg if isinstance(error, SyntaxError) else error
            missing = isinstance(error, ModuleNotFoundError)
            raise UsageError(
                f"{ENTRY} cannot be imported: {type(error).__name__}: {what} "
                f"({self._place(error)})",
                "install the packages: pip install -r requirements-dev.txt" if missing else "",
            ) from error

    def _place(self, error: BaseException) -> str:
        """The file and line of the project that an error comes from."""
        frames = traceback.extract_tb(error.__traceback__)
        # A wrong declaration is found inside the runtime, but the line to change is in the folder.
        last = [each for each in frames if Path(each.filename).parent == self._folder] or frames
        file, line = last[-1].filename, last[-1].lineno
        if isinstance(error, SyntaxError) and error.filename:
            file, line = error.filename, error.lineno
        return f"{file.removeprefix(f'{self._folder}{os.sep}')}, line {line}"

    @contextmanager
    def _active(self) -> Iterator[None]:
        """Puts the folder's modules, its path and its app settings in place for the block."""
        others = self._taken_out()
        sys.modules.update(self._modules)
        sys.path.insert(0, str(self._folder))
        before = {name: os.environ[name] for name in self._settings if name in os.environ}
        os.environ.update(self._settings)
        # A runtime that redacts log records installs a factory; it must not redact for others.
        factory = logging.getLogRecordFactory()
        logging.setLogRecordFactory(self._record_factory)
        try:
            yield
        finally:
            self._record_factory = logging.getLogRecordFactory()
            logging.setLogRecordFactory(factory)
            for name in self._settings:
                os.environ.pop(name, None)
            os.environ.update(before)
            sys.path.remove(str(self._folder))
            self._modules = self._taken_out()
            sys.modules.update(others)

    def _taken_out(self) -> dict[str, ModuleType]:
        found = [name for name in sys.modules if name.partition(".")[0] in self._names]
        return {name: sys.modules.pop(name) for name in found}


def _http_function(module: ModuleType) -> Any:
    apps = [item for item in vars(module).values() if isinstance(item, func.FunctionApp)]
    functions: list[Any] = apps[0].get_functions() if len(apps) == 1 else []
    for function in functions:
        if function.get_trigger().get_dict_repr().get("type") == "httpTrigger":
            return function
    raise UsageError(
        f"{module.__file__} needs one FunctionApp at its top level, with an HTTP function",
        'write app = func.FunctionApp(), and @app.route(route="FUNCTION", methods=["POST"]) above '
        "the function",
    )


class Event(NamedTuple):
    """One log record, with its traceback in `line` and the `key=value` pairs of `line`."""

    level: int
    logger: str
    line: str
    fields: dict[str, str]


class Logs(logging.Handler):
    """Hands every log record of this process to a function while the block lasts.

    The function may be called from several threads, one at a time. Azure's default level is INFO.
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
