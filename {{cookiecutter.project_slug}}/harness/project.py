"""The user's folder: connection.json, local.settings.json, `.fivetran/`, and its Python modules."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Annotated

import json5
import msgspec

from harness.errors import UsageError

ENTRY = "function_app.py"
CONNECTION = "connection.json"
EXAMPLE = "connection.example.json"
_NOT_THE_FUNCTIONS = ("harness", "tests", "conftest")
_SCHEMA = "^(?!(information_schema|pg_catalog|_harness|_harness_texts)$)[a-z_][a-z0-9_]*$"
_LIKE = (
    'write it like {"schema": "acme", "secrets": {"apiToken": "TEXT"}, "customPayload": {"region": '
    '"TEXT"}, "blocked": ["table.column"], "hashed": ["table.column"]}; all but schema may be '
    "left out, and schema is a name in lower case that DuckDB does not use itself"
)


class Connection(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"payload": "customPayload"}
):
    """connection.json: what is typed in Fivetran's setup form, and what the destination leaves out.

    Attributes:
        schema: Name of the destination schema.
        secrets: Sent as `secrets` with every call.
        payload: Sent as `customPayload` with every call.
        blocked: `table` or `table.column` that is not written.
        hashed: `table.column` whose values are hashed.
    """

    schema: Annotated[str, msgspec.Meta(pattern=_SCHEMA)]
    secrets: dict[str, str] = {}
    payload: dict[str, str] = {}
    blocked: list[str] = []
    hashed: list[str] = []

    def __repr__(self) -> str:
        return f"<Connection {self.schema}>"  # without the secrets

    def with_secrets(self, secrets: Mapping[str, str]) -> Connection:
        """The same connection with other secrets."""
        return msgspec.structs.replace(self, secrets=dict(secrets))


class _Settings(msgspec.Struct, rename={"values": "Values"}):
    values: dict[str, str] = {}


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
            text = path.read_text(encoding="utf-8-sig")
            return msgspec.json.decode(text, type=Connection)  # its errors show no value
        except FileNotFoundError:
            raise UsageError(
                f"{path} is missing: it stands in for Fivetran's setup form", _LIKE
            ) from None
        except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as error:
            raise UsageError(f"{path}: {error}", _LIKE) from None

    def settings(self) -> dict[str, str]:
        """`Values` of local.settings.json: what `func start` puts into the environment.

        Raises:
            UsageError: The file is there and cannot be used.
        """
        path = self.folder / "local.settings.json"
        try:
            data = json5.loads(path.read_text(encoding="utf-8-sig"))
            return msgspec.convert(data, _Settings).values
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be used: {error}") from None

    def home(self, sample: bool = False) -> Path:
        """The folder of tables, state and reports, made for its owner alone."""
        home = self.folder / ".fivetran"
        place = home / "sample" if sample else home
        place.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)
        return place

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
            what = error.msg if isinstance(error, SyntaxError) else error
            missing = isinstance(error, ModuleNotFoundError)
            raise UsageError(
                f"{file.as_posix()} cannot be imported: {type(error).__name__}: {what} "
                f"({self._place(error)})",
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

    def _place(self, error: BaseException) -> str:
        """The file and line of the project that an error comes from."""
        if isinstance(error, SyntaxError) and error.filename:
            file, line = error.filename, error.lineno
        else:
            frames = traceback.extract_tb(error.__traceback__)
            # A wrong declaration is found inside the runtime; who declared it stands in the folder.
            users = [frame for frame in frames if Path(frame.filename).parent == self.folder]
            file, line = (users or frames)[-1].filename, (users or frames)[-1].lineno
        path = Path(file)
        inside = path.is_relative_to(self.folder)
        return f"{path.relative_to(self.folder).as_posix() if inside else file}, line {line}"
