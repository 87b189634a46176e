"""docs/fetch.md says what the code has: each name, parameter, default and setting."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import connector
import pytest
from connector import Fetch, Page, Source, testing
from connector.budget import Budget
from connector.errors import SourceError
from connector.testing import call_step
from publish.pages import (
    PAGE,
    ROOM,
    TESTING,
    callables,
    named,
    quoted,
    sections,
    signature,
    signatures,
    table,
)


def test_every_public_name_is_on_the_page() -> None:
    """In a heading, a signature or a table, and no signature is of something else."""
    shown = signatures(PAGE)
    known = {*shown, *named(PAGE), *sections(PAGE)}
    assert {*connector.__all__, *TESTING} <= known
    assert shown.keys() == callables().keys()


@pytest.mark.parametrize("name", sorted(callables()))
def test_a_signature_is_that_of_the_code(name: str) -> None:
    """The same parameters in the same order, with the same defaults."""
    call = callables()[name]
    assert signatures(PAGE)[name] == signature(call)


@pytest.mark.parametrize(
    "heading",
    [
        "Source",
        "source.entity",
        "Fetch",
        "Response",
        "Page",
        "Auth",
        "Payload",
        "Errors that a step may raise",
        "connector.testing",
    ],
)
def test_a_section_explains_each_name_and_no_other(heading: str) -> None:
    """Parameters, attributes and methods of what the section is about, once each."""
    text = sections(PAGE)[heading]
    parameters = {name for given in signatures(text).values() for name, _, _ in given}
    explained = named(text)
    assert len(explained) == len(set(explained))
    if heading == "Fetch":
        attributes = {name for name in Fetch.__struct_fields__ if not name.startswith("_")}
        assert set(explained) == parameters | attributes
    elif heading == "Response":
        methods = {name.partition(".")[2] for name in signatures(text)}
        assert set(explained) == parameters | methods
    elif heading == "connector.testing":
        assert set(explained) == parameters | TESTING.keys() - {"call_step", "Reply"}
    elif heading.startswith("Errors"):
        assert set(explained) == parameters | signatures(text).keys()
    else:
        assert set(explained) == parameters


def test_fields_of_a_fetch_and_of_a_request_are_those_of_the_code() -> None:
    """What `call_step` takes besides step and reply, and what a canned request shows."""
    cells = {row[0]: row[1] for row in table(sections(PAGE)["connector.testing"])}
    with pytest.raises(TypeError) as refused:
        call_step(_step(), {}, nonsense=1)
    taken = set(re.findall(r"[a-z_]+", str(refused.value).partition("knows")[2])) - {"and"}
    assert set(quoted(cells["`fetch`"])) == taken
    assert set(quoted(cells["`Sent`"])) == {item.name for item in fields(testing.Sent)}


def _step() -> Callable[..., Page]:
    @Source(base_url="https://api.example.com").entity("thing")
    def step(fetch: Fetch) -> Page:
        return Page()

    return step


def settings_read(room: Path) -> set[str]:
    """App settings that the runtime reads, by name; the others are secrets."""
    found, varying = set(), set()
    for path in sorted(room.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "os.environ.get",
                "os.getenv",
                "_setting",
            ):
                name = node.args[0]
                if isinstance(name, ast.Constant):
                    found.add(str(name.value))
                else:
                    varying.add(path.name)
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
                varying.add(path.name)
    assert varying == {"budget.py", "secrets.py"}
    return found


def test_app_settings_are_those_that_the_code_reads() -> None:
    """A row for each, and none for another."""
    assert set(named(sections(PAGE)["App settings"])) == settings_read(ROOM)


@pytest.mark.parametrize(
    ("setting", "of"),
    [("CONNECTOR_CALL_SECONDS", "seconds"), ("CONNECTOR_CALL_BYTES", "_reply_bytes")],
)
def test_defaults_and_limits_of_app_settings_are_those_of_the_code(
    monkeypatch: pytest.MonkeyPatch, setting: str, of: str
) -> None:
    """The default holds when nothing is set; the limit is taken, and one more is not."""
    row = next(row for row in table(sections(PAGE)["App settings"]) if setting in row[0])
    most = int(re.findall(r"at most (\d+)", row[2])[0])
    monkeypatch.delenv(setting, raising=False)
    assert getattr(Budget.from_settings(), of) == int(row[1])
    monkeypatch.setenv(setting, str(most))
    assert getattr(Budget.from_settings(), of) == most
    monkeypatch.setenv(setting, str(most + 1))
    with pytest.raises(SourceError):
        Budget.from_settings()


def test_numbers_are_those_of_the_code() -> None:
    """Attempts, the largest reply, the lookback, the statuses that start a walk over."""
    from connector.http import client, transport
    from connector.sync import bounds, walk

    assert f"{('five', '')[client.ATTEMPTS != 5]} attempts" in PAGE
    assert f"{transport.LARGEST_BODY // 2**20} MiB" in PAGE
    assert bounds.LOOKBACK.total_seconds() == 300 and "five minutes" in PAGE
    *most, last = walk._NOT_REFUSED
    assert f"from 400 to 499 but {', '.join(map(str, most))} and {last}" in " ".join(PAGE.split())
