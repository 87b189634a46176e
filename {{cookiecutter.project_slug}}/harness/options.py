"""The options that commands share: what they are called, what they mean, what was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

SAMPLE_PORT = 8011
KEY = typer.Option(
    envvar="FUNCTION_KEY",
    show_envvar=True,
    help="Function key. Better in the environment: other users see a command line. Asked for when "
    "it is missing.",
)
# The options of `Options`, by the name of its attribute.
SHARED: dict[str, Any] = {
    "url": Annotated[
        str | None,
        typer.Option(
            help="Call the function at this URL instead of the one in this folder, for example "
            "https://APP.azurewebsites.net/api/FUNCTION; http for localhost only."
        ),
    ],
    "key": Annotated[str | None, KEY],
    "sample": Annotated[
        bool,
        typer.Option(
            "--sample",
            help="Run against the sample upstream that sample.toml describes, with made-up "
            "secrets; tables and state are in .fivetran/sample.",
        ),
    ],
    "upstream": Annotated[
        str | None,
        typer.Option(metavar="MODULE:APP", help="As --sample, against a WSGI app of this folder."),
    ],
    "port": Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help=f"Port of the sample upstream instead of {SAMPLE_PORT}; 0 takes a free one.",
        ),
    ],
    "warehouse": Annotated[
        Path | None, typer.Option(help="DuckDB file instead of .fivetran/warehouse.duckdb.")
    ],
    "connection": Annotated[
        Path | None, typer.Option(help="Connection file instead of connection.json.")
    ],
    "json": Annotated[bool, typer.Option("--json", help="Write one JSON object, nothing else.")],
}
CALLING = tuple(SHARED)
LOOKING = ("sample", "upstream", "warehouse", "connection", "json")


@dataclass(frozen=True)
class Options:
    """What the options that commands share say; `SHARED` has their help texts."""

    url: str | None = None
    key: str | None = field(default=None, repr=False)
    sample: bool = False
    upstream: str | None = None
    port: int | None = None
    warehouse: Path | None = None
    connection: Path | None = None
    json: bool = False

    @property
    def stands_in(self) -> bool:
        """Whether something stands in for the real upstream."""
        return self.sample or self.upstream is not None
