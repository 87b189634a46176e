"""One call of a sync: reads entities, several at a time, until the budget is used up."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from connector import clock, log
from connector.budget import Budget, entities_setting
from connector.errors import DeadlineExceeded, RetryLater, SourceError, StateError
from connector.http import transport
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
from connector.sync.protocol import Reply, Request
from connector.sync.state import RESERVED, State, secret_places
from connector.sync.walk import LONGEST_STORED_WAIT, Context, Walk, WalkPage


class Call:
    """One call of a sync: `reply` is what it delivers, `outcome` how its walks ended."""

    def __init__(
        self, source: Source, request: Request, redactor: Redactor, send: transport.Send
    ) -> None:
        self.reply = Reply()
        self.outcome = Outcome()
        self._source = source
        self._lanes = source.lanes
        self._entities = selected_entities(source)
        self._budget = Budget.from_settings()
        self._context = context_of(source, request, redactor, self._budget, send)
        self._state = self._context.state
        self._state.begin_call(request.sync_id, clock.now())
        self._lock = threading.RLock()
        self._closed = False
        self._reading: dict[str, Walk] = {}

    def run(self) -> tuple[bytes, bool]:
        """Read as many pages as the budget allows; return the reply and its `hasMore`."""
        sync = self._state.sync
        if must_report_pause(sync):
            raise pause_error(sync)
        workers, seconds = self._source.workers, self._budget.until_end()
        side_by_side(self._due(), workers, self._read_entity, seconds)
        self._close()
        redactor = self._context.redactor
        more = conclude(self._entities, self._state, self.reply, self.outcome, redactor)
        state = self._state.for_reply(self._entities)
        return self.reply.encode(state, self._source.schema, has_more=more), more

    def _due(self) -> list[list[Entity]]:
        """Lanes, the longest waiting first; those that failed when no other is left."""
        lanes = [lane for lane in map(self._unfinished, self._lanes) if lane]
        return sorted([lane for lane in lanes if not self._tries(lane[0])] or lanes, key=self._age)

    def _unfinished(self, lane: Iterable[Entity]) -> list[Entity]:
        """The entities of a lane that are still to be read, those with an unfinished walk first."""
        left = [
            entity
            for entity in lane
            if entity.name in self._entities
            and entity.name not in self._state.sync.done
            and self._tries(entity) < TRIES
        ]
        return sorted(left, key=lambda entity: self._state.walk(entity.name) is None)

    def _tries(self, entity: Entity) -> int:
        """How often the entity has failed in this sync."""
        failed = self._state.sync.failed.get(entity.name)
        return (failed.tries if failed else 0) + (entity.name in self.outcome.failed)

    def _age(self, lane: list[Entity]) -> float:
        walk = self._state.walk(lane[0].name)
        return walk.read_at if walk is not None else 0.0

    def _read_entity(self, entity: Entity) -> bool:
        """Read an entity's pages into the reply, and return whether those after it may be read."""
        walk = Walk(entity, self._context)
        pages = walk.pages()
        while self._begin_page(walk):
            try:
                page = next(pages)
            except Exception as error:
                self._stop(walk, error)
                break
            with self._lock:
                self._reading.pop(entity.name, None)
                if self._closed or not self._deliver(walk, page):
                    break
                if page.error is not None:
                    self.outcome.final.add(entity.name)
                    self._stop(walk, page.error)
                    break
            if page.after.walk is None:
                return True
            if page.marks:
                break  # the rows follow in a later reply
        return self._tries(entity) >= TRIES

    def _begin_page(self, walk: Walk) -> bool:
        with self._lock:
            if self._closed or not self._budget.has_room(self.reply.size):
                return False
            self._reading[walk.entity.name] = walk
            return True

    def _deliver(self, walk: Walk, page: WalkPage) -> bool:
        """Put a page into the reply and move the state on; False if it must wait."""
        name, found, log_warning = walk.entity.name, page.page, self._context.log
        if page.delivers:
            if not self.reply.takes(found.batches):
                return False
            self.reply.add(found.batches)
        if page.marks:
            self.reply.mark(name)
        self._state.move(name, page.after, done=page.error is None)
        self.outcome.pages += 1
        log.logger.info(log.line("page" if page.delivers else "trial_page", **page.fields))
        number, odd = page.fields["page"], found.cursors.unreadable
        for index, value in odd[:1]:
            fields = {"page": number, "record": index, "value": value, "count": len(odd)}
            log_warning("unreadable_cursor", name, **fields)
        for table in found.secret_tables:
            log_warning("secret_in_row", name, page=number, table=table)
        return True

    def _stop(self, walk: Walk, error: Exception) -> None:
        """Take note of why a walk can do no more in this call."""
        name, outcome = walk.entity.name, self.outcome
        problem = walk.problem(error)
        with self._lock:
            self._reading.pop(name, None)
            if self._closed:
                return
            if isinstance(error, RetryLater):
                outcome.waiting[name] = problem
                self._remember_wait(walk, error)
                return
            # With others behind it in its lane, an entity must fail for good some time.
            lane = next(lane for lane in self._lanes if walk.entity in lane)
            others_wait = len(self._unfinished(lane)) > 1
            if isinstance(error, DeadlineExceeded) and not others_wait:
                outcome.late[name] = problem
            else:
                outcome.failed[name] = problem
                outcome.remembers |= others_wait
                self._context.log("failed", name, error=problem.error_type, why=problem.text)
            self._remember_failure(walk)

    def _remember_wait(self, walk: Walk, wait: RetryLater) -> None:
        """Remember a wait that the upstream required in this call."""
        now, name = clock.now(), walk.entity.name
        stored = self._state.walk(name) or walk.state
        if stored is not None and stored.wait_until <= now:
            until = now + min(wait.seconds, LONGEST_STORED_WAIT)
            why = self._context.redactor.shorten(wait.why, LONGEST_WHY)
            self._state.sync.walks[name] = replace(stored, wait_until=until, wait_why=why)
            self.outcome.remembers = True

    def _remember_failure(self, walk: Walk) -> None:
        """Let the next call start over with a changed page_size or start."""
        failed = walk.after_failure()
        if failed is not None:
            self._state.sync.walks[walk.entity.name] = failed
            self.outcome.remembers = True

    def _close(self) -> None:
        """The time is over: what is still being read does not count any more."""
        outcome = self.outcome
        with self._lock:
            self._closed = True
            for name, walk in self._reading.items():
                error = DeadlineExceeded(
                    f"still being read when the {self._budget.seconds:.0f} s of the call were "
                    "over: ask for smaller pages (page_size=)"
                )
                outcome.late[name] = walk.problem(error)
                self._remember_failure(walk)
            if outcome.late and not outcome.pages:
                done, before = self._state.sync.done, self._state.sync.failed
                begun = {*done, *before, *outcome.failed, *outcome.late, *outcome.waiting}
                if not begun.issuperset(self._entities):
                    # A page that never fits must not block the others.
                    outcome.failed |= outcome.late
                    outcome.late.clear()
                    outcome.remembers = True


def context_of(
    source: Source, request: Request, redactor: Redactor, budget: Budget, send: transport.Send
) -> Context:
    """What the walks of a call share; those of a setup test are new ones."""
    # A state that contains a secret is refused, and never rewritten.
    places = secret_places(request.state, redactor)
    if places:
        raise StateError(
            f"the state contains a secret ({', '.join(places)}), and Fivetran stores the state: "
            "remove it through Fivetran's state API"
        )
    state = dict(request.state)
    if request.setup_test:
        state.pop(RESERVED, None)
    secrets, payload = settings_of(source, request)
    parsed = State(state, source.entities)
    return Context(source, parsed, secrets, payload, redactor, budget, send, request.logged_id)


def settings_of(source: Source, request: Request) -> tuple[Settings, Settings]:
    """The secrets and the custom payload of a call."""
    secrets = secrets_of(source.secrets, request.secrets, settings=not source.url_keys)
    return secrets, payload_of(source.defaults, request.payload)


def selected_entities(source: Source) -> list[str]:
    """The names of the entities to be read: all, or those in CONNECTOR_ENTITIES."""
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


def side_by_side(
    lanes: Iterable[Sequence[Entity]],
    workers: int,
    read: Callable[[Entity], bool],
    seconds: float,
) -> None:
    """Read the entities of each lane one after the other, as many lanes at a time as workers.

    `read` returns whether those after it in its lane may be read. It runs in a copy of the caller's
    context: log records carry the id of Azure's invocation, and no entity sees what another one has
    set there. What still runs after `seconds` is left behind, and must notice that by itself.
    """
    queue, context = deque(lanes), contextvars.copy_context()
    raised: list[Exception] = []

    def drain() -> None:
        while queue:
            try:
                lane = queue.popleft()
            except IndexError:  # another thread was faster
                return
            try:
                for entity in lane:
                    if not context.copy().run(read, entity):
                        break
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
