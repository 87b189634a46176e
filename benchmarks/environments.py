"""Where contenders find Python, their packages and this project's runtime."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = ROOT / "{{cookiecutter.project_slug}}"
REQUIREMENTS = ROOT / "benchmarks" / "requirements"
OURS, OTHERS = (ROOT / ".venv-bench" / name for name in ("ours", "others"))
IN_OTHERS = ("dlt_client", "dlt_duckdb", "dlt_parquet", "singer_stream", "singer_messages")
VERSIONS = "import sys, importlib.metadata as m; print(*map(m.version, sys.argv[1:]))"
PLATFORM = "import platform as p; print('Python', p.python_version(), p.system(), p.machine())"


def python_of(environment: Path) -> str:
    """The interpreter of a virtual environment."""
    return str(environment / ("Scripts" if os.name == "nt" else "bin") / "python")


def python_for(contender: str) -> str:
    """The interpreter that has a contender's packages."""
    return python_of(OTHERS if contender in IN_OTHERS else OURS)


def output(
    command: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> str:
    """What a command prints.

    Raises:
        RuntimeError: It failed, with what it wrote to standard error.
    """
    done = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=cwd, env=env)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\nfailed: {done.stderr[-2000:]}")
    return done.stdout


def versions() -> str:
    """Python, its platform, and the packages that take part."""
    found = [output([python_of(OURS), "-c", PLATFORM]).strip()]
    for environment in (OURS, OTHERS):
        lines = (REQUIREMENTS / f"{environment.name}.txt").read_text("utf-8").splitlines()
        names = [line.partition("<")[0] for line in lines if not line.startswith("#")]
        numbers = output([python_of(environment), "-c", VERSIONS, *names]).split()
        found += [f"{name} {number}" for name, number in zip(names, numbers, strict=True)]
    return ", ".join(dict.fromkeys(found))
