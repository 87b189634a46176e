"""Whether what is published to Azure can be imported with the packages of requirements.txt."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# Run beside the published files: refuses every package that is not installed at Azure.
_IMPORT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
sys.path.insert(0, {folder!r})
import function_app
"""


def problem(folder: Path, room: Path) -> str:
    """Why the published files of a project cannot be imported at Azure; "" where they can.

    Args:
        folder: The project's folder.
        room: An empty folder, which gets a copy of what is published.
    """
    _copy(folder, room, _ignored(folder / ".funcignore"))
    code = _IMPORT.format(missing=_not_at_azure(folder / "requirements.txt"), folder=str(room))
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        cwd=room,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=120,
    )
    if done.returncode == 0:
        return ""
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    files = re.findall(rf'File "{re.escape(str(room))}[\\/]*(.+?)", (line \d+)', done.stderr)
    place = ", ".join(files[-1]) if files else "function_app.py"
    last = last.replace(str(room), "")
    todo = (
        "the package is in requirements-dev.txt only, or in neither: add it to requirements.txt"
        if "No module named" in last and not _is_file(folder, last)
        else "a file that it needs is in .funcignore, so that it is not published"
    )
    return f"function_app.py cannot be imported at Azure: {last} ({place}); {todo}"


def _is_file(folder: Path, message: str) -> bool:
    found = re.search(r"No module named '([\w.]+)'", message)
    path = folder.joinpath(*found[1].split(".")) if found else folder
    return path.is_dir() or path.with_suffix(".py").exists()


def _copy(folder: Path, room: Path, ignored: list[str]) -> None:
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if path.is_file() and not _matches(place, ignored):
            (room / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, room / place)


def _matches(place: Path, patterns: list[str]) -> bool:
    """Whether a file is ignored, by the name of a folder or file or by its path."""
    parents = {parent.as_posix() for parent in place.parents if parent.name}
    names = {*place.parts, *parents, place.as_posix()}
    return any(fnmatch(name, pattern) for pattern in patterns for name in names)


def _ignored(file: Path) -> list[str]:
    """The patterns of .funcignore, without comments; negations are not among them."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    patterns = (line.strip().removeprefix("**/").strip("/") for line in lines)
    return [each for each in patterns if each and not each.startswith(("#", "!"))]


def _not_at_azure(requirements: Path) -> list[str]:
    """Top-level modules that are installed here and that requirements.txt does not bring along."""
    wanted = {_canonical(name) for name in _names(requirements)}
    left = list(wanted)
    while left:
        for name in _needs(left.pop()) - wanted:
            wanted.add(name)
            left.append(name)
    return sorted(
        module
        for module, distributions in metadata.packages_distributions().items()
        if not any(_canonical(each) in wanted for each in distributions)
    )


def _needs(distribution: str) -> set[str]:
    try:
        lines = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return set()
    plain = (line for line in lines if "extra ==" not in line)
    return {_canonical(match[0]) for line in plain if (match := _NAME.match(line))}


def _names(file: Path) -> Iterator[str]:
    for line in file.read_text(encoding="utf-8").splitlines():
        if match := _NAME.match(line.strip()):
            yield match[0]


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
