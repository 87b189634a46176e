"""How a call ends: hasMore, the end of the sync, a pause or an error."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from connector.errors import ConnectorError, RetryLater
from connector.secrets import Redactor
from connector.sync.protocol import Problem, Reply
from connector.sync.state import Failed, State, SyncState

EMPTY_REPLIES = 9  # Fivetran ends a connection after more than 10 (change log of May 2025)
TRIES = 2  # of one entity in one sync
LONGEST_WHY = 1000  # characters of an error that is stored in the state until it is reported


class Failures(Exception):
    """What a call has to report instead of rows: at least one problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


class Outcome(msgspec.Struct):
    """How the walks of one call ended."""

    pages: int = 0  # delivered or rehearsed
    remembers: bool = False  # whether the state has something else to remember: a wait, a failure
    failed: dict[str, Problem] = {}  # by entity: an error stopped it
    late: dict[str, Problem] = {}  # by entity: its page was begun too late to be complete in time
    waiting: dict[str, Problem] = {}  # by entity: the upstream asked to wait
    final: set[str] = set()  # failed entities that are not tried again in this sync


def must_report_pause(sync: SyncState) -> bool:
    """Whether this sync pauses after too many empty replies, and something is to be reported.

    The last empty reply has stored their progress, so an error report loses nothing.
    """
    return sync.empty >= EMPTY_REPLIES and bool(_incomplete(sync) or sync.failed)


def conclude(
    entities: Collection[str], state: State, reply: Reply, outcome: Outcome, redactor: Redactor
) -> bool:
    """Bring the sync's part of the state up to date, and return whether Fivetran is to call again;
    Failures if there is nothing to deliver but errors."""
    sync = state.sync
    if set(entities) <= set(sync.done):
        return False
    if not outcome.pages and not outcome.remembers:
        return _nothing_delivered(sync, outcome)
    for name, problem in outcome.failed.items():
        tries = sync.failed[name].tries + 1 if name in sync.failed else 1
        sync.failed[name] = Failed(
            TRIES if name in outcome.final else tries,
            redactor.redact(problem.error_type),
            redactor.shorten(problem.text, LONGEST_WHY),
        )
    if not reply.is_empty:
        sync.delivered, sync.empty = True, 0
        return True
    sync.empty += 1
    return sync.empty < EMPTY_REPLIES or must_report_pause(sync)


def pause_error(sync: SyncState) -> Failures:
    """The error of a sync that pauses while tables are incomplete."""
    why = (
        f"{EMPTY_REPLIES} replies in a row were empty (if the API has no more records, the step "
        "must end with next_token=None)"
    )
    waits = [
        Problem(ConnectorError(walk.wait_why), name, walk.page + 1)
        for name, walk in sync.walks.items()
        if walk.wait_why
    ]
    return Failures([*_unfinished(sync, why), *waits, *_failed_before(sync)])


def _nothing_delivered(sync: SyncState, outcome: Outcome) -> bool:
    """Why no page could be read: an error, or a pause of a sync that delivered something."""
    stopped = outcome.failed or outcome.late
    problems = list(stopped.values())
    problems += [each for each in _failed_before(sync) if each.entity not in stopped]
    if not problems and outcome.waiting and sync.delivered and not _incomplete(sync):
        return False
    if sync.delivered and outcome.waiting:
        problems += _unfinished(sync, "the upstream asked to wait")
    for problem in outcome.waiting.values():
        wait = problem.error.seconds if isinstance(problem.error, RetryLater) else 0.0
        later = f"the next sync asks again, in {_duration(wait)} at the earliest"
        advice = f"{later}; {problem.advice}" if problem.advice else later
        problems.append(msgspec.structs.replace(problem, advice=advice))
    if not problems:
        error = ConnectorError(
            "no page could start in the time of one call: "
            "increase the app setting CONNECTOR_CALL_SECONDS"
        )
        problems.append(Problem(error))
    raise Failures(problems)


def _incomplete(sync: SyncState) -> list[str]:
    """Entities whose tables must not look complete yet: first readings, and those after a mark."""
    return [name for name, walk in sync.walks.items() if walk.first or walk.marked]


def _unfinished(sync: SyncState, why: str) -> list[Problem]:
    names = ", ".join(_incomplete(sync))
    if not names:
        return []
    text = (
        f"{names} is not complete yet: {why}. Nothing is lost: the next sync continues where this "
        "one stopped"
    )
    marked = ", ".join(name for name, walk in sync.walks.items() if walk.marked)
    if marked:
        text += f". Until then the table is marked as deleted: {marked}"
    return [Problem(ConnectorError(text))]


def _failed_before(sync: SyncState) -> list[Problem]:
    return [
        Problem(ConnectorError(failed.why), name, kind=failed.error)
        for name, failed in sync.failed.items()
    ]


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
