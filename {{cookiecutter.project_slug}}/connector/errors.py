"""Everything that can go wrong, under one base class."""

from __future__ import annotations

from collections.abc import Callable


class ConnectorError(Exception):
    """Base of all errors that this runtime raises or that a fetch step may raise.

    Args:
        why: What happened and what to do, without the place.
        record: Index of the record within the page, from 0, or None.

    Attributes:
        why, record: As passed in.
    """

    def __init__(self, why: str, *, record: int | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.record = record

    def __str__(self) -> str:
        """What happened, after the record that it happened to."""
        return self.why if self.record is None else f"record {self.record}: {self.why}"


class RequestError(ConnectorError):
    """The caller sent something that is not a request of Fivetran's protocol."""


class SourceError(ConnectorError, ValueError):
    """The declaration in fetch.py contradicts itself, or a setting has a wrong value."""


class StateError(ConnectorError):
    """The state that came with the request cannot be used."""


class MissingSetting(ConnectorError, KeyError):
    """A secret or a payload key is missing, blank or unresolved."""


class StepError(ConnectorError):
    """What the fetch step returned breaks its contract."""


class UpstreamError(ConnectorError):
    """The upstream refused, failed, or answered with something that cannot be read.

    Args:
        why: What happened and what to do.
        status: HTTP status of the response that caused it, or None.
    """

    def __init__(self, why: str, *, status: int | None = None, record: int | None = None) -> None:
        super().__init__(why, record=record)
        self.status = status


class WrongOrigin(UpstreamError):
    """A request would go to a host that is neither `base_url`'s nor an allowed host."""


class DeadlineExceeded(UpstreamError):
    """The time of this call ended before the response was complete."""


class RetryLater(ConnectorError):
    """The upstream is not ready: ask for the same page again after a wait.

    Args:
        seconds: How long to wait, from 0 to a day.
        why: What is being waited for; reported when the wait does not fit into a call.
    """

    LONGEST = 86400.0  # seconds

    def __init__(self, seconds: float, why: str = "the upstream asked to come back later") -> None:
        super().__init__(why)
        self.seconds = min(max(0.0, float(seconds)), self.LONGEST)


class RateLimited(RetryLater):
    """The upstream's rate limit is reached, and its wait does not fit into this call."""


class TokenExpired(ConnectorError):
    """The upstream no longer accepts the page token: the walk starts over from its cursor."""


class StartOver(ConnectorError):
    """The upstream no longer accepts the cursor: the entity is read from the beginning."""


def text_of(value: object, write: Callable[[object], str] = str) -> str:
    """The text of an error, or of another value, also where its `__str__` fails."""
    try:
        return write(value)
    except Exception:
        return "(its text cannot be read)"
