"""What a cold start costs: the time to import function_app, and what each import has of it.

`python -m benchmarks.cold_start [--python PYTHON] [--runs RUNS]`, which `make bench` ends with,
bakes the default answers, keeps what is published, and imports it in fresh processes; PYTHON needs
the packages of requirements.txt.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cookiecutter.main import cookiecutter
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from publish.ignored import as_git, files  # noqa: E402

STEPS = ("azure.functions", "requests", "msgspec", "function_app")
TIMED = """
import importlib, json, sys, time
spent = []
for name in sys.argv[1:]:
    began = time.perf_counter()
    importlib.import_module(name)
    spent.append(time.perf_counter() - began)
print(json.dumps(spent))
"""


def timed(python: str, app: Path, times: int) -> tuple[list[float], list[float]]:
    """Milliseconds per step, medians, without and with bytecode of the app's own modules.

    The packages are compiled in any case, as an installation does it. The kinds take turns, so
    that a busy machine treats them alike.
    """
    command = [python, "-B", "-c", TIMED, *STEPS]
    runs: tuple[list[list[float]], list[list[float]]] = ([], [])
    for _ in range(times):
        for kind, found in enumerate(runs):
            for cache in app.rglob("__pycache__"):
                shutil.rmtree(cache)
            if kind:
                compile_all = [python, "-m", "compileall", "-q", str(app)]
                subprocess.run(compile_all, capture_output=True, check=True)
            done = subprocess.run(command, cwd=app, capture_output=True, text=True, check=True)
            found.append(json.loads(done.stdout))
    bare, compiled = ([1000 * statistics.median(s) for s in zip(*f, strict=True)] for f in runs)
    return bare, compiled


def shares(python: str, app: Path) -> Counter[str]:
    """Milliseconds of own time by package, from one run of `-X importtime`."""
    command = [python, "-B", "-X", "importtime", "-c", "import function_app"]
    done = subprocess.run(command, cwd=app, capture_output=True, text=True, check=True)
    spent: Counter[str] = Counter()
    for line in done.stderr.splitlines()[1:]:
        own, _, name = line.removeprefix("import time:").split("|")
        spent[name.strip().partition(".")[0]] += int(own) / 1000  # type: ignore[assignment]
    return spent


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what each import costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--runs", type=int, default=15)
    given = parser.parse_args(arguments)
    python = str(Path(shutil.which(given.python) or given.python).absolute())
    with tempfile.TemporaryDirectory() as folder:
        app = Path(cookiecutter(str(ROOT), no_input=True, output_dir=folder))
        for name in files(app) - as_git(app):
            (app / name).unlink()
        bare, compiled = timed(python, app, given.runs)
        table = Table(title=f"import time in ms, medians of {given.runs} fresh processes")
        for head in ("import", "app not compiled", "app compiled"):
            table.add_column(head, justify="left" if head == "import" else "right")
        for name, *spent in zip(STEPS, bare, compiled, strict=True):
            rest = " (without those above)" if name == STEPS[-1] else ""
            table.add_row(name + rest, *(f"{value:.0f}" for value in spent))
        table.add_row("all", *(f"{sum(column):.0f}" for column in (bare, compiled)))
        Console().print(table)
        table = Table(title="own time by package in ms, one run of -X importtime")
        table.add_column("package")
        table.add_column("ms", justify="right")
        for name, own in shares(python, app).most_common(15):
            table.add_row(name, f"{own:.1f}")
        Console().print(table)


if __name__ == "__main__":
    main()
