"""What a cold start costs: the imports of function_app beside `import requests`.

`python -m benchmarks.cold_start` measures this part of `make bench` alone.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import report
from benchmarks.environments import OURS, ROOT, RUNTIME, output, python_of
from benchmarks.goals import Goal, Row, Section

sys.path.insert(0, str(ROOT / "tests"))

from publish.ignored import as_git, files

SHOWN = 8  # packages
LIBRARY = "the standard library"
TIMED = """
import importlib, sys, time
importlib.import_module(sys.argv[1])
began = time.process_time()
importlib.import_module(sys.argv[2])
print(time.process_time() - began)
"""


@contextmanager
def published(runtime: Path) -> Iterator[Path]:
    """The app of the default answers with a runtime, reduced to what is published."""
    with tempfile.TemporaryDirectory() as folder:
        bake = [sys.executable, "-m", "cookiecutter", str(ROOT), "--no-input", "-o", folder]
        output(bake)
        (app,) = Path(folder).iterdir()
        for name in files(app) - as_git(app):
            (app / name).unlink()
        if runtime != RUNTIME:
            shutil.rmtree(app / "connector")
            shutil.copytree(runtime / "connector", app / "connector")
        yield app


def ratio(python: str, app: Path, runs: int, before: str) -> float:
    """CPU for the imports of function_app after azure.functions, beside those of requests.

    Args:
        python: An interpreter whose packages have bytecode; none is written for the app.
        app: Its folder.
        runs: How many pairs of fresh interpreters; the median counts.
        before: What is imported before requests.
    """
    found = []
    for _ in range(runs):
        ours = _seconds(python, app, "azure.functions", "function_app")
        found.append(ours / _seconds(python, app, before, "requests"))
    return statistics.median(found)


def _seconds(python: str, app: Path, before: str, module: str) -> float:
    return float(output([python, "-B", "-c", TIMED, before, module], cwd=app))


def shares(python: str, app: Path) -> Counter[str]:
    """Microseconds of own time by package, from one run of `-X importtime` after Python's start."""
    command = [python, "-B", "-X", "importtime", "-c", "import function_app"]
    done = subprocess.run(command, cwd=app, capture_output=True, text=True, check=True)
    spent: Counter[str] = Counter()
    for line in done.stderr.partition("| site\n")[2].splitlines():
        own, _, name = line.removeprefix("import time:").split("|")
        package = name.strip().partition(".")[0]
        spent[LIBRARY if package in sys.stdlib_module_names else package] += int(own)
    return spent


def sections(environment: Path, runtime: Path, runs: int) -> tuple[Section, Section]:
    """The ratios, and each package's share."""
    python = python_of(environment)
    with published(runtime) as app:
        source = ratio(python, app, runs, "azure.functions")
        output([python, "-m", "compileall", "-q", str(app)])
        compiled = ratio(python, app, runs, "azure.functions")
        alone = ratio(python, app, runs, "sys")
        spent = shares(python, app)
    return (
        Section(
            "Cold start",
            "CPU for the imports of `function_app` beyond `azure.functions`, relative to "
            "`import requests`, in fresh interpreters. `azure.functions` imports about half of "
            "what `requests` needs; without it `requests` takes twice as long. Lower is better.",
            (
                Row("requests after azure.functions", compiled, Goal(high=1.3)),
                Row("the same, modules of the app not compiled", source),
                Row("requests without azure.functions", alone),
            ),
        ),
        Section(
            "Imports of a cold start",
            "Shares of one `import function_app`, its modules compiled.",
            tuple(
                Row(name, own / spent.total(), ours=name in ("connector", "fetch", "function_app"))
                for name, own in spent.most_common(SHOWN)
            ),
        ),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the ratios and the shares."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_start", description=__doc__)
    parser.add_argument("--environment", type=Path, default=OURS)
    parser.add_argument("--runtime", type=Path, default=RUNTIME)
    parser.add_argument("--runs", type=int, default=15)
    given = parser.parse_args(arguments)
    report.terminal(sections(given.environment, given.runtime, given.runs))


if __name__ == "__main__":
    main()
