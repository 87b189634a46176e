"""Which files of a project get published: .funcignore as the tools that publish read it."""

from __future__ import annotations

import re
from pathlib import Path

import pathspec

ALWAYS = (".git/", ".vscode/", ".gitignore", ".funcignore", "local.settings.json")


def files(project: Path) -> set[str]:
    """All files of a project, as paths with slashes."""
    return {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}


def as_git(project: Path) -> set[str]:
    """What azd and GitHub's action publish, which read the file by git's rules."""
    ignored = pathspec.GitIgnoreSpec.from_lines([*lines(project), *ALWAYS])
    return {name for name in files(project) if not ignored.match_file(name)}


def as_core_tools(project: Path) -> set[str]:
    """What `func azure functionapp publish` takes.

    Each line is a regular expression that matches at the project's top and ends at the end of a
    word; an asterisk is one character or more.
    Source: GitIgnoreParser.cs and FileSystemHelpers.cs of Azure/azure-functions-core-tools.
    """
    parts = {"**": ".+", "*": "[^/]+"}
    patterns = [
        "".join(parts.get(part, re.escape(part)) for part in re.split(r"(\*\*|\*)", line))
        for line in lines(project)
    ]
    ignored = re.compile(rf"(?:{'|'.join(patterns)})\b", re.ASCII)
    always = pathspec.GitIgnoreSpec.from_lines(ALWAYS)
    names = files(project)
    return {name for name in names if not ignored.match(name) and not always.match_file(name)}


READERS = {"git": as_git, "core tools": as_core_tools}


def lines(project: Path) -> list[str]:
    """The patterns of .funcignore."""
    text = (project / ".funcignore").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]
