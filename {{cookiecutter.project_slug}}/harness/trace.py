# Owned by fivetran-azfn-template: updates replace this file.
"""The stack trace of a reply, shortened for the screen to what its reader can change."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from harness.errors import frames

_LONG = 3  # frames of one folder in a row, from which on the last alone is shown


def folded(trace: Any) -> Iterator[tuple[str, bool]]:
    """The trace's lines, and whether each belongs to a file beside function_app.py.

    Of a long run of frames in one folder only the last is left, for the folder is a library or the
    runtime: it would hide the line of the step.

    Args:
        trace: `stackTrace` of a reply as it came.
    """
    if not isinstance(trace, list):
        yield from ((line, False) for line in frames(trace))
        return
    for folder, run in groupby(trace, _folder):
        found = list(run)
        if folder and len(found) >= _LONG:
            yield f"… {len(found) - 1} more in {folder}/", False
            found = found[-1:]
        for frame in found:
            yield from ((line, folder == "") for line in frames([frame]))


def _folder(frame: Any) -> str | None:
    """The project's folder that a frame's file is in, "" for none; None where that is unknown."""
    if not isinstance(frame, list) or len(frame) != 4 or not isinstance(frame[0], str):
        return None
    first, *rest = frame[0].replace("\\", "/").split("/")
    # An absolute path is none of the project's, as the project tells it.
    return None if not first or first.endswith(":") else first if rest else ""
