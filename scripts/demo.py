"""Shows the template at work: generate a project, setup test, sync, change the API, sync again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
from cookiecutter.main import cookiecutter
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".demo"
CALL_BYTES = "200000"  # small on purpose, so that one sync takes several calls
SHOWN = ("id", "updated_at", "amount", "currency", "booked_on", "_fivetran_synced")

console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def main() -> int:
    """Run the demo and return its exit code."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    console.rule("1. generate a project with the default answers")
    project = Path(cookiecutter(str(ROOT), no_input=True, output_dir=str(FOLDER)))
    console.print(f"{os.path.relpath(project)}: the file to edit is fetch.py\n")
    console.print((project / "fetch.py").read_text(encoding="utf-8"), markup=False)

    sys.path.insert(0, str(project))
    from harness.sample import load  # of the generated project

    sample = load(project)
    _fill_in(project / "connection.json", sample.secrets())
    with sample.serve() as server:
        environment = {
            **os.environ,
            "UPSTREAM_BASE_URL": server.url,
            "CONNECTOR_CALL_BYTES": CALL_BYTES,
            "PYTHONUNBUFFERED": "1",
        }

        def harness(command: str) -> None:
            console.print(f"$ python -m harness {command}", style="bold")
            begun = len(server.requests)
            subprocess.run(
                [sys.executable, "-m", "harness", command],
                cwd=project,
                env=environment,
                check=True,
            )
            pages = sum(seen.status == 200 for seen in server.requests[begun:])
            console.print(f"pages requested: {pages}\n")

        console.rule(f"2. the setup test, with a sample API at {server.url}")
        harness("test")
        console.rule(f"3. the first sync: hasMore asks for another call after {CALL_BYTES} bytes")
        harness("sync")
        _show(project)
        console.rule("4. in the API: 25 new records, 40 changed, 10 deleted")
        server.change(insert=25, update=40, delete=10, seed=1)
        console.print(
            "This API does not list deleted records, so their rows stay in the table. The answers\n"
            "deletes=records and deletes=soft_delete mark them as deleted.\n"
        )
        console.rule("5. the second sync reads only the changes")
        harness("sync")
        _show(project)
    console.rule("What to do next")
    console.print(
        f"  cd {os.path.relpath(project)}\n"
        "  edit fetch.py and sample.toml        the paths, parameters and fields of your API\n"
        "  python -m harness peek --sample      one page: the requests, a few records\n"
        "  python -m harness sync --sample      a whole sync into DuckDB\n"
        "  pytest                               tests your function against Fivetran's rules\n"
        "  func azure functionapp publish APP   then enter the function's key in Fivetran\n",
        markup=False,
    )
    return 0


def _fill_in(connection: Path, secrets: dict[str, str]) -> None:
    """Write the secrets into connection.json, as the user does once."""
    settings = json.loads(connection.read_text(encoding="utf-8"))
    settings["secrets"] = secrets
    connection.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8", newline="\n")


def _show(project: Path) -> None:
    """A few rows of each table."""
    schema = json.loads((project / "connection.json").read_text(encoding="utf-8"))["schema"]
    warehouse = project / ".fivetran" / "warehouse.duckdb"
    with duckdb.connect(str(warehouse), read_only=True) as tables:
        names = tables.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = ?", [schema]
        ).fetchall()
        for (name,) in names:
            columns = ", ".join(f"left({column}::VARCHAR, 22)" for column in SHOWN)
            rows = tables.execute(
                f'SELECT {columns} FROM "{schema}"."{name}" ORDER BY updated_at DESC, id LIMIT 3'
            ).fetchall()
            count = tables.execute(f'SELECT count(*) FROM "{schema}"."{name}"').fetchone()
            shown = Table(title=f"{schema}.{name}: {count[0] if count else 0:,} rows, the latest:")
            for column in SHOWN:
                shown.add_column(column)
            for row in rows:
                shown.add_row(*(str(value) for value in row))
            console.print(shown, markup=False)
    console.print()


if __name__ == "__main__":
    sys.exit(main())
