"""The user's folder: connection.json, local.settings.json, `.fivetran/`, and its Python modules."""

from __future__ import annotations

import importlib
import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import json5

from harness.errors import UsageError

ENTRY = "function_app.py"
CONNECTION = "connection.json"
EXAMPLE = "connection.example.json"
HOME = ".fivetran"
_KEYS = ("schema", "secrets", "customPayload", "blocked", "hashed")
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]*")
_RESERVED = ("information_schema", "pg_catalog", "_harness", "_harness_texts")
_NOT_THE_FUNCTIONS = ("harness", "tests", "conftest")


@dataclass(frozen=True)
class Connection:
    """What is typed in Fivetran's setup form, and which data the destination leaves out.

    Attributes:
        schema: Name of the destination schema.
        secrets: Sent as `secrets` with every call.
        payload: Sent as `customPayload` with every call.
        blocked: `table` or `table.column` that is not written.
        hashed: `table.column` whose values are hashed.
    """

    schema: str
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    payload: dict[str, str] = field(default_factory=dict)
    blocked: list[str] = field(default_factory=list)
    hashed: list[str] = field(default_factory=list)

    def with_secrets(self, secrets: Mapping[str, str]) -> Connection:
        """The same connection with other secrets."""
        return replace(self, secrets=dict(secrets))


class Project:
    """A folder with a function_app.py; several can be loaded in one process, each apart.

    Args:
        folder: The project's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._modules: dict[str, ModuleType] = {}
        self._record_factory: Callable[..., logging.LogRecord] = logging.LogRecord
        names = {path.stem for path in self.folder.glob("*.py")}
        names |= {path.parent.name for path in self.folder.glob("*/*.py")}
        self._names = names - set(_NOT_THE_FUNCTIONS) - set(sys.stdlib_module_names)

    def connection(self, path: Path | None = None) -> Connection:
        """Read and check a connection file.

        Args:
            path: The file; None for connection.json, or its example where there is none.

        Raises:
            UsageError: It is missing, not JSON, or an entry is wrong.
        """
        if path is None:
            path = self.folder / CONNECTION
            if not path.exists() and (self.folder / EXAMPLE).exists():
                path = self.folder / EXAMPLE
        try:
            data = json.loads(path.read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            raise UsageError(
                f"{path} is missing: it stands in for Fivetran's setup form",
                'write {"schema": "acme", "secrets": {"NAME": "VALUE"}} into it'
                if path.parent != self.folder or not (self.folder / ENTRY).exists()
                else f"copy {EXAMPLE} to {CONNECTION} and fill in the secrets",
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} cannot be read: {error}") from None
        except ValueError as error:
            raise UsageError(f"{path} is not JSON: {error}") from None  # names the place alone
        return _checked(data, str(path))

    def settings(self) -> dict[str, str]:
        """`Values` of local.settings.json: what `func start` puts into the environment.

        Raises:
            UsageError: The file is there and cannot be used.
        """
        path = self.folder / "local.settings.json"
        try:
            data = json5.loads(path.read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read: {error}") from None
        values = data.get("Values", {}) if isinstance(data, dict) else None
        if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
            raise UsageError(f'{path}: "Values" must be an object of names and texts')
        return values

    def home(self, sample: bool = False) -> Path:
        """The folder of tables, state and reports, made for its owner alone."""
        home = self.folder / HOME
        try:
            home.mkdir(mode=0o700, exist_ok=True)
            home.chmod(0o700)  # it may have been made by something else
            if sample:
                home /= "sample"
                home.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise UsageError(f"the folder {home} cannot be made: {error}") from None
        return home

    def load(self, name: str) -> ModuleType:
        """Import one module of the folder; to be called inside `active`.

        Raises:
            UsageError: It is missing, or raises when it is imported.
        """
        file = Path(*name.split(".")).with_suffix(".py")
        if not (self.folder / file).exists():
            raise UsageError(
                f"{self.folder / file} is missing",
                "run this in the project's folder, or name a running function with --url",
            )
        importlib.invalidate_caches()
        try:
            return importlib.import_module(name)
        except (Exception, SystemExit) as error:
            what, place = self._origin(error)
            missing = isinstance(error, ModuleNotFoundError)
            raise UsageError(
                f"{file.as_posix()} cannot be imported: {type(error).__name__}: {what} ({place})",
                "install the packages: pip install -r requirements-dev.txt" if missing else "",
            ) from error

    @contextmanager
    def active(self, settings: Mapping[str, str]) -> Iterator[None]:
        """Put the folder's modules, its path and its app settings in place for the block."""
        others = self._taken_out()
        sys.modules.update(self._modules)
        sys.path.insert(0, str(self.folder))
        before = {name: os.environ.get(name) for name in settings}
        os.environ.update(settings)
        # A runtime that redacts log records installs a factory; it must not redact for others.
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

    def _origin(self, error: BaseException) -> tuple[str, str]:
        """What an error says, and the file and line of the project that it comes from."""
        if isinstance(error, SyntaxError) and error.filename:
            return error.msg, f"{self._relative(error.filename)}, line {error.lineno}"
        frames = traceback.extract_tb(error.__traceback__)
        # A wrong declaration is found inside the runtime, and stands beside function_app.py.
        users = [frame for frame in frames if Path(frame.filename).parent == self.folder]
        last = (users or frames)[-1]
        return str(error), f"{self._relative(last.filename)}, line {last.lineno}"

    def _relative(self, file: str) -> str:
        path = Path(file)
        inside = path.is_relative_to(self.folder)
        return path.relative_to(self.folder).as_posix() if inside else file


def _checked(data: Any, where: str) -> Connection:
    listed = ", ".join(_KEYS)
    if not isinstance(data, dict):
        raise UsageError(f"{where} must be a JSON object with {listed}")
    if unknown := [name for name in data if name not in _KEYS]:
        raise UsageError(f"{where}: unknown entry {unknown[0]!r}; the entries are {listed}")
    schema = data.get("schema")
    if not isinstance(schema, str) or not _SCHEMA.fullmatch(schema):
        raise UsageError(
            f'{where}: "schema" must name the destination schema, for example "acme": '
            "lower-case letters, digits and _, no digit first"
        )
    if schema in _RESERVED:
        raise UsageError(f'{where}: "schema" cannot be {schema!r}, a name that DuckDB uses itself')
    texts = {name: data.get(name, {}) for name in ("secrets", "customPayload")}
    for name, values in texts.items():
        if not isinstance(values, dict):
            raise UsageError(f'{where}: "{name}" must be an object, for example {{"key": "text"}}')
        for key, value in values.items():
            if not isinstance(value, str):
                raise UsageError(
                    f"{where}: {name}.{key} must be text in quotes: Fivetran sends texts only"
                )
    return Connection(
        schema,
        texts["secrets"],
        texts["customPayload"],
        _names(data, "blocked", where),
        _names(data, "hashed", where),
    )


def _names(data: Mapping[str, Any], entry: str, where: str) -> list[str]:
    names = data.get(entry, [])
    if not isinstance(names, list) or not all(isinstance(n, str) and n.strip() for n in names):
        raise UsageError(
            f'{where}: "{entry}" must be a list of names, for example ["transaction.email"]'
        )
    for name in names:
        column = name.partition(".")[2]
        if entry == "hashed" and not column:
            raise UsageError(
                f'{where}: "hashed" names columns, for example "transaction.email", not {name!r}'
            )
        if column.lower().startswith("_fivetran_"):
            raise UsageError(
                f'{where}: "{entry}" names {name}: Fivetran always writes its own columns'
            )
    return names
