"""The clock of the runtime, in one place so that tests can hold it."""

from __future__ import annotations

import datetime
import time
from typing import Protocol


class Clock(Protocol):
    """What the runtime needs of time."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clock."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)


current: Clock = SystemClock()


def now() -> float:
    """Seconds since the epoch."""
    return current.now()


def monotonic() -> float:
    """Seconds that never go back."""
    return current.monotonic()


def sleep(seconds: float) -> None:
    """Wait for so many seconds."""
    current.sleep(seconds)


def iso_text(moment: datetime.date | datetime.time) -> str:
    """ISO 8601, with Z for UTC."""
    return moment.isoformat().replace("+00:00", "Z")
