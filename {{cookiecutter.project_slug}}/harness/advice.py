# Owned by fivetran-azfn-template: updates replace this file.
"""Commands of the harness as somebody is told to type them, with the options that were given."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.spelling import SAMPLE

if TYPE_CHECKING:
    from harness.session import Options

Command = Callable[[str], str]


def plain(name: str) -> str:
    """A command without options: `python -m harness reset`."""
    return f"python -m harness {name}"


def commands(options: Options) -> Command:
    """Spells commands for the tables and the state that these options name.

    Args:
        options: What was given to the command that runs.
    """
    given = []
    if options.sample:
        given.append("--sample" if options.sample == SAMPLE else f"--sample {options.sample}")
    for option in ("warehouse", "state", "connection"):
        path = getattr(options, option)
        if path is not None:
            given.append(f'--{option} "{path}"' if " " in str(path) else f"--{option} {path}")
    return lambda name: " ".join([plain(name), *given])
