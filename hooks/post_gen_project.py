"""Lays out the files that are data and drops what was not chosen; runs again on every update."""

import json
import os
import shutil
from pathlib import Path

CI_FILES = {"github": ".github/workflows/test.yml", "azure_pipelines": "azure-pipelines.yml"}
CACHES = ("__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis")

HOST = {
    "version": "2.0",
    "logging": {
        "applicationInsights": {
            "samplingSettings": {"isEnabled": True, "excludedTypes": "Request;Trace"},
        },
    },
    "extensionBundle": {
        "id": "Microsoft.Azure.Functions.ExtensionBundle",
        "version": "[4.*, 5.0.0)",
    },
}
LOCAL_SETTINGS = {
    "IsEncrypted": False,
    "Values": {"FUNCTIONS_WORKER_RUNTIME": "python", "AzureWebJobsStorage": ""},
}
NEXT = """
{folder} is made. In it, in a virtual environment:

    pip install -r requirements-dev.txt
    python -m harness sync --sample

Then fit fetch.py to your API; README.md goes on from there."""


def connection(schema, secrets):
    """What is typed in Fivetran's form, without a value."""
    return {
        "schema": schema,
        "secrets": dict.fromkeys(secrets, ""),
        "customPayload": {},
        "blocked": [],
        "hashed": [],
    }


def text_of(data):
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def write(path, data):
    path.write_text(text_of(data), encoding="utf-8", newline="\n")


def write_private(path, data):
    """Readable by its owner alone from the first byte; one that is there is left as it is."""
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text_of(data))
    path.chmod(0o600)


def drop_unchosen(project, ci, license_name):
    for kind, name in CI_FILES.items():
        if kind != ci:
            drop(project / name)
    for folder in (project / ".github/workflows", project / ".github"):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    if license_name == "proprietary":
        drop(project / "LICENSE")


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


def main(answers, project):
    form = connection(
        answers["function_name"].lower(), [name for name in answers["__secrets"].split(",") if name]
    )
    write(project / "host.json", HOST)
    write(project / "connection.example.json", form)
    write_private(project / "connection.json", form)
    write_private(project / "local.settings.json", LOCAL_SETTINGS)
    drop_unchosen(project, answers["ci"], answers["license"])
    drop_caches(project)
    print(NEXT.format(folder=project.name))


if __name__ == "__main__":
    main(json.loads(r"""{{ cookiecutter | tojson }}"""), Path.cwd())
