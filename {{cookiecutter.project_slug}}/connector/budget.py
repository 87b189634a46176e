# Owned by fivetran-azfn-template: updates replace this file.
"""What one call may spend, from the app settings."""

from __future__ import annotations

import os
from dataclasses import dataclass

from connector.errors import SourceError

LONGEST_CALL = 190.0  # seconds; Azure cuts a call at 230


@dataclass(frozen=True, slots=True)
class Budget:
    """What one call may spend.

    Attributes:
        seconds: Time, from `CONNECTOR_CALL_SECONDS` (150 unless set, at most 190).
        size: Bytes of the reply, from `CONNECTOR_CALL_BYTES` (8 MiB unless set).
    """

    seconds: float
    size: float

    @classmethod
    def read(cls) -> Budget:
        """The budget that the app settings give.

        Raises:
            SourceError: A setting is no number or out of range.
        """
        return cls(
            _setting("CONNECTOR_CALL_SECONDS", 150.0, LONGEST_CALL, "seconds"),
            _setting("CONNECTOR_CALL_BYTES", float(8 * 2**20), float(2**30), "bytes"),
        )


def _setting(name: str, default: float, most: float, unit: str) -> float:
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= most:
        raise SourceError(
            f"the app setting {name} is {text!r}; it is a number of {unit} up to {most:.0f}"
        )
    return value
