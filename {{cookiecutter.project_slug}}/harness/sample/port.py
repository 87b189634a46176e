# Owned by fivetran-azfn-template: updates replace this file.
"""The port that a folder's sample upstream had last: a state may hold URLs that name it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from harness.errors import UsageError
from harness.state import write_private

FILE = "port"
_HIGHEST = 65535


def kept(folder: Path) -> int:
    """The port, 0 where none is known; a file that cannot be read is none."""
    try:
        port = int((folder / FILE).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
    return port if 0 < port <= _HIGHEST else 0


def keep(folder: Path, port: int) -> None:
    """Remember the port. Where that cannot be written, the next run takes another one."""
    with suppress(OSError, UsageError):
        write_private(folder / FILE, f"{port}\n".encode("ascii"))
