"""How long to wait before the next attempt, in every unit that upstreams use."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from math import inf

import requests

from connector import clock
from connector.errors import RetryLater

_LONGEST_BACKOFF = 32.0  # seconds
# From here on a number is no duration (32 years) but a Unix time: in s, in ms, in µs.
_UNIX_TIMES = ((1e14, 1e6), (1e11, 1e3), (1e9, 1.0))
_RETRY_AFTER = (("Retry-After-Ms", 0.001), ("Retry-After", 1.0))
_SEARCHED = 64 * 1024  # bytes of a body
_RATE_LIMIT = (
    rb"(?i)rate[\s_-]?limit|too[\s_-]?many[\s_-]?(request|call)|throttl|abuse detection"
    rb"|(request|call)s?[\s_-]limit[\s_-](is |was |has been )?(exceeded|reached)"
)
_ITEM = r"\b(r|t|remaining|resets?)\s*=\s*(\d+(?:\.\d+)?)"


def is_rate_limit(response: requests.Response) -> bool:
    """Whether it is a 429, or a 403 that means one.

    A 403 means 429 with a Retry-After, with no requests left, or if its body speaks of a rate
    limit (GitHub, Google).
    """
    if response.status_code != 403:
        return response.status_code == 429
    return (
        any(name in response.headers for name, _ in _RETRY_AFTER)
        or any(remaining == 0 for remaining, _ in _limits(response))
        or re.search(_RATE_LIMIT, response.content[:_SEARCHED]) is not None
    )


def may_pass(status: int) -> bool:
    """Whether a request that was answered with this status may succeed later."""
    return status in (408, 425, 429) or (500 <= status < 600 and status not in (501, 505))


def asked(response: requests.Response, *, limited: bool) -> float | None:
    """Seconds that the response asks to wait, above 0, at most a day; None if it names none.

    The reset of a limit counts only if the response is `limited` by one and no requests are
    left, because many APIs send it with every response.
    """
    now = _now(response)
    for name, unit in _RETRY_AFTER:
        wait = _seconds(response.headers.get(name, ""), now, unit)
        if wait:
            return wait
    if not limited:
        return None
    resets = [reset for remaining, reset in _limits(response) if reset and not remaining]
    return max(resets, default=None)


def backoff(attempt: int) -> float:
    """Seconds to wait after so many attempts: twice as long each time, with jitter."""
    longest = min(2.0 ** min(attempt - 1, 10), _LONGEST_BACKOFF)
    return longest * random.uniform(0.5, 1.0)


@lru_cache(maxsize=64)
def date_of(text: str) -> float | None:
    """The epoch seconds of an HTTP or ISO 8601 date, or None."""
    text = text.strip()
    parse = datetime.fromisoformat if text[:1].isdigit() else parsedate_to_datetime
    try:
        date = parse(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def clock_of(response: requests.Response) -> float | None:
    """The upstream's clock in epoch seconds, which its other dates are by; or None.

    That of a cache (`Age`), or one that is a day off, does not count.
    """
    date = date_of(response.headers.get("Date", ""))
    if date is None or "Age" in response.headers or abs(date - clock.now()) >= RetryLater.LONGEST:
        return None
    return date


def _limits(response: requests.Response) -> Iterator[tuple[float | None, float | None]]:
    """For each limit in the headers: how many requests are left, seconds until it is reset."""
    now = _now(response)
    headers = {name.lower(): value for name, value in response.headers.items()}
    for name, value in headers.items():
        if "ratelimit" not in name.replace("rate-limit", "ratelimit"):
            continue
        if "reset" in name:  # X-RateLimit-Reset, -Reset-After, -Reset-Ms, -reset-tokens
            left = headers.get(name.replace("-after", "").replace("reset", "remaining"), "")
            yield _number(left), _seconds(value, now, 0.001 if name.endswith("-ms") else 1.0)
        elif "remaining" in name:
            yield _number(value), None
        else:
            # `"api";r=0;t=20, "day";r=9;t=3600` of the IETF; `limit=10, remaining=0, reset=20`.
            for policy in [value] if "reset" in value else value.split(","):
                items = {item[0].rstrip("s"): item[1] for item in re.findall(_ITEM, policy)}
                left = items.get("r", items.get("remaining", ""))
                yield _number(left), _seconds(items.get("t", items.get("reset", "")), now)


def _seconds(text: str, now: float, unit: float = 1.0) -> float | None:
    """Seconds from now to what a header says: a duration, a Unix time or a date."""
    text = text.strip()
    number = _number(text)
    if number is None:
        date = date_of(text)
        wait = 0.0 if date is None else date - now
    else:
        units = (per_second for least, per_second in _UNIX_TIMES if number >= least)
        per_second = next(units, None)
        wait = number * unit if per_second is None else number / per_second - now
    return min(wait, RetryLater.LONGEST) if wait > 0 else None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < inf else None


def _now(response: requests.Response) -> float:
    return clock_of(response) or clock.now()
