"""The commands of az, azd, func and gh that a project's files show, taken apart."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

TOOLS = ("az", "azd", "func", "gh")
_SHOWN = re.compile(rf"`((?:{'|'.join(TOOLS)}) [^`\n]+)`")
_INNER = re.compile(r"\$\((az [^()]*)\)")
INNER = "INNER"  # stands for what a command within the command prints


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        line: As it stands in the file.
        tool: Of TOOLS.
        name: Its further names, as "functionapp show".
        words: What is given without a flag.
        flags: Flags, and the value that follows each; "" where none does.
        whole: Whether it is there to be typed; a command that is only spoken of has no values.
    """

    line: str
    tool: str
    name: str
    words: tuple[str, ...]
    flags: dict[str, str]
    whole: bool


def lines_of(page: str) -> list[str]:
    """The lines of a page's blocks that no language is named for: all of them are commands."""
    blocks = re.findall(r"^```\n(.*?)^```$", page, re.M | re.S)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def commands_of(page: str) -> list[Command]:
    """The commands of a page: in its blocks, and between backticks in its text."""
    typed = [line for line in lines_of(page) if line.partition(" ")[0] in TOOLS]
    spoken = _SHOWN.findall(re.sub(r"^```.*?^```$", "", page, flags=re.M | re.S))
    return [one for line in typed for one in read(line, True)] + [
        one for line in spoken for one in read(line, False)
    ]


def pipeline_commands(project: Path) -> list[Command]:
    """What the Azure pipeline, where there is one, has Core Tools do."""
    files = project.glob("azure-pipelines.yml")
    texts = [path.read_text(encoding="utf-8") for path in files]
    lines = [line for text in texts for line in re.findall(r"inlineScript: (.*)$", text, re.M)]
    return [one for line in lines for one in read(line, True)]


def read(line: str, typed: bool) -> list[Command]:
    """A command, and those within it."""
    within = [one for inner in _INNER.findall(line) for one in read(inner, True)]
    tool, *parts = shlex.split(_INNER.sub(INNER, line))
    names, words, flags = [], [], {}
    while parts and re.fullmatch(r"[a-z][a-z-]*", parts[0]):
        names.append(parts.pop(0))
    while parts:
        part = parts.pop(0)
        if part.startswith("-"):
            flags[part] = parts.pop(0) if parts and not parts[0].startswith("-") else ""
        else:
            words.append(part)
    whole = typed or bool(words or flags)
    return [*within, Command(line, tool, " ".join(names), tuple(words), flags, whole)]
