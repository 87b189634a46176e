"""docs/errors.md has a row for each text of an error in the runtime's code, and no other row."""

from __future__ import annotations

import builtins
import re
import shutil
from pathlib import Path

import pytest
from connector import budget
from connector.http import client, transport
from connector.sync import outcome, setup_test
from publish.conftest import Bake
from publish.wording import KINDS, OTHERS, PAGE, RUNTIME, Message, faults, messages, rows_of, texts


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def said() -> set[Message]:
    return messages(RUNTIME)


def test_every_message_has_a_row_and_every_row_a_message(page: str, said: set[Message]) -> None:
    assert len(said) > 100
    assert faults(said, rows_of(page)) == []


def test_what_is_left_out_is_in_the_code() -> None:
    assert {message.text for message in texts(RUNTIME)} >= OTHERS


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
        ("errors.py", "the upstream asked to come back later", "the upstream is not ready"),
        ("source.py", "it is declared twice", "it is there already"),
        ("response.py", ". It says ", ". The response is "),
        ("http/client.py", " (check the secrets", " (look at the secrets"),
        ("sync/page.py", '"is not a single value"', '"is a list or an object"'),
        ("sync/outcome.py", "ConnectorError(\n", "StateError(\n"),
    ],
)
def test_a_message_that_changes_is_noticed(
    page: str, tmp_path: Path, module: str, before: str, after: str
) -> None:
    copy = shutil.copytree(
        RUNTIME, tmp_path / "connector", ignore=shutil.ignore_patterns("*cache*")
    )
    text = (copy / module).read_text(encoding="utf-8")
    assert before in text
    (copy / module).write_text(text.replace(before, after), encoding="utf-8", newline="\n")
    assert faults(messages(copy), rows_of(page)) != []


def test_numbers_are_those_of_the_code(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONNECTOR_CALL_SECONDS", raising=False)
    seconds = budget.Budget.from_settings().seconds
    for text in (
        f"{seconds:.0f} s unless set, at most {budget.LONGEST_CALL:.0f} s",
        f"it pauses after {outcome.EMPTY_REPLIES} in a row",
        f"More than {transport.LARGEST_BODY // 2**20} MiB",
        f"within {setup_test.SECONDS:.0f} s",
        f"the first {client._QUOTED} characters",
        f"{('five', client.ATTEMPTS)[client.ATTEMPTS != 5]} attempts",
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
