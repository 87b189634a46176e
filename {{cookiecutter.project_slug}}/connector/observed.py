# Owned by fivetran-azfn-template: updates replace this file.
"""What one page's requests showed of the upstream: its clock, and what was asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import requests

_DAY = 86400.0


@dataclass
class Observed:
    """What the requests of one page showed.

    Attributes:
        request: The last request, as it was before signing, or None.
        at_sending: The upstream's clock when the first request was sent, at the earliest.
        at_reply: The upstream's clock when the last reply was sent, at the latest.
        keep: Told of each request, for tests.
    """

    request: str | None = None
    at_sending: float | None = None
    at_reply: float | None = None
    keep: Callable[[requests.PreparedRequest], None] | None = None

    def see(
        self, request: requests.PreparedRequest, reply: requests.Response, sent: float, got: float
    ) -> None:
        """Note a reply; a `Date` is ignored with an `Age` (a cache's) or when a day off."""
        self.request = f"{request.method} {request.url}"
        if self.keep is not None:
            self.keep(request)
        said = reply.headers.get("Date")
        if not said or "Age" in reply.headers:
            return
        try:
            date = parsedate_to_datetime(said).timestamp()
        except (TypeError, ValueError, OverflowError):
            return
        if abs(date - got) < _DAY:
            if self.at_sending is None:
                self.at_sending = date - (got - sent)
            self.at_reply = date + 1
