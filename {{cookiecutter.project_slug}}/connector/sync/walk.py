"""Reads one entity page by page; each page holds the state of the walk after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
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
from connector.http import transport
from connector.http.client import Client, Traffic
from connector.secrets import Redactor, Settings
from connector.source import Entity, Source
from connector.step import Fetch, Page
from connector.sync.bounds import Bounds
from connector.sync.checkpoint import CommitRules
from connector.sync.page import EncodedPage, encode_page
from connector.sync.protocol import Problem
from connector.sync.signs import why_skipping, why_truncated, why_unfiltered
from connector.sync.state import Checkpoint, State, WalkState, column_digest, value_of

LONGEST_STORED_WAIT = 3600.0  # seconds; a longer wait is shortened to this in the state
SHORTEST_WAIT = 0.1  # seconds; RetryLater(0) must not ask without a pause
_NOT_REFUSED = (408, 425, 429)
_DOUBLED = (
    "the walk must start over, but it has delivered records without a primary key, which would "
    "come twice: re-sync in Fivetran, and declare primary_key if the API has one"
)


class Context:
    """What all walks of one call share: the arguments, and the client."""

    def __init__(
        self,
        source: Source,
        state: State,
        secrets: Settings,
        payload: Settings,
        redactor: Redactor,
        budget: Budget,
        send: transport.Send,
        sync_id: str | None = None,
    ) -> None:
        self.state, self.sync_id = state, sync_id
        self.secrets, self.payload = secrets, payload
        self.redactor, self.budget = redactor, budget
        self.client = Client(source, secrets, payload, redactor, budget, send)

    def log(self, event: str, entity: str, **fields: Any) -> None:
        """Log a warning; its `why` is redacted."""
        if "why" in fields:
            fields["why"] = self.redactor.redact(fields["why"])
        log.logger.warning(log.line(event, sync_id=self.sync_id, entity=entity, **fields))


class WalkPage(msgspec.Struct):
    """One page of a walk."""

    page: EncodedPage  # checked
    after: Checkpoint  # of the entity, once the page is delivered
    fields: dict[str, Any] = {}  # of its log line
    delivers: bool = True  # whether its records go into the reply; soft_delete rehearses first
    marks: bool = False  # whether the table is to be marked as deleted
    error: ConnectorError | None = None  # why a walk that ends here is not finished


class Walk:
    """The walk of one entity within one call."""

    def __init__(self, entity: Entity, context: Context) -> None:
        self.entity = entity
        self.state: WalkState | None = None  # at its next page; None before it has begun
        self._context = context
        self._bounds = Bounds(entity, context.payload, context.client.base_url)
        self._rules = CommitRules(entity)
        self._token_is_new = False  # whether the token came from a page of this call

    def pages(self) -> Iterator[WalkPage]:
        """The pages of this walk; one counts as delivered when the next one is requested."""
        context, budget = self._context, self._context.budget
        fields = {"sync_id": context.sync_id, "entity": self.entity.name}
        self.state = self.begin()
        stored = self.state.wait_until - clock.now()
        if 0 < stored <= LONGEST_STORED_WAIT:  # else our clock was put back
            why = self.state.wait_why or "the upstream asked to wait"
            budget.sleep(stored, why, wait=RetryLater(stored, why), fields=fields)
        while True:
            try:
                page = self._read(self.state)
            except RetryLater as wait:
                seconds = max(wait.seconds, SHORTEST_WAIT)
                budget.sleep(seconds, wait.why, wait=wait, fields=fields)
                if not budget.has_room():
                    raise
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
        if walk.unreadable:
            self._rules.check_end(walk)
        if page.error is not None:
            raise page.error
        return page

    def call_step(self, walk: WalkState, traffic: Traffic, fields: Mapping[str, Any]) -> Page:
        """What the step returns for the next page of a walk, unchecked."""
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

    def problem(self, error: Exception) -> Problem:
        """What stopped the walk, where, and what to know besides."""
        walk, name, advice = self.state, self.entity.name, ""
        if walk is not None and walk.marked:
            advice = f"the table {name} is marked as deleted until this walk is finished"
        elif walk is not None and walk.uncommitted and self._has_changed(walk):
            advice = f"page_size= or start= was changed, and for that {_DOUBLED}"
        return Problem(error, name, walk.page + 1 if walk else 1, advice)

    def after_failure(self) -> WalkState | None:
        """The stored walk, if it may start over for a changed page_size or start, as failed."""
        stored = self._context.state.walk(self.entity.name)
        if stored is None or stored.adopted or stored.failed or stored.uncommitted:
            return None
        return replace(stored, failed=True) if self._has_changed(stored) else None

    def begin(self) -> WalkState:
        """The walk that the state has, or a new one."""
        entity, context = self.entity, self._context
        stored, committed = context.state.walk(entity.name), context.state.committed(entity.name)
        if stored is None:
            return self._bounds.begin(committed)
        if stored.shape != self._bounds.shape:
            if entity.appends and self._has_delivered(stored):
                raise StepError(f"its declaration was changed in the middle of a walk: {_DOUBLED}")
            context.log("start_over", entity.name, why="its declaration was changed")
            return self._bounds.begin(committed, stored, whole=stored.whole)
        if stored.failed and not stored.adopted and self._bounds.changed(stored):
            context.log("start_over", entity.name, why="page_size or start was changed")
            fresh = self._bounds.begin(committed, stored, whole=stored.whole)
            return replace(fresh, adopted=True)
        return stored

    def _has_delivered(self, walk: WalkState) -> bool:
        """Whether records without a key were delivered that a new first page would double."""
        # With another column it is read from the beginning, and digests are of no use.
        column_changed = not walk.shape.startswith(column_digest(self.entity))
        return bool(walk.uncommitted or (column_changed and (walk.rows or not walk.first)))

    def _has_changed(self, walk: WalkState) -> bool:
        """Whether `page_size` or `start` differ from what the walk began with."""
        try:
            return self._bounds.changed(walk)
        except ConnectorError:  # a start that cannot be read is an error of the next walk
            return False

    def _read(self, walk: WalkState) -> WalkPage:
        """Read the next page, check it, and make the checkpoint after it."""
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
        if walk.page == 0 and entity.cursor and page.rows and not page.cursors.present:
            why = f"none of the {page.rows} records of the first page has {entity.cursor!r}"
            context.log("no_cursor_column", entity.name, why=why)
        if walk.page == 0 and (why := why_skipping(entity, page)):
            context.log("counted_pages", entity.name, why=why)
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
        """The page, if nothing is wrong with it, with the checkpoint after it."""
        entity, context = self.entity, self._context
        committed = context.state.committed(entity.name)
        after = self._bounds.advance(walk, page, traffic)
        after = self._rules.observe(after, committed, page, traffic)
        appended = 0
        if entity.appends:
            appended = sum(each.count for each in page.batches if not entity.keys[each.table])
        after = replace(
            after,
            page=walk.page + 1,
            rows=walk.rows + page.rows,
            position=page.position or walk.position,
            uncommitted=walk.uncommitted + appended,
            read_at=clock.now(),
            wait_until=0.0,
            wait_why="",
            failed=False,
        )
        ends, refused = page.next_token is None, None
        following: WalkState | None = replace(after, token=page.next_token)
        if ends or self._bounds.ends_early(after, page, traffic):
            following = self._bounds.next_slice(after)
            all_read = ends and following is None
            closed = self._rules.commit(after, committed, all_read=all_read)
            if following is None:
                refused = self._rules.refused_end(after, committed)
                if refused is not None and context.state.walk(entity.name) is None:
                    raise refused  # the state has nothing to forget
                if refused is not None and entity.soft_delete:
                    closed = committed  # the next reading is compared with the former count
                if entity.cursor is not None and after.rows and closed.cursor is None:
                    context.log(
                        "no_cursor_committed",
                        entity.name,
                        rows=after.rows,
                        why="every record changed after the walk began or has no readable cursor",
                    )
                if why := why_unfiltered(entity, after, committed):
                    context.log("nothing_since", entity.name, why=why)
                if ends and not walk.rehearsing:
                    why = why_truncated(traffic.response, page.rows, walk.page_size)
                    if why:
                        context.log("maybe_truncated", entity.name, page=walk.page + 1, why=why)
            committed = closed
        elif entity.order == "asc":
            committed = self._rules.commit(after, committed, all_read=False)
            following = replace(after, token=page.next_token, uncommitted=0)
        checkpoint = Checkpoint(following, committed)
        if checkpoint.holds_secret(context.redactor):
            raise StepError(
                "the next token or a cursor contains a secret, and both are stored in the state: "
                "remove it in the step, or use ApiKey(param=...), which removes it"
            )
        return WalkPage(page, checkpoint, error=refused)

    def _rehearsed(self, walk: WalkState, found: WalkPage) -> WalkPage:
        """A page that is read before anything is marked, so that a broken upstream is found."""
        context, after = self._context, found.after.walk
        found.delivers = False
        if found.error is not None:
            return found
        committed = context.state.committed(self.entity.name)
        rows = walk.rows + found.page.rows
        if after is None or (rows and not context.budget.has_room()):
            # An upstream that has never had a record may be broken.
            found.marks = bool(rows) or self.entity.soft_delete == "may_be_empty"
            after = replace(
                self._bounds.begin(committed, walk, whole=walk.whole),
                rehearsing=False,
                marked=found.marks,
                expected=rows,
                read_at=clock.now(),
            )
        found.after = Checkpoint(replace(after, uncommitted=0), committed)
        return found

    def _restarted(self, walk: WalkState, error: Exception) -> WalkState:
        """The walk from its first page, if this error allows it; else the error is raised.

        The state has the former walk until the new first page is delivered.
        """
        committed = self._context.state.committed(self.entity.name)
        delivered: Any = walk.uncommitted
        if isinstance(error, StartOver):
            if walk.whole or (walk.since is None and walk.token is None):
                raise error
            delivered = delivered or committed.value is not None
        elif not self._is_refused(walk, error):
            raise error
        if self.entity.appends and delivered:
            raise StepError(f"{text_of(error)}: {_DOUBLED}") from error
        self._context.log("start_over", self.entity.name, why=text_of(error))
        self._token_is_new = False
        if isinstance(error, StartOver):
            return self._bounds.begin(committed, walk, whole=True)
        return self._bounds.restart(walk, committed)

    def _is_refused(self, walk: WalkState, error: Exception) -> bool:
        """Whether the upstream no longer takes the token, and the walk may start over for it."""
        if isinstance(error, UpstreamError) and not isinstance(error, WrongOrigin):
            refused = 400 <= (error.status or 0) < 500 and error.status not in _NOT_REFUSED
        else:
            refused = isinstance(error, (TokenExpired, WrongOrigin))
        if walk.token is None or not refused:
            return False
        if self.entity.order == "asc":  # again whenever that would begin elsewhere
            committed = self._context.state.committed(self.entity.name)
            since = value_of(self._bounds.restart_since(walk, committed))
            return walk.restarted != [since]
        return not self._token_is_new and walk.restarted is None
