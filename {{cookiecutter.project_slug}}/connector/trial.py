# Owned by fivetran-azfn-template: updates replace this file.
"""The setup test: every key is there and every entity gives a page; it delivers nothing."""

from __future__ import annotations

import threading

from connector import clock, codec, log, transport
from connector.budget import Budget
from connector.call import settings_of
from connector.entity import Entity
from connector.errors import (
    DeadlineExceeded,
    MissingSetting,
    RateLimited,
    RetryLater,
    SourceError,
)
from connector.kept import refuse_secrets
from connector.observed import Observed
from connector.request import Request
from connector.secrets import SHORTEST, Redactor
from connector.source import Source
from connector.state import RESERVED, State
from connector.upstream import Upstream
from connector.verdict import Failures
from connector.walk import Walk
from connector.workers import side_by_side

SECONDS = 60.0


def check(
    source: Source, request: Request, redactor: Redactor, send: transport.Send = transport.send
) -> bytes:
    """The reply to a setup test: the state that came, and nothing else.

    Raises:
        Failures: All that is missing or refused.
    """
    problems: list[Exception] = []
    try:
        Budget.read()
    except SourceError as error:
        problems.append(error)
    secrets, payload = settings_of(source, request)
    for names, settings in ((source.secrets, secrets), (source.payload, payload)):
        for name in names:
            try:
                value = settings[name]
            except MissingSetting as error:
                problems.append(error)
                continue
            if settings is secrets and len(str(value).strip()) < SHORTEST:
                log.logger.warning(
                    log.line(
                        "short_secret",
                        sync_id=request.shown_id,
                        name=name,
                        why=f"under {SHORTEST} characters: a text cannot be cleaned of it",
                    )
                )
    if problems:
        raise Failures(problems)
    end = clock.monotonic() + SECONDS
    upstream = Upstream(source, secrets, payload, redactor, end, send)
    rest = {name: value for name, value in request.state.items() if name != RESERVED}
    state = State(rest, source.entities)
    lock, waiting = threading.Lock(), set(source.entities)

    def one_page(entity: Entity) -> None:
        walk = Walk(
            entity, state.scratch(), upstream.send, secrets, payload, redactor, request.shown_id
        )
        try:
            walk.begin()
            began = clock.monotonic()
            page = walk.read(Observed())
            told = walk.told(1, page, clock.monotonic() - began)
            log.logger.info(log.line("trial_page", **told))
        except RetryLater as error:
            # A step that polls is not refused: the upstream has answered it.
            if isinstance(error, RateLimited):
                with lock:
                    problems.append(error)
        except Exception as error:
            with lock:
                problems.append(error)
        with lock:
            waiting.discard(entity.name)

    side_by_side(source.entities.values(), source.workers, one_page, end)
    with lock:
        slow = sorted(waiting)
    if slow:
        problems.append(
            DeadlineExceeded(
                f"no page of {', '.join(slow)} came within {SECONDS:.0f} s: "
                "ask for smaller pages (page_size=)"
            )
        )
    if problems:
        raise Failures(problems)
    refuse_secrets(request.state, redactor)
    return codec.encode({"state": request.state, "hasMore": False})
