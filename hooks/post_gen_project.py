"""Lays out the two files that stay private, and cleans up; runs again on every update."""

import json
import os
import shutil
from pathlib import Path

CACHES = ("__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis")

LOCAL_SETTINGS = {
    "IsEncrypted": False,
    "Values": {"FUNCTIONS_WORKER_RUNTIME": "python", "AzureWebJobsStorage": ""},
}
NEXT = """
{folder} is made. In it, in a virtual environment:

    pip install -r requirements-dev.txt
    python -m harness sync --sample

Then fit fetch.py to your API; README.md goes on from there."""


def write_private(path, text):
    """Readable by its owner alone from the first byte; one that is there is left as it is."""
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    path.chmod(0o600)


def drop_empty(*folders):
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def drop_caches(project):
    """What a developer's tools left in the template's rooms."""
    rooms = [project / name for name in ("connector", "harness", "tests")]
    found = [project / name for name in CACHES]
    for room in rooms:
        found += [path for name in CACHES for path in room.rglob(name)]
    for path in found:
        drop(path)


def drop(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def main(project):
    form = (project / "connection.example.json").read_text(encoding="utf-8")
    write_private(project / "connection.json", form)
    write_private(project / "local.settings.json", json.dumps(LOCAL_SETTINGS, indent=2) + "\n")
    drop_empty(project / ".github/workflows", project / ".github")
    drop_caches(project)
    print(NEXT.format(folder=project.name))


if __name__ == "__main__":
    main(Path.cwd())
