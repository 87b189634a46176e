"""The seconds and the bytes of its reply that one call has left."""

from __future__ import annotations

import os
from collections.abc import Mapping
from math import ceil
from types import MappingProxyType
from typing import Any

from connector import clock, log
from connector.errors import DeadlineExceeded, RateLimited, RetryLater, SourceError

LONGEST_CALL = 190.0  # seconds; Azure ends an HTTP call after 230
LARGEST_REPLY = float(2**30)  # bytes
# The share of a call that is reserved, so that a request that hangs can still be reported.
_RESERVE = 0.02
_NO_FIELDS: Mapping[str, Any] = MappingProxyType({})


class Budget:
    """The seconds of one call, and the bytes to which its reply may grow.

    The only place that knows deadlines, the socket's apart.
    """

    def __init__(self, seconds: float, reply_bytes: float = LARGEST_REPLY) -> None:
        self.seconds = seconds
        self._reply_bytes = reply_bytes
        self._end = clock.monotonic() + seconds
        self._deadline = self._end - _RESERVE * seconds
        self._slowest_page = 0.0

    @classmethod
    def from_settings(cls) -> Budget:
        """The budget by the app settings; SourceError if one is not a number or out of range."""
        return cls(
            _setting("CONNECTOR_CALL_SECONDS", 150.0, LONGEST_CALL, "seconds"),
            _setting("CONNECTOR_CALL_BYTES", float(8 * 2**20), LARGEST_REPLY, "bytes"),
        )

    def remaining(self) -> float:
        """Seconds that are left for requests; 0 or less when there are none."""
        return self._deadline - clock.monotonic()

    def until_end(self) -> float:
        """Seconds until the reply must be built, at least 0."""
        return max(0.0, self._end - clock.monotonic())

    def check(self, what: str) -> float:
        """The same, more than 0; else DeadlineExceeded, which names `what` takes the time."""
        remaining = self.remaining()
        if remaining <= 0:
            raise DeadlineExceeded(
                f"{what} was not answered in the time of one call: "
                "ask for smaller pages (page_size=)"
            )
        return remaining

    def sleep(
        self,
        seconds: float,
        why: str,
        *,
        asked: bool = True,
        wait: RetryLater | None = None,
        fields: Mapping[str, Any] = _NO_FIELDS,
    ) -> None:
        """Wait, if that fits; else raise `wait`, or RateLimited if the upstream `asked` for it,
        or DeadlineExceeded. A second and more is logged, with these fields."""
        if seconds <= 0:
            return
        if seconds >= self.remaining():
            if asked:
                raise wait or RateLimited(seconds, f"{why}: must wait {ceil(seconds)} s")
            raise DeadlineExceeded(f"{why}; the time of this call is over")
        if seconds >= 1:
            log.logger.info(log.line("waiting", **fields, seconds=round(seconds, 1), why=why))
        clock.sleep(seconds)

    def observe_page(self, seconds: float) -> None:
        """Take into account how long a page took."""
        self._slowest_page = max(self._slowest_page, seconds)

    def has_room(self, reply_bytes: int = 0) -> bool:
        """Whether another page, as slow as the slowest so far, still fits after these bytes."""
        return self.remaining() > self._slowest_page and reply_bytes < self._reply_bytes


def entities_setting() -> list[str]:
    """The names in `CONNECTOR_ENTITIES`, a comma-separated list: read only these entities."""
    return os.environ.get("CONNECTOR_ENTITIES", "").replace(",", " ").split()


def _setting(name: str, default: float, most: float, unit: str) -> float:
    text = os.environ.get(name, "").strip()
    try:
        value = float(text or default)
    except ValueError:
        value = -1.0
    if not 0 < value <= most:
        raise SourceError(
            f"the app setting {name} is {text!r}; it must be a number of {unit} up to {most:.0f}"
        )
    return value
