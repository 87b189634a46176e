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
LONGEST = 8000  # characters that one error may say
ROOM = 16_000  # characters for all errors of a report together
# Bytes of JSON: Fivetran takes 64 KiB as reply to a setup test, and the state stands in it too.
_LARGEST_MESSAGE = 40_000
_LARGEST_TRACE = 12_000
_FRAMES = 30
_SHOWN = 200  # characters of a line of code


def report(errors: Sequence[BaseException], state: Mapping[str, Any], redactor: Redactor) -> bytes:
    """The reply that reports errors, with the state that was sent: nothing has moved.

    Args:
        errors: What failed; the first gives the type and the trace.
        state: The request's state; it is left out if a secret stands in it.
        redactor: Knows the secrets.
    """
    first = errors[0]
    body = {
        "state": {} if secrets_in(state, redactor) else state,
        "hasMore": False,
        "errorMessage": _message(errors, redactor),
        "errorType": redactor.redact(type(first).__name__),
        "stackTrace": _trace(first, redactor),
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


def _message(errors: Sequence[BaseException], redactor: Redactor) -> str:
    """What all errors say, each in its share of the room."""
    said = [codec.plain(redactor.shorten(message(error), LONGEST)) for error in errors]
    room = ROOM
    while True:
        text = _listed([one[:most] for one, most in zip(said, _shares(said, room), strict=True)])
        size = len(codec.encode(text))
        if size <= _LARGEST_MESSAGE or not room:
            return text
        # What is escaped, or not ASCII, takes several bytes a character.
        room = room * _LARGEST_MESSAGE // size


def _listed(said: Sequence[str]) -> str:
    if len(said) == 1:
        return said[0]
    return "\n".join([f"{len(said)} things are wrong:", *(f"- {one}" for one in said)])


def _shares(said: Sequence[str], room: int) -> list[int]:
    """How long each text may be: the same for all, but what short ones leave goes to the others."""
    shares, left = [0] * len(said), room
    shortest_first = sorted(range(len(said)), key=lambda index: len(said[index]))
    for place, index in enumerate(shortest_first):
        shares[index] = min(len(said[index]), left // (len(said) - place))
        left -= shares[index]
    return shares


def _project_frames(error: BaseException) -> list[traceback.FrameSummary]:
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if _inside(frame.filename)]


def _trace(error: BaseException, redactor: Redactor) -> list[list[Any]]:
    """`[file, line, function, code]` of this project's frames, paths relative to it."""
    frames: list[list[Any]] = [
        [
            codec.plain(redactor.redact(_relative(frame.filename))),
            frame.lineno or 0,
            codec.plain(redactor.shorten(frame.name, _SHOWN)),
            codec.plain(redactor.shorten(frame.line or "", _SHOWN)),
        ]
        for frame in _project_frames(error)[-_FRAMES:]
    ]
    while len(codec.encode(frames)) > _LARGEST_TRACE:
        del frames[0]
    return frames


def _inside(filename: str) -> bool:
    path = Path(filename)
    return path.is_relative_to(PROJECT) and "site-packages" not in path.parts


def _relative(filename: str) -> str:
    return Path(filename).relative_to(PROJECT).as_posix()
