"""`python -m harness.sample`: runs only the sample API, until Ctrl+C."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

import typer

from harness.errors import HarnessError
from harness.sample import load


def main(port: int = 8011, upstream: str = "") -> None:
    """Run the sample API that sample.toml describes, for curl or `func start`."""
    try:
        sample = load(Path.cwd(), upstream)
        with sample.serve(port) as server, suppress(KeyboardInterrupt):
            typer.echo(f"UPSTREAM_BASE_URL={server.url}")
            for name, value in sample.secrets().items():
                typer.echo(f"{name}={value}")
            threading.Event().wait()
    except HarnessError as error:
        typer.echo(f"{error}\n→ {error.todo}", err=True)
        raise typer.Exit(error.exit_code) from None


if __name__ == "__main__":
    typer.run(main)
