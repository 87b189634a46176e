"""One call of a sync: who is read next, by how many threads, until the budget is spent."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

from msgspec.structs import replace

from connector import clock, log
from connector.budget import Budget, entities_setting
from connector.errors import DeadlineExceeded, RetryLater, SourceError, StateError, locate
from connector.http import transport
from connector.http.client import Client
from connector.secrets import Redactor, Settings, payload_of, secrets_of
from connector.source import Entity, Source
from connector.sync.outcome import (
    LONGEST_WHY,
    TRIES,
    Outcome,
    conclude,
    must_report_pause,
    pause_error,
)
from connector.sync.protocol import Problem, Reply, Request
from connector.sync.state import State, secret_places
from connector.sync.walk import LONGEST_KEPT_WAIT, Context, Walk, WalkPage

T = TypeVar("T")


def settings_of(source: Source, request: Request) -> tuple[Settings, Settings]:
    """The secrets and the custom payload of a call."""
    secrets = secrets_of(source.secrets, request.secrets, settings=not source.url_keys)
    return secrets, payload_of(source.defaults, request.payload)


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
        self, source: Source, request: Request, redactor: Redactor, send: transport.Send
    ) -> None:
        self._source = source
        self._began = clock.monotonic()
        self._budget = Budget.from_settings()
        self._entities = selected_entities(source)
        self._state = State(request.state, source.entities)
        refuse_secrets(request, redactor)
        secrets, payload = settings_of(source, request)
        client = Client(source, secrets, payload, redactor, self._budget, send)
        self._context = Context(
            self._state, client, secrets, payload, redactor, self._budget, request.logged_id
        )
        self._state.begin_call(request.sync_id, clock.now())
        self._reply = Reply()
        self._outcome = Outcome()
        self._lock = threading.RLock()
        self._closed = False
        self._reading: dict[str, Walk] = {}

    def run(self) -> bytes:
        """Read as many pages as the budget allows, and build the reply.

        Raises:
            Failures: No page could be read, or tables would look complete that are not.
        """
        sync = self._state.sync
        if must_report_pause(sync):
            raise pause_error(sync)
        side_by_side(self._lanes(), self._source.workers, self._run_lane, self._budget.until_end())
        self._close()
        more = conclude(
            self._entities, self._state, self._reply, self._outcome, self._context.redactor
        )
        state = self._state.encode(self._entities)
        body = self._reply.encode(state, self._source.schema, has_more=more)
        ms = round((clock.monotonic() - self._began) * 1000)
        log_call(self._context.sync_id, self._reply.rows, self._outcome.pages, len(body), ms, more)
        return body

    def _lanes(self) -> list[list[Entity]]:
        """Entities by shared table, the longest waiting first; those that failed when no other is
        left."""
        lanes = [self._lane(entities) for entities in self._source.lanes]
        due = [lane for lane in lanes if lane and self._tries(lane[0]) == 0]
        return sorted(due or [lane for lane in lanes if lane], key=self._read_at)

    def _lane(self, entities: Iterable[Entity]) -> list[Entity]:
        """The entities of one lane that are still to be read: unfinished ones first."""
        left = [
            entity
            for entity in entities
            if entity.name in self._entities
            and entity.name not in self._state.sync.done
            and self._tries(entity) < TRIES
        ]
        return sorted(left, key=lambda entity: self._state.walk(entity.name) is None)

    def _tries(self, entity: Entity) -> int:
        """How often the entity has failed in this sync."""
        failed = self._state.sync.failed.get(entity.name)
        now = sum(walk.entity is entity for walk, _ in self._outcome.failed)
        return (failed.tries if failed else 0) + now

    def _read_at(self, lane: list[Entity]) -> float:
        walk = self._state.walk(lane[0].name)
        return walk.read_at if walk is not None else 0.0

    def _run_lane(self, lane: list[Entity]) -> None:
        """Read the entities of a lane one after the other, until one is not finished."""
        for entity in lane:
            # A context of its own: what one step sets there, no other sees.
            finished = contextvars.copy_context().run(self._run_walk, Walk(entity, self._context))
            if not finished and self._tries(entity) < TRIES:
                return

    def _run_walk(self, walk: Walk) -> bool:
        """Read a walk's pages into the reply, and say whether it is finished."""
        pages = walk.pages()
        while self._begin_page(walk):
            try:
                page = next(pages)
            except Exception as error:
                self._stop(walk, error)
                return False
            with self._lock:
                self._reading.pop(walk.entity.name, None)
                if self._closed or not self._deliver(walk, page):
                    return False
                if page.error is not None:
                    self._outcome.final.add(walk.entity.name)
                    self._stop(walk, page.error)
                    return False
            if page.after.walk is None:
                return True
            if page.marks:
                return False  # the rows follow in a later reply
        return False

    def _begin_page(self, walk: Walk) -> bool:
        with self._lock:
            if self._closed or not self._has_room():
                return False
            self._reading[walk.entity.name] = walk
            return True

    def _has_room(self) -> bool:
        return self._budget.has_room(self._reply.size)

    def _deliver(self, walk: Walk, page: WalkPage) -> bool:
        """Put a page into the reply and move the state on; False where it must wait."""
        name, context = walk.entity.name, self._context
        if page.delivers and not self._reply.takes(page.page.batches):
            return False
        if page.marks and not self._reply.takes_mark(name):
            return False
        if page.delivers:
            self._reply.add(page.page.batches)
        if page.marks:
            self._reply.mark(name)
        self._state.move(name, page.after, done=page.error is None)
        self._outcome.pages += 1
        log.logger.info(log.line("page" if page.delivers else "trial_page", **page.fields))
        number = page.fields["page"]
        for index, value in page.page.cursors.unreadable[:1]:
            count = len(page.page.cursors.unreadable)
            context.log(
                "unreadable_cursor", name, page=number, record=index, value=value, count=count
            )
        for table in page.page.secret_tables:
            context.log("secret_in_row", name, page=number, table=table)
        return True

    def _stop(self, walk: Walk, error: Exception) -> None:
        """Take note of why a walk can do no more in this call."""
        name = walk.entity.name
        locate(error, name, walk.number)
        problem = Problem(error, name, walk.number, walk.advice)
        with self._lock:
            self._reading.pop(name, None)
            if self._closed:
                return
            if isinstance(error, RetryLater):
                self._outcome.waiting.append((walk, error))
                self._keep_wait(walk, error)
                return
            # With others behind it in its lane, an entity must fail for good some time.
            others_wait = self._others_wait(walk.entity)
            if isinstance(error, DeadlineExceeded) and not others_wait:
                self._outcome.late.append((walk, problem))
            else:
                self._outcome.failed.append((walk, problem))
                self._outcome.remembers |= others_wait
                why = problem.text
                self._context.log("failed", name, error=type(error).__name__, why=why)
            self._heal_later(walk)

    def _others_wait(self, entity: Entity) -> bool:
        lane = next(lane for lane in self._source.lanes if entity in lane)
        return len(self._lane(lane)) > 1

    def _keep_wait(self, walk: Walk, wait: RetryLater) -> None:
        """Remember a wait that the upstream asked for in this call."""
        now = clock.now()
        held = self._state.walk(walk.entity.name) or walk.state
        if held is not None and held.wait_until <= now:
            until = now + min(wait.seconds, LONGEST_KEPT_WAIT)
            why = self._context.redactor.shorten(wait.why, LONGEST_WHY)
            self._state.put(walk.entity.name, replace(held, wait_until=until, wait_why=why))
            self._outcome.remembers = True

    def _heal_later(self, walk: Walk) -> None:
        """Let the next call start over with a changed page_size or start."""
        held = self._state.walk(walk.entity.name)
        if held is not None and walk.can_heal:
            self._state.put(walk.entity.name, replace(held, failed=True))
            self._outcome.remembers = True

    def _close(self) -> None:
        """The time is over: what is still being read does not count any more."""
        with self._lock:
            self._closed = True
            for walk in self._reading.values():
                error = DeadlineExceeded(
                    f"still being read when the {self._budget.seconds:.0f} s of the call were "
                    "over: ask for smaller pages (page_size=)"
                )
                locate(error, walk.entity.name, walk.number)
                problem = Problem(error, walk.entity.name, walk.number, walk.advice)
                self._outcome.late.append((walk, problem))
                self._heal_later(walk)
            if not self._outcome.pages and self._unread():
                # A page that never fits must not keep the others from being read.
                self._outcome.failed += self._outcome.late
                self._outcome.late.clear()
                self._outcome.remembers = True

    def _unread(self) -> bool:
        """Whether an entity is due that this call did not come to."""
        outcome, sync = self._outcome, self._state.sync
        begun = {walk.entity.name for walk, _ in (*outcome.failed, *outcome.late)}
        begun |= {walk.entity.name for walk, _ in outcome.waiting}
        due = set(self._entities) - begun - set(sync.done) - set(sync.failed)
        return bool(outcome.late and due)


def selected_entities(source: Source) -> list[str]:
    """The names of the entities to be read: all, or those in CONNECTOR_ENTITIES.

    Raises:
        SourceError: The setting names one that fetch.py does not declare.
    """
    if not source.entities:
        raise SourceError("fetch.py declares no entity: decorate a step with @source.entity")
    named = entities_setting()
    unknown = [name for name in named if name not in source.entities]
    if unknown:
        raise SourceError(
            f"the app setting CONNECTOR_ENTITIES names {', '.join(unknown)}; "
            f"fetch.py declares {', '.join(source.entities)}"
        )
    return [name for name in source.entities if name in named or not named]


def refuse_secrets(request: Request, redactor: Redactor) -> None:
    """Refuse a state that holds a secret; it is never rewritten.

    Raises:
        StateError: It does, and under which keys.
    """
    places = secret_places(request.state, redactor)
    if places:
        raise StateError(
            f"a secret stands in the state ({', '.join(places)}), which Fivetran stores: "
            "take it out through Fivetran's state API"
        )


def log_call(
    sync_id: str | None, rows: int, pages: int, size: int, ms: int, has_more: bool
) -> None:
    """Log the one line of a call."""
    fields = {"rows": rows, "pages": pages, "bytes": size, "ms": ms}
    more = str(has_more).lower()
    log.logger.info(log.line("call", sync_id=sync_id, **fields, hasMore=more))


def side_by_side(work: Iterable[T], workers: int, run: Callable[[T], None], seconds: float) -> None:
    """Run each piece of work, as many at a time as there are workers.

    Args:
        work: In the order in which it is begun.
        workers: 1 runs everything in the calling thread, which cannot be left behind.
        run: Does one piece; must notice by itself that the time is over. It sees the caller's
            context variables, so that log records keep the id of Azure's invocation.
        seconds: How long to wait; what still runs then is left behind.

    Raises:
        Exception: What `run` raised.
    """
    queue, context = deque(work), contextvars.copy_context()
    raised: list[Exception] = []

    def drain() -> None:
        while True:
            try:
                piece = queue.popleft()
            except IndexError:
                return
            try:
                context.copy().run(run, piece)
            except Exception as error:
                raised.append(error)

    if workers == 1:
        drain()
    else:
        end = clock.monotonic() + seconds
        count = min(workers, len(queue))
        threads = [threading.Thread(target=drain, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, end - clock.monotonic()))
    if raised:
        raise raised[0]
