"""One entity, page by page. A walk changes no state: each page says where it stands after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from msgspec.structs import replace

from connector import clock, codec, log
from connector.budget import Budget
from connector.errors import (
    ConnectorError,
    RetryLater,
    StartOver,
    StepError,
    TokenExpired,
    UpstreamError,
    WrongOrigin,
    text_of,
)
from connector.http.client import Client, Traffic
from connector.secrets import Redactor, Settings
from connector.source import Entity
from connector.step import Fetch, Page
from connector.sync.bounds import Bounds
from connector.sync.checkpoint import CommitRules
from connector.sync.page import EncodedPage, encode_page
from connector.sync.saved import WalkState
from connector.sync.state import Checkpoint, State, column_digest, upstream_values, value_of

LONGEST_KEPT_WAIT = 3600.0  # seconds; a longer wait is shortened to this in the state
SHORTEST_WAIT = 0.1  # seconds; RetryLater(0) must not ask without a pause
_NOT_REFUSED = (408, 425, 429)
_DOUBLED = (
    "the walk would have to start over, and it has delivered records without a primary key, which "
    "would come twice: re-sync in Fivetran, with or without declaring a primary_key"
)


@dataclass(frozen=True, slots=True)
class Context:
    """What all walks of one call share."""

    state: State
    client: Client
    secrets: Settings
    payload: Settings
    redactor: Redactor
    budget: Budget
    sync_id: str | None

    def log(self, event: str, entity: str | None = None, **fields: Any) -> None:
        """Log a warning; its `why` is redacted."""
        if "why" in fields:
            fields["why"] = self.redactor.redact(fields["why"])
        log.logger.warning(log.line(event, sync_id=self.sync_id, entity=entity, **fields))


@dataclass(slots=True)
class WalkPage:
    """One step of a walk.

    Attributes:
        page: The checked page.
        fields: Fields of its log line.
        after: Where the entity stands once the page is delivered.
        delivers: Whether its records go into the reply; soft_delete rehearses first.
        marks: Whether the table is to be marked as deleted.
        error: Why a walk that ends here is not finished; the next sync begins a new one.
    """

    page: EncodedPage
    fields: Mapping[str, Any]
    after: Checkpoint
    delivers: bool
    marks: bool
    error: ConnectorError | None = None


class Walk:
    """The walk of one entity within one call.

    Args:
        entity: As declared.
        context: Of the call.

    Attributes:
        entity: As given.
        state: The walk at its next page.
    """

    def __init__(self, entity: Entity, context: Context) -> None:
        self.entity = entity
        self._context = context
        self._bounds = Bounds(entity, context.payload, context.client.base_url)
        self._rules = CommitRules(entity)
        # Whether the token came from a page of this call.
        self._token_is_new = False
        self.state: WalkState | None = None

    def pages(self) -> Iterator[WalkPage]:
        """The pages of this walk, from where the state has it.

        A page counts as delivered when the next one is asked for.

        Raises:
            RetryLater: The upstream asked for a wait that does not fit into this call.
            BaseException: Whatever else stops the walk.
        """
        self.state = self.begin()
        kept = self.state.wait_until - clock.now()
        if kept <= LONGEST_KEPT_WAIT:  # else our clock was put back
            self._wait(kept, self.state.wait_why or "the upstream asked to wait")
        while True:
            try:
                page = self._read(self.state)
            except RetryLater as wait:
                self._wait(max(wait.seconds, SHORTEST_WAIT), wait.why, wait)
                continue
            except Exception as error:
                self.state = self._restarted(self.state, error)
                continue
            yield page
            if page.after.walk is None:
                return
            self._token_is_new = True
            self.state = page.after.walk

    def first_page(self) -> WalkPage:
        """The first page of a new walk, for the setup test."""
        self.state = self.begin()
        page = self._read(self.state)
        walk = page.after.walk or self.state
        if walk.unreadable and not walk.readable:
            self._rules.check_end(walk, page.page)
        if page.error is not None:
            raise page.error
        return page

    def call_step(self, walk: WalkState, traffic: Traffic, fields: Mapping[str, Any]) -> Page:
        """What the step returns for the page at which a walk stands, unchecked."""
        entity, context = self.entity, self._context
        fetch = Fetch(
            entity.name,
            codec.loose(value_of(walk.since)),
            codec.loose(value_of(walk.until)),
            codec.loose(walk.token),
            walk.page_size,
            datetime.fromtimestamp(walk.started, UTC),
            context.secrets,
            context.payload,
            log.StepLog(log.line("step", **fields)),
            partial(context.client.request, traffic=traffic, fields=fields),
            entity.cursors,
        )
        try:
            page = entity.step(fetch)
        except BaseException as error:
            # sys.exit() in a step must not end the worker, nor StopIteration the walk.
            if isinstance(error, Exception) and not isinstance(error, StopIteration):
                raise
            raise StepError(f"the step raised {type(error).__name__}({text_of(error)})") from error
        if not isinstance(page, Page):
            raise StepError(
                f"the step returned a {type(page).__name__}: return Page(rows, next_token=...)"
            )
        return page

    @property
    def number(self) -> int:
        """Number of the page that is read, from 1."""
        return self.state.page + 1 if self.state else 1

    @property
    def advice(self) -> str:
        """What to know besides the error that stopped the walk."""
        walk = self.state
        if walk is None:
            return ""
        if walk.marked:
            return f"the table {self.entity.name} is marked as deleted until this walk is finished"
        if walk.uncommitted and self._changed(walk):
            return f"page_size= or start= was changed, and for that {_DOUBLED}"
        return ""

    @property
    def can_heal(self) -> bool:
        """Whether a failed walk may start over with a changed page_size or start."""
        held = self._context.state.walk(self.entity.name)
        if held is None or held.healed or held.failed or held.uncommitted:
            return False
        return self._changed(held)

    def begin(self) -> WalkState:
        """The walk that the state has, or a new one."""
        entity, state = self.entity, self._context.state
        held, committed = state.walk(entity.name), state.committed(entity.name)
        if held is None:
            return self._bounds.begin(committed)
        if held.shape != self._bounds.shape:
            if entity.appends and self._has_delivered(held):
                raise StepError(f"its declaration was changed in the middle of a walk: {_DOUBLED}")
            self._context.log(
                "start_over",
                entity.name,
                why="its declaration was changed in the middle of a walk",
            )
            return self._bounds.begin(committed, held, whole=held.whole)
        if held.failed and not held.healed and self._bounds.changed(held):
            self._context.log(
                "start_over", entity.name, why="page_size or start was changed after a failure"
            )
            fresh = self._bounds.begin(committed, held, whole=held.whole)
            return replace(fresh, healed=True)
        return held

    def _has_delivered(self, walk: WalkState) -> bool:
        """Whether records without a key were delivered that a new first page would double."""
        if walk.uncommitted:
            return True
        # From the beginning, and what is remembered by digest is the other column's.
        column_changed = not walk.shape.startswith(column_digest(self.entity))
        return column_changed and (walk.rows > 0 or not walk.first)

    def _changed(self, walk: WalkState) -> bool:
        """Whether `page_size` or `start` differ from what the walk began with."""
        try:
            return self._bounds.changed(walk)
        except ConnectorError:  # a start that cannot be read is an error of the next walk
            return False

    def _wait(self, seconds: float, why: str, wait: RetryLater | None = None) -> None:
        budget = self._context.budget
        if seconds <= 0:
            return
        if seconds >= budget.remaining():
            raise wait or RetryLater(seconds, why)
        budget.sleep(seconds, why)
        if wait is not None and not budget.has_room():
            raise wait

    def _read(self, walk: WalkState) -> WalkPage:
        """Read the next page, check it, and say where the entity stands after it."""
        entity, context = self.entity, self._context
        began = clock.monotonic()
        fields = {"sync_id": context.sync_id, "entity": entity.name, "page": walk.page + 1}
        traffic = Traffic()
        page = encode_page(entity, self.call_step(walk, traffic, fields), context.budget)
        try:
            page.next_token = context.client.next_token(page.next_token, traffic)
        except WrongOrigin as error:  # the token of this page was taken
            raise StepError(error.why) from None
        found = self._checked(walk, page, traffic)
        page.secret_tables = [
            batch.table for batch in page.batches if context.redactor.in_bytes(batch.data)
        ]
        seconds = clock.monotonic() - began
        context.budget.observe_page(seconds)
        found.fields = {
            **fields,
            "rows": page.rows,
            "count": page.count,
            "bytes": page.size,
            "ms": round(seconds * 1000),
            "more": str(page.next_token is not None).lower(),
        }
        return self._rehearsed(walk, found) if walk.rehearsing else found

    def _checked(self, walk: WalkState, page: EncodedPage, traffic: Traffic) -> WalkPage:
        """The page, if nothing is wrong with it, and where the entity stands after it."""
        committed = self._context.state.committed(self.entity.name)
        after = self._bounds.advance(walk, page, traffic)
        after = self._rules.observe(after, committed, page, traffic)
        appended = [batch.count for batch in page.batches if not self.entity.keys[batch.table]]
        after = replace(
            after,
            page=walk.page + 1,
            rows=walk.rows + page.rows,
            position=page.position or walk.position,
            uncommitted=walk.uncommitted + sum(appended),
            read_at=clock.now(),
            wait_until=0.0,
            wait_why="",
            failed=False,
        )
        ends, refused = page.next_token is None, None
        following: WalkState | None = replace(after, token=page.next_token)
        if ends or self._bounds.ends_early(after, page, traffic):
            closed = self._rules.commit(after, committed, all_read=False)
            following = self._bounds.next_slice(after)
            if following is None:
                refused = self._rules.refused_end(after, committed, page)
                if refused is not None and self._context.state.walk(self.entity.name) is None:
                    raise refused  # the state has nothing to forget
                closed = self._rules.commit(after, committed, all_read=ends)
                if refused is not None and self.entity.soft_delete:
                    closed = committed  # the next reading is compared with the former count
                self._log_nothing_committed(after, closed)
            committed = closed
        elif self.entity.order == "asc":
            committed = self._rules.commit(after, committed, all_read=False)
            following = replace(after, token=page.next_token, uncommitted=0)
        checkpoint = Checkpoint(following, committed)
        if self._context.redactor.blocks(upstream_values(checkpoint)):
            raise StepError(
                "the next token or a cursor holds a secret, and both are stored in the state: "
                "take it out in the step, or use ApiKey(param=...), which does so"
            )
        return WalkPage(page, {}, checkpoint, delivers=True, marks=False, error=refused)

    def _rehearsed(self, walk: WalkState, found: WalkPage) -> WalkPage:
        """A page that is read before anything is marked, so that a broken upstream is found."""
        found.delivers = False
        committed = self._context.state.committed(self.entity.name)
        after = found.after.walk
        rows = walk.rows + found.page.rows
        if found.error is not None:
            return found
        if after is None or (rows and not self._context.budget.has_room()):
            fresh = self._bounds.begin(committed, walk, whole=walk.whole)
            after = replace(
                fresh, rehearsing=False, marked=True, expected=rows, read_at=clock.now()
            )
            found.marks = True
        found.after = Checkpoint(replace(after, uncommitted=0), committed)
        return found

    def _restarted(self, walk: WalkState, error: Exception) -> WalkState:
        """The walk from its first page, where this error allows it; else the error is raised.

        The state has the former walk until the new first page is delivered.
        """
        committed = self._context.state.committed(self.entity.name)
        if isinstance(error, StartOver):
            if walk.whole or (walk.since is None and walk.token is None):
                raise error
            if self.entity.appends and (committed.value is not None or walk.uncommitted):
                raise StepError(f"{text_of(error)}: {_DOUBLED}") from error
            fresh = self._bounds.begin(committed, walk, whole=True)
        else:
            if not self._is_refused(walk, error):
                raise error
            if self.entity.appends and walk.uncommitted:
                raise StepError(f"{text_of(error)}: {_DOUBLED}") from error
            fresh = self._bounds.restart(walk, committed)
        self._context.log("start_over", self.entity.name, why=text_of(error))
        self._token_is_new = False
        return fresh

    def _is_refused(self, walk: WalkState, error: Exception) -> bool:
        """Whether the upstream no longer takes the token, and the walk may start over for it."""
        if walk.token is None:
            return False
        if isinstance(error, UpstreamError) and not isinstance(error, WrongOrigin):
            status = error.status or 0
            if not 400 <= status < 500 or status in _NOT_REFUSED:
                return False
        elif not isinstance(error, (TokenExpired, WrongOrigin)):
            return False
        if self.entity.order == "asc":
            committed = self._context.state.committed(self.entity.name)
            since = value_of(self._bounds.restart_since(walk, committed))
            return walk.restarted != [since]
        return not self._token_is_new and walk.restarted is None

    def _log_nothing_committed(self, walk: WalkState, committed: Any) -> None:
        if self.entity.cursor is not None and walk.rows and committed.cursor is None:
            self._context.log(
                "no_cursor_committed",
                self.entity.name,
                rows=walk.rows,
                why="every record changed after the walk began or has no readable cursor",
            )
