"""The clock of the runtime, in one place so that tests can replace it."""

from __future__ import annotations

import datetime
import time


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        time.sleep(seconds)


current = SystemClock()


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
