"""One call of a run: what was sent, what came back, what the destination noticed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.protocol.messages import Answer, Reply
from harness.warehouse.load import Noticed


@dataclass(frozen=True)
class Exchange:
    """One call and its reply.

    Attributes:
        number: Of the call in its run, from 1; a try that is repeated counts again.
        before: The state sent.
        answer: What came back; `answer.lost` where nothing came.
        noticed: What the destination noticed; None where nothing was applied.
    """

    number: int
    sync_id: str | None
    setup_test: bool
    before: dict[str, Any]
    answer: Answer
    reply: Reply
    noticed: Noticed | None
    seconds: float
    request_bytes: int
