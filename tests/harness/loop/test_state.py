"""The state file follows the warehouse, and a person may edit it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from harness.errors import UsageError
from harness.state import StateFile, private_folder, settle


class Kept:
    """A warehouse's state without the warehouse."""

    def __init__(self, last: dict[str, Any], before: dict[str, Any] | None) -> None:
        self.last, self.before = last, before

    def state(self) -> dict[str, Any]:
        return self.last

    def previous_state(self) -> dict[str, Any] | None:
        return self.before

    def set_state(self, state: dict[str, Any]) -> None:
        self.last, self.before = state, None


@pytest.fixture
def file(tmp_path: Path) -> StateFile:
    return StateFile(tmp_path / "home" / "state.json")


def test_no_file_is_an_empty_state(file: StateFile) -> None:
    assert file.read() == {}


def test_a_file_that_agrees_is_taken(file: StateFile) -> None:
    file.write({"at": 2})
    assert settle(file, Kept({"at": 2}, {"at": 1})) == ({"at": 2}, None)


def test_a_file_one_reply_behind_is_brought_up_to_date(file: StateFile) -> None:
    file.write({"at": 1})
    state, notice = settle(file, Kept({"at": 2}, {"at": 1}))
    assert state == file.read() == {"at": 2}
    assert notice is not None
    assert "brought up to date" in notice


def test_a_missing_file_after_the_very_first_reply_is_brought_up_to_date(file: StateFile) -> None:
    assert settle(file, Kept({"at": 1}, {}))[0] == file.read() == {"at": 1}


def test_an_edited_file_wins(file: StateFile) -> None:
    file.write({"at": 7})
    kept = Kept({"at": 2}, {"at": 1})
    state, notice = settle(file, kept)
    assert state == kept.last == {"at": 7}
    assert notice is not None
    assert "was edited" in notice


def test_a_file_that_was_deleted_means_from_the_beginning(file: StateFile) -> None:
    kept = Kept({"at": 2}, None)
    state, notice = settle(file, kept)
    assert state == kept.last == {}
    assert notice is not None
    assert "is gone" in notice
    assert "edited" not in notice


def test_a_file_saved_by_a_windows_editor_is_read(file: StateFile) -> None:
    file.write({})
    file.path.write_bytes(b'\xef\xbb\xbf{"at": 1}\r\n')
    assert file.read() == {"at": 1}


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_file_that_is_no_object_is_refused_by_name(file: StateFile, text: str) -> None:
    file.write({})
    file.path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"state\.json"):
        file.read()


def test_a_file_that_is_ahead_of_new_tables_is_refused(file: StateFile) -> None:
    file.write({"at": 7})
    kept = Kept({}, None)
    with pytest.raises(UsageError, match="the tables are new") as caught:
        settle(file, kept)
    assert "python -m harness reset" in str(caught.value.todo)
    assert "python -m harness state --set" in str(caught.value.todo)
    assert kept.last == {}


def test_a_file_that_cannot_be_written_is_an_error_of_usage(file: StateFile) -> None:
    (file.path.parent / "state.json.new").mkdir(parents=True)
    for write in (file.prove, lambda: file.write({})):
        with pytest.raises(UsageError, match=r"state\.json cannot be written"):
            write()


def test_a_proof_leaves_nothing_but_the_folder(file: StateFile) -> None:
    file.prove()
    assert list(file.path.parent.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error_of_usage(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be made"):
        private_folder(tmp_path / "file" / "folder")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_folders_and_file_are_their_owners_alone(file: StateFile, tmp_path: Path) -> None:
    file.write({})
    private_folder(tmp_path / "a" / "b")
    modes = [p.stat().st_mode & 0o777 for p in (file.path, tmp_path / "a", tmp_path / "a" / "b")]
    assert modes == [0o600, 0o700, 0o700]
