# Owned by fivetran-azfn-template: updates replace this file.
"""The DuckDB file: opened without access to any other, its errors said in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from harness.errors import UsageError

_ANEW = "Name another file with --warehouse; or delete this one and the state file, to start anew."
_MAGIC = b"DUCK"  # stands at byte 8 of every DuckDB file


def connected(path: Path) -> duckdb.DuckDBPyConnection:
    """Open the file; made where there is none.

    Raises:
        UsageError: It is in use, no DuckDB file, or cannot be made.
    """
    try:
        return duckdb.connect(str(path), config={"enable_external_access": "false"})
    except duckdb.Error as error:
        if path.is_dir() or _is_other(path):
            what = "a folder" if path.is_dir() else "no DuckDB file"
            raise UsageError(f"{path} cannot be opened: it is {what}.", todo=_ANEW) from error
        raise UsageError(
            f"{path} cannot be opened: {error}",
            todo="Close what else has it open: another harness, a DuckDB shell."
            if path.exists()
            else "Name a place that can be written with --warehouse.",
        ) from error


@contextmanager
def spoken(path: Path) -> Iterator[None]:
    """Say DuckDB's errors in the block as the harness's.

    Raises:
        UsageError: DuckDB refused something.
        KeyboardInterrupt: It was interrupted at work, which it reports as an error like others.
    """
    try:
        yield
    except duckdb.InterruptException as error:
        raise KeyboardInterrupt from error
    except duckdb.Error as error:
        # Other errors (a full disk) are none of the tables'.
        foreign = isinstance(error, duckdb.ProgrammingError)
        raise UsageError(f"{path}: {error}", todo=_ANEW if foreign else None) from error
    except RuntimeError as error:
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from error
        raise


def _is_other(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return False
    return bool(head) and head[8:] != _MAGIC
