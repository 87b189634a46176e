# Owned by fivetran-azfn-template: updates replace this file.
"""The options that several commands share, as Typer reads them; they do nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Url = Annotated[
    str | None,
    typer.Option(
        help="Call the function at this URL instead of the one in this folder, as "
        "https://APP.azurewebsites.net/api/FUNCTION; http for localhost only."
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        envvar="FUNCTION_KEY",
        show_envvar=True,
        help="Function key for --url. Better in the environment: a command line is seen by others. "
        "Asked for when it is missing.",
    ),
]
Sample = Annotated[
    str | None,
    typer.Option(
        "--sample",
        metavar="[MODULE:APP]",
        help="Run against the built-in sample upstream that sample.toml describes, or against a "
        "WSGI app of this folder, with made-up secrets; tables and state lie apart, in "
        ".fivetran/sample.",
    ),
]
WarehouseFile = Annotated[
    Path | None, typer.Option(help="DuckDB file instead of .fivetran/warehouse.duckdb.")
]
StateFile = Annotated[Path | None, typer.Option(help="State file instead of .fivetran/state.json.")]
ConnectionFile = Annotated[
    Path | None, typer.Option(help="Connection file instead of connection.json.")
]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON object and nothing else.")]
