"""The setup test: every key is there and every entity gives a page; nothing is delivered."""

from __future__ import annotations

import threading

from connector import clock, codec, log
from connector.budget import Budget
from connector.errors import (
    DeadlineExceeded,
    MissingSetting,
    RateLimited,
    RetryLater,
    SourceError,
    locate,
)
from connector.http import transport
from connector.http.client import Client
from connector.secrets import SHORTEST, Redactor, Settings
from connector.source import Entity, Source
from connector.sync.call import (
    log_call,
    refuse_secrets,
    selected_entities,
    settings_of,
    side_by_side,
)
from connector.sync.outcome import Failures
from connector.sync.protocol import Problem, Request
from connector.sync.state import RESERVED, State
from connector.sync.walk import Context, Walk

SECONDS = 60.0  # Fivetran waits for about five minutes


class SetupTest:
    """One setup test.

    Args:
        source: What the user declared.
        request: What Fivetran sent.
        redactor: Knows the request's secrets.
        send: The transport.
    """

    def __init__(
        self, source: Source, request: Request, redactor: Redactor, send: transport.Send
    ) -> None:
        self._source = source
        self._request = request
        self._redactor = redactor
        self._send = send
        self._lock = threading.Lock()
        self._problems: list[Problem] = []
        self._waiting = set(selected_entities(source))
        self._pages = 0

    def run(self) -> bytes:
        """The reply: the state that came, and nothing else.

        Raises:
            Failures: All that is missing or refused.
        """
        began = clock.monotonic()
        refuse_secrets(self._request, self._redactor)
        rest = {name: value for name, value in self._request.state.items() if name != RESERVED}
        state = State(rest, self._source.entities)
        secrets, payload = settings_of(self._source, self._request)
        self._check_settings(secrets, payload)
        if not self._problems:
            budget, sync_id = Budget(SECONDS), self._request.logged_id
            client = Client(self._source, secrets, payload, self._redactor, budget, self._send)
            self._read_pages(
                Context(state, client, secrets, payload, self._redactor, budget, sync_id)
            )
        with self._lock:
            if self._problems:
                raise Failures(self._problems)
        reply = codec.encode({"state": self._request.state, "hasMore": False})
        ms = round((clock.monotonic() - began) * 1000)
        log_call(self._request.logged_id, 0, self._pages, len(reply), ms, False)
        return reply

    def _check_settings(self, secrets: Settings, payload: Settings) -> None:
        try:
            Budget.from_settings()
        except SourceError as error:
            self._problems.append(Problem(error))
        for settings, names in ((secrets, self._source.secrets), (payload, self._source.payload)):
            for name in names:
                try:
                    value = settings[name]
                except MissingSetting as error:
                    self._problems.append(Problem(error))
                    continue
                if settings is secrets and len(str(value).strip()) < SHORTEST:
                    why = f"under {SHORTEST} characters: it cannot be kept out of texts"
                    fields = {"sync_id": self._request.logged_id, "name": name, "why": why}
                    log.logger.warning(log.line("short_secret", **fields))

    def _read_pages(self, context: Context) -> None:
        """Read one page of every entity, at the same time."""

        def read_page(entity: Entity) -> None:
            walk = Walk(entity, context)
            problem = page = None
            try:
                page = walk.first_page()
                log.logger.info(log.line("trial_page", **page.fields))
            except RetryLater as error:
                # A step that polls is not refused: the upstream has answered it.
                if isinstance(error, RateLimited):
                    locate(error, entity.name, 1)
                    problem = Problem(error, entity.name, 1)
            except Exception as error:
                locate(error, entity.name, 1)
                problem = Problem(error, entity.name, 1)
            with self._lock:
                self._waiting.discard(entity.name)
                self._pages += page is not None
                if problem is not None:
                    self._problems.append(problem)

        entities = [self._source.entities[name] for name in self._waiting]
        entities.sort(key=list(self._source.entities.values()).index)
        side_by_side(entities, self._source.workers, read_page, context.budget.until_end())
        with self._lock:
            slow = sorted(self._waiting)
        if slow:
            error = DeadlineExceeded(
                f"no page of {', '.join(slow)} came within {SECONDS:.0f} s: "
                "ask for smaller pages (page_size=)"
            )
            self._problems.append(Problem(error))
