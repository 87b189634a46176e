# Owned by fivetran-azfn-template: updates replace this file.
"""How long a request may take and how long to wait before the next; it sends nothing."""

from __future__ import annotations

import math
import random
from email.utils import parsedate_to_datetime

import requests

from connector import clock
from connector.errors import DeadlineExceeded, RateLimited

LONGEST_WAIT = 24 * 3600.0  # seconds; a Retry-After beyond it is taken for this
_REMAINING = ("X-RateLimit-Remaining", "RateLimit-Remaining", "X-Rate-Limit-Remaining")
_RESET = ("X-RateLimit-Reset", "RateLimit-Reset", "X-Rate-Limit-Reset")
_EPOCH = 1e9  # a reset beyond it is an instant, below it a number of seconds
_EPOCH_MS = 1e12


class Deadline:
    """When the last request of a call must be through.

    Args:
        at: On `clock.monotonic`.
    """

    def __init__(self, at: float) -> None:
        self._at = at

    def left(self, what: str) -> float:
        """Seconds that are left.

        Args:
            what: What takes the time, for the error.

        Raises:
            DeadlineExceeded: There are none.
        """
        left = self._at - clock.monotonic()
        if left <= 0:
            raise DeadlineExceeded(
                f"{what} was not answered in the time of one call: "
                "ask for smaller pages (page_size=)"
            )
        return left

    def wait(self, seconds: float, why: str, *, asked: bool) -> None:
        """Wait, if that fits.

        Args:
            seconds: How long.
            why: What happened.
            asked: Whether the upstream asked for it.

        Raises:
            RateLimited: It asked for a wait that does not fit into this call.
            DeadlineExceeded: A wait of our own does not fit.
        """
        if seconds <= 0:
            return
        if seconds >= self._at - clock.monotonic():
            if asked:
                raise RateLimited(seconds, f"{why}, to be asked again in {seconds:.0f} s")
            raise DeadlineExceeded(f"{why}; the time of this call is over")
        clock.sleep(seconds)


def limited(reply: requests.Response) -> bool:
    """Whether the upstream asks to come back later: 429, 503, or a 403 that means 429 (GitHub)."""
    return reply.status_code in (429, 503) or exhausted(reply)


def exhausted(reply: requests.Response) -> bool:
    """Whether a 403 has a Retry-After, or no requests are left."""
    if reply.status_code != 403:
        return False
    none_left = any(reply.headers.get(name, "").strip() == "0" for name in _REMAINING)
    return none_left or "Retry-After" in reply.headers


def retry_after(reply: requests.Response) -> float | None:
    """Seconds that the reply asks to wait, from 0 to a day; None if it does not say."""
    said = reply.headers.get("Retry-After", "").strip()
    if said:
        wait = _number(said)
        return _clamped(_until(reply, said) if wait is None else wait)
    if reply.status_code == 429 or exhausted(reply):
        for name in _RESET:
            reset = _number(reply.headers.get(name, ""))
            if reset is not None:
                seconds = reset / 1000 if reset > _EPOCH_MS else reset
                return _clamped(seconds - _now(reply) if seconds > _EPOCH else seconds)
    return None


def backoff(attempt: int) -> float:
    """Seconds to wait after so many attempts: twice as long each time, with jitter."""
    return float(min(2 ** (attempt - 1), 16) * random.uniform(0.5, 1.0))


def _until(reply: requests.Response, date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() - _now(reply)
    except (TypeError, ValueError, OverflowError):
        return None


def _now(reply: requests.Response) -> float:
    """The upstream's clock where it tells, for its dates are by that one; else ours."""
    try:
        return parsedate_to_datetime(reply.headers["Date"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return clock.now()


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number >= 0 else None


def _clamped(seconds: float | None) -> float | None:
    if seconds is None or math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT)
