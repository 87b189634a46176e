# Owned by fivetran-azfn-template: updates replace this file.
"""Pages of many walks into one reply, as far as a call's budget goes; it chooses no walk."""

from __future__ import annotations

import threading
from typing import Any

from connector import clock, log
from connector.budget import Budget
from connector.errors import ConnectorError, DeadlineExceeded, RetryLater, text_of
from connector.observed import Observed
from connector.page import Packed
from connector.reply import Reply
from connector.report import message
from connector.secrets import Redactor
from connector.verdict import Outcome
from connector.walk import Walk

SHORTEST_WAIT = 0.1  # seconds; RetryLater(0) must not spin
LATE = 0.9  # a page that had less than this share of the call was late, not too slow


class Reader:
    """Reads walks side by side, until their call is closed.

    Attributes:
        reply: What was read.
        outcome: How the walks ended.

    Args:
        budget: What the call may spend.
        deadline: When the last page must be through, on `clock.monotonic`.
        redactor: Knows the secrets.
        sync_id: As it may be logged.
    """

    def __init__(
        self, budget: Budget, deadline: float, redactor: Redactor, sync_id: str | None
    ) -> None:
        self.reply = Reply()
        self.outcome = Outcome()
        self._budget = budget
        self._deadline = deadline
        self._redactor = redactor
        self._sync_id = sync_id
        self._lock = threading.Lock()
        self._closed = False
        self._slowest = 0.0
        self._reading: dict[str, Walk] = {}
        self._asleep: dict[str, tuple[Walk, RetryLater]] = {}

    def run(self, walk: Walk) -> bool:
        """Begin a walk or go on with it, and read its pages; whether it is through."""
        if not self._begin(walk):
            return False
        if not self._wait_for(walk, walk.progress.wait_until - clock.now()):
            return False
        if walk.wants_mark:
            self._run_to_mark(walk)
            return False
        while self._room(self.reply):
            if not self._read(walk, self.reply):
                return False
            if walk.done:
                return True
        return False

    def close(self) -> None:
        """The time is over: what is still being read does not count any more."""
        with self._lock:
            self._closed = True
            self.outcome.waiting.extend(self._asleep.values())
            self._asleep.clear()
            for walk in self._reading.values():
                self.outcome.late.append((walk, self._left_behind(walk)))

    def _begin(self, walk: Walk) -> bool:
        with self._lock:
            if self._closed or not self._room(self.reply):
                return False
            self.outcome.walks.append(walk)
            try:
                anew = walk.begin()
            except ConnectorError as error:
                error.entity = walk.entity.name
                self.outcome.failed.append((walk, error))
                return False
        if anew is not None:
            self._note("start_over", walk, why=anew)
        return True

    def _room(self, reply: Reply | None) -> bool:
        """Whether a page as slow as the slowest so far still fits."""
        fits = clock.monotonic() + self._slowest < self._deadline
        return fits and (reply is None or reply.size < self._budget.size)

    def _run_to_mark(self, walk: Walk) -> None:
        """Read without delivering, so that a broken upstream is found before anything is marked."""
        trial = walk.trial()
        trial.begin()
        while not trial.done and self._room(None):
            if not self._read(trial, None, real=walk):
                return
        with self._lock:
            if not self._closed and trial.pages:
                self.reply.mark(walk.entity.name)
                walk.mark(trial.progress.rows)

    def _read(self, walk: Walk, reply: Reply | None, real: Walk | None = None) -> bool:
        """Read one page into the reply; False where the walk can do no more in this call."""
        began, observed = clock.monotonic(), Observed()
        packed: Packed | Exception
        with self._lock:
            if self._closed:
                return False
            self._reading[walk.entity.name] = real or walk
        try:
            packed = walk.read(observed)
        except Exception as error:
            packed = error
        with self._lock:
            del self._reading[walk.entity.name]
            if self._closed:
                return False
            took = clock.monotonic() - began
            if isinstance(packed, Exception):
                if walk.start_over(packed):
                    self._note("start_over", walk, why=text_of(packed))
                    return True
                wait = self._give_up(real or walk, packed, began)
                if wait is None:
                    return False
            else:
                wait = 0.0
                self._slowest = max(self._slowest, took)
                if reply is not None and not reply.takes(packed.pieces):
                    return False
                self._take(walk, packed, observed, reply, took)
            if isinstance(packed, RetryLater):
                self._asleep[walk.entity.name] = (real or walk, packed)
        if isinstance(packed, RetryLater):
            clock.sleep(wait)
            with self._lock:
                slept = self._asleep.pop(walk.entity.name, None)
                if slept is not None and not self._room(reply):
                    self.outcome.waiting.append(slept)
        return True

    def _take(
        self, walk: Walk, packed: Packed, observed: Observed, reply: Reply | None, took: float
    ) -> None:
        """Move on past a page, and put it into the reply if there is one."""
        walk.accept(packed, observed)
        page = walk.progress.page
        told = walk.told(page, packed, took)
        log.logger.info(log.line("trial_page" if reply is None else "page", **told))
        if reply is None:
            return
        reply.add(packed.pieces)
        for table in packed.leaks:  # records are the user's and go out as they are
            self._note("secret_in_row", walk, page=page, table=table)

    def _note(self, event: str, walk: Walk, **fields: Any) -> None:
        """Log a warning; its `why` is cleaned of secrets before it is quoted."""
        if "why" in fields:
            fields["why"] = self._redactor.redact(fields["why"])
        place = {"sync_id": self._sync_id, "entity": walk.entity.name}
        log.logger.warning(log.line(event, **place, **fields))

    def _left_behind(self, walk: Walk) -> DeadlineExceeded:
        late = DeadlineExceeded(
            f"still being read when the {self._budget.seconds:.0f} s of the call were over: "
            "ask for smaller pages (page_size=)"
        )
        late.entity, late.page = walk.entity.name, walk.progress.page + 1
        return late

    def _wait_for(self, walk: Walk, seconds: float) -> bool:
        """Wait as an earlier call was asked to; False where that does not fit into this one."""
        if seconds <= 0:
            return True
        if clock.monotonic() + seconds >= self._deadline:
            wait = RetryLater(seconds, "the upstream asked not to be called before")
            wait.entity = walk.entity.name
            with self._lock:
                self.outcome.waiting.append((walk, wait))
            return False
        clock.sleep(seconds)
        return True

    def _give_up(self, walk: Walk, error: Exception, began: float) -> float | None:
        """Note why a walk stops; or how long to wait before the same page is asked for again."""
        if isinstance(error, RetryLater):
            wait = max(error.seconds, SHORTEST_WAIT)
            if clock.monotonic() + wait < self._deadline:
                return wait
            walk.progress.wait_until = clock.now() + error.seconds
            self.outcome.waiting.append((walk, error))
        elif isinstance(error, DeadlineExceeded) and (
            self._deadline - began < LATE * self._budget.seconds
        ):
            self.outcome.late.append((walk, error))
        else:
            self.outcome.failed.append((walk, error))
            self._note("failed", walk, error=type(error).__name__, why=message(error))
        return None
