"""The setup test: every setting is present, every entity returns a page, nothing is delivered."""

from __future__ import annotations

import threading
from collections.abc import Collection

from connector import codec, log
from connector.budget import Budget
from connector.errors import (
    ConnectorError,
    DeadlineExceeded,
    MissingSetting,
    RateLimited,
    RetryLater,
    SourceError,
)
from connector.http import transport
from connector.secrets import SHORTEST, Redactor
from connector.source import Entity, Source
from connector.sync.call import context_of, selected_entities, settings_of, side_by_side
from connector.sync.outcome import Failures
from connector.sync.protocol import Problem, Request
from connector.sync.signs import is_time_of_creation
from connector.sync.walk import Context, Walk

SECONDS = 60.0  # Fivetran waits for about five minutes


def run_setup_test(
    source: Source, request: Request, redactor: Redactor, send: transport.Send
) -> tuple[bytes, int]:
    """Check settings and read a page of each entity; return the reply and the number of pages."""
    entities = [source.entities[name] for name in selected_entities(source)]
    problems = [Problem(error) for error in _missing(source, request)]
    if not problems:
        context = context_of(source, request, redactor, Budget(SECONDS), send)
        _warn_of_creation_cursors(entities, context)
        problems = _read_pages(entities, source.workers, context)
    if problems:
        raise Failures(problems)
    return codec.encode({"state": request.state, "hasMore": False}), len(entities)


def _missing(source: Source, request: Request) -> list[ConnectorError]:
    """What is wrong with the settings; a secret that is too short to be masked is logged."""
    found: list[ConnectorError] = []
    try:
        Budget.from_settings()
    except SourceError as error:
        found.append(error)
    secrets, payload = settings_of(source, request)
    for settings, names in ((secrets, source.secrets), (payload, source.payload)):
        for name in names:
            try:
                value = str(settings[name]).strip()
            except MissingSetting as error:
                found.append(error)
                continue
            if settings is secrets and len(value) < SHORTEST:
                why = f"under {SHORTEST} characters: it cannot be masked in texts"
                fields = {"sync_id": request.logged_id, "name": name, "why": why}
                log.logger.warning(log.line("short_secret", **fields))
    return found


def _warn_of_creation_cursors(entities: Collection[Entity], context: Context) -> None:
    """A record keeps its time of creation when it changes, so its updates are never read."""
    for entity in entities:
        if entity.primary_key and is_time_of_creation(entity.cursor or ""):
            context.log("creation_cursor", entity.name, cursor=entity.cursor)


def _read_pages(entities: Collection[Entity], workers: int, context: Context) -> list[Problem]:
    """Read one page of every entity, at the same time; return what went wrong."""
    lock, problems, unread = threading.Lock(), list[Problem](), [each.name for each in entities]

    def read_page(entity: Entity) -> bool:
        walk, problem = Walk(entity, context), None
        try:
            page = walk.first_page()
            log.logger.info(log.line("trial_page", **page.fields))
        except Exception as error:
            # A step that polls is not refused: the upstream has answered it.
            if not isinstance(error, RetryLater) or isinstance(error, RateLimited):
                problem = walk.problem(error)
        with lock:
            unread.remove(entity.name)
            problems.extend([problem] if problem else [])
        return True

    side_by_side([[e] for e in entities], workers, read_page, context.budget.until_end())
    with lock:
        if unread:
            error = DeadlineExceeded(
                f"no page of {', '.join(sorted(unread))} came within {SECONDS:.0f} s: "
                "ask for smaller pages (page_size=)"
            )
            problems.append(Problem(error))
        return list(problems)
