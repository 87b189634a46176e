"""Python 3.13, Microsoft's worker and a function's packages, installed once in .venv313."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

VENV = Path(__file__).resolve().parents[2] / ".venv313"
PYTHON = VENV / ("Scripts" if os.name == "nt" else "bin") / "python"
PROTOS = VENV / "protos"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
PROTOBUF_CLASSES = "azure-functions-runtime-v1==1.2.0"  # its wheel carries the host's
LOCK = FileLock(VENV.with_suffix(".lock"))


def install():
    """Install the worker; RuntimeError where there is no Python 3.13."""
    wanted = f"{PROTOBUF_CLASSES}\n{REQUIREMENTS.read_text(encoding='utf-8')}"
    marker = VENV / "installed.txt"
    with LOCK:
        if not marker.exists() or marker.read_text(encoding="utf-8") != wanted:
            _uv("venv", "--clear", "--no-python-downloads", "--python", "3.13", str(VENV))
            _install("-r", str(REQUIREMENTS))
            _install("--no-deps", "--target", str(PROTOS), PROTOBUF_CLASSES)
            marker.write_text(wanted, encoding="utf-8", newline="\n")


def packages(requirements):
    """The folder with what a requirements.txt names, as Azure's remote build fills one."""
    folder = VENV / "packages" / hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    with LOCK:
        if not folder.exists():
            new = folder.with_suffix(".new")
            shutil.rmtree(new, ignore_errors=True)
            _install("-r", str(requirements), "--target", str(new))
            new.rename(folder)
    return folder


def _install(*arguments):
    _uv("pip", "install", "--python", str(PYTHON), *arguments)


def _uv(*arguments):
    # pyenv's versions themselves: its shim on the PATH runs only the one that is switched on.
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    path = os.pathsep.join([*map(str, pyenv.glob("versions/3.13.*/bin")), os.environ["PATH"]])
    command, env = [sys.executable, "-m", "uv", *arguments], {**os.environ, "PATH": path}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"uv {' '.join(arguments)}: {done.stdout}{done.stderr}")
