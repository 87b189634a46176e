"""The result as tables in the terminal and as a page of the docs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.goals import Section

PAGE = """\
# Benchmarks

`make bench` wrote this page. Every number is a ratio: the median of {rounds} pairs of runs, which
take turns. Each run is a process of its own. So is the API that they read, on the same machine.

![CPU per record beside the hand-written loop](benchmarks.svg)
{sections}
Measured with {versions}.
"""


def terminal(sections: Iterable[Section], versions: str = "") -> None:
    """Print the tables."""
    console = Console(width=None if Console().is_terminal else 120)
    for section in sections:
        table = Table(title=section.title, caption=section.text.replace("`", ""), expand=True)
        heads, *lines = section.table()
        for head in heads:
            table.add_column(head, justify="right" if head == "ratio" else "left")
        for line, row in zip(lines, section.rows, strict=True):
            table.add_row(*line, style="bold" if row.ours else "")
        console.print(table)
    console.print(versions)


def markdown(sections: Sequence[Section], rounds: int, versions: str) -> str:
    """The page."""
    return PAGE.format(rounds=rounds, versions=versions, sections="".join(map(_section, sections)))


def write(folder: Path, page: str, plot: str) -> None:
    """Write the page and its plot."""
    folder.mkdir(exist_ok=True)
    for name, text in (("benchmarks.md", page), ("benchmarks.svg", plot)):
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


def _section(section: Section) -> str:
    lines = [f"| {' | '.join(line)} |" for line in section.table()]
    lines.insert(1, "|---|---:|" + "---|" * (len(section.table()[0]) - 2))
    return f"\n## {section.title}\n\n{section.text}\n\n" + "\n".join(lines) + "\n"
