"""The user's folder: connection.json, local.settings.json and `.fivetran/`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import json5
import msgspec

from harness.errors import UsageError

ENTRY = "function_app.py"
CONNECTION = "connection.json"
EXAMPLE = "connection.example.json"
_SCHEMA = "^(?!(information_schema|pg_catalog|_harness|_harness_texts)$)[a-z_][a-z0-9_]*$"
_LIKE = (
    'write it like {"schema": "acme", "secrets": {"apiToken": "TEXT"}, "customPayload": {"region": '
    '"TEXT"}, "blocked": ["table.column"], "hashed": ["table.column"]}; only schema is required: a '
    "name in lower case that DuckDB does not use itself"
)


class Connection(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"payload": "customPayload"}
):
    """connection.json: what is typed in Fivetran's setup form, and what the destination leaves out.

    Attributes:
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
    """A folder with a function_app.py."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def connection(self, path: Path | None = None) -> Connection:
        """Read a connection file: connection.json, or its example, unless another is named.

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
                f"{path} is missing: it has what you type into Fivetran's setup form",
                f"run this in the project's folder, or {_LIKE}",
            ) from None
        except (OSError, ValueError) as error:
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
        """The folder of tables, state and reports, which only its owner can read."""
        home = self.folder / ".fivetran"
        place = home / "sample" if sample else home
        place.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)
        return place
