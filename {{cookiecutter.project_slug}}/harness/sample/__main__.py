# Owned by fivetran-azfn-template: updates replace this file.
"""`python -m harness.sample`: the sample upstream on a port of its own, until Ctrl+C."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from harness.sample.file import SampleError
from harness.sample.server import Sample


def main(
    file: Annotated[Path, typer.Option(help="What the upstream is like.")] = Path("sample.toml"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8011,
) -> None:
    """Serve the upstream that sample.toml describes on 127.0.0.1, until Ctrl+C."""
    try:
        sample = Sample.load(file)
    except SampleError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(error.exit_code) from None
    with sample.serve(port) as server:
        typer.echo(f"The sample upstream is at {server.url}")
        for entity in sample.spec.entities.values():
            count = len(server.records(entity.name))
            typer.echo(f"  {entity.method} {entity.path}  {count} records of {entity.name}")
        typer.echo(
            f"\nA function reads from it with the app setting UPSTREAM_BASE_URL={server.url}"
        )
        if sample.checks:
            typer.echo(f"and these made-up secrets (it wants {sample.wanted()}):")
        for name, value in sample.secrets().items():
            typer.echo(f"  {name} = {value}")
        typer.echo("\nCtrl+C ends it.")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    typer.run(main)
