"""Which files of a project get published: .funcignore as each tool that reads it understands it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pathspec

ALWAYS = (".git/", ".vscode/", ".gitignore", ".funcignore", "local.settings.json")


def files(project: Path) -> set[str]:
    """All files of a project, as paths with slashes."""
    return {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}


def as_git(project: Path) -> set[str]:
    """What is published where the file is read by git's rules: azd, the GitHub action."""
    ignored = pathspec.GitIgnoreSpec.from_lines([*lines(project), *ALWAYS])
    return {name for name in files(project) if not ignored.match_file(name)}


def as_core_tools(project: Path) -> set[str]:
    """What `func azure functionapp publish` takes.

    Each line is a regular expression that matches at the project's top and ends at the end of a
    word; `*` is one character or more; a line with `!` wins over every other, wherever it stands.
    Source: GitIgnoreParser.cs and FileSystemHelpers.cs of Azure/azure-functions-core-tools.
    """
    patterns: dict[bool, list[str]] = {True: [], False: []}
    for line in lines(project):
        if not line.startswith("#"):
            keeps = line.startswith("!")
            patterns[keeps].append(_core_tools(line.removeprefix("!").removeprefix("/")))
    keep, drop = (
        re.compile(rf"(?:{'|'.join(patterns[kind])})\b" if patterns[kind] else "$^", re.ASCII)
        for kind in (True, False)
    )
    names = files(project) - {".funcignore", ".gitignore", "local.settings.json"}
    return {
        name
        for name in names
        if not {".git", ".vscode"} & set(name.split("/")[:-1])
        and (keep.match(name) or not drop.match(name))
    }


def as_vs_code(project: Path) -> set[str]:
    """What VS Code's extension takes.

    All lines, comments too, become one glob `{a,b,…}`, matched at the workspace's top against each
    file and each folder above it; `!` and a slash at the end mean nothing to it.
    Source: runWithZipStream.ts of microsoft/vscode-azuretools, and vscode.workspace.findFiles.
    """
    globs = ",".join(lines(project)).split(",")
    ignored = re.compile("|".join(_glob(glob) for glob in globs))
    return {
        name
        for name in files(project)
        if not name.startswith(".git/")
        and not any(ignored.fullmatch(part) for part in _prefixes(name))
    }


Reader = Callable[[Path], set[str]]
READERS: dict[str, Reader] = {
    "git": as_git,
    "core tools": as_core_tools,
    "vs code": as_vs_code,
}


def lines(project: Path) -> list[str]:
    """The lines of .funcignore that say something."""
    text = (project / ".funcignore").read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _core_tools(line: str) -> str:
    parts = {"**": ".+", "*": "[^/]+"}
    return "".join(parts.get(part, re.escape(part)) for part in re.split(r"(\*\*|\*)", line))


def _glob(glob: str) -> str:
    parts = {"**/": "(?:.+/)?", "*": "[^/]*", "?": "[^/]"}
    return "".join(parts.get(part, re.escape(part)) for part in re.split(r"(\*\*/|\*|\?)", glob))


def _prefixes(name: str) -> list[str]:
    steps = name.split("/")
    return ["/".join(steps[:count]) for count in range(1, len(steps) + 1)]
