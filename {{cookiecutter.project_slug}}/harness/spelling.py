# Owned by fivetran-azfn-template: updates replace this file.
"""`--sample` with a value or without one, which Typer's options cannot; it parses nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable

SAMPLE = "sample.toml"  # what --sample alone means
_PLAIN = f"--sample={SAMPLE}"
_APP = re.compile(r"[\w.]+:\w+")


def spelled(arguments: Iterable[str]) -> list[str]:
    """The arguments with `--sample` and `--sample MODULE:APP` written as `--sample=…`.

    What follows `--sample` and is no app is told as such later on, but for peek, whose ENTITY may
    stand there; no entity has a colon.
    """
    written: list[str] = []
    for argument in arguments:
        meant = _APP.fullmatch(argument) or not ("peek" in written or argument.startswith("-"))
        if written and written[-1] == _PLAIN and meant:
            written[-1] = f"--sample={argument}"
        else:
            written.append(_PLAIN if argument == "--sample" else argument)
    return written
