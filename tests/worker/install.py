"""Python 3.13, Microsoft's worker and a function's packages, installed once in .venv313."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv313"
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
PROTOS = "azure-functions-runtime-v1==1.2.0"  # its wheel carries the host's protobuf classes
ASK = "import sys; print(sys.executable if sys.version_info[:2] == (3, 13) else '')"


def python313() -> str | None:
    """Where a Python 3.13 is: this one, on the PATH, Windows' launcher's, or pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    commands = [[sys.executable], ["python3.13"], ["py", "-3.13"]]
    commands += [[str(path)] for path in sorted(pyenv.glob("3.13.*/bin/python3.13"))]
    for command in commands:
        if shutil.which(command[0]) is None:
            continue
        told = subprocess.run([*command, "-c", ASK], capture_output=True, text=True)
        if told.returncode == 0 and told.stdout.strip():
            return told.stdout.strip()
    return None


class Installed:
    """What runs a function as Azure does.

    Attributes:
        python: The interpreter that has the worker.
        protos: The folder that holds the protobuf classes.

    Args:
        base: A Python 3.13.
    """

    def __init__(self, base: str) -> None:
        self.python = VENV / ("Scripts" if os.name == "nt" else "bin") / "python"
        self.protos = VENV / "protos"
        wanted = f"{base}\n{PROTOS}\n{REQUIREMENTS.read_text(encoding='utf-8')}"
        with _locked():
            marker = VENV / "installed.txt"
            if marker.exists() and marker.read_text(encoding="utf-8") == wanted:
                return
            _uv("venv", "--clear", "--python", base, str(VENV))
            self._install("-r", str(REQUIREMENTS))
            self._install("--no-deps", "--upgrade", "--target", str(self.protos), PROTOS)
            marker.write_text(wanted, encoding="utf-8", newline="\n")

    def packages(self, requirements: Path) -> Path:
        """The folder with what a requirements.txt names, as Azure's remote build fills one."""
        digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
        folder = VENV / "packages" / digest
        with _locked():
            if not folder.exists():
                new = folder.with_suffix(".new")
                shutil.rmtree(new, ignore_errors=True)
                self._install("-r", str(requirements), "--target", str(new))
                new.rename(folder)
        return folder

    def _install(self, *arguments: str) -> None:
        _uv("pip", "install", "--python", str(self.python), *arguments)


def _locked() -> FileLock:
    return FileLock(VENV.with_suffix(".lock"))


def _uv(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "uv", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"uv {' '.join(arguments)}: {done.stdout}{done.stderr}")
