"""docs/errors.md has a row for each message that the runtime can report, and no other row."""

from __future__ import annotations

import builtins
import re
import shutil
from pathlib import Path

import pytest
from connector import budget, transport, trial, upstream, verdict
from publish.conftest import Bake
from publish.wording import KINDS, PAGE, ROOM, Message, faults, messages, modules_of, rows_of


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def said() -> set[Message]:
    return messages(ROOM)


def test_every_message_has_a_row_and_every_row_a_message(page: str, said: set[Message]) -> None:
    assert len(said) > 100
    assert faults(said, rows_of(page)) == []


def test_every_error_that_is_made_is_understood(said: set[Message]) -> None:
    """No error is built in a way that hides its words from this test."""
    made = {
        f"{module.name}:{call.lineno}"
        for module in modules_of(ROOM)
        for name in KINDS
        for call in module.calls.get(name, ())
        if call.args
    }
    assert len(made) > 50
    assert made <= {message.place for message in said}


def test_every_error_type_has_a_section(page: str) -> None:
    headings = " ".join(line for line in page.splitlines() if line.startswith("### "))
    assert KINDS.keys() <= set(re.findall(r"\w+", headings))


def test_every_row_is_missed_when_it_is_dropped(page: str, said: set[Message]) -> None:
    rows = rows_of(page)
    for index, row in enumerate(rows):
        assert faults(said, rows[:index] + rows[index + 1 :]) != [], row


@pytest.mark.parametrize(
    ("module", "before", "after"),
    [
        ("checks.py", "this page holds the same records", "the page has the same records"),
        ("errors.py", "the upstream asked to come back later", "the upstream is not ready"),
        ("trip.py", "is no URL", "is not a URL"),
        ("entity.py", "it is declared twice", "it is there already"),
        ("records.py", '"is no single value"', '"is a list or an object"'),
        ("rows.py", "; errors: ", "; it says: "),
        ("upstream.py", " (check the secrets", " (look at the secrets"),
        ("state.py", "lies in the future", "is not yet"),
        ("cursors.py", "is no text and no number", "is neither text nor a number"),
        (
            "verdict.py",
            "waits.append(\n            ConnectorError(",
            "waits.append(\n            StateError(",
        ),
    ],
)
def test_a_message_that_changes_is_noticed(
    page: str, tmp_path: Path, module: str, before: str, after: str
) -> None:
    room = shutil.copytree(ROOM, tmp_path / "connector", ignore=shutil.ignore_patterns("*cache*"))
    text = (room / module).read_text(encoding="utf-8")
    assert before in text
    (room / module).write_text(text.replace(before, after), encoding="utf-8", newline="\n")
    assert faults(messages(room), rows_of(page)) != []


def test_numbers_are_those_of_the_code(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONNECTOR_CALL_SECONDS", raising=False)
    for text in (
        f"{budget.Budget.read().seconds:.0f} s unless set, at most {budget.LONGEST_CALL:.0f} s",
        f"it pauses after {verdict.EMPTY_REPLIES} in a row",
        f"More than {transport.LARGEST_BODY // 2**20} MiB",
        f"within {trial.SECONDS:.0f} s",
        f"the first {upstream._SHOWN} characters",
        f"{('five', upstream.ATTEMPTS)[upstream.ATTEMPTS != 5]} attempts",
    ):
        assert text in page


def test_other_types_are_pythons(page: str) -> None:
    table = page.partition("| errorType | what happened |")[2]
    names = [
        name
        for line in table.splitlines()
        if line.startswith("| ")
        for name in re.findall(r"`(\w+)`", line.split(" | ")[0])
    ]
    assert len(names) > 5
    assert all(issubclass(getattr(builtins, name, int), Exception) for name in names)


def test_a_bake_has_the_page_as_it_is(bake: Bake, page: str) -> None:
    """Nothing in it is Jinja."""
    assert (bake() / "docs" / "errors.md").read_text(encoding="utf-8") == page
