"""A function in a folder, synced and reported as on the command line, and the page read again."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import handmade
import pytest
from harness.cli import main

VOID = {"meta", "br"}

HEAD = """
secret = request["secrets"]["apiToken"]
at = state.get("at", 0)
"""

# Ten records, three a call; one third of `maybe` is null.
GOOD = """
rows = [
    {"id": n, "name": f"name {n}", "email": f"{n}@example.com", "note": "a private note",
     "maybe": n if n % 3 else None}
    for n in range(at, min(at + 3, 10))
]
return reply({
    "state": {"at": at + len(rows), "kept": "as it was"},
    "insert": {"thing": rows},
    "schema": {"thing": {"primary_key": ["id"]}},
    "hasMore": at + len(rows) < 10,
})
"""


class Element:
    """One element of a page: its tag, attributes, classes, ancestors and all text in it."""

    def __init__(self, name: str, attributes: dict[str, str], above: list[Element]) -> None:
        self.name, self.attributes, self.above, self.text = name, attributes, above, ""
        self.classes = set(attributes.get("class", "").split())


class Page(HTMLParser):
    """A page, read by a parser that knows nothing of how it was written."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(source)
        self.close()
        for element in self.elements:
            element.text = re.sub(r"\s*\n\s*", "", element.text)
        assert not self._open, f"left open: {[element.name for element in self._open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append(Element(tag, attributes, list(self._open)))
        if tag not in VOID:
            self._open.append(self.elements[-1])

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().name == tag

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, name: str = "", kind: str = "", under: str = "") -> list[Element]:
        """Elements with this tag and this class, under the one with this id."""
        return [
            element
            for element in self.elements
            if name in ("", element.name)
            and (not kind or kind in element.classes)
            and (not under or any(above.attributes.get("id") == under for above in element.above))
        ]

    def section(self, identity: str) -> str:
        """The text under an id."""
        (found,) = [each for each in self.elements if each.attributes.get("id") == identity]
        return found.text

    def row(self, column: str) -> str:
        """The text of a column's row in the list of columns of `thing`."""
        (found,) = [
            each.text
            for each in self.all("tr", under="table-thing")
            if any("columns" in above.classes for above in each.above)
            and each.text.startswith(column)
        ]
        return found


Make = Callable[..., Path]
Run = Callable[..., tuple[int, str]]
Report = Callable[..., Page]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a folder with a function of the given body, and goes there."""

    def make(body: str = GOOD, **connection: Any) -> Path:
        body = HEAD + textwrap.dedent(body)
        folder = handmade.make(tmp_path / "project", body, **connection)
        monkeypatch.chdir(folder)
        return folder

    return make


@pytest.fixture
def harness(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command of the harness in the current folder: its exit code and what it wrote."""

    def run(*arguments: str) -> tuple[int, str]:
        code = main(list(arguments))
        written = capsys.readouterr()
        return code, written.out + written.err

    return run


@pytest.fixture
def reported(harness: Run) -> Report:
    """Runs commands in the current folder, then `report`; the page."""

    def report(*commands: str) -> Page:
        for command in commands:
            harness(*command.split())
        code, written = harness("report")
        assert code == 0, written
        return Page(Path(os.curdir, ".fivetran/report.html").read_text(encoding="utf-8"))

    return report
