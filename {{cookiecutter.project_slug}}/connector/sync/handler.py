"""One call, from the request's bytes to the reply's bytes; an error becomes a reply too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector import clock, log
from connector.errors import RequestError
from connector.http import transport
from connector.secrets import Redactor, app_settings
from connector.source import Source
from connector.sync.call import Call
from connector.sync.outcome import Failures
from connector.sync.protocol import Problem, Request, error_report, members_of, secret_texts
from connector.sync.setup_test import run_setup_test


def handle(source: Source, body: bytes, send: transport.Send = transport.send) -> tuple[int, bytes]:
    """Answer one call with an HTTP status and JSON.

    An error report has status 200, for the body is what Fivetran shows; only a body that is not a
    request of the protocol gets 400.
    """
    began = clock.monotonic()
    redactor = Redactor()
    log.guard(redactor)
    state: Mapping[str, Any] = {}
    problems: Sequence[Problem] = ()
    sync_id, status = None, 200
    rows, pages, has_more = 0, 0, False
    try:
        members = members_of(body)
        # A report of anything that follows needs the secrets and the state.
        for name, text in (*secret_texts(members), *app_settings(source.secrets)):
            redactor.add(text, identifying=name in source.identifying)
        state = members["state"] if isinstance(members.get("state"), dict) else {}
        request = Request(members)
        sync_id = request.logged_id
        if request.setup_test:
            reply, pages = run_setup_test(source, request, redactor, send)
        else:
            call = Call(source, request, redactor, send)
            reply, has_more = call.run()
            rows, pages = call.reply.rows, call.outcome.pages
    except Failures as failures:
        problems = failures.problems
    except RequestError as error:
        status, problems = 400, [Problem(error)]
    except Exception as error:
        problems = [Problem(error)]
    for problem in problems:
        kind, why = problem.error_type, redactor.redact(problem.text)
        log.logger.error(
            log.line("error", sync_id=sync_id, entity=problem.entity, error=kind, why=why)
        )
    if problems:
        reply = error_report(problems, state, redactor)
    fields = {"rows": rows, "pages": pages, "bytes": len(reply)}
    ms, more = round((clock.monotonic() - began) * 1000), str(has_more).lower()
    log.logger.info(log.line("call", sync_id=sync_id, **fields, ms=ms, hasMore=more))
    return status, reply
