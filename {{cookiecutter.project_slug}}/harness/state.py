# Owned by fivetran-azfn-template: updates replace this file.
"""The state file: exactly the state of the protocol, for people to read and edit.

The truth lies in the warehouse, in one transaction with the rows; the file follows it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import msgspec

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
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Any]:
        """The state in the file, `{}` when there is no file.

        Raises:
            UsageError: The file holds no JSON object.
        """
        try:
            state = decode(self.path.read_text(encoding="utf-8-sig").encode("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise UsageError(f"{self.path} cannot be read: {error}", todo=_MEND) from None
        if not isinstance(state, dict):
            raise UsageError(f"{self.path} is no JSON object", todo=_MEND)
        return state

    def write(self, state: dict[str, Any]) -> None:
        """Replace the file in one step, readable by its owner alone."""
        write_private(self.path, msgspec.json.format(encode(state), indent=2) + b"\n")


_MEND = "mend it, or run `python -m harness reset` to start from nothing"


def parsed(text: str) -> dict[str, Any]:
    """A state that somebody typed.

    Raises:
        UsageError: It is no JSON object.
    """
    try:
        value = decode(text.encode("utf-8"))
    except ValueError as error:
        raise UsageError(f"the new state is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise UsageError('the new state must be a JSON object, as {"transaction": "2026-01-01"}')
    return value


def private_folder(folder: Path) -> None:
    """Make the folder and those above it that are missing, for their owner alone."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)


def write_private(path: Path, data: bytes) -> None:
    """Replace a file in one step, readable by its owner alone; its folder is made if it is missing.

    Raises:
        OSError: It cannot be written.
    """
    private_folder(path.parent)
    fresh = path.with_name(path.name + ".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(data)
    fresh.replace(path)


def settle(file: StateFile, kept: Kept) -> tuple[dict[str, Any], str | None]:
    """The state to go on from, alike in file and warehouse afterwards, and what was mended.

    A file that equals the warehouse's state is fine; one that equals the state before the last
    reply was not written any more when the harness was killed; anything else was edited.

    Returns:
        The state, and a sentence for the screen where file and warehouse differed.
    """
    written, last = file.read(), kept.state()
    if written == last:
        return last, None
    if written == kept.previous_state():
        file.write(last)
        return (
            last,
            f"{file.path} was one reply behind the tables (a killed run): brought up to date",
        )
    kept.set_state(written)
    return written, f"{file.path} was edited: going on from what it says"
