# Owned by fivetran-azfn-template: updates replace this file.
"""What a page must not be, as its walk stands; it moves no walk."""

from __future__ import annotations

from typing import Any

from connector import codec
from connector.commits import Commits
from connector.entity import Entity
from connector.errors import StepError, UpstreamError
from connector.observed import Observed
from connector.page import Packed, digest
from connector.progress import Progress
from connector.secrets import Redactor
from connector.state import State, count_of


def check(
    entity: Entity,
    state: State,
    progress: Progress,
    packed: Packed,
    observed: Observed,
    redactor: Redactor,
) -> None:
    """Refuse a page before anything of it counts; note in it which tables hold a secret.

    Raises:
        StepError: The page or its token came before, a secret would get into the state, or the
            cursors cannot be gone by.
        UpstreamError: The first page is empty where a table with soft_delete had records.
    """
    if packed.digest and packed.digest == progress.digest:
        raise StepError(
            f"this page holds the same records as the page before it ({observed.request}): "
            "does the step send fetch.token?"
        )
    packed.leaks = [piece.table for piece in packed.pieces if redactor.in_bytes(piece.data)]
    if packed.next_token is not None:
        _check_token(packed.next_token, progress, observed, redactor)
    _check_secrets(packed, redactor)
    if entity.soft_delete and entity.soft_delete != "may_be_empty" and progress.page == 0:
        had = progress.expected if progress.marked else count_of(entity, state.rest)
        if packed.rows == 0 and had:
            raise UpstreamError(
                f"the first page is empty and the last reading had {had} records: if the "
                'upstream may really have none, declare soft_delete="may_be_empty"'
            )
    if entity.cursor is not None:
        Commits(entity, state).check(progress, packed)


def _check_token(token: Any, progress: Progress, observed: Observed, redactor: Redactor) -> None:
    said = codec.encode(token)
    if redactor.finds(said.decode()):
        raise StepError(
            "the next token holds a secret, and tokens are kept in the state: take it out, "
            "or use ApiKey(param=...), which does so"
        )
    if token == progress.token or digest(said) == progress.cycle.mark:
        raise StepError(
            f"the next token came before in this walk ({observed.request}): "
            "does the step send fetch.token?"
        )


def _check_secrets(packed: Packed, redactor: Redactor) -> None:
    dated = [*packed.points, *packed.gone] if packed.leaks else []
    values = [point.value for point in dated if point is not None] + (packed.given or [])
    if any(redactor.finds(codec.encode(value).decode()) for value in values):
        raise StepError(
            "a cursor holds a secret, and cursors are kept in the state: commit another one"
        )
