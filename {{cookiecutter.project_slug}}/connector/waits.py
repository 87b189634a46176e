# Owned by fivetran-azfn-template: updates replace this file.
"""How long to wait before a request is sent again; it does not wait itself."""

from __future__ import annotations

import random

import requests
import urllib3

from connector import clock

LONGEST_WAIT = 24 * 3600.0  # seconds; a Retry-After beyond it is taken for this


def exhausted(reply: requests.Response) -> bool:
    """403 with Retry-After or with no requests left means 429 (GitHub does so)."""
    if reply.status_code != 403:
        return False
    names = ("X-RateLimit-Remaining", "RateLimit-Remaining", "X-Rate-Limit-Remaining")
    none_left = any(reply.headers.get(name, "").strip() == "0" for name in names)
    return none_left or "Retry-After" in reply.headers


def retry_after(reply: requests.Response) -> float | None:
    """Seconds that the reply asks to wait, from 0 to a day; None if it does not say."""
    said = reply.headers.get("Retry-After", "").strip()
    if said:
        try:
            return min(float(urllib3.Retry().parse_retry_after(said)), LONGEST_WAIT)
        except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
            return None
    if exhausted(reply):
        reset = reply.headers.get("X-RateLimit-Reset", "").strip()
        if reset.isdigit():
            return min(max(float(reset) - clock.now(), 0.0), LONGEST_WAIT)
    return None


def backoff(attempt: int) -> float:
    return float(min(2 ** (attempt - 1), 16) * random.uniform(0.5, 1.0))
