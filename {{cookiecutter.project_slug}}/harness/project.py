# Owned by fivetran-azfn-template: updates replace this file.
"""The modules and app settings of one project folder, put in place around calls and away again.

Several projects may be loaded in one process, and each has a fetch.py: their modules must not mix.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from harness.errors import UsageError

ENTRY = "function_app.py"
_NOT_THE_FUNCTIONS = ("harness", "tests", "conftest")


class Project:
    """A folder with a function_app.py, loaded apart from every other one.

    Args:
        folder: The project's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._modules: dict[str, ModuleType] = {}
        self._record_factory: Callable[..., logging.LogRecord] = logging.LogRecord
        names = {path.stem for path in self.folder.glob("*.py")}
        names |= {path.parent.name for path in self.folder.glob("*/*.py")}
        self._names = {
            name
            for name in names
            if name not in _NOT_THE_FUNCTIONS and name not in sys.stdlib_module_names
        }

    def load(self, name: str) -> ModuleType:
        """Import one module of the project; to be called while it is active.

        Raises:
            UsageError: It is not there, or raises when it is imported.
        """
        file = Path(*name.split(".")).with_suffix(".py")
        path = self.folder / file
        if not path.exists():
            raise UsageError(
                f"{path} is not there",
                todo="run this in the project's folder, or name a started function with --url",
            )
        importlib.invalidate_caches()
        try:
            return importlib.import_module(name)
        except (Exception, SystemExit) as error:
            said, place = self._place_of(error)
            raise UsageError(
                f"{file.as_posix()} cannot be imported: {type(error).__name__}: {said} ({place})"
            ) from error

    def _place_of(self, error: BaseException) -> tuple[str, str]:
        """What an error says, and the file and line of the project that it comes from."""
        if isinstance(error, SyntaxError) and error.filename:
            return error.msg, f"{self._relative(error.filename)}, line {error.lineno}"
        frames = traceback.extract_tb(error.__traceback__)
        # A wrong declaration is found in the runtime, and stands in a file beside function_app.py.
        own = [frame for frame in frames if Path(frame.filename).parent == self.folder]
        last = (own or frames)[-1]
        return str(error), f"{self._relative(last.filename)}, line {last.lineno}"

    def _relative(self, file: str) -> str:
        path = Path(file)
        within = path.is_relative_to(self.folder)
        return path.relative_to(self.folder).as_posix() if within else file

    @contextmanager
    def active(self, settings: Mapping[str, str]) -> Iterator[None]:
        """Put the project's modules, its folder on the path and its app settings in place.

        Args:
            settings: App settings; the environment has them inside the block alone.
        """
        others = self._taken_out()
        sys.modules.update(self._modules)
        sys.path.insert(0, str(self.folder))
        before = {name: os.environ.get(name) for name in settings}
        os.environ.update(settings)
        # A runtime that redacts log records does so with a factory, which stays its own.
        factory = logging.getLogRecordFactory()
        logging.setLogRecordFactory(self._record_factory)
        try:
            yield
        finally:
            self._record_factory = logging.getLogRecordFactory()
            logging.setLogRecordFactory(factory)
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            sys.path.remove(str(self.folder))
            self._modules = self._taken_out()
            sys.modules.update(others)

    def _taken_out(self) -> dict[str, ModuleType]:
        found = [name for name in sys.modules if name.partition(".")[0] in self._names]
        return {name: sys.modules.pop(name) for name in found}


def local_settings(folder: Path) -> dict[str, str]:
    """`Values` of local.settings.json: what `func start` puts into the environment.

    Raises:
        UsageError: The file is there and cannot be used.
    """
    path = folder / "local.settings.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    values = data.get("Values", {}) if isinstance(data, dict) else None
    if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
        raise UsageError(f"{path}: Values must be an object of texts")
    return values
