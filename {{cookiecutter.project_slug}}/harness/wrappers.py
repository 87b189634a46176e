# Owned by fivetran-azfn-template: updates replace this file.
"""What the conformance suite puts around a function: fresh processes, lost replies, a record."""

from __future__ import annotations

from collections.abc import Callable

from harness.errors import LostReply
from harness.target import Answer, Target


class Fresh:
    """A function that is loaded anew for each call."""

    def __init__(self, load: Callable[[], Target]) -> None:
        self.name = "a fresh process each time"
        self._load = load

    def call(self, body: bytes) -> Answer:
        """Load, and call once."""
        return self._load().call(body)


class Losing:
    """A function whose every second reply is lost after the call was made."""

    def __init__(self, inner: Target) -> None:
        self.name = inner.name
        self._inner = inner
        self._calls = 0

    def call(self, body: bytes) -> Answer:
        """Call, and lose the reply each time but every second."""
        answer = self._inner.call(body)
        self._calls += 1
        if self._calls % 2:
            raise LostReply("the reply was thrown away")
        return answer


class Recording:
    """A function whose replies are kept as they came."""

    def __init__(self, inner: Target, seen: list[bytes]) -> None:
        self.name = inner.name
        self._inner = inner
        self._seen = seen

    def call(self, body: bytes) -> Answer:
        """Call, and keep the reply."""
        answer = self._inner.call(body)
        self._seen.append(answer.body)
        return answer
