# Owned by fivetran-azfn-template: updates replace this file.
"""One call, from request to reply: budget, workers, who is next, what failed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from connector import clock, log, transport
from connector.budget import Budget
from connector.entity import Entity
from connector.errors import ConnectorError, DeadlineExceeded, RetryLater, text_of
from connector.kept import refuse_secrets
from connector.observed import Observed
from connector.page import Packed
from connector.reply import Reply
from connector.report import message
from connector.request import Request
from connector.secrets import Redactor, Settings, payload_of, secrets_of
from connector.source import Source
from connector.state import State
from connector.upstream import Upstream
from connector.verdict import Outcome, has_more
from connector.walk import Walk
from connector.workers import side_by_side

PAUSE = 600.0  # seconds without a call after which, without a sync id, a new sync begins
SHORTEST_WAIT = 0.1  # seconds; RetryLater(0) must not spin
GRACE = 0.02  # the share of a call that is kept for telling what came of its requests
LATE = 0.9  # a page that had less than this share of the call was late, not too slow


class Call:
    """One call of a sync.

    Args:
        source: What the user declared.
        request: What Fivetran sent.
        redactor: Knows the request's secrets.
        send: The transport.

    Raises:
        ConnectorError: The state, a setting or a key that `base_url` needs is wrong.
    """

    def __init__(
        self,
        source: Source,
        request: Request,
        redactor: Redactor,
        send: transport.Send = transport.send,
    ) -> None:
        self._source = source
        self._request = request
        self._redactor = redactor
        self._budget = Budget.read()
        self._end = clock.monotonic() + self._budget.seconds
        self._secrets, self._payload = settings_of(source, request)
        # A little earlier than the call, so that a request that hangs can still say so.
        self._deadline = self._end - GRACE * self._budget.seconds
        self._upstream = Upstream(
            source, self._secrets, self._payload, redactor, self._deadline, send
        )
        self._state = State(request.state, source.entities)
        self._state.turn(request.sync_id, clock.now(), PAUSE)
        self._reply = Reply()
        self._lock = threading.Lock()
        self._closed = False
        self._slowest = 0.0
        self._reading: dict[str, Walk] = {}
        self._outcome = Outcome()

    def perform(self) -> bytes:
        """Read as many pages as the budget allows, and build the reply.

        Raises:
            Failures: No page could be read; or a first reading would look complete.
        """
        began = clock.monotonic()
        lanes, workers = self._lanes(), self._source.workers
        raised = side_by_side(lanes, workers, self._run_lane, self._end)
        with self._lock:
            self._closed = True
            for walk in self._reading.values():
                self._outcome.late.append((walk, self._left_behind(walk)))
        if raised:
            raise raised[0]
        more = has_more(
            self._source.entities,
            self._state.sync,
            self._reply,
            self._outcome,
            self._budget.seconds,
        )
        state = self._state.written(self._source.entities)
        refuse_secrets(state, self._redactor)
        body = self._reply.encoded(state, self._source.schema, has_more=more)
        log.logger.info(
            log.line(
                "call",
                sync_id=self._request.shown_id,
                rows=self._reply.rows,
                pages=self._outcome.pages,
                bytes=len(body),
                ms=round((clock.monotonic() - began) * 1000),
                hasMore=str(more).lower(),
            )
        )
        return body

    # ---- who is next

    def _lanes(self) -> list[list[Entity]]:
        """What is to be read, longest waiting first; failed ones only when nothing else is left."""
        sync = self._state.sync
        lanes = [[e for e in lane if e.name not in sync.done] for lane in self._source.lanes]
        lanes = [lane for lane in lanes if lane]
        ready = [[e for e in lane if e.name not in sync.failed] for lane in lanes]
        ready = [lane for lane in ready if lane]
        if not ready:
            ready, sync.failed = lanes, []

        def last_read(lane: list[Entity]) -> float:
            progress = sync.walks.get(lane[0].name)
            return progress.read_at if progress is not None else 0.0

        return sorted(ready, key=last_read)

    def _run_lane(self, lane: Sequence[Entity]) -> None:
        for entity in lane:
            walk = self._walk(entity)
            through = walk is not None and self._run(walk)
            if not through and all(
                failed.entity is not entity for failed, _ in self._outcome.failed
            ):
                return

    def _walk(self, entity: Entity) -> Walk | None:
        walk = Walk(
            entity,
            self._state,
            self._upstream.send,
            self._secrets,
            self._payload,
            self._redactor,
            self._request.shown_id,
        )
        with self._lock:
            if self._closed or not self._room(self._reply):
                return None
            self._outcome.walks.append(walk)
            try:
                walk.begin()
            except ConnectorError as error:
                error.entity = entity.name
                self._outcome.failed.append((walk, error))
                return None
        return walk

    # ---- reading

    def _room(self, reply: Reply | None) -> bool:
        """Whether a page as slow as the slowest so far still fits."""
        fits = clock.monotonic() + self._slowest < self._deadline
        return fits and (reply is None or reply.size < self._budget.size)

    def _run(self, walk: Walk) -> bool:
        """Read pages of a walk; whether it is through."""
        if not self._wait_for(walk, walk.progress.wait_until - clock.now()):
            return False
        if walk.wants_mark:
            self._run_to_mark(walk)
            return False
        while self._room(self._reply):
            if not self._read(walk, self._reply):
                return False
            if walk.done:
                return True
        return False

    def _run_to_mark(self, walk: Walk) -> None:
        """Read without delivering, so that a broken upstream is found before anything is marked."""
        trial = Walk(
            walk.entity,
            self._state.scratch(),
            walk.send,
            walk.secrets,
            walk.payload,
            walk.redactor,
            walk.sync_id,
        )
        trial.begin()
        while not trial.done and self._room(None):
            if not self._read(trial, None, real=walk):
                return
        with self._lock:
            if not self._closed and trial.pages:
                self._reply.mark(walk.entity.name)
                walk.mark(trial.progress.rows)

    def _read(self, walk: Walk, reply: Reply | None, real: Walk | None = None) -> bool:
        """Read one page into the reply; False where the walk can do no more in this call."""
        began, observed = clock.monotonic(), Observed()
        packed: Packed | Exception
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
        if wait:
            clock.sleep(wait)
        return True

    def _take(
        self, walk: Walk, packed: Packed, observed: Observed, reply: Reply | None, took: float
    ) -> None:
        """Move on past a page, and put it into the reply if there is one."""
        page, more = walk.progress.page + 1, packed.next_token is not None
        walk.accept(packed, observed)
        log.logger.info(
            log.line(
                "trial_page" if reply is None else "page",
                sync_id=self._request.shown_id,
                entity=walk.entity.name,
                page=page,
                rows=packed.rows,
                count=packed.count,
                bytes=packed.size,
                ms=round(took * 1000),
                more=str(more).lower(),
            )
        )
        if reply is None:
            return
        reply.add(packed.pieces)
        for table in packed.leaks:  # records are the user's and go out as they are
            self._note("secret_in_row", walk, page=page, table=table)
        if walk.done:
            self._state.sync.walks.pop(walk.entity.name, None)
            self._state.sync.done.append(walk.entity.name)

    def _note(self, event: str, walk: Walk, **fields: Any) -> None:
        """Log a warning; its `why` is cleaned of secrets before it is quoted."""
        if "why" in fields:
            fields["why"] = self._redactor.redact(fields["why"])
        place = {"sync_id": self._request.shown_id, "entity": walk.entity.name}
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
                self._outcome.waiting.append((walk, wait))
            return False
        clock.sleep(seconds)
        return True

    def _give_up(self, walk: Walk, error: Exception, began: float) -> float | None:
        """Note why a walk stops; or how long to wait before the same page is asked for again."""
        if isinstance(error, RetryLater):
            if clock.monotonic() + error.seconds < self._deadline:
                return max(error.seconds, SHORTEST_WAIT)
            walk.progress.wait_until = clock.now() + error.seconds
            self._outcome.waiting.append((walk, error))
        elif isinstance(error, DeadlineExceeded) and (
            self._deadline - began < LATE * self._budget.seconds
        ):
            self._outcome.late.append((walk, error))
        else:
            self._outcome.failed.append((walk, error))
            self._note("failed", walk, error=type(error).__name__, why=message(error))
        return None


def settings_of(source: Source, request: Request) -> tuple[Settings, Settings]:
    """The secrets and the custom payload of a call."""
    secrets = secrets_of(source.secrets, request.secrets, settings=not source.url_keys)
    return secrets, payload_of(source.defaults, request.payload)
