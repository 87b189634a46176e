# Owned by fivetran-azfn-template: updates replace this file.
"""What stands in for the real upstream, found by its name: sample.toml's, or the project's own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.sample.own import Own
from harness.sample.server import Sample
from harness.spelling import SAMPLE


def upstream(folder: Path, place: str, secrets: Iterable[str]) -> Sample | Own:
    """The upstream, not yet running.

    Args:
        folder: The project's folder.
        place: `sample.toml`, or `module:app` of a WSGI app.
        secrets: Names of the secrets that the function is sent.

    Raises:
        UsageError: It is not there, or is wrong.
    """
    if place == SAMPLE:
        return Sample.load(folder / SAMPLE, secrets)
    return Own.load(folder, place, secrets)
