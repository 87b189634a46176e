# Owned by fivetran-azfn-template: updates replace this file.
"""The state file: exactly the state of the protocol, for people to read and edit.

The truth lies in the warehouse, in one transaction with the rows; the file follows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec

from harness.advice import Command, plain
from harness.errors import UsageError
from harness.protocol import decode, encode


class Kept(Protocol):
    """What the warehouse knows of the state."""

    def state(self) -> dict[str, Any]:
        """What the last reply applied carried, `{}` at first."""

    def previous_state(self) -> dict[str, Any] | None:
        """What that reply was called with."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Take a state that came from no reply."""


class StateFile:
    """The file that holds the state between commands.

    Args:
        path: Where it lies; its folder is made when the first state is written.
        command: Spells a command that works with this file, for advice.
    """

    def __init__(self, path: Path, command: Command = plain) -> None:
        self.path = path
        self.command = command

    def read(self) -> dict[str, Any]:
        """The state in the file, `{}` when there is no file.

        Raises:
            UsageError: The file holds no JSON object.
        """
        mend = f"mend it, or run `{self.command('reset')}` to start from nothing"
        try:
            state = decode(self.path.read_text(encoding="utf-8-sig").encode("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise UsageError(f"{self.path} cannot be read: {error}", todo=mend) from None
        if not isinstance(state, dict):
            raise UsageError(f"{self.path} is no JSON object", todo=mend)
        return state

    def write(self, state: dict[str, Any]) -> None:
        """Replace the file in one step, readable by its owner alone.

        Raises:
            UsageError: It cannot be written.
        """
        with self._written():
            write_private(self.path, msgspec.json.format(encode(state), indent=2) + b"\n")

    def prove(self) -> None:
        """Find out whether it could be written, and leave it as it is.

        Raises:
            UsageError: It could not.
        """
        with self._written():
            _fresh(self.path, b"").unlink()

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(
                f"{self.path} cannot be written: {error}",
                todo="name another place with --state",
            ) from None


def parsed(text: str) -> dict[str, Any]:
    """A state that somebody typed.

    Raises:
        UsageError: It is no JSON object.
    """
    try:
        value = decode(text.encode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the new state is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise UsageError('the new state must be a JSON object, as {"transaction": "2026-01-01"}')
    return value


def private_folder(folder: Path) -> None:
    """Make the folder and those above it that are missing, for their owner alone.

    Raises:
        UsageError: It cannot be made.
    """
    try:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be made: {error}") from None


def write_private(path: Path, data: bytes) -> None:
    """Replace a file in one step, readable by its owner alone; its folder is made if it is missing.

    Raises:
        OSError: It cannot be written.
        UsageError: Its folder cannot be made.
    """
    _fresh(path, data).replace(path)


def _fresh(path: Path, data: bytes) -> Path:
    private_folder(path.parent)
    fresh = path.with_name(path.name + ".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(data)
    return fresh


def settle(file: StateFile, kept: Kept) -> tuple[dict[str, Any], str | None]:
    """The state to go on from, alike in file and warehouse afterwards, and what was mended.

    A file that equals the warehouse's state is fine; one that equals the state before the last
    reply was not written any more when the harness was killed; anything else was edited.

    Returns:
        The state, and a sentence for the screen where file and warehouse differed.

    Raises:
        UsageError: The file cannot be used, or goes on from where new tables have nothing.
    """
    written, last, before = file.read(), kept.state(), kept.previous_state()
    if written == last:
        return last, None
    if not last and before is None:
        raise UsageError(
            f"the tables are new, and {file.path} says where another sync stopped: "
            "they would lack what came before",
            todo=f"run `{file.command('reset')}` to start from nothing, "
            f"or `{file.command('state')} --set …` to go on from a state all the same",
        )
    if written == before:
        file.write(last)
        return (
            last,
            f"{file.path} was one reply behind the tables (a killed run): brought up to date",
        )
    kept.set_state(written)
    if not file.path.exists():
        return written, f"{file.path} is gone: beginning at nothing, as a first sync does"
    return written, f"{file.path} was edited: going on from what it says"
