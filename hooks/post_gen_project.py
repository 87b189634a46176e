"""Writes the two private files and drops the files that were not chosen."""

import json
from pathlib import Path

NEXT = """
Created {folder}. Next, in that folder and in a virtual environment:

    pip install -r requirements-dev.txt
    python -m harness sync --sample

Then edit fetch.py for your API; README.md explains how."""

if __name__ == "__main__":
    project = Path.cwd()
    for name in (".github/workflows/test.yml", "azure-pipelines.yml", "LICENSE"):
        path = project / name
        if path.exists() and not path.stat().st_size:  # not chosen, so it was rendered empty
            path.unlink()
            while not any(path.parent.iterdir()):
                path = path.parent
                path.rmdir()
    settings = {"FUNCTIONS_WORKER_RUNTIME": "python", "AzureWebJobsStorage": ""}
    local = json.dumps({"IsEncrypted": False, "Values": settings}, indent=2) + "\n"
    example = (project / "connection.example.json").read_text(encoding="utf-8")
    for name, text in (("connection.json", example), ("local.settings.json", local)):
        path = project / name
        if not path.exists():
            path.touch(0o600)  # before there is anything to read
            path.write_text(text, encoding="utf-8", newline="\n")
        path.chmod(0o600)
    print(NEXT.format(folder=project.name))
