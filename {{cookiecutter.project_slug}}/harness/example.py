# Owned by fivetran-azfn-template: updates replace this file.
"""A function's errors under the suite: where they send people to, and which file is meant there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.caller import Caller
from harness.connection import EXAMPLE, FILE
from harness.errors import FunctionFailed
from harness.protocol import Reply
from harness.target import Answer

_NOTE = (
    f"(the suite reads {EXAMPLE}, which is committed, and of {FILE} the names of secrets alone: "
    f"write what is missing into {EXAMPLE}, with a made-up value)"
)


@contextmanager
def told() -> Iterator[None]:
    """An error of the function that names connection.json gets a note on the suite's own file."""
    try:
        yield
    except FunctionFailed as error:
        if FILE in str(error):
            error.add_note(_NOTE)
        raise


class Told(Caller):
    """Calls whose errors are told so."""

    def call(self, *given: Any, **named: Any) -> tuple[Reply, Answer]:
        """As any caller's."""
        with told():
            return super().call(*given, **named)
