# Owned by fivetran-azfn-template: updates replace this file.
"""What a call says in the end: more, enough, a pause or an error; it reads nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from connector.errors import ConnectorError, RetryLater
from connector.progress import Sync
from connector.reply import Reply
from connector.walk import Walk

EMPTY_REPLIES = 9  # Fivetran ends a connection after more than 10 (change log of May 2025)


class Failures(Exception):
    """What a call has to report instead of rows.

    Attributes:
        errors: At least one.
    """

    def __init__(self, errors: Sequence[Exception]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = list(errors)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the walks of one call ended.

    Attributes:
        walks: All that were begun.
        failed: Those that an error stopped.
        late: Those whose page was begun too late to be whole in time.
        waiting: Those that the upstream asked to wait, and that were waiting when the time ended.
    """

    walks: list[Walk] = field(default_factory=list)
    failed: list[tuple[Walk, Exception]] = field(default_factory=list)
    late: list[tuple[Walk, Exception]] = field(default_factory=list)
    waiting: list[tuple[Walk, RetryLater]] = field(default_factory=list)

    @property
    def pages(self) -> int:
        """Pages that this call read."""
        return sum(walk.pages for walk in self.walks)

    def gave_up(self, walk: Walk) -> bool:
        """Whether an error stopped the walk."""
        return any(failed is walk for failed, _ in self.failed)


def has_more(
    entities: Iterable[str], sync: Sync, reply: Reply, outcome: Outcome, seconds: float
) -> bool:
    """Whether Fivetran is to call again at once, after `sync` was brought up to date.

    Args:
        entities: Names of the declared entities.
        sync: The sync's part of the state.
        reply: What this call delivers.
        outcome: How its walks ended.
        seconds: What a call may take.

    Raises:
        Failures: There is nothing to deliver but errors.
    """
    if all(name in sync.done for name in entities):
        return False
    # A wait that fits into a call of its own (an export that is polled) is waited for there.
    patient = outcome.waiting and all(wait.seconds < seconds for _, wait in outcome.waiting)
    if not outcome.pages and (outcome.failed or not patient):
        return _explain(sync, outcome)
    for walk, _ in outcome.failed:
        if walk.entity.name not in sync.failed:
            sync.failed.append(walk.entity.name)
    if not reply.empty:
        sync.delivered, sync.empty = True, 0
        return True
    sync.empty += 1
    half = _half_read(sync)
    if sync.empty > EMPTY_REPLIES and half:
        waits = [wait for _, wait in outcome.waiting]
        raise Failures([_unfinished(half, f"{EMPTY_REPLIES} replies in a row were empty"), *waits])
    if half or sync.empty < EMPTY_REPLIES:
        return True
    if sync.failed:
        raise Failures([_failed_before(sync.failed)])
    return False


def _explain(sync: Sync, outcome: Outcome) -> bool:
    """Why no page could be read: an error, or a pause of a sync that delivered something."""
    problems = outcome.failed or outcome.late
    if problems:
        errors = [error for _, error in problems]
        known = {walk.entity.name for walk, _ in problems}
        others = [name for name in sync.failed if name not in known]
        if others:
            errors.append(_failed_before(others))
        raise Failures(errors)
    half = _half_read(sync)
    if sync.delivered and not half and not sync.failed:
        sync.empty += 1
        return False
    waits: list[Exception] = []
    for _, wait in outcome.waiting:
        wait.why += f": the next sync asks again, at the earliest in {_duration(wait.seconds)}"
        waits.append(wait)
    if sync.delivered and half:
        waits.insert(0, _unfinished(half, "the upstream asked to wait"))
    if sync.failed:
        waits.insert(0, _failed_before(sync.failed))
    if not waits:
        waits.append(
            ConnectorError(
                "no page could be begun in the time of one call: "
                "raise the app setting CONNECTOR_CALL_SECONDS"
            )
        )
    raise Failures(waits)


def _half_read(sync: Sync) -> list[str]:
    """Entities whose tables must not look complete yet: first readings, and those after a mark."""
    walks = sync.walks.items()
    return [name for name, progress in walks if progress.first or progress.marked]


def _unfinished(names: Sequence[str], why: str) -> ConnectorError:
    return ConnectorError(
        f"the reading of {', '.join(names)} is not through: {why}. Nothing is lost: the next sync "
        "goes on where this one stopped, and until it is through these tables are incomplete"
    )


def _failed_before(names: Sequence[str]) -> ConnectorError:
    return ConnectorError(
        f"failed before in this sync, see event=failed in the log: {', '.join(names)}"
    )


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
