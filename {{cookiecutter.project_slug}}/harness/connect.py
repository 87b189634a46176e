# Owned by fivetran-azfn-template: updates replace this file.
"""The command `connect`: this function as a connection at Fivetran, and that connection's state."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Annotated, Any, TextIO, cast

import msgspec
import typer

from harness.arguments import ConnectionFile, Json
from harness.errors import SetupFailed, UsageError
from harness.fivetran import FAILED, URL, Fivetran, checked, checked_id
from harness.form import Place, body, masked, place_of
from harness.protocol import encode
from harness.screen import Lines
from harness.session import Options, Session, opened
from harness.state import parsed

_STYLES = {"PASSED": "green", "FAILED": "red", "JOB_FAILED": "red", "WARNING": "yellow"}


def connect(
    group: Annotated[str | None, typer.Option(help="Id of the destination's group.")] = None,
    app: Annotated[
        str | None,
        typer.Option(help="The function app's name, as before .azurewebsites.net."),
    ] = None,
    function: Annotated[
        str | None,
        typer.Option(help="The function's name, as behind /api/, instead of the one here."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            envvar="FUNCTION_KEY",
            show_envvar=True,
            help="Function key that Fivetran is to use. Better in the environment: a command line "
            "is seen by others. Asked for when it is missing.",
        ),
    ] = None,
    send: Annotated[
        bool,
        typer.Option(
            "--send",
            help="Do it, with FIVETRAN_API_KEY and FIVETRAN_API_SECRET from the environment: "
            "create the connection and run its setup tests, or what --id asks for.",
        ),
    ] = False,
    existing: Annotated[
        str | None,
        typer.Option("--id", help="A connection that is there: its setup tests, or its state."),
    ] = None,
    state: Annotated[
        bool, typer.Option("--state", help="Show the state of --id; needs no --send.")
    ] = False,
    new_state: Annotated[
        str | None,
        typer.Option("--set-state", help="Put this JSON object in its place; - reads it."),
    ] = None,
    connection: ConnectionFile = None,
    json: Json = False,
) -> None:
    """Connect the deployed function to Fivetran over its REST API, with what connection.json says.

    Without --send the request is printed, secrets masked, and nothing is sent; only --state reads
    at once. A new connection starts paused. FIVETRAN_API_URL names another API than
    https://api.fivetran.com.

    Example: `python -m harness connect --group calm_river --app acme-connector --send`

    Example: `python -m harness connect --id lively_hill --set-state '{}' --send`
    """
    with opened("connect", Options(connection=connection, as_json=json)) as session:
        if existing is None:
            if state or new_state is not None:
                raise UsageError("--state and --set-state need --id, the connection's id")
            with Lines(session.screen) as lines, redirect_stdout(cast("TextIO", lines)):
                place = place_of(session.options.folder, group, app, function, key or "")
            if send:
                _send(session, place if place.key else place.with_key(_asked()))
            else:
                session.hide(place.key)
                _show(session, "POST", "", masked(body(session.connection, place)))
        elif group or app or function:
            raise UsageError("--id names a connection that is there: nothing is to be created")
        elif state and new_state is not None:
            raise UsageError("--state shows the state and --set-state replaces it: choose one")
        elif new_state is not None:
            text = sys.stdin.read() if new_state == "-" else new_state
            _set_state(session, checked_id(existing), parsed(text), send=send)
        elif state:
            _show_state(session, existing)
        elif send:
            _test_again(session, existing)
        else:
            _show(session, "POST", f"/{checked_id(existing)}/test", {})


def _asked() -> str:
    if not sys.stdin.isatty():
        raise UsageError("the function key is missing", todo="set FUNCTION_KEY")
    return str(typer.prompt("Function key", hide_input=True))


def _show(session: Session, method: str, path: str, told: dict[str, Any]) -> None:
    """Print a request that would be sent, without its secrets.

    Args:
        session: Shows it.
        method: Its method.
        path: Behind `/v1/connections`; "" creates a connection.
        told: Its body, in which every secret that could not be found by value is masked.
    """
    url = f"{checked(os.environ.get('FIVETRAN_API_URL', URL))}/v1/connections{path}"
    told = session.screen.redactor.value(told)
    session.screen.say(f"{method} {url}", "bold")
    session.screen.say(msgspec.json.format(encode(told), indent=2).decode("utf-8"))
    if not path:
        _tell_what_is_left_out(session)
    session.screen.say("nothing was sent: --send does", "dim")
    session.result |= {"method": method, "url": url, "body": told}


def _send(session: Session, place: Place) -> None:
    """Create the connection, paused, and run its setup tests.

    Raises:
        SetupFailed: A setup test failed; the connection is there.
        UsageError: Fivetran cannot be reached, or refuses.
    """
    fivetran = _opened(session, place.key)
    _tell_what_is_left_out(session)
    created = fivetran.create(body(session.connection, place))
    session.result["id"] = created
    session.screen.say(f"created connection {created} in group {place.group}, paused")
    _test(session, fivetran, created)
    session.screen.say("start it in Fivetran's dashboard", "dim")


def _test_again(session: Session, connection: str) -> None:
    """Run the setup tests of a connection that is there.

    Raises:
        SetupFailed: One failed.
        UsageError: Fivetran cannot be reached, or refuses.
    """
    session.result["id"] = connection
    _test(session, _opened(session), connection)


def _show_state(session: Session, connection: str) -> None:
    """Show the state of a connection."""
    state = _opened(session).state(connection)
    session.screen.state(state, f"state of {connection}")
    session.result |= {"id": connection, "state": state}


def _set_state(session: Session, connection: str, state: dict[str, Any], *, send: bool) -> None:
    """Replace the state of a connection, which is paused meanwhile, as Fivetran asks for."""
    if not send:
        session.hide()
        _show(session, "PATCH", f"/{connection}/state", {"state": state})
        return
    fivetran = _opened(session)
    with _paused(session, fivetran, connection):
        fivetran.set_state(connection, state)
        session.screen.state(state, f"state of {connection} from now on")
    session.result |= {"id": connection, "state": state}


def _opened(session: Session, key: str = "") -> Fivetran:
    names = ("FIVETRAN_API_KEY", "FIVETRAN_API_SECRET")
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise UsageError(
            f"{' and '.join(missing)} must be set in the environment",
            todo="make an API key in Fivetran's dashboard: user name, API Key",
        )
    user, secret = (os.environ[name] for name in names)
    basic = base64.b64encode(f"{user}:{secret}".encode()).decode("ascii")
    session.hide(key, user, secret, basic)
    return Fivetran(user, secret, os.environ.get("FIVETRAN_API_URL", URL))


def _test(session: Session, fivetran: Fivetran, connection: str) -> None:
    session.screen.say("Fivetran runs the setup tests …", "dim")
    tests = fivetran.test(connection)
    session.result["setup_tests"] = [
        {"title": test.title, "status": test.status, "message": test.message} for test in tests
    ]
    for test in tests:
        line = f"{test.status:<10} {test.title}" + (f": {test.message}" if test.message else "")
        session.screen.say(line, _STYLES.get(test.status, ""))
    failed = [test.title for test in tests if test.status in FAILED]
    if failed:
        raise SetupFailed(
            f"{', '.join(failed)} failed at Fivetran; connection {connection} is there",
            todo=f"mend it, and run `python -m harness connect --id {connection} --send`",
        )
    if not tests:
        session.screen.say("Fivetran names no setup test", "yellow")


@contextmanager
def _paused(session: Session, fivetran: Fivetran, connection: str) -> Iterator[None]:
    if fivetran.paused(connection):
        yield
        return
    fivetran.pause(connection, True)
    session.screen.say(f"paused {connection}", "dim")
    try:
        yield
    finally:
        fivetran.pause(connection, False)
        session.screen.say(f"{connection} goes on", "dim")


def _tell_what_is_left_out(session: Session) -> None:
    connection = session.connection
    empty = [name for name, value in connection.secrets.items() if not value]
    if empty:
        session.result["left_out"] = empty
        session.screen.say(
            f"left out, for connection.json has no value: {', '.join(empty)}; "
            "the function must have it as app setting",
            "yellow",
        )
    if connection.blocked or connection.hashed:
        session.screen.say(
            "blocked and hashed columns are no part of this: set them in the connection's Schema "
            "tab at Fivetran",
            "yellow",
        )
