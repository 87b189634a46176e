"""`python -m harness.sample`: the sample upstream by itself, until Ctrl+C."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import HarnessError
from harness.sample.own_app import load


def main(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8011,
    upstream: Annotated[str, typer.Option(help="MODULE:APP instead of sample.toml.")] = "",
) -> None:
    """Serve what sample.toml of this folder describes, for curl or `func start`."""
    try:
        sample = load(Path.cwd(), upstream)
        with sample.serve(port) as server, suppress(KeyboardInterrupt):
            typer.echo(f"{sample.name} is served at {server.url} until Ctrl+C.")
            typer.echo(f"A function reads from it with UPSTREAM_BASE_URL={server.url}")
            for name, value in sample.secrets().items():
                typer.echo(f"and with the made-up secret {name} = {value}")
            while True:
                time.sleep(3600)
    except HarnessError as error:
        typer.echo(f"{error}\n→ {error.todo}", err=True)
        raise typer.Exit(error.exit_code) from None


if __name__ == "__main__":
    typer.run(main)
