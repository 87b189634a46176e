# Owned by fivetran-azfn-template: updates replace this file.
"""Everything that can go wrong, under one base; it must not know how an error is reported."""

from __future__ import annotations

LONGEST_WAIT = 86400.0  # seconds


class ConnectorError(Exception):
    """Base of all errors that this runtime raises or understands.

    Attributes:
        why: What happened and what to do, without the place.
        entity: Name of the entity whose walk failed, or None.
        page: Number of the page within the walk, from 1, or None.
        record: Index of the record within the page, from 0, or None.
    """

    def __init__(self, why: str, *, record: int | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.entity: str | None = None
        self.page: int | None = None
        self.record = record

    def __str__(self) -> str:
        """The place, then what happened there."""
        places = (("entity", self.entity), ("page", self.page), ("record", self.record))
        place = ", ".join(f"{name} {value}" for name, value in places if value is not None)
        return f"{place}: {self.why}" if place else self.why


def text_of(error: BaseException) -> str:
    """The text of an error, also of one whose own `__str__` fails."""
    try:
        return str(error)
    except Exception:
        return "(its text cannot be shown)"


class RequestError(ConnectorError):
    """The caller sent something that is no request of the protocol."""


class SourceError(ConnectorError, ValueError):
    """The declaration in fetch.py contradicts itself, or a setting has a wrong value."""


class StateError(ConnectorError):
    """The state that came with the request is none that this version can go on from."""


class MissingSetting(ConnectorError, KeyError):
    """A secret or a payload key is missing, blank or unresolved."""


class StepError(ConnectorError):
    """What the fetch step returned breaks its contract."""


class UpstreamError(ConnectorError):
    """The upstream refused, failed, or answered with something that cannot be read.

    Args:
        why: What happened and what to do.
        status: HTTP status of the reply that caused it, or None.

    Attributes:
        elsewhere: Whether a URL of another host than `base_url`'s was to be asked.
    """

    def __init__(self, why: str, *, status: int | None = None, record: int | None = None) -> None:
        super().__init__(why, record=record)
        self.status = status
        self.elsewhere = False


class DeadlineExceeded(UpstreamError):
    """The time that was left for a request ended before the reply was whole."""


class RetryLater(ConnectorError):
    """The upstream is not ready: ask for the same page again after a wait.

    Args:
        seconds: How long to wait, a day at most.
        why: What is being waited for; shown when the wait does not fit into a call.
    """

    def __init__(self, seconds: float, why: str = "the upstream asked to come back later") -> None:
        super().__init__(why)
        self.seconds = min(max(0.0, float(seconds)), LONGEST_WAIT)


class RateLimited(RetryLater):
    """The upstream's rate limit is reached, and its wait does not fit into this call."""


class TokenExpired(ConnectorError):
    """The upstream no longer takes the page token: the walk starts over from its cursor."""


class StartOver(ConnectorError):
    """The upstream no longer takes the cursor: the entity is read from the beginning."""
