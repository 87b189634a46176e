# Owned by fivetran-azfn-template: updates replace this file.
"""From a request's bytes to a reply's bytes, whatever happens in between; it knows no Azure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connector import clock, log, report, request, transport, trial
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
    sync_id, status, began = None, 200, clock.monotonic()
    log.guard(redactor)
    try:
        sent = request.opened(body)
        # First what a report of anything that follows needs.
        redactor.add(*source.settings_in_use(), *_secrets_in(sent))
        state = sent["state"] if isinstance(sent.get("state"), dict) else {}
        asked = request.read(sent)
        sync_id = asked.shown_id
        source.check()
        if not asked.setup_test:
            return 200, Call(source, asked, redactor, send).perform()
        reply = trial.check(source, asked, redactor, send)
    except Failures as failures:
        reply = _reported(failures.errors, state, redactor, sync_id)
    except RequestError as error:
        status, reply = 400, _reported([error], state, redactor, sync_id)
    except Exception as error:
        reply = _reported([error], state, redactor, sync_id)
    ms = round((clock.monotonic() - began) * 1000)
    # A call that delivers says so itself.
    fields = {"rows": 0, "pages": 0, "bytes": len(reply), "ms": ms, "hasMore": "false"}
    log.logger.info(log.line("call", sync_id=sync_id, **fields))
    return status, reply


def _secrets_in(sent: Mapping[str, Any]) -> Iterator[str]:
    """The texts of the secrets that were sent, well-formed or not."""
    secrets = sent.get("secrets")
    for value in secrets.values() if isinstance(secrets, dict) else [secrets]:
        if value is not None:
            yield str(value)
            yield from texts_in(value)


def _reported(
    errors: Sequence[Exception], state: Mapping[str, Any], redactor: Redactor, sync_id: str | None
) -> bytes:
    """The report of some errors, each of which is logged."""
    for error in errors:
        log.logger.error(
            log.line(
                "error",
                sync_id=sync_id,
                entity=getattr(error, "entity", None),
                error=type(error).__name__,
                why=redactor.redact(report.message(error)),
            )
        )
    return report.report(errors, state, redactor)
