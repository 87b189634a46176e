# Owned by fivetran-azfn-template: updates replace this file.
"""One call, from request to reply: budget, workers, who is next, what failed."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import copy_context

from connector import clock, log, transport
from connector.budget import Budget
from connector.entity import Entity
from connector.kept import refuse_secrets
from connector.reader import Reader
from connector.request import Request
from connector.secrets import Redactor, Settings, payload_of, secrets_of
from connector.source import Source
from connector.state import State
from connector.upstream import Upstream
from connector.verdict import has_more
from connector.walk import Walk
from connector.workers import side_by_side

PAUSE = 600.0  # seconds without a call after which, without a sync id, a new sync begins
GRACE = 0.02  # the share of a call that is kept for telling what came of its requests


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
        deadline = self._end - GRACE * self._budget.seconds
        self._upstream = Upstream(source, self._secrets, self._payload, redactor, deadline, send)
        self._reader = Reader(self._budget, deadline, redactor, request.shown_id)
        self._state = State(request.state, source.entities)
        self._state.turn(request.sync_id, clock.now(), PAUSE)

    def perform(self) -> bytes:
        """Read as many pages as the budget allows, and build the reply.

        Raises:
            Failures: No page could be read; or a first reading would look complete.
        """
        began = clock.monotonic()
        lanes, workers = self._lanes(), self._source.workers
        raised = side_by_side(lanes, workers, self._run_lane, self._end)
        self._reader.close()
        if raised:
            raise raised[0]
        reply, outcome = self._reader.reply, self._reader.outcome
        more = has_more(
            self._source.entities, self._state.sync, reply, outcome, self._budget.seconds
        )
        state = self._state.written(self._source.entities)
        refuse_secrets(state, self._redactor)
        body = reply.encoded(state, self._source.schema, has_more=more)
        log.logger.info(
            log.line(
                "call",
                sync_id=self._request.shown_id,
                rows=reply.rows,
                pages=outcome.pages,
                bytes=len(body),
                ms=round((clock.monotonic() - began) * 1000),
                hasMore=str(more).lower(),
            )
        )
        return body

    def _lanes(self) -> list[list[Entity]]:
        """Entities by shared table, longest waiting first; failed ones when no other is left."""
        sync = self._state.sync
        if all(name in sync.done or name in sync.failed for name in self._source.entities):
            sync.failed = []

        def last_read(lane: list[Entity]) -> float:
            progress = next((sync.walks.get(e.name) for e in lane if self._due(e)), None)
            return progress.read_at if progress is not None else 0.0

        lanes = [lane for lane in self._source.lanes if any(map(self._due, lane))]
        return sorted(lanes, key=last_read)

    def _due(self, entity: Entity) -> bool:
        sync = self._state.sync
        return entity.name not in sync.done and entity.name not in sync.failed

    def _run_lane(self, lane: Sequence[Entity]) -> None:
        names = tuple(entity.name for entity in lane)
        for place, entity in enumerate(lane):
            if not self._due(entity):
                continue
            walk = Walk(
                entity,
                self._state,
                self._upstream.send,
                self._secrets,
                self._payload,
                self._redactor,
                self._request.shown_id,
                early=any(name not in self._state.sync.done for name in names[:place]),
                later=names[place + 1 :],
            )
            # A context of its own: what one step sets there, no other sees.
            through = copy_context().run(self._reader.run, walk)
            if not through and not self._reader.outcome.gave_up(walk):
                return


def settings_of(source: Source, request: Request) -> tuple[Settings, Settings]:
    """The secrets and the custom payload of a call."""
    secrets = secrets_of(source.secrets, request.secrets, settings=not source.url_keys)
    return secrets, payload_of(source.defaults, request.payload)
