"""Writes the two private files and drops the files that were not chosen."""

import json
import os
from pathlib import Path

LOCAL_SETTINGS = {
    "IsEncrypted": False,
    "Values": {"FUNCTIONS_WORKER_RUNTIME": "python", "AzureWebJobsStorage": ""},
}
NEXT = """
Created {folder}. Next, in that folder and in a virtual environment:

    pip install -r requirements-dev.txt
    python -m harness sync --sample

Then edit fetch.py for your API; README.md explains how."""


def write_private(path, text):
    """Write a file that only its owner can read; an existing file keeps its content."""
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    path.chmod(0o600)


def drop_if_empty(path):
    """Remove a file that was not chosen, which is rendered empty; a file with content stays."""
    if path.exists() and not path.stat().st_size:
        path.unlink()
        while path.parent != Path.cwd() and not any(path.parent.iterdir()):
            path = path.parent
            path.rmdir()


if __name__ == "__main__":
    project = Path.cwd()
    for name in (".github/workflows/test.yml", "azure-pipelines.yml", "LICENSE"):
        drop_if_empty(project / name)
    example = (project / "connection.example.json").read_text(encoding="utf-8")
    write_private(project / "connection.json", example)
    write_private(project / "local.settings.json", json.dumps(LOCAL_SETTINGS, indent=2) + "\n")
    print(NEXT.format(folder=project.name))
