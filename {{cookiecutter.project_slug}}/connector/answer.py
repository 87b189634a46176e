# Owned by fivetran-azfn-template: updates replace this file.
"""From a request's bytes to a reply's bytes, whatever happens in between; it knows no Azure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector import log, report, request, transport, trial
from connector.call import Call
from connector.errors import RequestError
from connector.secrets import Redactor, texts_in
from connector.source import Source
from connector.verdict import Failures


def answer(source: Source, body: bytes, send: transport.Send = transport.send) -> tuple[int, bytes]:
    """Answer one call.

    Args:
        source: What the user declared.
        body: JSON as Fivetran sends it.
        send: The transport.

    Returns:
        HTTP status and JSON. An error report has status 200, for the body is what Fivetran shows;
        only a body that is no request of the protocol gets 400.
    """
    redactor = Redactor()
    state: Mapping[str, Any] = {}
    sync_id = None
    log.guard(redactor)
    try:
        asked = request.parse(body)
        state, sync_id = asked.state, asked.shown_id
        for value in asked.secrets.values():
            redactor.add(str(value), *texts_in(value))
        redactor.add(*source.settings_in_use())
        source.check()
        if asked.setup_test:
            return 200, trial.check(source, asked, redactor, send)
        return 200, Call(source, asked, redactor, send).perform()
    except Failures as failures:
        errors: list[BaseException] = list(failures.errors)
    except RequestError as error:
        return 400, report.report([error], {}, redactor)
    except Exception as error:
        errors = [error]
    log.logger.error(
        log.line("error", sync_id=sync_id, why=redactor.redact(report.message(errors[0])))
    )
    return 200, report.report(errors, state, redactor)
