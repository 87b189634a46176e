# Owned by fivetran-azfn-template: updates replace this file.
"""An error as Fivetran shows it: errorMessage, errorType, stackTrace; no secret passes here."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from connector import codec
from connector.errors import ConnectorError, text_of
from connector.kept import secrets_in
from connector.secrets import Redactor

PROJECT = Path(__file__).resolve().parent.parent
LONGEST = 8000  # characters of an errorMessage
_FRAMES = 30


def report(errors: Sequence[BaseException], state: Mapping[str, Any], redactor: Redactor) -> bytes:
    """The reply that reports errors, with the state that was sent: nothing has moved.

    Args:
        errors: What failed; the first gives the type and the trace.
        state: The request's state; it is left out if a secret stands in it.
        redactor: Knows the secrets.
    """
    said = [redactor.shorten(message(error), LONGEST) for error in errors]
    text = said[0]
    if len(said) > 1:
        text = "\n".join([f"{len(said)} things are wrong:", *(f"- {one}" for one in said)])
    first = errors[0]
    body = {
        "state": {} if secrets_in(state, redactor) else state,
        "hasMore": False,
        "errorMessage": codec.plain(text[:LONGEST]),
        "errorType": redactor.redact(type(first).__name__),
        "stackTrace": codec.plain(_frames(first, redactor)),
    }
    return codec.encode(body)


def message(error: BaseException) -> str:
    """What happened, where, and what to do."""
    if isinstance(error, ConnectorError):
        return text_of(error)
    frames = _project_frames(error)
    own = [frame for frame in frames if not _relative(frame.filename).startswith("connector/")]
    frame = next(iter(reversed(own or frames)), None)
    where = f" in {_relative(frame.filename)}, line {frame.lineno}" if frame else ""
    said = f"{type(error).__name__}{where}: {text_of(error)}"
    place, *more = getattr(error, "__notes__", ()) or ("",)
    return "; ".join([f"{place}: {said}" if place else said, *more])


def _project_frames(error: BaseException) -> list[traceback.FrameSummary]:
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if _inside(frame.filename)]


def _frames(error: BaseException, redactor: Redactor) -> list[list[Any]]:
    """`[file, line, function, code]` of this project's frames, paths relative to it."""
    return [
        [
            redactor.redact(_relative(frame.filename)),
            frame.lineno or 0,
            redactor.redact(frame.name),
            redactor.redact(frame.line or ""),
        ]
        for frame in _project_frames(error)[-_FRAMES:]
    ]


def _inside(filename: str) -> bool:
    path = Path(filename)
    return path.is_relative_to(PROJECT) and "site-packages" not in path.parts


def _relative(filename: str) -> str:
    return Path(filename).relative_to(PROJECT).as_posix()
